"""Times as people and programs write them, with the moments they mean."""

# ruff: noqa: DTZ001 - wall-clock times without a zone are the subject here
from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.events.refusals import Refusal
from polku.events.times import Order, order_evidence, read_times, to_utc, zone_table

HELSINKI = "Europe/Helsinki"
LATEST = 4_102_444_800_000_000  # 2100


def read(values: object, zone: str = HELSINKI, order: Order = Order.UNKNOWN) -> object:
    """The moment in ISO (UTC), or the refusal, of one value."""
    array = values if isinstance(values, pa.Array) else pa.array([values])
    times = read_times(array, zone, LATEST, order)
    if times.refused[0]:
        return Refusal(int(times.refused[0]))
    return (dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=int(times.micros[0]))).isoformat()


READABLE = [
    ("2010-12-01", "2010-11-30T22:00:00"),
    ("2010-12-01T08:26:00Z", "2010-12-01T08:26:00"),
    ("2010-12-01T08:26:00.5+02:00", "2010-12-01T06:26:00.500000"),
    ("2010-12-01 08:26:00+0200", "2010-12-01T06:26:00"),
    ("2010-12-01 08:26:00-05", "2010-12-01T13:26:00"),
    ("2010-12-01 08:26", "2010-12-01T06:26:00"),
    ("2019-10-01 00:00:00 UTC", "2019-10-01T00:00:00"),
    ("2012-04-03 16:55:38.1234567", "2012-04-03T13:55:38.123456"),
    ("2012-04-03 16:55:38,25", "2012-04-03T13:55:38.250000"),
    ("2010-12-01T24:00", "2010-12-01T22:00:00"),
    ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00"),
    ("2010/12/01 8:26", "2010-12-01T06:26:00"),
    ("  2010-12-01 08:26  ", "2010-12-01T06:26:00"),
    ("20101201", "2010-11-30T22:00:00"),
    ("20101201082600", "2010-12-01T06:26:00"),
    ("20101201T082600Z", "2010-12-01T08:26:00"),
    ("1.12.2010 8.26", "2010-12-01T06:26:00"),
    ("1.12.2010 klo 8:26", "2010-12-01T06:26:00"),
    ("01.12.2010 klo 8.26.30", "2010-12-01T06:26:30"),
    ("1.12.2010", "2010-11-30T22:00:00"),
    ("13/12/2010 8:26", "2010-12-13T06:26:00"),
    ("12/13/2010 8:26", "2010-12-13T06:26:00"),
    ("5/5/2010 8:26 PM", "2010-05-05T17:26:00"),
    ("5/5/2010 12:00 AM", "2010-05-04T21:00:00"),
    ("5/5/2010, 8 pm", "2010-05-05T17:00:00"),
    ("1291184760", "2010-12-01T06:26:00"),
    ("1291184760.25", "2010-12-01T06:26:00.250000"),
    ("1291184760123", "2010-12-01T06:26:00.123000"),
    ("1291184760123456", "2010-12-01T06:26:00.123456"),
    ("1291184760123456789", "2010-12-01T06:26:00.123456"),
    ("Wed, 01 Dec 2010 08:26:00 +0200", "2010-12-01T06:26:00"),
]


@pytest.mark.parametrize(("text", "moment"), READABLE)
def test_readable(text: str, moment: str) -> None:
    assert read(text) == moment


