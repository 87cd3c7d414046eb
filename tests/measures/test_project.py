"""Measures over a real project: imported, resolved, with profiles and answers to surveys of its own."""

from __future__ import annotations

import json

import pytest

from polku.measures.ask import measure
from polku.measures.customers import customers_behind
from polku.measures.living import living_map
from polku.measures.timeline import timeline
from polku.measures.view import view_of
from polku.record.project import create_project
from polku.sources.importing import import_files
from polku.trails import open_trails

MAP = """\
polku: 1
title: Shop
timezone: UTC
window: 30d
personas:
  sara: {title: Sara, where: "traits.likes = 'fashion'"}
stages:
  - id: consideration
    touchpoints:
      - {id: product, match: {event: Product Viewed}}
  - id: decision
    touchpoints:
      - {id: order, match: {event: Order Completed}, value: revenue,
         felt: {event: Survey Answered, where: "properties.survey = 'order'", score: score}}
measures:
  first: {kind: conversion, from: product, to: order, within: 7d}
"""


def row(time, event, user, properties=None, traits=None):
    context = {"traits": traits} if traits else {}
    return {"time": f"2026-01-{time}Z", "event": event, "user_id": user, "properties": json.dumps(properties or {}),
            "context": json.dumps(context)}  # fmt: skip


ROWS = [
    row("01T10:00:00", "Product Viewed", "anna", traits={"likes": "fashion"}),
    row("02T10:00:00", "Order Completed", "anna", {"revenue": 19.9}),
    row("03T10:00:00", "Survey Answered", "anna", {"survey": "order", "score": 10}),
    row("01T11:00:00", "Product Viewed", "bo", traits={"likes": "sport"}),
    row("28T11:00:00", "Product Viewed", "cy"),
]


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "journey.yaml").write_text(MAP, encoding="utf-8")
    with create_project(folder) as project:
        yield project


def bring(project, rows, name="events.jsonl"):
    path = project.folder / name
    path.write_text("\n".join(json.dumps(r) for r in rows), encoding="utf-8")
    import_files(project, [path])


def test_a_project_is_measured(project):
    bring(project, ROWS)
    living = living_map(project)
    order = living.touchpoints[1]
    assert (order.figures.entered.n, order.figures.value.amount, order.felt, order.felt_n) == (1, 19.9, 2.0, 1)
    assert living_map(project, persona="sara").customers.n == 1
    behind = living_map(project, persona="sara").stages[1].now.behind
    (line,) = customers_behind(project, None, behind).lines
    assert timeline(project, line.customer).stage == "decision"
    assert measure(project, "first").conversion.numerator == 1
    trails = open_trails(project)
    assert measure(trails, "first", journey=project.journey()).conversion.denominator == 2


def test_answers_that_arrive_later_count_at_once(project):
    bring(project, ROWS)
    assert living_map(project).touchpoints[1].felt_n == 1
    bring(project, [row("04T10:00:00", "Survey Answered", "bo", {"survey": "order", "score": 0})], "more.jsonl")
    order = living_map(project).touchpoints[1]
    assert (order.felt, order.felt_n) == (0.0, 2)
    open_already = view_of(open_trails(project), project.journey(), project=project)
    assert open_already.project is project
