"""The leakage alarm: columns that know the outcome, because they were written after it or because of it.

A model that leans on such a column looks splendid and is of no use: at the moment when a probability is wanted, the
column does not say it yet. See S. Kaufman, S. Rosset, C. Perlich, Leakage in data mining (KDD 2011).
"""

from __future__ import annotations

import dataclasses
import re
from typing import Literal

import numpy as np

from polku.language import N_
from polku.statistics.calibration import auc
from polku.statistics.rates import wilson
from polku.statistics.scoring import F64, I64, Column, Mask, Table, folds_of

Sign = Literal["alone", "decides", "after", "named"]
SIGNS: dict[Sign, str] = {
    "alone": N_("alone it predicts nearly perfectly"),
    "decides": N_("its values nearly decide the outcome for many"),
    "after": N_("it is only ever set after the outcome"),
    "named": N_("its name says that it is a judgement or a last state, which may be written after the outcome"),
}
#: An AUC of one column above this is too good to be true.
TOO_GOOD = 0.95
#: Values with nearly one outcome: surely above PURE, or (where the outcome is not rare) surely below an eighth of the
#: base rate; a column where at least MANY of all rows have such values nearly decides.
PURE, RARELY, MANY = 0.9, 1 / 8, 0.1
COMMON_OUTCOME = 0.2
#: Pull of the base rate on the rate of a word, as so many rows.
SMOOTH = 5.0
#: Of those to whom it happened, as many have to have the property for "only after" to be said.
ENOUGH_AFTER = 10
#: Names of what is written down later: by sales, or as the state in which the row was last seen.
LATER = re.compile(
    r"\b(tags?|quality|profile|notable|status|outcome|result|reason|closed|converted|won|lost|last|final|disposition)\b"
    r"|\b(tila|laatu|lopputulos|syy|viimeinen|viimeisin|tunnisteet)\b",
    re.IGNORECASE,
)
#: Last states that are known at any moment by what they count: how long ago, how often.
TIMELY = re.compile(r"(score|index|recency|days|ago|name)\b", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, slots=True)
class Leak:
    """A column under suspicion: the ``signs`` that it gives, its AUC ``alone`` (None: not worked out), and the share of
    rows whose value ``decides``.
    """

    name: str
    signs: tuple[Sign, ...]
    alone: float | None = None
    decides: float | None = None


def leaks(table: Table, known_then: frozenset[str] = frozenset(), seed: int = 0) -> tuple[Leak, ...]:
    """The columns that may know the outcome, in the table's order.

    ``known_then`` names columns that were made from the past alone: their names and values are not suspected, only an
    AUC above 0.95 is told.
    """
    if not table.target.any() or table.target.all():
        return ()
    fold = folds_of(np.arange(len(table.target)), seed=seed)
    found = []
    for column in table.columns:
        alone = auc(_alone(column, table.target, fold), table.target).value
        share = 0.0 if column.codes is None else _deciding(column, table.target)
        signs: list[Sign] = ["alone"] if alone is not None and max(alone, 1 - alone) > TOO_GOOD else []
        if column.name not in known_then:
            signs += ["decides"] if share >= MANY else []
            name = column.name.replace("_", " ").replace(".", " ")
            signs += ["named"] if LATER.search(name) and not TIMELY.search(name) else []
        if signs:
            found.append(Leak(column.name, tuple(signs), alone, share))
    return tuple(found)


def set_after(name: str, before: int, after: int) -> Leak | None:
    """The alarm for a property that of those to whom it happened ``after`` had only from then on and ``before`` had
    sooner: None unless it is only ever set after the outcome.
    """
    return Leak(name, ("after",)) if after >= ENOUGH_AFTER and before == 0 else None


def _alone(column: Column, target: Mask, fold: I64) -> F64:
    """A score from one column alone; of words, the rate of the word in the other folds, and so too of what is
    absent."""
    if column.numbers is not None:
        # where it is absent the base rate of those rows tells which end they stand at
        gone = column.absent
        if not gone.any():
            return column.exact
        held = column.exact[~gone]
        low = float(held.min()) - 1.0 if len(held) else 0.0
        high = float(held.max()) + 1.0 if len(held) else 0.0
        rises = (auc(held, target[~gone]).value or 0.5) >= 0.5
        seldom = float(target[gone].mean()) < (float(target[~gone].mean()) if len(held) else 0.0)
        return np.where(gone, low if rises == seldom else high, column.exact)
    assert column.codes is not None
    score = np.empty(len(target), np.float64)
    place = column.codes + 1
    for k in np.unique(fold):
        rest, mine = fold != k, fold == k
        of = np.bincount(place[rest], minlength=len(column.words) + 1)
        n = np.bincount(place[rest], weights=target[rest], minlength=len(column.words) + 1)
        score[mine] = ((n + SMOOTH * target[rest].mean()) / (of + SMOOTH))[place[mine]]
    return score


def _deciding(column: Column, target: Mask) -> float:
    """The share of all rows whose word nearly decides the outcome."""
    assert column.codes is not None
    there, base = column.codes >= 0, float(target.mean())
    of = np.bincount(column.codes[there], minlength=len(column.words))
    n = np.bincount(column.codes[there], weights=target[there], minlength=len(column.words)).astype(np.int64)
    deciding = 0
    for k in np.flatnonzero(of):
        interval = wilson(int(n[k]), int(of[k]))
        assert interval is not None
        surely_not = base >= COMMON_OUTCOME and interval[1] <= base * RARELY
        if interval[0] >= PURE or surely_not:
            deciding += int(of[k])
    return deciding / len(target)
