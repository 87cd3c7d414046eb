"""A project of some hundred people, small buckets, and engines that need no Java."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from polku.engines.spark import SparkEngine
from polku.engines.spark.coding import Coded, Coding, code_batches
from polku.events.schema import ARRIVING
from polku.record.project import Project, create_project
from polku.trails.feed import Part
from polku.trails.layout import Trails

MAP = """
polku: 1
title: Shop
timezone: Europe/Helsinki
currency: EUR
personas:
  fashion: {title: Fashion, where: "traits.segment = 'fashion'"}
segments:
  buyers: count(two) >= 1 within 365d
stages:
  - id: a
    touchpoints:
      - {id: one, match: {event: page}}
      - {id: guide, match: {event: Read, path: /guide*}}
  - id: b
    touchpoints:
      - {id: two, match: {event: Product Viewed}, fails: {event: Failed}}
      - {id: red, match: {event: Product Added, where: "properties.colour = 'red'"}}
      - {id: order, match: {event: Order Completed}, value: revenue}
  - id: c
    enter: count(two) >= 2 within 30d and days_since(one) >= 1
    lapses_after: 30d
"""
START = dt.datetime(2026, 3, 20, tzinfo=dt.UTC)  # the clock changes on the 29th
NAMES = ("page", "Read", "Product Viewed", "Product Added", "Order Completed", "Failed", "Other")
PEOPLE = 120


def events(n: int = 900, seed: int = 5) -> list[dict[str, Any]]:
    """Events of all sorts: with and without ids, sessions, values, parts of a second, campaigns, properties."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        person, name = int(rng.integers(PEOPLE)), NAMES[int(rng.integers(len(NAMES)))]
        context: dict[str, Any] = {"page": {"path": f"/guide/{rng.integers(5)}", "referrer": "https://www.google.com/"}}
        if rng.random() < 0.3:
            context["campaign"] = {"source": "instagram", "name": f"c{rng.integers(3)}"}
        if rng.random() < 0.2:
            context["traits"] = {"segment": "fashion" if person % 3 else "sport"}
        ids = {"user_id": f"u{person}"} if rng.random() < 0.7 else {"anonymous_id": f"a{person}"}
        if rng.random() < 0.1:
            ids = {"user_id": f"u{person}", "anonymous_id": f"a{person}"}
        if rng.random() < 0.03:
            ids = {}
        made.append(
            {
                "event_id": f"e{seed}-{i}",
                "time": START + dt.timedelta(seconds=int(rng.integers(20 * 86400)), microseconds=500 * (i % 3)),
                "received_at": START,
                "event": name,
                "channel": ("web", "email", None)[i % 3],
                "session_id": f"s{person}-{rng.integers(3)}" if rng.random() < 0.6 else None,
                "value": float(rng.integers(100)) if name == "Order Completed" else None,
                "currency": "EUR" if name == "Order Completed" else None,
                "properties": json.dumps({"colour": ("red", "blue")[i % 2], "revenue": 10 + i, "path": f"/p{i % 4}"}),
                "context": json.dumps(context) if rng.random() < 0.9 else None,
                **ids,
            }
        )
    return made


def store(project: Project, rows: Sequence[dict[str, Any]]) -> None:
    """Straight to history, in one commit."""
    with project.history.writer("import", "test") as writer:
        writer.add(pa.Table.from_pylist(list(rows), schema=ARRIVING))
        writer.commit()


def shop_in(folder: Path) -> Project:
    """A project with its map, history of several files and some events that are still in the inbox."""
    folder.mkdir(parents=True)
    (folder / "journey.yaml").write_text(MAP, encoding="utf-8")
    project = create_project(folder, "en")
    rows = events()
    store(project, rows[:400])
    store(project, rows[400:800])
    project.inbox.append(pa.Table.from_pylist(rows[800:], schema=ARRIVING))
    return project


def same_arrays(one: Trails, other: Trails) -> None:
    """Every array of every bucket, and every word."""
    assert len(one.buckets) == len(other.buckets)
    for a, b in zip(one.buckets, other.buckets, strict=True):
        for name in a.__dataclass_fields__:
            x, y = getattr(a, name), getattr(b, name)
            if isinstance(x, np.ndarray):
                assert x.dtype == y.dtype, name
                np.testing.assert_array_equal(x, y, err_msg=name)
            else:
                assert x == y, name
    for name in ("touchpoints", "code_event", "code_channel", "origins", "currencies", "pages"):
        assert getattr(one.tables, name) == getattr(other.tables, name), name
    np.testing.assert_array_equal(one.tables.code_touchpoint, other.tables.code_touchpoint)
    np.testing.assert_array_equal(one.tables.code_fails, other.tables.code_fails)
    assert (one.events, one.without_customer, one.first, one.last) == (
        other.events, other.without_customer, other.first, other.last,
    )  # fmt: skip


class Inline(SparkEngine):
    """The engine without its Spark: what would travel is packed and unpacked, tasks run here, in any order."""

    def __init__(self) -> None:
        self.own, self.name, self.tasks = False, "inline", 0

    @property
    def cores(self) -> int:
        return 2

    def table(self, function: Any, tasks: int, schema: str = "") -> pa.Table:
        self.tasks += tasks
        numbers = [pa.record_batch({"id": pa.array([k], pa.int64())}) for k in reversed(range(tasks))]
        return pa.Table.from_batches(function(iter(numbers)))

    @staticmethod
    def read(_: SparkEngine, order: Coding, parts: Sequence[Part]) -> list[Coded]:
        """In the place of ``code_there``: each file of history is a partition of its own."""
        from polku.engines.spark.sending import dumps, loads

        def batches(part: Part) -> Iterator[pa.RecordBatch]:
            table = part.read(order.columns)
            plain = [
                c.cast(c.type.value_type) if pa.types.is_dictionary(c.type) else c for c in table.itercolumns()
            ]  # as Spark gives them
            yield from pa.table(plain, names=table.column_names).to_batches(max_chunksize=50)

        order = loads(dumps(order))
        return [c for p in parts if p.uri is not None for c in code_batches(order, batches(p))]
