"""Trails of a few people written as short lists of events: for tests, stories and documentation.

They go through the same matching and sorting as a project's trails; only the files on disk are left out.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from polku.errors import TrailsError
from polku.journey.model import Journey
from polku.language import N_
from polku.trails.build import trails_in_memory
from polku.trails.coding import IDS
from polku.trails.days import zone_named
from polku.trails.layout import Trails
from polku.trails.matching import Matching

#: ("2026-01-01 10:00", "Product Viewed") or with more: (..., {"value": 10, "path": "/x", "session": "s1"})
Event = tuple[str | dt.datetime, str] | tuple[str | dt.datetime, str, Mapping[str, Any]]

KNOWN = {
    "value", "currency", "path", "referrer", "campaign", "properties", "context", "channel", "session", "source",
    "consent", "user", "anonymous", "account", "seq",
}  # fmt: skip

SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("time", pa.timestamp("us", "UTC")),
        ("received_at", pa.timestamp("us", "UTC")),
        ("event", pa.string()),
        ("original_event", pa.string()),
        ("source", pa.string()),
        ("channel", pa.string()),
        ("anonymous_id", pa.string()),
        ("user_id", pa.string()),
        ("account_id", pa.string()),
        ("session_id", pa.string()),
        ("seq", pa.int64()),
        ("value", pa.float64()),
        ("currency", pa.string()),
        ("consent", pa.string()),
        ("properties", pa.string()),
        ("context", pa.string()),
        ("day", pa.date32()),
    ]
)


def trails_of(
    journey: Journey, people: Mapping[str, Sequence[Event]], as_of: dt.datetime | str | None = None
) -> Trails:
    """Trails of people under a map; customer 1 is the first of ``people``, and ``names`` tells who is who.

    An event is (time, name) or (time, name, facts); a time without a zone is in the map's. Facts: ``value``,
    ``currency``, ``path`` and ``referrer`` (of the page), ``campaign`` (source, medium, name), ``properties``,
    ``context``, ``channel``, ``session``, ``source``, ``user``, ``anonymous``, ``account``, ``seq``. Events of equal
    time keep the order they are written in.

    >>> from polku.journey.model import Journey
    >>> shop = Journey.model_validate({"title": "Shop", "stages": [{"id": "decision", "touchpoints": [
    ...     {"id": "cart", "match": {"event": "Product Added"}}]}]})
    >>> anna = [("2026-01-01 10:00", "Product Added"), ("2026-01-01 9:00", "page", {"path": "/"})]
    >>> t = trails_of(shop, {"anna": anna})
    >>> [t.tables.code_event[c] for c in t.buckets[0].code], t.names.to_pylist()
    (['page', 'Product Added'], ['anna'])
    """
    return trails_of_table(journey, history_of(journey, people), as_of=as_of)


def history_of(journey: Journey, people: Mapping[str, Sequence[Event]]) -> pa.Table:
    """The rows of history that ``people`` (as in :func:`trails_of`) amount to."""
    zone = zone_named(journey.timezone)
    who = "account_id" if journey.subject == "account" else "user_id"
    rows: list[dict[str, Any]] = []
    for name, events in people.items():
        for event in events:
            facts: Mapping[str, Any] = event[2] if len(event) > 2 else {}
            if unknown := sorted(set(facts) - KNOWN):
                raise TrailsError(
                    N_("An event of {name!r} has the unknown fact {fact!r}. Known: {known}."),
                    name=name,
                    fact=unknown[0],
                    known=", ".join(sorted(KNOWN)),
                )
            time = _time(event[0], zone)
            context: dict[str, Any] = dict(facts.get("context") or {})
            page = {k: facts[k] for k in ("path", "referrer") if k in facts}
            if page:
                context["page"] = {**context.get("page", {}), **page}
            if "campaign" in facts:
                context["campaign"] = facts["campaign"]
            ids = {
                "user_id": facts.get("user"),
                "anonymous_id": facts.get("anonymous"),
                "account_id": facts.get("account"),
            }
            if not any(ids.values()) or (who == "account_id" and not ids["account_id"]):
                ids[who] = name
            seq = int(facts.get("seq", len(rows) + 1))
            rows.append(
                {
                    "event_id": f"e{seq}",
                    "time": time,
                    "received_at": time,
                    "event": event[1],
                    "source": facts.get("source"),
                    "consent": facts.get("consent"),
                    "channel": facts.get("channel"),
                    **ids,
                    "session_id": facts.get("session"),
                    "seq": seq,
                    "value": facts.get("value"),
                    "currency": facts.get("currency"),
                    "properties": json.dumps(facts["properties"], ensure_ascii=False)
                    if facts.get("properties")
                    else None,
                    "context": json.dumps(context, ensure_ascii=False) if context else None,
                    "day": time.astimezone(dt.UTC).date(),
                }
            )
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def trails_of_table(journey: Journey, table: pa.Table, as_of: dt.datetime | str | None = None) -> Trails:
    """Trails of an Arrow table with history's columns (missing ones count as null, ``seq`` as the row number).

    Customers are numbered from 1 in the order of their first row; a row with both user and anonymous id joins them, an
    anonymous id stays with the first user it was seen with. ``names`` gives the user id, else the anonymous id.
    """
    for field in SCHEMA:
        if field.name not in table.column_names:
            column = (
                pa.array(np.arange(table.num_rows), pa.int64())
                if field.name == "seq"
                else pa.nulls(table.num_rows, field.type)
            )
            table = table.append_column(field, column)
    keys, names = _identify(table, journey.subject)
    return trails_in_memory(
        Matching.of(journey), table, keys, names=pa.array(names, pa.string()), as_of=_moment(as_of, journey.timezone)
    )


def _identify(table: pa.Table, subject: str) -> tuple[npt.NDArray[np.int64], list[str]]:
    columns = [table.column(name).cast(pa.string()).to_pylist() for name in IDS[subject]]
    if len(columns) == 1:
        columns.append([None] * table.num_rows)
    user_of: dict[str, str] = {}
    for user, anonymous in zip(*columns, strict=True):
        if user and anonymous:
            user_of.setdefault(anonymous, user)
    numbers: dict[tuple[str, str], int] = {}
    keys = np.empty(table.num_rows, np.int64)
    for row, (user, anonymous) in enumerate(zip(*columns, strict=True)):
        user = user or user_of.get(anonymous or "")
        who = ("user", user) if user else ("anonymous", anonymous) if anonymous else None
        keys[row] = -1 if who is None else numbers.setdefault(who, len(numbers) + 1)
    return keys, [name for _, name in numbers]


def _time(time: str | dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    if isinstance(time, str):
        date, _, clock = time.strip().replace("T", " ").partition(" ")
        if clock[1:2] == ":":  # 9:00
            clock = "0" + clock
        time = dt.datetime.fromisoformat(f"{date} {clock}" if clock else date)
    return time if time.tzinfo else time.replace(tzinfo=zone)


def _moment(as_of: dt.datetime | str | None, timezone: str) -> dt.datetime | None:
    return None if as_of is None else _time(as_of, zone_named(timezone)).astimezone(dt.UTC)
