"""JSON Lines and Parquet: the same events as from CSV, nested things kept."""

# ruff: noqa: E501, DTZ001 - a table reads better in one line a case; zone-less times on purpose
from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polku.errors import SourceError
from polku.events.refusals import Refusal
from polku.record.project import Project
from polku.sources.jsonl import JsonLinesSource

from .conftest import bring, stored

Write = Callable[..., Path]

SEGMENT = [
    {"type": "track", "event": "Order Completed", "userId": "u1", "anonymousId": "a1", "messageId": "m1", "timestamp": "2026-01-01T10:00:00Z",
     "properties": {"revenue": 12.5, "products": [{"sku": "x", "price": 1.50}]}, "context": {"page": {"path": "/kassa"}}},
    {"type": "page", "userId": None, "anonymousId": "a1", "messageId": "m2", "timestamp": "2026-01-01T10:01:00Z", "properties": {"path": "/"}},
    {"type": "identify", "userId": "u1", "anonymousId": "a1", "messageId": "m3", "timestamp": "2026-01-01T10:02:00Z", "traits": {"plan": "pro"}},
]  # fmt: skip


def lines(rows: list[Any]) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)) + "\n" for row in rows)


@pytest.mark.parametrize("packed", [False, True])
def test_segments_calls(project: Project, write: Write, packed: bool) -> None:
    text = lines(SEGMENT).encode()
    report = bring(project, write("calls.jsonl.gz", gzip.compress(text)) if packed else write("calls.jsonl", text))
    assert (report.stored, report.new_customers) == (3, 1)
    rows = stored(project, "event_id", "event", "user_id", "anonymous_id", "properties", "context")
    assert [row[:4] for row in rows] == [
        ("m1", "Order Completed", "u1", "a1"),
        ("m2", "page", None, "a1"),
        ("m3", "identify", "u1", "a1"),
    ]
    assert json.loads(rows[0][4]) == {"revenue": 12.5, "products": [{"sku": "x", "price": 1.5}]}
    assert json.loads(rows[0][5]) == {"page": {"path": "/kassa"}}
    assert json.loads(rows[2][5]) == {"traits": {"plan": "pro"}}


def test_what_stands_in_no_column_becomes_properties(project: Project, write: Write) -> None:
    row = {
        "user_id": 7,
        "event": "page",
        "time": 1767261600,
        "deep": {"a": [1, {"b": None}]},
        "none": None,
        "ä": "ö",
        "a/b": 1,
        "x'y": True,
    }
    bring(project, write("f.jsonl", lines([row])))
    [(user, when, properties)] = stored(project, "user_id", "time", "properties")
    assert (user, when.isoformat()) == ("7", "2026-01-01T10:00:00+00:00")
    assert json.loads(properties) == {"deep": {"a": [1, {"b": None}]}, "none": None, "ä": "ö", "a/b": 1, "x'y": True}


def test_only_the_properties_named(project: Project, write: Write) -> None:
    row = {"user_id": "u", "event": "page", "time": "2026-01-01", "a/b": {"c": 1}, "d": 2, "e": None}
    bring(project, write("f.jsonl", lines([row])), properties=("a/b", "e"), traits=("d",))
    [(properties, context)] = stored(project, "properties", "context")
    assert (json.loads(properties), json.loads(context)) == ({"a/b": {"c": 1}}, {"traits": {"d": 2}})


BAD = [
    ("{broken", Refusal.NOT_JSON),
    ('{"user_id": "u", "event": "x", "time": "2026-01-01", "v": NaN}', Refusal.NOT_JSON),
    ('{"user_id": "\\ud800"}', Refusal.NOT_JSON),
    ("[1, 2]", Refusal.NOT_AN_OBJECT),
    ('"text"', Refusal.NOT_AN_OBJECT),
    ("null", Refusal.NOT_AN_OBJECT),
    ('{"user_id": "u", "event": "x"}', Refusal.NO_TIME),
    ('{"user_id": "u", "time": "2026-01-01"}', Refusal.NO_EVENT),
    ('{"user_id": "u", "event": "x", "time": {"a": 1}}', Refusal.UNREADABLE_TIME),
]


@pytest.mark.parametrize(("line", "reason"), BAD)
def test_bad_lines(project: Project, write: Write, line: str, reason: Refusal) -> None:
    good = {"user_id": "u", "event": "page", "time": "2026-01-01"}
    report = bring(project, write("f.jsonl", lines([good, "", line, good])))
    assert (report.read, report.stored) == (3, 2)
    assert [(r.reason, r.examples[0].line) for r in report.refused] == [(reason, 3)]
    [kept] = report.refused_files
    assert kept.suffix == ".jsonl"
    text = kept.read_text("utf-8")
    assert text == line + "\n" or json.loads(text)["_polku_reason"] == reason.name.lower()


