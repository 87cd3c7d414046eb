"""What the score answers with: the model held against time, the bands, the reasons, and the leads."""

from __future__ import annotations

import dataclasses
import functools

from polku.journey.model import Text
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, count_cell, estimate_cell, rate_cell, words
from polku.measures.charts import Bars, Chart, Lines, Series
from polku.measures.leads.examples import column_title
from polku.measures.result import Count, Estimate, Rate
from polku.statistics.leakage import SIGNS, Leak


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
