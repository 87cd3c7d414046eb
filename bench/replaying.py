"""A dry run of a rule on history: candidates found by kernels, the live engine over each of them."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from properties import project_with
from shop import shop_with, tell

GROUP = "Guidance"
#: (name, the rule as a map says it, days of the past; None: all of it)
RULES: tuple[tuple[str, dict[str, Any], int | None], ...] = (
    (
        "abandoned cart, 90 days",
        {"when": {"reached": "cart", "without": "order", "for": "4h"}, "limit": {"times": 1, "every": "14d"}},
        90,
    ),
    ("abandoned cart, all of it", {"when": {"reached": "cart", "without": "order", "for": "4h"}}, None),
    ("lapsed customers, 90 days", {"when": {"lapsed": "retention"}, "limit": {"times": 1, "every": "180d"}}, 90),
)
#: The same over events that say which product they are about, and what it costs.
ABOUT_PRODUCTS: tuple[tuple[str, dict[str, Any], int | None], ...] = (
    (
        "each product by itself, 90 days",
        {"when": {"reached": "product", "without": "cart", "for": "4h", "per": "product_id"}},
        90,
    ),
    (
        "products above 100, 90 days",
        {"when": {"reached": "cart", "without": "order", "for": "4h", "where": "properties.price > 100"}},
        90,
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=1_000_000)
    events = parser.parse_args().events
    measure(shop_with(events), events, RULES)
    measure(project_with(events), events, ABOUT_PRODUCTS)


def measure(folder: Path, events: int, rules: tuple[tuple[str, dict[str, Any], int | None], ...]) -> None:
    """Each rule over the project in ``folder``."""
    import datetime as dt

    from polku.guidance.replay import replay
    from polku.guidance.rules import compile_rule
    from polku.journey.model import Guidance
    from polku.measures.view import view_of
    from polku.record.project import open_project
    from polku.trails import open_trails

    with open_project(folder) as project:
        trails, journey = open_trails(project), project.journey()
        assert trails.last is not None
        assert trails.first is not None
        view = view_of(trails, journey, project=project, as_of=trails.last)
        send = {"only_if": {"consent": "email"}, "send": {"channel": "email", "content": "content/a.en.md"}}
        for name, said, days in rules:
            rule = compile_rule(Guidance.model_validate({"id": "rule", "state": "draft", **send, **said}), journey)
            start = trails.first if days is None else trails.last - dt.timedelta(days=days)
            replay(project, rule, start=trails.last - dt.timedelta(days=1), view=view)  # kernels
            began = time.perf_counter()
            found = replay(project, rule, start=start, view=view, assume_consent=True)
            seconds = time.perf_counter() - began
            note = f"{found.met:,} customers met the trigger, {found.entered:,} runs; by {found.order}"
            tell(GROUP, f"replay: {name}", "Polku", [seconds], events, note)


if __name__ == "__main__":
    main()
