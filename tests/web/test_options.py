"""What the URL says, and what it cannot say."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from polku.errors import UsageError
from polku.journey.model import Journey
from polku.web.options import MapOptions, read_number
from polku.web.reading import accepted

JOURNEY = Journey.model_validate(
    {
        "title": "Shop",
        "stages": [{"id": "awareness"}],
        "personas": {"sara": {"title": "Sara"}, "mikko": {"title": "Mikko"}},
        "segments": {"vip": "count(order) > 2"},
    }
)
NOON = dt.datetime(2026, 5, 15, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, MapOptions()),
        ({"view": "plan", "persona": "sara"}, MapOptions(view="plan", persona="sara")),
        ({"persona": "", "segment": "", "period": "7d"}, MapOptions(period="7d")),
        ({"lang": "fi", "compare": "year"}, MapOptions(compare="year")),
        ({"since": "2026-05-01"}, MapOptions(period="custom", start=dt.date(2026, 5, 1))),
        ({"period": "7d", "since": "2026-05-01"}, MapOptions(period="7d")),
        ({"segment": "vip", "group": "channel"}, MapOptions(segment="vip", group="channel")),
    ],
)
def test_read(query: dict[str, str], expected: MapOptions) -> None:
    assert MapOptions.read(query, JOURNEY) == expected


@pytest.mark.parametrize(
    ("query", "nearest"),
    [
        ({"perod": "7d"}, "period"),
        ({"view": "actul"}, "actual"),
        ({"persona": "sarah"}, "sara"),
        ({"segment": "gold"}, None),
        ({"compare": "previos"}, "previous"),
        ({"period": "31d"}, "30d"),
    ],
)
def test_unknown_is_told_with_the_nearest(query: dict[str, str], nearest: str | None) -> None:
    with pytest.raises(UsageError) as error:
        MapOptions.read(query, JOURNEY)
    assert error.value.facts["nearest"] == nearest
    for language in ("fi", "en"):
        assert next(iter(query.values())) in error.value.text(language) or next(iter(query)) in error.value.text(
            language
        )


@pytest.mark.parametrize(
    "query",
    [
        {"period": "custom"},
        {"since": "1.5.2026"},
        {"since": "2026-05-02", "until": "2026-05-01"},
        {"until": "2026-02-30"},
    ],
)
def test_wrong_days(query: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        MapOptions.read(query, JOURNEY)


@pytest.mark.parametrize("text", ["-1", "x", "1.5", "", "1001"])
def test_wrong_numbers(text: str) -> None:
    with pytest.raises(UsageError):
        read_number("limit", text, 1, 1000)


@pytest.mark.parametrize(
    ("options", "period", "compare"),
    [
        (MapOptions(), ("2026-04-16", "2026-05-16"), None),
        (MapOptions(compare="previous"), ("2026-04-16", "2026-05-16"), ("2026-03-17", "2026-04-16")),
        (MapOptions(compare="year"), ("2026-04-16", "2026-05-16"), ("2025-04-16", "2025-05-16")),
        (MapOptions(period="7d"), ("2026-05-09", "2026-05-16"), None),
        (MapOptions(period="all", compare="previous"), (None, None), None),
        (
            MapOptions(period="custom", start=dt.date(2026, 5, 1), end=dt.date(2026, 5, 3), compare="previous"),
            ("2026-05-01", "2026-05-04"),
            ("2026-04-28", "2026-05-01"),
        ),
        (MapOptions(period="custom", end=dt.date(2026, 5, 3)), (None, "2026-05-04"), None),
        (
            MapOptions(period="custom", start=dt.date(2026, 5, 10), compare="previous"),
            ("2026-05-10", None),
            ("2026-05-04", "2026-05-10"),
        ),
    ],
)
def test_periods_are_whole_local_days(options: MapOptions, period: Any, compare: Any) -> None:
    found = options.periods(NOON, "Europe/Helsinki")
    for given, expected in zip(found, (period, compare), strict=True):
        if expected is None:
            assert given is None
            continue
        assert given is not None
        ends = tuple(None if e is None else e.date().isoformat() for e in (given.start, given.end))
        assert ends == expected
        assert all(e is None or (e.hour, e.minute) == (0, 0) for e in (given.start, given.end))


def test_today_is_local() -> None:
    late = dt.datetime(2026, 5, 15, 22, tzinfo=dt.UTC)  # already the 16th in Helsinki
    period, _ = MapOptions(period="7d").periods(late, "Europe/Helsinki")
    assert period.end is not None
    assert period.end.date() == dt.date(2026, 5, 17)


def test_links_are_short_and_read_back() -> None:
    options = MapOptions(view="plan", period="custom", start=dt.date(2026, 5, 1), persona="sara")
    assert options.href(view="both", persona=None, period="30d") == "/"
    pairs = dict(p.split("=") for p in options.query().split("&"))
    assert MapOptions.read(pairs, JOURNEY) == options


@pytest.mark.parametrize(
    ("header", "expected"),
    [("", []), ("fi", ["fi"]), ("sv;q=0.3, fi-FI, en;q=0.8", ["fi-FI", "en", "sv"]), ("*, fi;q=0", []), ("x;q=z", [])],
)
def test_accept_language(header: str, expected: list[str]) -> None:
    assert accepted(header) == expected
