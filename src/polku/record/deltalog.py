"""What Delta's log says commit by commit: which files came, which went, and what Polku wrote beside them.

The log is read as the protocol describes it (https://github.com/delta-io/delta/blob/master/PROTOCOL.md), because the
library tells the current files but not which commit brought them.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import Any
from urllib.parse import unquote

from polku.record.place import Place


@dataclasses.dataclass(frozen=True, slots=True)
class File:
    """One Parquet file of history. ``path`` is relative to the table; ``uri`` is what other tools open."""

    path: str
    uri: str
    day: dt.date
    rows: int
    size: int


@dataclasses.dataclass(frozen=True, slots=True)
class Commit:
    """One version of history.

    kind: ``import``, ``move``, ``erase``, ``compact``, ``vacuum``, ``create``; ``foreign`` for another tool's commit.
    ``added`` holds only files that bring data (not those of a compaction); ``lost_data`` tells that rows were removed.
    """

    version: int
    kind: str
    facts: dict[str, Any]
    added: tuple[File, ...]
    removed: tuple[str, ...]
    lost_data: bool


def log_name(version: int) -> str:
    """The log file of a version, relative to the table."""
    return f"_delta_log/{version:020d}.json"


def read_commit(place: Place, version: int) -> Commit | None:
    """The commit, or None when its log file is gone (older than the log's retention)."""
    try:
        text = place.read(log_name(version)).decode("utf-8")
    except FileNotFoundError:
        return None
    kind, facts = "foreign", {}
    added: list[File] = []
    removed: list[str] = []
    lost = False
    for line in text.splitlines():
        action = json.loads(line)
        if info := action.get("commitInfo"):
            if "polku" in info:
                facts = json.loads(info["polku"])
                kind = facts.get("kind", kind)
            elif info.get("operation") in (
                "CREATE TABLE",
                "OPTIMIZE",
                "VACUUM START",
                "VACUUM END",
                "SET TBLPROPERTIES",
            ):
                kind = {"CREATE TABLE": "create", "OPTIMIZE": "compact"}.get(info["operation"], "vacuum")
        elif add := action.get("add"):
            if add.get("dataChange", True):
                added.append(_file(place, add))
        elif remove := action.get("remove"):
            removed.append(unquote(remove["path"]))
            lost = lost or remove.get("dataChange", True)
    return Commit(version, kind, facts, tuple(added), tuple(removed), lost)


def _file(place: Place, add: dict[str, Any]) -> File:
    path = unquote(add["path"])
    stats = json.loads(add.get("stats") or "{}")
    day = dt.date.fromisoformat(add["partitionValues"]["day"])
    return File(path, place.url(path), day, int(stats.get("numRecords", -1)), int(add["size"]))
