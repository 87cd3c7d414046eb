"""A record in memory that feeds trails: events, identities, merges, undos and erasures, as a test wishes."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from polku.trails.feed import News, Part, Resolve, Whole
from polku.trails.people import SCHEMA

MICRO = 1_000_000


def row(seq: int, user: str | None, second: float, event: str, **facts: Any) -> dict[str, Any]:
    """One row of history; ``second`` since 1970."""
    made: dict[str, Any] = dict.fromkeys(SCHEMA.names)
    made |= {
        "event_id": f"e{seq}",
        "time": round(second * MICRO),
        "received_at": round(second * MICRO),
        "event": event,
        "user_id": user,
        "seq": seq,
        "day": int(second // 86400),
    }
    for name, value in facts.items():
        made[name] = json.dumps(value, ensure_ascii=False) if name in ("properties", "context") else value
    return made


def table_of(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    return pa.table({f.name: pa.array([r[f.name] for r in rows], f.type) for f in SCHEMA})


@dataclass
class MemoryRecord:
    """Feeds trails (polku.trails.feed.Feed)."""

    all: list[dict[str, Any]] = field(default_factory=list)
    customers: dict[str, int] = field(default_factory=dict)  # user id -> customer now
    log: list[tuple[str, Any]] = field(default_factory=list)  # what happened, in order
    log_gone: bool = False
    part_rows: int = 7
    last_customer: int = 0
    own: dict[str, int] = field(default_factory=dict)  # user id -> the key it was given first
    wholes: int = 0  # how often all was read

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        for r in rows:
            if r["user_id"] is not None and r["user_id"] not in self.customers:
                self.last_customer += 1  # a key is never given twice
                self.customers[r["user_id"]] = self.own[r["user_id"]] = self.last_customer
        self.all += rows
        self.log += [("row", r) for r in rows]

    def merge(self, a: str, b: str) -> None:
        """All ids of both now mean the smaller customer."""
        one, other = sorted((self.customers[a], self.customers[b]))
        if one != other:
            self.log += [("moved", (self.own[u], one)) for u, c in self.customers.items() if c == other]
            self.customers = {k: one if v == other else v for k, v in self.customers.items()}

    def part(self, user: str) -> None:
        """Undo a merge: ``user`` is a customer of their own again."""
        before, own = self.customers[user], self.own[user]
        if before != own:
            self.customers[user] = own
            self.log.append(("dirty", {before, own}))

    def erase(self, user: str) -> None:
        customer = self.customers[user]
        gone = {u for u, c in self.customers.items() if c == customer}
        self.all = [r for r in self.all if r["user_id"] not in gone]
        self.log = [("gone", None) if k == "row" and w["user_id"] in gone else (k, w) for k, w in self.log]
        self.log.append(("erased", customer))
        for user_id in gone:
            del self.customers[user_id], self.own[user_id]

    @property
    def position(self) -> dict[str, int]:
        return {"history": len(self.log), "inbox": 0, "identity": 0}

    def rows(self) -> int:
        return len(self.all)

    def whole(self) -> Whole:
        self.wholes += 1
        table = table_of(self.all)

        def part(at: int) -> Part:
            piece = table.slice(at, self.part_rows)
            return Part(piece.num_rows, lambda columns: piece.select(list(columns)))

        return Whole(self.position, tuple(part(at) for at in range(0, len(self.all), self.part_rows)) or (part(0),))

    def news(self, since: Mapping[str, int], columns: Sequence[str]) -> News | None:
        if self.log_gone:
            return None
        after = self.log[since["history"] :]
        return News(
            self.position,
            table_of([w for k, w in after if k == "row"]).select(list(columns)),
            self.moved({w[0] for k, w in after if k == "moved"}),
            {c for k, w in after if k == "dirty" for c in w},
            {w for k, w in after if k == "erased"},
        )

    def events_of(self, customers: Collection[int], columns: Sequence[str], position: Mapping[str, int]) -> pa.Table:
        return table_of(self.all).select(list(columns))

    def moved(self, keys: set[int]) -> dict[int, int]:
        """Where they live now, as the real record tells it."""
        return {k: self.customers[u] for u, k in self.own.items() if k in keys and self.customers[u] != k}

    def resolver(self, subject: str) -> Resolve:
        now = dict(self.customers)

        def resolve(table: pa.Table) -> npt.NDArray[np.int64]:
            name = "account_id" if subject == "account" else "user_id"
            return np.array([now.get(u, -1) for u in table.column(name).to_pylist()], np.int64)

        return resolve