def test_mended_lines(project: Project, write: Write) -> None:
    report = bring(
        project,
        write("f.jsonl", lines([{"user_id": "u", "event": "page", "time": t, "n": 1} for t in ("2026-01-01", "x")])),
    )
    [kept] = report.refused_files
    kept.write_text(kept.read_text("utf-8").replace('"x"', '"2026-01-02"'), encoding="utf-8")
    assert bring(project, kept).stored == 1
    assert stored(project, "properties") == [('{"n":1}',), ('{"n":1}',)]


def test_a_cut_last_line(project: Project, write: Write) -> None:
    text = lines([{"user_id": "u", "event": "page", "time": "2026-01-01"}])
    report = bring(project, write("f.jsonl", text + text[:20]))
    assert [(r.reason, r.examples[0].line) for r in report.refused] == [(Refusal.TRUNCATED, 2)]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~'\"é", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.lists(st.dictionaries(st.text("xyz/~'é", min_size=1, max_size=3), JSON, max_size=3), max_size=6))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rest_is_what_was_written(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text(lines([{"k": "v"}, *rows]), encoding="utf-8")
    [batch] = JsonLinesSource(path, None).batches(["k"])
    assert not batch.bad
    assert [json.loads(r) for r in batch.rest.to_pylist()] == [{}, *rows]  # type: ignore[union-attr]


TABLE = pa.table(
    {
        "customer_id": pa.array([17850.0, float("nan"), 3.0]),
        "event": pa.array(["view_item", "purchase", "purchase"]).dictionary_encode(),
        "time": pa.array([dt.datetime(2026, 1, 1, 10)] * 3, pa.timestamp("ns")),
        "value": pa.array([None, 12.5, float("nan")]),
        "tags": pa.array([["a", "b"], None, []]),
        "seen": pa.array([dt.date(2026, 1, 1), None, None]),
        "raw": pa.array([b"x", b"\xff", None]),
        "price": pa.array(["1.5", "2", None]),
        "context": pa.array([{"page": {"path": "/"}}, None, None]),
    }
)


def test_parquet(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    pq.write_table(TABLE, path)
    report = bring(project, path)
    assert (report.stored, report.without_customer) == (3, 1)
    rows = stored(project, "user_id", "event", "time", "value", "properties", "context")
    assert [row[0] for row in rows] == ["17850", None, "3"]
    assert rows[0][2].isoformat() == "2026-01-01T08:00:00+00:00"  # 10:00 in Helsinki
    assert [row[3] for row in rows] == [None, 12.5, None]
    assert json.loads(rows[0][4]) == {"tags": ["a", "b"], "seen": "2026-01-01", "raw": "78", "price": "1.5"}
    assert json.loads(rows[0][5]) == {"page": {"path": "/"}}
    assert bring(project, path).stored == 0


def test_packed_parquet_and_its_refused_rows(project: Project, tmp_path: Path) -> None:
    table = pa.table({"user_id": ["u1", "u,2"], "event": ["page", "page"], "time": ["2026-01-01", "never"]})
    plain = tmp_path / "f.parquet"
    pq.write_table(table, plain)
    packed = tmp_path / "f.parquet.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    report = bring(project, packed)
    assert (report.stored, report.refused_count) == (1, 1)
    [kept] = report.refused_files
    assert (
        kept.read_text("utf-8") == '_polku_line,_polku_reason,user_id,event,time\n2,unreadable_time,"u,2",page,never\n'
    )
    kept.write_text(kept.read_text("utf-8").replace("never", "2026-01-02"), encoding="utf-8")
    assert bring(project, kept).stored == 1
    assert stored(project, "user_id") == [("u1",), ("u,2",)]


def test_a_damaged_parquet_stores_nothing(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table({"user_id": ["u1"] * 50_000, "event": ["page"] * 50_000, "time": ["2026-01-01"] * 50_000}), path, compression="none", use_dictionary=False)  # fmt: skip
    content = bytearray(path.read_bytes())
    content[1000:600_000] = b"\xff" * 599_000
    path.write_bytes(content)
    with pytest.raises(SourceError, match="cannot be read as Parquet"):
        bring(project, path)
    assert project.history.rows() == 0


def test_csv_and_jsonl_and_parquet_of_the_same_ids(project: Project, write: Write, tmp_path: Path) -> None:
    """Without other columns the same events have the same ids whatever the file's format."""
    table = pa.table(
        {
            "user_id": ["u1", "u1"],
            "event": ["page", "purchase"],
            "time": ["2026-01-01T00:00:00Z"] * 2,
            "value": [None, 2.5],
        }
    )
    pq.write_table(table, tmp_path / "f.parquet")
    assert bring(project, tmp_path / "f.parquet").stored == 2
    assert bring(project, write("f.csv", "user_id,event,time,value\nu1,page,2026-01-01T00:00:00Z,\nu1,purchase,2026-01-01T02:00:00,2.50\n")).stored == 0  # fmt: skip
    assert bring(project, write("f.jsonl", lines(table.to_pylist()))).stored == 0
