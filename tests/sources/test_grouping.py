"""Rows that are lines of one event: an order's lines become the order."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from polku.errors import SourceError
from polku.events.refusals import Refusal
from polku.language import Reader
from polku.record.project import Project

from .conftest import bring, stored

Write = Callable[..., Path]

SAID = {"event_name": "Order Completed", "value": "quantity*price", "group_by": "order"}
#: The lines of an order may lie apart, and the earliest may come late.
LINES = '''\
customer,time,order,product,quantity,price,city
anna,2026-01-02 10:00,7,socks,2,4.50,Oulu
bert,2026-01-02 11:00,8,hat,1,20,Turku
anna,2026-01-02 09:59,7,"scarf ""warm""",1,0.10,Oulu
bert,2026-01-03 08:00,,pin,1,1,Turku
bert,2026-01-03 08:00,,pin,1,1,Turku
cecil,2026-01-02 10:00,7,socks,3,1,Oulu
anna,never,7,gloves,1,5,Oulu
anna,2026-01-02 10:00,9,gift,1,,Oulu
'''


def told(project: Project) -> list[tuple[object, ...]]:
    rows = stored(project, "user_id", "time", "value", "properties")
    return [(who, time.strftime("%d %H:%M"), value, json.loads(said)) for who, time, value, said in rows]


def line(product: str, quantity: int, price: float | None, city: str | None) -> dict[str, object]:
    said = {"product": product, "quantity": quantity, "price": price, "city": city}
    return {k: v for k, v in said.items() if v is not None}


def test_an_order_is_one_event(project: Project, write: Write) -> None:
    """By hand: Anna's order 7 is 2 x 4.50 + 0.10; Cecil's order 7 is another; two lines without an order stay two."""
    report = bring(project, write("lines.csv", LINES), **SAID, timezone="UTC")
    assert (report.read, report.stored, report.duplicates, report.joined) == (8, 6, 0, 1)
    assert [(r.reason, r.count, r.examples[0].line) for r in report.refused] == [(Refusal.UNREADABLE_TIME, 1, 8)]
    assert report.to_dict()["joined"] == report.to_dict()["files"][0]["joined"] == 1
    pin = line("pin", 1, 1, "Turku")
    assert told(project) == [
        (
            "anna",
            "02 09:59",
            9.1,
            {"order": 7, "products": [line("socks", 2, 4.5, "Oulu"), line('scarf "warm"', 1, 0.1, "Oulu")]},
        ),
        ("bert", "02 11:00", 20.0, {"order": 8, "products": [line("hat", 1, 20, "Turku")]}),
        ("bert", "03 08:00", 1.0, {"products": [pin]}),
        ("bert", "03 08:00", 1.0, {"products": [pin]}),
        ("cecil", "02 10:00", 3.0, {"order": 7, "products": [line("socks", 3, 1, "Oulu")]}),
        ("anna", "02 10:00", None, {"order": 9, "products": [line("gift", 1, None, "Oulu")]}),
    ]


def test_a_second_import_adds_nothing(project: Project, write: Write) -> None:
    bring(project, write("lines.csv", LINES), **SAID, timezone="UTC")
    again = bring(project, write("lines.csv", LINES), **SAID, timezone="UTC")
    assert (again.read, again.stored, again.duplicates, again.joined, again.refused_count) == (8, 0, 6, 1, 1)
    assert project.history.rows() == 6


def test_columns_that_an_order_shares_are_its_own(project: Project, write: Write) -> None:
    report = bring(project, write("lines.csv", LINES), **{**SAID, "group_by": "Order, city"}, timezone="UTC")
    assert report.files[0].choices[-1].column == "order, city"
    assert told(project)[0][3] == {
        "order": 7,
        "city": "Oulu",
        "products": [line("socks", 2, 4.5, None), line('scarf "warm"', 1, 0.1, None)],
    }
    assert "lines of one event share: order, city" in report.text(Reader("en"))


def test_an_orders_own_id_is_the_events(project: Project, write: Write) -> None:
    text = "user_id,time,order,price\nanna,2026-01-02,7,1\nanna,2026-01-02,7,2\nanna,2026-01-02,8,3\n"
    said = {"event_name": "Order Completed", "value": "price", "group_by": "order", "event_id": "order"}
    bring(project, write("lines.csv", text), **said)
    assert stored(project, "event_id", "value") == [("7", 3.0), ("8", 3.0)]


def test_money_of_two_kinds_is_not_added_up(project: Project, write: Write) -> None:
    text = "user_id,time,order,price\nanna,2026-01-02,7,1 €\nanna,2026-01-02,7,2 €\nanna,2026-01-02,7,$3.00\n"
    bring(project, write("lines.csv", text), event_name="Order Completed", value="price", group_by="order")
    assert stored(project, "currency", "value") == [("EUR", 3.0), ("USD", 3.0)]


def test_lines_of_json_and_parquet(project: Project, write: Write, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {"user_id": "anna", "event": "Order Completed", "time": "2026-01-02", "order": 7, "sku": s, "price": 1.5}
        for s in "abc"
    ]
    bring(project, write("lines.jsonl", "".join(json.dumps(r) + "\n" for r in rows)), group_by="order", value="price")
    pq.write_table(pa.Table.from_pylist([{**r, "order": 8} for r in rows]), tmp_path / "lines.parquet")
    bring(project, tmp_path / "lines.parquet", group_by="order", value="price")
    assert [json.loads(p) for (p,) in stored(project, "properties")] == [
        {"order": order, "products": [{"sku": s, "price": 1.5} for s in "abc"]} for order in (7, 8)
    ]


def test_orders_larger_than_a_batch(project: Project, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polku.sources.csv.BLOCK", 300)
    lines = "".join(f"u{n % 3},2026-01-02 10:{n % 60:02d},{n % 3},{n}\n" for n in range(300))
    said = {"event_name": "Order Completed", "value": "price", "group_by": "order"}
    report = bring(project, write("lines.csv", "user_id,time,order,price\n" + lines), **said)
    assert (report.stored, report.joined) == (3, 297)
    assert sorted(stored(project, "user_id", "value")) == [(f"u{k}", float(sum(range(k, 300, 3)))) for k in range(3)]


def test_an_unknown_column_is_told(project: Project, write: Write) -> None:
    with pytest.raises(SourceError, match=r"--group-by: .*'ordre'. Did you mean 'order'"):
        bring(project, write("lines.csv", LINES), **{**SAID, "group_by": "ordre"})
    with pytest.raises(SourceError, match="--group-by"):
        bring(project, write("lines.csv", LINES), **{**SAID, "group_by": " "})


def test_a_file_of_refused_lines_only(project: Project, write: Write) -> None:
    report = bring(project, write("lines.csv", "user_id,time,order\nanna,never,7\n"), event_name="x", group_by="order")
    assert (report.stored, report.joined, report.refused_count) == (0, 0, 1)