REFUSED = [
    ("", Refusal.NO_TIME),
    ("   ", Refusal.NO_TIME),
    (None, Refusal.NO_TIME),
    ("x", Refusal.UNREADABLE_TIME),
    ("yesterday", Refusal.UNREADABLE_TIME),
    ("2010-02-30", Refusal.UNREADABLE_TIME),
    ("2010-13-01", Refusal.UNREADABLE_TIME),
    ("2010-12-01 25:00", Refusal.UNREADABLE_TIME),
    ("2010-12-01 08:61", Refusal.UNREADABLE_TIME),
    ("2010-12-01T", Refusal.UNREADABLE_TIME),
    ("2010-12-01 08:26:00 PST", Refusal.UNREADABLE_TIME),
    ("2010-12-01 08:26 and more", Refusal.UNREADABLE_TIME),
    ("8:26", Refusal.UNREADABLE_TIME),
    ("12", Refusal.UNREADABLE_TIME),
    ("2010", Refusal.UNREADABLE_TIME),
    ("40513.35", Refusal.UNREADABLE_TIME),
    ("-1291184760", Refusal.UNREADABLE_TIME),
    ("99999999999999999999", Refusal.UNREADABLE_TIME),
    ("1/2/10", Refusal.UNREADABLE_TIME),
    ("1/2/2010", Refusal.DAY_MONTH_ORDER),
    ("1000-01-01", Refusal.TIME_TOO_EARLY),
    ("1969-12-31 23:00Z", Refusal.TIME_TOO_EARLY),
    ("9999-01-01", Refusal.TIME_TOO_LATE),
    ("9999-12-31T23:59:59.999999Z", Refusal.TIME_TOO_LATE),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_refused(text: str | None, reason: Refusal) -> None:
    assert read(pa.array([text], pa.string())) == reason


@pytest.mark.parametrize(
    ("text", "order", "found"),
    [
        ("3/4/2026", Order.DAY_FIRST, "2026-04-02T21:00:00"),
        ("3/4/2026", Order.MONTH_FIRST, "2026-03-03T22:00:00"),
        ("13/4/2026", Order.MONTH_FIRST, Refusal.DAY_MONTH_ORDER),
        ("4/13/2026", Order.DAY_FIRST, Refusal.DAY_MONTH_ORDER),
        ("3.4.2026", Order.MONTH_FIRST, "2026-04-02T21:00:00"),
    ],
)
def test_order_of_day_and_month(text: str, order: Order, found: object) -> None:
    assert read(text, order=order) == found


def test_order_is_told_by_the_column() -> None:
    assert order_evidence(pa.array(["1/2/2010", "13/1/2010", " 3-14-2010", "4/4/2010", None, "x", "1.2.2010"])) == (
        1,
        1,
        1,
    )


CHANGES = [  # the Finnish clock: forward at 03:00 on 2021-03-28, back at 04:00 on 2021-10-31
    ("2021-03-28 02:59:59", "2021-03-28T00:59:59"),
    ("2021-03-28 03:30:00", "2021-03-28T01:30:00"),  # does not exist: 04:30 summer time
    ("2021-03-28 04:00:00", "2021-03-28T01:00:00"),
    ("2021-10-31 02:59:59", "2021-10-30T23:59:59"),
    ("2021-10-31 03:30:00", "2021-10-31T00:30:00"),  # twice: the first
    ("2021-10-31 04:00:00", "2021-10-31T02:00:00"),
]


@pytest.mark.parametrize(("text", "moment"), CHANGES)
def test_when_the_clocks_change(text: str, moment: str) -> None:
    assert read(text) == moment


@given(
    st.sampled_from([HELSINKI, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Casablanca", "UTC"]),
    st.datetimes(dt.datetime(1970, 1, 3), dt.datetime(2099, 1, 1)),
)
@settings(deadline=None)
def test_local_time_is_read_as_python_reads_it(zone: str, local: dt.datetime) -> None:
    there = local.replace(tzinfo=ZoneInfo(zone), fold=0)
    expected = round((there.astimezone(dt.UTC) - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) / dt.timedelta(microseconds=1))
    wall = round((local - dt.datetime(1970, 1, 1)) / dt.timedelta(microseconds=1))
    assert int(to_utc(np.array([wall]), zone)[0]) == expected


@given(st.datetimes(dt.datetime(1970, 1, 3), dt.datetime(2099, 1, 1)), st.sampled_from(["T", " "]))
@settings(deadline=None)
def test_iso_texts_round_trip(moment: dt.datetime, between: str) -> None:
    assert read(moment.isoformat(between) + "Z", zone="UTC") == moment.isoformat()


@given(st.text(max_size=40))
@settings(deadline=None, max_examples=500)
def test_no_text_breaks_it(text: str) -> None:
    try:
        array = pa.array([text], pa.string())
    except UnicodeEncodeError:  # lone surrogates are no text
        return
    times = read_times(array, HELSINKI, LATEST)
    assert times.refused[0] or 0 <= times.micros[0] <= LATEST


TYPED = [
    (pa.array([1291184760]), "2010-12-01T06:26:00"),
    (pa.array([1291184760123]), "2010-12-01T06:26:00.123000"),
    (pa.array([1291184760123456]), "2010-12-01T06:26:00.123456"),
    (pa.array([1291184760123456789]), "2010-12-01T06:26:00.123456"),
    (pa.array([20101201]), "2010-11-30T22:00:00"),
    (pa.array([2010]), Refusal.UNREADABLE_TIME),
    (pa.array([1291184760.5]), "2010-12-01T06:26:00.500000"),
    (pa.array([float("nan")]), Refusal.UNREADABLE_TIME),
    (pa.array([40513.35]), Refusal.UNREADABLE_TIME),
    (pa.array([dt.date(2010, 12, 1)]), "2010-11-30T22:00:00"),
    (pa.array([dt.datetime(2010, 12, 1, 8, 26)]), "2010-12-01T06:26:00"),
    (pa.array([dt.datetime(2010, 12, 1, 8, 26)], pa.timestamp("ns")), "2010-12-01T06:26:00"),
    (pa.array([dt.datetime(2010, 12, 1, 8, 26)], pa.timestamp("s", "UTC")), "2010-12-01T08:26:00"),
    (pa.array([None], pa.timestamp("us")), Refusal.NO_TIME),
    (pa.array([None], pa.int64()), Refusal.NO_TIME),
    (pa.array(["2010-12-01"]).dictionary_encode(), "2010-11-30T22:00:00"),
]


@pytest.mark.parametrize(("values", "found"), TYPED)
def test_typed_columns(values: pa.Array, found: object) -> None:
    assert read(values) == found


def test_null_in_a_dictionary_is_no_time() -> None:
    times = read_times(pa.array(["2010-12-01", None]).dictionary_encode(), "UTC", LATEST)
    assert times.refused.tolist() == [0, Refusal.NO_TIME]


def test_zone_table_ends_in_the_zone_of_today() -> None:
    assert zone_table(HELSINKI).offsets[-1] in (7_200_000_000, 10_800_000_000)
