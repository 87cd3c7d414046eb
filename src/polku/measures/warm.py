"""Compile every kernel once, on three people: the first time after an installation takes seconds, later ones none.

Kernels are cached beside the code (or in the user's cache folder), so this costs little from the second time on.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

from polku.language import N_

PREPARING = N_("getting ready (the first time compiles the measures)")
MAP = {
    "title": "warm",
    "stages": [
        {"id": "a", "touchpoints": [{"id": "one", "match": {"event": "page"}}]},
        {"id": "b", "touchpoints": [{"id": "two", "match": {"event": "Product Viewed"}, "fails": {"event": "Failed"}}]},
        {"id": "c", "enter": "count(two) >= 2 within 30d and days_since(one) >= 1", "lapses_after": "30d"},
    ],
}
PEOPLE: dict[str, list[tuple[str, str] | tuple[str, str, dict[str, Any]]]] = {
    "anna": [("2026-01-01 10:00", "page", {"path": "/"}), ("2026-01-01 10:05", "Product Viewed", {"value": 1.0})],
    "bertta": [("2026-01-02 10:00", "page", {"path": "/x"}), ("2026-01-03 10:00.5", "Other")],
    "celia": [("2026-01-02 10:00", "Failed"), ("2026-01-04 10:00", "Product Viewed"), ("2026-02-20", "page")],
}


def warm(progress: Callable[[float, float | None, str], None] | None = None) -> None:
    """Run the living map and every measure of the catalogue once on a tiny journey."""
    from polku.journey.model import Journey
    from polku.measures.ask import measure_view
    from polku.measures.catalogue import CATALOGUE
    from polku.measures.customers import customers_behind
    from polku.measures.living import living_view
    from polku.measures.timeline import timeline_view
    from polku.measures.view import view_of
    from polku.trails.people import trails_of

    tell = progress or (lambda done, total, what: None)
    journey = Journey.model_validate(MAP)
    view = view_of(trails_of(journey, cast(Any, PEOPLE)), journey)
    steps: list[Callable[[], object]] = [
        lambda: living_view(view),
        lambda: customers_behind(view.trails, journey),
        lambda: timeline_view(view, 1),
    ]
    steps += [functools.partial(measure_view, view, name, m.example) for name, m in CATALOGUE.items()]
    for done, step in enumerate(steps):
        tell(done, len(steps), PREPARING)
        step()
