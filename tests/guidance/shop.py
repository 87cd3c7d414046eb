"""A small shop whose guidance runs: real project, real inbox; only the clock is the test's."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from polku.guidance.live import Done, Live
from polku.record import tables
from polku.record.consents import Decision
from polku.record.project import Project, create_project, open_project

MAP = """
polku: 1
title: Shop
timezone: Europe/Helsinki
segments:
  fans: count(order) >= 2
personas:
  sara: {title: Sara, where: "traits.segment = 'fashion'"}
stages:
  - id: looking
    touchpoints:
      - {id: product, match: {event: Product Viewed}}
      - {id: cart, match: {event: Product Added}, fails: {event: Cart Failed}}
  - id: customer
    lapses_after: 10d
    touchpoints:
      - {id: order, match: {event: Order Completed}}
  - id: loyal
    enter: count(order) >= 2
    touchpoints: [{id: review, match: {event: Review Written}}]
"""
HOUR = 3_600_000_000
DAY = 24 * HOUR
#: A Monday in January, 12:00 in Helsinki.
NOON = int(dt.datetime(2026, 1, 12, 10, tzinfo=dt.UTC).timestamp()) * 1_000_000


class Shop:
    """``rules``: the YAML of ``guidance:``, indented by two; ``more``: other keys of the map."""

    def __init__(
        self, folder: Path, rules: str, more: str = "", start: int = NOON, batch: int = 500, **where: Any
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.now = folder, start
        self.write(rules, more)
        self.project = empty_project(folder, **where)
        self.live = Live(self.project, batch)
        self.sent = 0
        self.tick()

    def write(self, rules: str, more: str = "") -> None:
        """Another map."""
        (self.folder / "journey.yaml").write_text(f"{MAP}{more}\nguidance:\n{rules}", encoding="utf-8")

    def tick(self) -> Done:
        return self.live.catch_up(self.now)

    def wait(self, micros: int) -> Done:
        """Let time pass, and look."""
        self.now += micros
        return self.tick()

    def event(self, user: str, name: str, ago: int = 0, tick: bool = True, **more: Any) -> int:
        """An event that happened ``ago`` microseconds before it arrived; gives its seq."""
        self.sent += 1
        row: dict[str, Any] = {
            "event_id": more.pop("id", f"e{self.sent}"),
            "time": moment(self.now - ago), "received_at": moment(self.now),
            "event": name, "source": "web", "user_id": user, "value": more.pop("value", None),
            "anonymous_id": more.pop("anonymous", None),
        }  # fmt: skip
        context = more.pop("context", None)
        row["context"] = json.dumps(context) if context else None
        row["properties"] = json.dumps(more) if more else None
        seq = self.project.inbox.append([row])
        if tick:
            self.tick()
        return seq

    def consent(self, user: str, purpose: str = "email", granted: bool = True) -> None:
        self.project.consents.decide([Decision("user", user, purpose, granted, self.now - DAY, "form")])

    def customer(self, user: str) -> int:
        found = self.project.identities.customer_of("user", user)
        assert found is not None
        return found

    def outbox(self) -> list[Mapping[str, Any]]:
        with self.project.state.read() as connection:
            query = sa.select(tables.outbox).order_by(tables.outbox.c.made_at, tables.outbox.c.key)
            return [row._mapping for row in connection.execute(query)]

    def notes(self, user: str | None = None, rule: str | None = None) -> list[str]:
        """What was noted, in order."""
        table = tables.run_notes
        query = sa.select(table.c.what).order_by(table.c.id)
        if user is not None:
            query = query.where(table.c.customer == self.customer(user))
        if rule is not None:
            query = query.where(table.c.rule == rule)
        with self.project.state.read() as connection:
            return list(connection.execute(query).scalars())

    def runs(self) -> list[Mapping[str, Any]]:
        with self.project.state.read() as connection:
            return [row._mapping for row in connection.execute(sa.select(tables.runs).order_by(tables.runs.c.id))]

    def timers(self) -> int:
        with self.project.state.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(tables.timers)).scalar_one())

    def close(self) -> None:
        self.project.close()


def empty_project(folder: Path, language: str = "en", **where: Any) -> Project:
    """A new project in a folder that has its map. The state of one that was made before is copied: sixty tests need not
    run all migrations each; where the state stands elsewhere it is made."""
    where = {name: value for name, value in where.items() if value is not None}
    if where:
        return create_project(folder, language, **where)
    if not _fresh:
        template = Path(_kept.name) / "fresh"
        template.mkdir()
        shutil.copy(folder / "journey.yaml", template)
        create_project(template, "en").close()
        _fresh.append(template)
    for name in (".polku", "polku.toml"):
        there = _fresh[0] / name
        if there.is_dir():
            shutil.copytree(there, folder / name)
        elif there.exists():
            shutil.copy(there, folder / name)
    return open_project(folder, language)


_kept = tempfile.TemporaryDirectory(prefix="polku-tests-")
_fresh: list[Path] = []


def moment(micros: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(microseconds=micros)
