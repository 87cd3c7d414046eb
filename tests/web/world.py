"""A small shop with sixty customers, the same every time, in a real project on disk."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

from polku.journey.load import load_journey
from polku.record.project import Project, create_project
from polku.trails.people import Event, history_of

MAP = Path(__file__).parent / "journey.yaml"
FIRST = dt.datetime(2026, 5, 1, 9, tzinfo=dt.UTC)
LAST = dt.datetime(2026, 6, 10, 12, tzinfo=dt.UTC)
NASTY = '<script>alert("x")</script>'


def customer(i: int) -> list[Event]:
    """One customer's events: every second came by the ad, two of three saw a product, and so on, by ``i``."""
    when = FIRST + dt.timedelta(days=i % 30, minutes=7 * i)
    events: list[Event] = []

    def did(name: str, hours: float, **facts: Any) -> None:
        nonlocal when
        when += dt.timedelta(hours=hours)
        facts.setdefault("channel", "web")
        if when <= LAST:
            events.append((when, name, facts))

    if i % 2 == 0:
        did("page", 0, path="/", campaign={"source": "instagram", "medium": "paid", "name": "summer"})
    if i % 3 != 2:
        did("Product Viewed", 0.2, path="/dress", properties={"product_id": f"p{i % 5}", "price": 64.9})
    if i % 4 == 0:
        did("page", 0.1, path="/koko-opas")
    if i % 5 == 0:
        did("page", 0.1, path="/lahjakortti")
    if i % 3 == 0:
        did("Product Added", 0.3, properties={"product_id": f"p{i % 5}"})
    if i % 9 == 0:
        did("Payment Failed", 0.1, properties={"order_id": f"o{i}"})
    if i % 6 == 0:
        did(
            "Order Completed",
            0.1,
            value=64.9 + i,
            currency="EUR",
            properties={"revenue": 64.9 + i, "order_id": f"o{i}"},
        )
        did("Survey Answered", 24, channel="survey", properties={"survey": "order", "score": 4 + i % 7})
    if i % 12 == 0:
        did("Order Completed", 48, value=20.0, currency="EUR", properties={"revenue": 20.0, "order_id": f"o{i}b"})
    if i % 24 == 0:
        did("Product Reviewed", 24)
    if not events:
        did("page", 0, path="/about")
    return events


def people() -> dict[str, list[Event]]:
    """Name to events; one name would be a script if a page did not escape it."""
    found = {f"customer-{i:02d}": customer(i) for i in range(60)}
    found[NASTY] = [
        (LAST, "Product Viewed", {"channel": "web", "path": "/<b>", "context": {"traits": {"segment": "fashion"}}})
    ]
    found["customer-00"][0][2]["context"] = {"traits": {"segment": "fashion", "city": "Turku"}}  # type: ignore[index,misc]
    return found


def make(folder: Path, *, map_file: Path = MAP) -> Project:
    """The shop as a project in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(map_file, folder / "journey.yaml")
    project = create_project(folder, "fi")
    add(project, people())
    return project


def add(project: Project, who: dict[str, list[Event]]) -> None:
    """More events into the project's history."""
    rows = history_of(load_journey(project.folder / "journey.yaml"), who).drop_columns(["seq", "day"])
    with project.history.writer("import", "shop") as writer:
        writer.add(rows)
        writer.commit()
