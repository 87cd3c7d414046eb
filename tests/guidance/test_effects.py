"""What was known of a rule is noted once a day, and drawn on its page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from guidance.shop import DAY, HOUR, Shop
from polku.guidance.effects import Effect, due, effects_of, note_day, yesterday
from polku.language import Reader
from polku.record.clock import now
from polku.web.effects import drawn_days

RULES = """
  - id: letter
    when: {reached: cart}
    send: {channel: email, content: content/cart.en.md}
    judge_by: bought
    holdout: 50 %
    state: on
  - id: quiet
    when: {reached: review}
    send: {channel: email, content: content/cart.en.md}
    state: on
"""
MEASURE = "measures:\n  bought: {kind: conversion, from: cart, to: order, within: 1d}\n"


def test_a_day_is_noted_once(shop: Callable[..., Shop]) -> None:
    made = shop(RULES, MEASURE, start=now() - 3 * DAY)
    project = made.project
    assert due(project)
    for n in range(12):
        made.event(f"c{n}", "Product Added")
    made.wait(HOUR)
    for n in range(0, 12, 2):
        made.event(f"c{n}", "Order Completed")
    made.wait(2 * DAY)
    made.event("c1", "Product Viewed")
    assert note_day(project) == 1  # nobody has come to the other one
    [known] = effects_of(project, "letter")
    assert known.day == yesterday(project)
    assert known.treated + known.held_out == 12
    assert min(known.treated, known.held_out) > 0
    value, low, high = known.difference
    assert value is not None
    assert low is not None
    assert high is not None
    assert low < value < high
    assert effects_of(project, "quiet") == ()
    assert not due(project)
    assert note_day(project) == 0
    assert len(effects_of(project, "letter")) == 1


@pytest.mark.parametrize("language", ["fi", "en"])
def test_days_are_drawn_where_there_are_two(language: str) -> None:
    reader = Reader(language, "Europe/Helsinki", "EUR")
    first = dt.date(2026, 5, 1)
    days = [
        Effect(first + dt.timedelta(n), 90 + n, 10 + n, (0.02, 0.05 - 0.2 / (n + 1), 0.05 + 0.2 / (n + 1)),
               (None, None, None), "EUR")
        for n in range(5)
    ]  # fmt: skip
    assert drawn_days(days[:1], None, days[1].day, reader) == []
    [drawn] = drawn_days(days, None, days[-1].day + dt.timedelta(1), reader)  # of money nothing is known
    assert drawn.wide is not None
    assert drawn.wide.count("<svg") == 1
    assert len(drawn.table.rows) == 5
    assert reader.date(first) in drawn.wide
