"""The examples that docs/measures/retention.md and docs/measures/sessions.md count by hand."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from polku.statistics.survival import kaplan_meier
from polku.trails.layout import Trails

SUNDAY = dt.datetime(2026, 5, 31, 12, tzinfo=dt.UTC)


def trails(rows) -> Trails:
    who, at, what = zip(*rows, strict=True)
    table = pa.table({"who": list(who), "at": pa.array(list(at), pa.timestamp("s", "UTC")), "what": list(what)})
    return Trails.from_table(table, customer="who", time="at", event="what")


def day(number: float) -> dt.datetime:
    return SUNDAY + dt.timedelta(days=number)


@pytest.fixture(scope="module")
def week() -> Trails:
    return trails([("anna", day(0), "x"), ("anna", day(1), "x"), ("anna", day(3), "x"), ("bea", day(1), "x")])


def test_retention(week):
    kept = week.retention(unit="day").cohorts[0].kept
    assert [(k.rate.numerator, k.rate.denominator) for k in kept[:3]] == [(1, 1), (1, 1), (0, 1)]
    assert (kept[3].rate.value, kept[3].so_far.n) == (None, 1)
    assert week.retention(unit="day", kind="unbounded").cohorts[0].kept[2].rate.value == 1.0


def test_active_and_days_there(week):
    assert [p.customers.n for p in week.active(unit="day").periods] == [1, 2, 0, 1]
    assert [d.customers.n for d in week.stickiness().days] == [1, 0, 1]


def test_lifecycle(week):
    _, monday, tuesday, wednesday = week.lifecycle(unit="day").periods
    assert (monday.new.n, monday.returning.n, tuesday.dormant.n, wednesday.resurrected.n) == (1, 1, 2, 1)


def test_survival():
    curve = kaplan_meier([1, 2, 4], [True, False, True])
    assert curve.survival == pytest.approx([2 / 3, 0.0])


def test_churn():
    rows = [("cleo", day(0), "x"), ("cleo", day(2), "x"), ("dina", day(0), "x"), ("eve", day(7), "x")]
    found = {p.name: p.rate for p in trails(rows).churn(unit="day", silence="3d").periods}
    assert [(found[f"2026-06-0{d}"].numerator, found[f"2026-06-0{d}"].denominator) for d in (3, 5)] == [(1, 2), (1, 1)]


def test_sessions():
    at = SUNDAY.replace(hour=9)
    minutes = [("anna", 0, "page"), ("anna", 10, "page"), ("anna", 40, "page"), ("anna", 24 * 60 + 45, "Product Added"),
               ("bea", 0, "page")]  # fmt: skip
    made = trails([(who, at + dt.timedelta(minutes=m), what) for who, m, what in minutes])
    whole = made.sessions().everything
    assert (whole.sessions.n, whole.customers.n, whole.per_customer, whole.single.numerator) == (4, 2, 2.0, 3)
    assert made.sessions().lengths[5].sessions.n == 1
    back = made.returning()
    assert (back.visits.numerator, back.visits.denominator) == (2, 4)
    assert (back.visitors.numerator, back.visitors.denominator) == (1, 2)
    assert back.between.median == (30 * 60 + (24 * 60 + 5) * 60) / 2
