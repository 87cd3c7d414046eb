"""Costs in the record: kept once a day and campaign, replaced by newer exports, seen by SQL."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from polku.errors import RecordError
from polku.record.costs import COSTS, Kept
from polku.record.project import create_project


def lines(*rows: tuple[int, str, str | None, str | None, float]) -> pa.Table:
    """(day of January 2026, source, medium, campaign, amount) each."""
    made: list[dict[str, Any]] = [
        {"day": dt.date(2026, 1, day), "source": s, "medium": m, "campaign": c, "amount": a, "currency": "EUR"}
        for day, s, m, c, a in rows
    ]
    return pa.Table.from_pylist(made, schema=COSTS)


def test_a_newer_export_replaces_its_own_lines_only(tmp_path: Path) -> None:
    with create_project(tmp_path / "shop") as project:
        assert project.costs.table().schema == COSTS
        assert (project.costs.table().num_rows, project.costs.version()) == (0, 0)
        first = lines((2, "google", "cpc", "a", 5.0), (1, "google", "cpc", None, 2.5), (1, "friend", None, None, 1.0))
        assert project.costs.keep(first) == Kept(3, 0, 0)
        assert project.costs.keep(first) == Kept(0, 0, 3)
        assert project.costs.version() == 1
        assert project.costs.keep(lines((2, "google", "cpc", "a", 6.0), (3, "google", "cpc", "a", 7.0))) == Kept(
            1, 1, 0
        )
        assert project.costs.version() == 2
        table = project.costs.table()
        rows = zip(*(table[name].to_pylist() for name in COSTS.names[:5]), strict=True)
        assert [(day.day, *rest) for day, *rest in rows] == [
            (1, "friend", None, None, 1.0), (1, "google", "cpc", None, 2.5), (2, "google", "cpc", "a", 6.0),
            (3, "google", "cpc", "a", 7.0),
        ]  # fmt: skip
        assert project.sql("select sum(amount) as s from costs").to_pylist() == [{"s": 16.5}]


def test_a_key_twice_is_refused(tmp_path: Path) -> None:
    with create_project(tmp_path / "shop") as project:
        with pytest.raises(RecordError, match="several lines"):
            project.costs.keep(lines((1, "a", None, None, 1.0), (1, "a", "", "", 2.0)))
        assert project.costs.table().num_rows == 0
