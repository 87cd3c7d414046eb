"""A score fitted to the past: examples at earlier moments, a check on the last of them, calibration, leakage."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from polku.kernels import features as kernel
from polku.kernels.columns import Columns, frozen
from polku.kernels.presence import present
from polku.language import N_
from polku.measures.leads import examples
from polku.measures.leads.examples import Groups, Rows
from polku.measures.leads.reaching import reached_at
from polku.measures.result import ENOUGH
from polku.measures.view import View
from polku.statistics.calibration import Calibrator, chosen_calibrator
from polku.statistics.leakage import Leak, leaks, set_after
from polku.statistics.scoring import Fitted, Model, Table, fit, folds_of, out_of_fold
from polku.trails.properties import Property

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
#: Moments in the past whose examples are learned from, at most; and examples at most.
MOST_MOMENTS, MOST_EXAMPLES = 6, 200_000
TOO_SHORT = N_("the time looked at is too short: two spans of `within` have to lie behind")
TOO_FEW = N_("too few to learn from: {won} of {n} reached it, and {least} who did and who did not are needed")


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a score is of."""

    to: str
    within: int  # seconds
    model: Model
    properties: tuple[str, ...] | None
    silence: int  # seconds


@dataclasses.dataclass(frozen=True, eq=False)
class Ground:
    """What examples are made of: the groups, the properties, and when everyone reached the goal."""

    asked: Asked
    groups: Groups
    properties: tuple[Property, ...]
    reached: tuple[I64, ...]
    money: bool

    def rows(self, view: View, at: int, share: float = 1.0) -> Rows:
        """The leads at a moment: who had an event by then, not longer ago than the silence, and had not reached the
        goal. ``share`` of them, by their keys, so that the same ones are taken each time.
        """
        wanted = []
        for columns, bucket, reached in zip(view.columns, view.buckets, self.reached, strict=True):
            some = _sampled(bucket.customer, share) if share < 1.0 else np.ones(len(reached), np.bool_)
            wanted.append(some & (reached > at) & ~columns.skip)
        rows = examples.rows_at(view, self.groups, self.properties, at, wanted)
        days = self.asked.silence / 86400
        return rows.take(np.asarray(rows.features[:, kernel.SILENCE] <= days))

    def table(self, view: View, rows: Rows, target: Mask) -> Table:
        return Table(examples.columns_of_rows(view, self.groups, self.properties, rows, self.money), target)

    def won(self, rows: Rows, at: int) -> Mask:
        """bool[n]: who reached the goal after ``at``, within the time."""
        begins = np.cumsum([0, *(len(r) for r in self.reached)])
        when = np.concatenate([*self.reached, np.empty(0, np.int64)])[begins[rows.bucket] + rows.place]
        return np.asarray((when > at) & (when <= at + self.asked.within))


def _sampled(keys: I64, share: float) -> Mask:
    """bool[C]: a share of the customers, by a mixing of their keys (D. Steele and others, SplitMix, OOPSLA 2014)."""
    x = keys.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray((x ^ (x >> np.uint64(31))) < np.uint64(int(share * (2**64 - 1))))


@dataclasses.dataclass(frozen=True, eq=False)
class Scored:
    """A fitted score. ``moments`` seconds, the latest first; ``tested`` float64[n] are probabilities at the latest, by
    a model of the earlier ones alone, and ``came`` bool[n] what came of them. ``reason`` with ``facts``: why there is
    none.
    """

    moments: tuple[int, ...]
    examples: int
    won: int
    tested: F64
    came: Mask
    fitted: Fitted | None = None
    calibrator: Calibrator | None = None
    leaks: tuple[Leak, ...] = ()
    weights: tuple[tuple[str, float, float], ...] = ()  # column, mean |contribution|, its direction (-1 to 1)
    reason: str | None = None
    facts: tuple[tuple[str, int], ...] = ()


def ground(view: View, asked: Asked) -> Ground:
    paying = view.paying()
    money = any(t.value is not None for _, _, t in view.journey.touchpoints())
    return Ground(
        asked, examples.groups_of(view), tuple(examples.properties_for(view, asked.properties)),
        tuple(reached_at(view, asked.to)), money and bool(paying.any()),
    )  # fmt: skip


