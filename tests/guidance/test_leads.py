"""Lead scores that set a rule off: a shop whose past can be learned from, and a day on which somebody is likely."""

from __future__ import annotations

import random

import pytest

from guidance.shop import DAY, HOUR, moment
from polku.errors import MeasureError
from polku.guidance.qualifying import who_qualifies
from polku.guidance.replay import SCORED_TODAY, replay
from polku.guidance.why import rule_of, would_have
from polku.journey.check import check_text

HOT = """
  - id: hot
    when: {score: leads.order, above: 0.5, within: 10d, at: "13:00"}
    do: [{task: Call them}]
    state: on
"""


def past(made, people: int = 600) -> None:
    """Sixty days in which most who fill a cart order within days, and hardly anybody else does."""
    chance, rows = random.Random(3), []

    def event(user: int, name: str, ago: float) -> None:
        time = moment(made.now - int(ago * DAY))
        rows.append({"event_id": f"p{len(rows)}", "time": time, "received_at": time, "event": name, "source": "web",
                     "user_id": f"u{user}"})  # fmt: skip

    for user in range(people):
        ago = chance.uniform(1, 60)
        event(user, "Product Viewed", ago)
        cart = user % 2 == 0
        if cart:
            event(user, "Product Added", ago - 0.1)
        if chance.random() < (0.85 if cart else 0.03):
            later = ago - chance.uniform(1, 8)
            if later > 0:
                event(user, "Order Completed", later)
    made.project.inbox.append(sorted(rows, key=lambda row: row["time"]))
    made.tick()


def test_who_becomes_likely_to_order_is_told_of_once(shop):
    made = shop(HOT)
    past(made)
    made.event("warm", "Product Viewed")
    made.event("warm", "Product Added")
    made.event("cold", "Product Viewed")
    assert made.outbox() == []
    made.wait(HOUR)
    found = {m["customer"] for m in made.outbox()}
    assert made.customer("warm") in found
    assert made.customer("cold") not in found
    assert made.notes("warm") == ["entered", "treated", "message", "done"]
    made.wait(DAY)
    assert [m["customer"] for m in made.outbox()].count(made.customer("warm")) == 1

    rule = rule_of(made.project.journey(), "hot")
    now = who_qualifies(made.project, rule, now=made.now)
    assert 0 < now.customers < 100
    told = replay(made.project, rule, start=moment(made.now - 5 * DAY), end=moment(made.now))
    assert (SCORED_TODAY, {}) in told.cautions
    assert 0 < told.entered < 200
    assert would_have(made.project, made.customer("cold"), rule) == ()


def test_without_a_past_there_is_no_score_and_nobody_is_told_of(shop):
    made = shop(HOT)
    made.event("anna", "Product Added")
    made.wait(2 * DAY)
    assert made.outbox() == []
    with pytest.raises(MeasureError):
        who_qualifies(made.project, rule_of(made.project.journey(), "hot"), now=made.now)


@pytest.mark.parametrize(
    ("when", "code"),
    [
        ("{score: leads.ordr, above: 0.5}", "name.place"),
        ("{score: leads.order, above: 50}", "guidance.score"),
        ("{score: leads, above: 0.5, per: cart_id}", "guidance.score"),
        ("{score: leads, above: 0.5, at: noon}", "value.unreadable"),
    ],
)
def test_faults_of_a_lead_score(when, code):
    text = f"""
title: Shop
stages: [{{id: one, touchpoints: [{{id: order, match: {{event: Bought}}}}]}}]
guidance: [{{id: r, when: {when}, do: [{{task: Call}}]}}]
"""
    assert code in [fault.code for fault in check_text(text)]
