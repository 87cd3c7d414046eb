"""How likely each lead is to reach a stage, touchpoint or event within a time."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.journey.model import Text
from polku.journey.values import duration
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, estimate_cell, rate_cell, words
from polku.measures.charts import Bars, Chart, Lines, Series
from polku.measures.leads import modelling
from polku.measures.leads.examples import Rows, column_title
from polku.measures.leads.modelling import Asked, Ground, Scored
from polku.measures.leads.reaching import goal_named, goal_title
from polku.measures.result import ENOUGH, Count, Estimate, Rate
from polku.measures.selectors import Selector
from polku.measures.steps import chain_of, chain_text
from polku.measures.value.buying import names_of, silence_of
from polku.measures.view import Mask, View
from polku.statistics import calibration
from polku.statistics.leakage import SIGNS, Leak
from polku.statistics.scoring import Model

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
#: The bands of a score: what share of the leads, from the highest probability down, each one ends at.
BANDS = (("a", 0.05), ("b", 0.2), ("c", 0.5), ("d", 1.0))
#: Reasons that are told of one customer, and columns whose weight is told.
MOST_REASONS, MOST_WEIGHTS = 3, 15
FEW = N_("few customers, so it is rough")
NOT_BETTER = N_("it does not tell who will and who will not")
NOBODY = N_("nobody can be scored: all have reached it, or have been silent too long")


@dataclasses.dataclass(frozen=True, slots=True)
class Band:
    """Leads of like probability: ``low`` to ``high``, on average ``expected``. ``came`` is what became of the same
    band at the moment of the check.
    """

    name: str
    customers: Count
    low: float | None
    high: float | None
    expected: float | None
    came: Rate


@dataclasses.dataclass(frozen=True, slots=True)
class Calibrated:
    """People of the check of like probability: expected, and how many did."""

    low: float
    high: float
    expected: float
    came: Rate


@dataclasses.dataclass(frozen=True, slots=True)
class Lifted:
    """The best ``share`` of the people of the check: how many did, their rate over everyone's, and the share of all who
    did that is among them.
    """

    share: float
    came: Rate
    lift: float
    gain: float


@dataclasses.dataclass(frozen=True, slots=True)
class Weight:
    """How far a column moves the log odds on average, and which way: from -1 (more of it, less likely) to 1; 0 for
    words.
    """

    column: str
    weight: float
    way: float


@dataclasses.dataclass(frozen=True, slots=True)
class Reason:
    """What one column adds to a customer's log odds, and what the customer has in it."""

    column: str
    value: float | str | None
    adds: float


