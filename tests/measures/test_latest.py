"""Who was last at each touchpoint, told as people."""

from __future__ import annotations

import datetime as dt

from polku.journey.model import Journey
from polku.measures.customers import customers_behind
from polku.measures.living import living_map
from polku.trails.people import trails_of

MAP = Journey.model_validate(
    {
        "title": "Latest",
        "timezone": "UTC",
        "stages": [
            {
                "id": "look",
                "touchpoints": [
                    {"id": "home", "match": {"event": "page"}},
                    {"id": "product", "match": {"event": "Product Viewed"}},
                ],
            },
            {"id": "buy", "touchpoints": [{"id": "order", "match": {"event": "Order Completed"}}]},
        ],
    }
)
PEOPLE = {
    "anna": [("2026-01-01 10:00", "page"), ("2026-01-01 10:01", "Product Viewed"), ("2026-01-01 10:02", "Other")],
    "bertta": [("2026-01-01 10:00", "Order Completed"), ("2026-01-03 10:00", "page")],
    "celia": [("2026-01-02 10:00", "Other")],
    "dora": [("2026-01-02 10:00", "page"), ("2026-01-09 10:00", "Order Completed")],
}


def here(as_of: str) -> dict[str, tuple[int, int]]:
    moment = dt.datetime.fromisoformat(as_of).replace(tzinfo=dt.UTC)
    trails = trails_of(MAP, PEOPLE)
    living = living_map(trails, MAP, as_of=moment)
    return {t.id: (t.now.n, customers_behind(trails, MAP, t.now.behind).total) for t in living.touchpoints}


def test_each_stands_at_the_last_touchpoint_they_met() -> None:
    assert here("2026-01-10") == {"home": (1, 1), "product": (1, 1), "order": (1, 1)}


def test_what_comes_after_the_moment_does_not_count() -> None:
    assert here("2026-01-02 12:00") == {"home": (1, 1), "product": (1, 1), "order": (1, 1)}
    assert here("2026-01-01 10:00") == {"home": (1, 1), "product": (0, 0), "order": (1, 1)}
