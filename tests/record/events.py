"""Events as short lines, for the tests of the record."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pyarrow as pa

from polku.events.schema import ARRIVING
from polku.record.project import Project
from polku.record.writer import Committed

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def at(seconds: float) -> dt.datetime:
    """A moment some seconds after the first of January 2026."""
    return START + dt.timedelta(seconds=seconds)


def event(
    event_id: str,
    seconds: float,
    *,
    user: str | None = None,
    anonymous: str | None = None,
    account: str | None = None,
    name: str = "page",
    traits: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """One event with the columns of ARRIVING that matter here."""
    return {
        "event_id": event_id,
        "time": at(seconds),
        "received_at": at(0),
        "event": name,
        "user_id": user,
        "anonymous_id": anonymous,
        "account_id": account,
        "context": None if traits is None else json.dumps({"traits": traits}),
    }


def table(*events: dict[str, Any]) -> pa.Table:
    """Events as a table with ARRIVING's schema."""
    return pa.Table.from_pylist(list(events), schema=ARRIVING)


def stored(project: Project, *events: dict[str, Any], kind: str = "import") -> Committed:
    """Write events straight to history, in one commit."""
    with project.history.writer(kind, "test") as writer:
        writer.add(table(*events))
        return writer.commit()
