"""The SQL view's touchpoint and stage, against the story that the timeline tells."""

from __future__ import annotations

from pathlib import Path

import pytest

import polku

MAP = """
polku: 1
title: Labels
timezone: UTC
stages:
  - id: look
    touchpoints: [{id: product, match: {event: Product Viewed}}]
  - id: buy
    touchpoints: [{id: order, match: {event: Order Completed}}]
  - id: again
    enter: count(order) >= 2 within 30d
"""
ROWS = """customer,time,event
anna,2026-01-01 10:00,Product Viewed
anna,2026-01-01 10:05,Order Completed
bertta,2026-01-01 11:00,Something Else
anna,2026-01-02 10:00,Order Completed
bertta,2026-01-03 11:00,Product Viewed
,2026-01-03 12:00,Product Viewed
"""


@pytest.fixture
def shop(tmp_path: Path) -> polku.Shop:
    from polku.record.project import create_project
    from polku.sources.importing import import_files

    (tmp_path / "journey.yaml").write_text(MAP, encoding="utf-8")
    (tmp_path / "events.csv").write_text(ROWS, encoding="utf-8")
    with create_project(tmp_path) as project:
        import_files(project, tmp_path / "events.csv")
    return polku.open(tmp_path)


def test_each_event_has_its_touchpoint_and_the_stage_after_it(shop: polku.Shop) -> None:
    with shop:
        found = shop.sql("select user_id, event, touchpoint, stage from events order by time, seq")
        rows = [tuple(row.values()) for row in found.to_pylist()]
        assert rows == [
            ("anna", "Product Viewed", "product", "look"),
            ("anna", "Order Completed", "order", "buy"),
            ("bertta", "Something Else", None, None),
            ("anna", "Order Completed", "order", "again"),
            ("bertta", "Product Viewed", "product", "look"),
            (None, "Product Viewed", None, None),
        ]


def test_the_last_stage_of_each_customer_is_where_the_map_has_them(shop: polku.Shop) -> None:
    with shop:
        query = "select customer, arg_max(stage, seq) as stage from events where customer is not null group by all"
        in_sql = {row["customer"]: row["stage"] for row in shop.sql(query).to_pylist()}
        assert in_sql == {line.customer: line.stage for line in shop.customers().lines}


def test_without_a_map_nothing_is_said(tmp_path: Path, shop: polku.Shop) -> None:
    with shop:
        (tmp_path / "journey.yaml").unlink()
        rows = shop.sql("select distinct touchpoint, stage from events").to_pylist()
        assert rows == [{"touchpoint": None, "stage": None}]