def fit_score(view: View, base: Ground) -> Scored:
    """The score of the view's customers as of its moment.

    Examples are customers at moments that lie one, two, ... times ``within`` before now (landmarks: H. C. van
    Houwelingen, Scandinavian Journal of Statistics 34, 2007). The model that is checked saw none of the time that it is
    checked on; the one that scores has seen all.
    """
    asked, begun = base.asked, int(view.trails.first.timestamp()) if view.trails.first else view.as_of
    moments = [view.as_of - k * asked.within for k in range(1, MOST_MOMENTS + 2)]
    moments = [at for at in moments if at >= begun]
    nobody = (np.empty(0), np.empty(0, np.bool_))
    if len(moments) < 2:
        return Scored(tuple(moments), 0, 0, *nobody, reason=TOO_SHORT)
    people = sum(int((~c.skip).sum()) for c in view.columns)
    share = min(1.0, MOST_EXAMPLES / max(1, people * (len(moments) - 1)))
    parts = [base.rows(view, at, share) for at in moments]
    came = [base.won(rows, at) for rows, at in zip(parts, moments, strict=True)]
    past_won, past = sum(int(y.sum()) for y in came[1:]), sum(len(y) for y in came[1:])
    total_won, total = past_won + int(came[0].sum()), past + len(came[0])
    if min(past_won, past - past_won) < ENOUGH or not len(came[0]):
        facts = (("won", past_won), ("n", past), ("least", ENOUGH))
        return Scored(tuple(moments), total, total_won, *nobody, reason=TOO_FEW, facts=facts)
    train = base.table(view, _joined(parts[1:]), np.concatenate(came[1:]))
    model, calibrator = _calibrated(train, np.concatenate([r.customer for r in parts[1:]]), asked.model)
    test = base.table(view, parts[0], came[0])
    tested = calibrator(model.probability(test))
    whole = base.table(view, _joined(parts), np.concatenate(came))
    keys = np.concatenate([r.customer for r in parts])
    made_then = frozenset(c.name for c in whole.columns) - {p.name for p in base.properties}
    found = (*leaks(train, made_then), *_after(view, base))
    # what knows the outcome is told, not left out: the list of properties is the asker's to mend
    final, calibrator = _calibrated(whole, keys, asked.model)
    return Scored(
        tuple(moments), total, total_won, tested, came[0], final, calibrator, found, _weights(final, whole)
    )  # fmt: skip


def _joined(parts: Sequence[Rows]) -> Rows:
    return Rows(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in dataclasses.fields(Rows)))


def _calibrated(table: Table, keys: I64, model: Model) -> tuple[Fitted, Calibrator]:
    """A model of all rows, and what its probabilities need to come true, learned out of fold."""
    fold = folds_of(keys)
    return fit(table, model), chosen_calibrator(out_of_fold(table, fold, model), table.target, fold)


def _after(view: View, base: Ground) -> list[Leak]:
    """Properties that those who reached the goal have only from then on."""
    found = []
    for given in base.properties:
        before = after = 0
        for bucket, codes, reached in zip(view.columns, given.codes, base.reached, strict=True):
            done = (reached <= view.as_of) & ~bucket.skip
            codes = frozen(codes, np.uint32)
            ahead = np.asarray(kernel.last_known(bucket, codes, np.where(done, reached - 1, -1).astype(np.int64))) > 0
            ever = np.asarray(kernel.last_known(bucket, codes, np.where(done, view.as_of, -1).astype(np.int64))) > 0
            before += int(ahead.sum())
            after += int((ever & ~ahead).sum())
        leak = set_after(given.name, before, after)
        if leak is not None:
            found.append(leak)
    return found


#: Rows that the weights of columns are told from.
WEIGHED = 5000


def _weights(model: Fitted, table: Table) -> tuple[tuple[str, float, float], ...]:
    """Each column's mean |contribution| to the log odds and which way it points (its rank correlation with what it
    contributes; 0 for words), the weightiest first.
    """
    from scipy.stats import spearmanr

    rows = np.random.default_rng(0).permutation(len(table.target))[:WEIGHED]
    some = table.take(rows)
    given = model.contributions(some)
    found = []
    for j, column in enumerate(some.columns):
        weight = float(np.abs(given[:, j]).mean())
        way = 0.0
        if column.numbers is not None and weight > 0:
            there = ~column.absent
            if len(np.unique(column.numbers[there])) > 1 and len(np.unique(given[there, j])) > 1:
                way = float(spearmanr(column.numbers[there], given[there, j]).statistic)
        found.append((column.name, weight, way))
    return tuple(sorted(found, key=lambda f: -f[1]))


def seen_between(start: int, end: int) -> Callable[[Columns], Mask]:
    """The work of a bucket that tells who has an event in [start, end): bool[C]."""
    return functools.partial(_seen, start, end)


def _seen(start: int, end: int, bucket: Columns) -> Mask:
    nothing = frozen(np.zeros(int(bucket.code.max(initial=0)) + 1, np.bool_), np.bool_)
    return np.asarray(present(bucket, nothing, start, end)[0])
