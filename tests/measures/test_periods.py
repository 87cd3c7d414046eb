"""Moments as people name them."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from polku.errors import MeasureError
from polku.measures.periods import named_moment

HELSINKI = ZoneInfo("Europe/Helsinki")
NOW = dt.datetime(2026, 6, 1, 9, 30, 0, 5, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-05-31", "2026-05-31T23:59:59+03:00"),
        ("2026-03-29", "2026-03-29T23:59:59+03:00"),  # a day of 23 hours
        ("2025-10-26", "2025-10-26T23:59:59+02:00"),  # and one of 25
        ("2026-06-01", "2026-06-01T12:30:00+03:00"),  # today is not over
        (" 2026-05-31 12:00 ", "2026-05-31T12:00:00+03:00"),
        ("2026-05-31T12:00:00Z", "2026-05-31T15:00:00+03:00"),
        ("2026-05-31T12:00:00.75+00:00", "2026-05-31T15:00:00+03:00"),
    ],
)
def test_a_moment(text: str, moment: str) -> None:
    assert named_moment(text, HELSINKI, NOW).isoformat() == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-30", "2026-05-31T25:00", "9999-12-31", "31.5.2026"])
def test_no_moment(text: str) -> None:
    with pytest.raises(MeasureError, match="write a day such as"):
        named_moment(text, HELSINKI, NOW)


@pytest.mark.parametrize("text", ["2026-06-02", "2026-06-01T12:30:01", "2100-01-01"])
def test_the_future_is_not_asked_about(text: str) -> None:
    with pytest.raises(MeasureError, match="has not come yet"):
        named_moment(text, HELSINKI, NOW)