@dataclasses.dataclass(frozen=True, slots=True)
class Lead:
    customer: int
    name: str | None
    probability: float
    band: str
    reasons: tuple[Reason, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score(Answer):
    name = "score"
    says = (
        N_(
            "A lead is a customer who had an event in the period, has not reached the goal yet, and has not been "
            "silent too long. The score is the probability to reach it within the time, counted from now."
        ),
        N_(
            "It is learned from the same customers at earlier moments, one, two, ... times that length ago: what they "
            "had done by then, and whether they reached the goal within the time after."
        ),
        N_(
            "Nothing that came after a moment is looked at: counts of events, active days, sessions, touchpoints and "
            "channels, how long ago, money, sources, and properties as they were then."
        ),
        N_(
            "Check: a model of the earlier moments alone is held against the latest one. AUC = the chance that one who "
            "did is ranked above one who did not (0.5: by chance). Brier = mean squared distance from what came; its "
            "skill = 1 - Brier / that of giving everyone the same rate."
        ),
        N_(
            "Probabilities are calibrated (not, by Platt's line or by isotonic steps: what does best out of fold), so "
            "that of those with 20 % a fifth should do it."
        ),
        N_(
            "Lift = the rate of the best part / everyone's rate. Reasons = how far each column moves the customer's "
            "log odds from what they would be with the column at its average; they do not show what causes it."
        ),
        N_(
            "Leakage alarm: a column that alone predicts nearly perfectly (AUC above 0.95), nearly decides for many, "
            "is only ever set after the outcome, or is named like a later judgement."
        ),
    )

    to: str
    title: Text
    within: int
    model: str
    silence: int
    columns: int
    moments: int  # earlier moments that were learned from
    examples: int
    base: Rate  # of the examples, how many reached it within the time
    reason: str | None  # why there is no score
    facts: tuple[tuple[str, int], ...]
    calibrated_by: str | None
    auc: Estimate
    brier: Estimate
    skill: Estimate
    calibration_error: Estimate
    calibration: tuple[Calibrated, ...]
    lift: tuple[Lifted, ...]
    leaks: tuple[Leak, ...]
    weights: tuple[Weight, ...]
    scored: Count
    expected: float | None  # how many of the scored should reach it
    bands: tuple[Band, ...]
    leads: tuple[Lead, ...]  # the likeliest first

    def why(self, reader: Reader) -> str | None:
        """Why there is no score, in words."""
        return None if self.reason is None else reader(self.reason, **{k: reader.number(v) for k, v in self.facts})

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        title = reader(
            "Lead score: {goal} within {time}", goal=reader.said(self.title), time=reader.duration(self.within)
        )
        why = self.why(reader)
        if why is not None:
            title = reader("{title}: {reason}", title=title, reason=why)
        found = [
            Table(title, (reader("band"), *map(reader, BAND_HEADS)), tuple(self._band(b, reader) for b in self.bands))
        ]
        if self.leads:
            heads: tuple[str, ...] = (reader("customer"), reader("probability"), reader("band"), reader("reasons"))
            found.append(Table(reader("The likeliest leads"), heads, tuple(self._lead(x, reader) for x in self.leads)))
        if self.leaks:
            heads = (reader("property"), reader("alarm"), reader("AUC alone"))
            alarms = tuple(
                (
                    words(column_title(self.view, x.name, reader), x.name),
                    words("; ".join(reader(SIGNS[s]) for s in x.signs), ",".join(x.signs)),
                    _number(x.alone, reader, 3),
                )
                for x in self.leaks
            )
            found.append(
                Table(reader("Leakage alarm: leave these out, or look at when they are written"), heads, alarms)
            )
        if why is not None:
            return tuple(found)
        checked = (
            ("AUC", self.auc, 3), (N_("Brier score"), self.brier, 4), (N_("Brier skill"), self.skill, 3),
            (N_("calibration error"), self.calibration_error, 4),
        )  # fmt: skip
        rows = tuple(
            (words(reader(name), name), estimate_cell(e, reader, functools.partial(reader.number, digits=digits)))
            for name, e, digits in checked
        )
        found.append(
            Table(reader("Check on the latest moment that has passed"), (reader("figure"), reader("value")), rows)
        )
        found.append(self._calibration(reader))
        found.append(self._lift(reader))
        heads = (reader("column"), reader("weight"), reader("direction"))
        found.append(
            Table(
                reader("What the score leans on"), heads,
                tuple(
                    (
                        words(column_title(self.view, w.column, reader), w.column),
                        Cell(reader.number(w.weight, 3), w.weight, number=True),
                        words(_way(w.way, reader), w.way),
                    )
                    for w in self.weights
                ),
            )
        )  # fmt: skip
        return tuple(found)

    def _band(self, b: Band, reader: Reader) -> tuple[Cell, ...]:
        span = (
            "–"
            if b.low is None or b.high is None
            else reader("{low} to {high}", low=reader.percent(b.low), high=reader.percent(b.high))
        )
        expected = (
            Cell("–", None, number=True)
            if b.expected is None
            else Cell(reader.percent(b.expected), b.expected, number=True, share=b.expected)
        )
        return (
            words(b.name.upper(), b.name),
            count_cell(b.customers, reader),
            words(span),
            expected,
            rate_cell(b.came, reader),
        )

    def _lead(self, lead: Lead, reader: Reader) -> tuple[Cell, ...]:
        told = "; ".join(self._reason(r, reader) for r in lead.reasons)
        return (
            words(lead.name or str(lead.customer), lead.customer),
            Cell(reader.percent(lead.probability), lead.probability, number=True, share=lead.probability),
            words(lead.band.upper(), lead.band),
            words(told, [(r.column, r.adds) for r in lead.reasons]),
        )

    def _reason(self, r: Reason, reader: Reader) -> str:
        value = reader("none") if r.value is None else r.value if isinstance(r.value, str) else _plain(r.value, reader)
        sign = "+" if r.adds >= 0 else "−"
        return f"{sign} {column_title(self.view, r.column, reader)}: {value}"

    def _calibration(self, reader: Reader) -> Table:
        heads = (reader("probability"), reader("expected"), reader("came true"))
        rows = tuple(
            (
                words(reader("{low} to {high}", low=reader.percent(c.low), high=reader.percent(c.high))),
                Cell(reader.percent(c.expected), c.expected, number=True),
                rate_cell(c.came, reader),
            )
            for c in self.calibration
        )
        return Table(reader("Calibration: what was expected and what came"), heads, rows)

    def _lift(self, reader: Reader) -> Table:
        heads = (reader("best part"), reader("came true"), reader("lift"), reader("share of all who did"))
        rows = tuple(
            (
                words(reader.percent(x.share, 0), x.share),
                rate_cell(x.came, reader),
                Cell(reader.number(x.lift, 2), x.lift, number=True),
                Cell(reader.percent(x.gain), x.gain, number=True, share=x.gain),
            )
            for x in self.lift
        )
        return Table(reader("Lift and gains"), heads, rows)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        if not self.calibration:
            return ()
        ends = [c.came.interval() for c in self.calibration]
        labels = tuple(reader.percent(c.expected) for c in self.calibration)
        even = all(a.expected < b.expected for a, b in zip(self.calibration, self.calibration[1:], strict=False))
        came = Series(
            reader("came true"), tuple(c.came.value for c in self.calibration),
            tuple(None if e is None else e[0] for e in ends), tuple(None if e is None else e[1] for e in ends),
        )  # fmt: skip
        right = Series(reader("as expected"), tuple(c.expected for c in self.calibration), solid=(False,) * len(labels))
        at = tuple(c.expected for c in self.calibration) if even and len(labels) > 1 else ()
        found: list[Chart] = [
            Lines(
                reader("Calibration: what was expected and what came"), labels, (came, right), "share", at,
                x_title=reader("expected"), y_title=reader("came true"),
            )
        ]  # fmt: skip
        if self.lift:
            shares = (0.0, *(x.share for x in self.lift))
            gains = Series(reader("by score"), (0.0, *(x.gain for x in self.lift)))
            chance = Series(reader("by chance"), shares, solid=(False,) * len(shares))
            found.append(
                Lines(
                    reader("Gains: the share of all who did among the best part"),
                    tuple(reader.percent(s, 0) for s in shares), (gains, chance), "share", shares,
                    x_title=reader("best part"), y_title=reader("share of all who did"),
                )
            )  # fmt: skip
        counts = Series(
            reader("customer count"), tuple(float(b.customers.n) for b in self.bands),
            behind=tuple(b.customers.behind for b in self.bands),
        )  # fmt: skip
        if self.scored.n:
            found.append(Bars(reader("Leads by band"), tuple(b.name.upper() for b in self.bands), (counts,)))
        return tuple(found)


BAND_HEADS = (N_("customer count"), N_("probability"), N_("expected"), N_("came true at the check"))


def _number(value: float | None, reader: Reader, digits: int) -> Cell:
    return Cell("–", None, number=True) if value is None else Cell(reader.number(value, digits), value, number=True)


def _plain(value: float, reader: Reader) -> str:
    return reader.number(value, 0 if float(value).is_integer() else 1)


def _way(way: float, reader: Reader) -> str:
    if abs(way) < 0.3:
        return reader("either way")
    return reader("more of it, likelier") if way > 0 else reader("more of it, less likely")


def score(
    view: View,
    to: str | None = None,
    within: int | None = None,
    model: Model = "logistic",
    properties: Sequence[str] | None = None,
    silence: int | None = None,
    limit: int = 50,
) -> Score:
    """The probability of every lead to reach ``to`` within ``within`` seconds. ``limit`` leads are told one by one.

    Where there is too little to learn from, there is no score and the reason is told. Raises MeasureError for unknown
    names, MissingExtraError without scikit-learn (extra ``models``).
    """
    asked = asked_for(view, to, within, model, properties, silence)
    base, done = fitted(view, asked)
    options = _options(to, within, model, properties, silence)

    def pick(what: str) -> str:
        return view.select("score", asked.to, what, **options)

    rows, p = scored(view, base, done)
    order = np.argsort(-p, kind="stable")
    band = band_of(p)
    known = done.fitted is not None
    reason = done.reason if not known else None if len(p) else NOBODY
    told = rows.take(_mask(len(p), order[:limit]))
    return Score(
        period=view.period, persona=view.persona, segment=view.segment,
        to=asked.to, title=goal_title(view, asked.to), within=asked.within, model=asked.model, silence=asked.silence,
        columns=0 if done.fitted is None else len(done.fitted.encoder.names), moments=len(done.moments),
        examples=done.examples, base=Rate(done.won, done.examples, unit="times"),
        reason=reason, facts=done.facts, calibrated_by=None if done.calibrator is None else done.calibrator.method,
        **_checked(done), leaks=done.leaks,
        weights=tuple(Weight(*w) for w in done.weights[:MOST_WEIGHTS] if w[1] > 0),
        scored=Count(len(p), pick("scored")), expected=float(p.sum()) if known else None,
        bands=tuple(_band_row(k, pick, p, band, done) for k in range(len(BANDS))),
        leads=_leads(view, base, done, told, p[_mask(len(p), order[:limit])], band[_mask(len(p), order[:limit])]),
    )  # fmt: skip


def asked_for(
    view: View, to: str | None, within: int | None, model: Model, properties: Sequence[str] | None, silence: int | None
) -> Asked:
    span = within or view.journey.window
    if span < 1:
        raise MeasureError(N_("`within` is at least a second."))
    return Asked(
        goal_named(view, to), span, model, tuple(properties) if properties else None, silence or silence_of(view)
    )  # fmt: skip


def _options(
    to: str | None, within: int | None, model: str, properties: Sequence[str] | None, silence: int | None
) -> dict[str, object]:
    """What a selector has to say of the question, and nothing of what is the map's own."""
    return {
        "within": within, "model": None if model == "logistic" else model,
        "properties": chain_text(properties) if properties else None, "silence": silence,
    }  # fmt: skip


def fitted(view: View, asked: Asked) -> tuple[Ground, Scored]:
    """The fit is kept for all that is asked of the same view; the customers' rows are not."""
    base = modelling.ground(view, asked)
    return base, view.once(("score", asked), lambda: modelling.fit_score(view, base))


def scored(view: View, base: Ground, done: Scored) -> tuple[Rows, F64]:
    """The leads of now, with an event in the period, and float64[n] their probabilities; nobody without a model."""
    rows = base.rows(view, view.as_of)
    if done.fitted is None or done.calibrator is None:
        return rows.take(np.zeros(len(rows.customer), np.bool_)), np.empty(0)
    seen = view.map(modelling.seen_between(view.start, view.end))
    there = np.concatenate([*seen, np.empty(0, np.bool_)])
    begins = np.cumsum([0, *(len(s) for s in seen)])
    rows = rows.take(there[begins[rows.bucket] + rows.place])
    table = base.table(view, rows, np.empty(0, np.bool_))
    return rows, done.calibrator(done.fitted.probability(table))


def band_of(p: F64) -> I64:
    """int64[n]: the band of each lead by the rank of its probability; equal probabilities share the band of
    their middle.

    >>> band_of(np.array([0.9, 0.1, 0.5, 0.1])).tolist()
    [1, 3, 2, 3]
    """
    n = len(p)
    ascending = np.sort(p)
    above = n - np.searchsorted(ascending, p, side="right")  # those strictly more likely
    equal = np.searchsorted(ascending, p, side="right") - np.searchsorted(ascending, p, side="left")
    middle = (above + equal / 2) / max(1, n)
    return np.asarray(np.searchsorted([end for _, end in BANDS[:-1]], middle, side="left"), np.int64)


def _mask(n: int, places: I64) -> Mask:
    found = np.zeros(n, np.bool_)
    found[places] = True
    return found


def _checked(done: Scored) -> dict[str, Any]:
    """What the check tells; nothing where there was none."""
    p, y = done.tested, done.came
    n, won = len(y), int(y.sum())
    if done.fitted is None:
        none = Estimate(None, n=0)
        return dict.fromkeys(("auc", "brier", "skill", "calibration_error"), none) | {"calibration": (), "lift": ()}
    caution = FEW if min(won, n - won) < ENOUGH else None
    area = calibration.auc(p, y)
    if area.low is not None and area.low <= 0.5:
        caution = NOT_BETTER
    table = calibration.calibration_table(p, y)
    lost = calibration.brier(p, y)
    plain = won / n * (1 - won / n)
    return {
        "auc": Estimate(area.value, area.low, area.high, n, area.reason or caution),
        "brier": Estimate(lost, n=n, reason=caution),
        "skill": Estimate(1 - lost / plain, n=n, reason=caution)
        if plain > 0
        else Estimate(None, n=n, reason=area.reason),
        "calibration_error": Estimate(calibration.calibration_error(table), n=n, reason=caution),
        "calibration": tuple(
            Calibrated(b.low, b.high, b.expected, Rate(b.happened, b.n, unit="times")) for b in table
        ),
        "lift": tuple(
            Lifted(x.share, Rate(x.happened, x.n, unit="times"), x.lift, x.gain)
            for x in calibration.lift_table(p, y)
        ),
    }  # fmt: skip


def _band_row(k: int, pick: Any, p: F64, band: I64, done: Scored) -> Band:
    mine = p[band == k]
    then = done.came[band_of(done.tested) == k]
    low, high, mean = (float(mine.min()), float(mine.max()), float(mine.mean())) if len(mine) else (None, None, None)
    name = BANDS[k][0]
    return Band(name, Count(len(mine), pick(name)), low, high, mean, Rate(int(then.sum()), len(then), unit="times"))


def _leads(view: View, base: Ground, done: Scored, rows: Rows, p: F64, band: I64) -> tuple[Lead, ...]:
    if done.fitted is None or not len(p):
        return ()
    table = base.table(view, rows, np.empty(0, np.bool_))
    adds = done.fitted.contributions(table)
    names = names_of(view, rows.customer.tolist())
    found = []
    for i in np.argsort(-p, kind="stable").tolist():
        weightiest = np.argsort(-np.abs(adds[i]), kind="stable")[:MOST_REASONS].tolist()
        reasons = tuple(
            Reason(table.columns[j].name, table.columns[j].value(i), float(adds[i, j]))
            for j in weightiest
            if adds[i, j]
        )
        customer = int(rows.customer[i])
        found.append(Lead(customer, names[customer], float(p[i]), BANDS[int(band[i])][0], reasons))
    return tuple(found)


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: the leads of a band, or all that are scored."""
    spans = [selector.option(k) for k in ("within", "silence")]
    within, silence = (None if s is None else duration(int(s) if s.isdigit() else s) for s in spans)
    named = selector.option("properties")
    model: Model = "boosting" if selector.option("model") == "boosting" else "logistic"
    asked = asked_for(view, selector.name, within, model, chain_of(named) if named else None, silence)
    rows, p = scored(view, *fitted(view, asked))
    chosen = np.ones(len(p), np.bool_)
    if selector.what != "scored":
        chosen = band_of(p) == [name for name, _ in BANDS].index(selector.what)
    found = [np.zeros(len(c.skip), np.bool_) for c in view.columns]
    for b, place in zip(rows.bucket[chosen].tolist(), rows.place[chosen].tolist(), strict=True):
        found[b][place] = True
    return found
