"""The worked example of docs/measures/funnel.md."""

from __future__ import annotations

import dataclasses

import pytest

from measures.funnels.people import at, view
from polku.measures.funnels.correlation import funnel_correlation
from polku.measures.funnels.funnel import funnel
from polku.measures.funnels.times import time_to_convert
from polku.measures.funnels.trend import funnel_trend

STEPS = ("product", "cart", "order")
PEOPLE = {
    "anna": [at("09:00", "product"), at("09:30", "cart"), at("09:50", "order")],
    "bea": [at("09:00", "product"), at("10:30", "cart")],
    "celia": [at("09:00", "product"), at("09:30", "product"), at("09:50", "cart"), at("10:30", "order")],
    "dora": [at("11:30", "product")],
}
HOUR = 3600


def test_four_customers_by_hand():
    seen = view(PEOPLE, "2026-05-01 12:00")
    found = funnel(seen, STEPS, HOUR)
    assert found.reached == [4, 2, 2]
    assert (found.conversion.numerator, found.conversion.denominator, found.conversion.pending) == (2, 3, 1)
    point = funnel_trend(seen, STEPS, HOUR, interval="day").points[0]
    assert (point.reached[0].n, point.conversion, point.mature) == (4, found_of(point, found), False)


def found_of(point, found):
    """The funnel's conversion with the interval's own selectors."""
    own = point.conversion
    return dataclasses.replace(
        found.conversion, behind=own.behind, behind_not=own.behind_not, behind_pending=own.behind_pending,
        behind_all=own.behind_all,
    )  # fmt: skip


def test_the_times_by_hand():
    found = time_to_convert(view(PEOPLE, "2026-05-01 12:00"), STEPS, HOUR)
    assert found.quantiles["0.5"] == 55 * 60
    assert [(p.seconds // 60, round(p.converted.value, 4)) for p in found.curve] == [(50, 0.3333), (60, 0.6667)]


def test_an_odds_ratio_by_hand():
    people = {}
    for chats, n, orders in ((True, 15, 9), (False, 20, 5)):
        for k in range(n):
            events = [at("09:00", "product"), *([at("09:05", "chat")] if chats else [])]
            people[f"{chats}-{k}"] = events + ([at("09:10", "order")] if k < orders else [])
    found = funnel_correlation(view(people), ("product", "order"), least=10)
    chat = next(c for c in found.correlates if c.value == "chat")
    assert chat.odds.n == 35
    assert chat.odds.value == pytest.approx(4.5)
