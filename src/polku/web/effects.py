"""A rule's proof over time, drawn: what was known of it each day, with the interval that may be read on any day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from polku.guidance.effects import Effect, Interval, effect_of
from polku.guidance.proof import Proof
from polku.language import N_, Reader
from polku.measures.charts import Lines, Series, Unit
from polku.measures.drawing import Figure, figure

DIFFERENCE = N_("The difference in those who reached the goal, in points, as it was known at the end of each day")
MONEY = N_("The money of all treated, as it was known at the end of each day")
#: Days before this many are drawn no more; the API tells all of them.
MOST = 366


def drawn_days(days: Sequence[Effect], proof: Proof | None, today: dt.date, reader: Reader) -> list[Figure]:
    """The difference and the money over the days, each where two of its days are known; today's, of ``proof``, hollow.

    Days of another currency than the last one's are left out of the money.
    """
    told = [*days[-MOST:]]
    if proof is not None and (not told or told[-1].day < today):
        told.append(effect_of(proof, today))
    spent = [(one.day, one.money) for one in told if one.currency == told[-1].currency]
    charts = (
        _chart(DIFFERENCE, N_("difference"), [(one.day, one.difference) for one in told], today, "share", reader),
        _chart(MONEY, N_("money"), spent, today, "money", reader),
    )
    return [figure(chart, reader, f"known-{n}") for n, chart in enumerate(charts) if chart is not None]


def _chart(
    title: str, name: str, rows: Sequence[tuple[dt.date, Interval]], today: dt.date, unit: Unit, reader: Reader
) -> Lines | None:
    rows = [(day, interval) for day, interval in rows if interval[0] is not None]
    if len(rows) < 2:
        return None
    value, low, high = (tuple(interval[n] for _, interval in rows) for n in range(3))
    series = Series(reader(name), value, low, high, tuple(day < today for day, _ in rows))
    return Lines(
        reader(title), tuple(reader.date(day) for day, _ in rows), (series,), unit,
        tuple(float(day.toordinal()) for day, _ in rows),
    )  # fmt: skip
