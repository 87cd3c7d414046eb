"""A replay says what live did: the same rules, the same events, once through the inbox and once over the past."""

from __future__ import annotations

import datetime as dt
import random

import pytest
import sqlalchemy as sa

from guidance.shop import DAY, HOUR, NOON
from polku.errors import UsageError
from polku.guidance.limits import MICRO
from polku.guidance.replay import ARRIVAL, ASSUMED, IMPORTED, NO_CONSENTS, WAS_ON, replay
from polku.guidance.rules import compile_rules
from polku.guidance.telling import text_of
from polku.guidance.turning import turn
from polku.guidance.why import NEVER_MET, NOT_ON, NOT_ON_NOW, rule_of, why, would_have
from polku.journey.document import Document
from polku.language import Reader
from polku.measures.result import Rate
from polku.measures.view import View, view_of
from polku.record import tables
from polku.trails import open_trails

RULES = """
  - id: cart
    when: {reached: cart, without: order, for: 4h}
    only_if: {consent: email}
    send: {channel: email, content: content/cart.en.md}
    limit: {times: 1, every: 3d}
    holdout: 30 %
    group: carts
    state: on
  - id: each_cart
    when: {reached: cart, without: order, for: 2h, per: cart_id}
    do:
      - send: {channel: webhook}
      - wait: {until: order, for: 1d}
      - if: {happened: false}
        then: [{task: Call them}]
    state: on
  - id: browse
    when: {reached: product, without: [cart, order], for: 1d, meanwhile: restart}
    only_if: {consent: email, not: {segment: fans}}
    send: {channel: email, content: content/browse.en.md}
    until: order
    group: carts
    holdout: 0 %
    state: on
  - id: dear
    when: {event: Order Completed, where: "properties.total > 50", again: once}
    send: {channel: email, content: content/dear.en.md}
    owed: true
    state: on
  - id: loyal
    when: {entered: loyal}
    do: [{wait: {at: "10:00"}}, {send: {channel: email, content: content/loyal.en.md}}]
    holdout: 0 %
    state: on
  - id: again
    when: {reached: order, without: order, for: 2d, meanwhile: restart}
    send: {channel: email, content: content/again.en.md}
    until: order
    limit: {times: 1, every: 2d, capped: wait}
    state: on
  - id: lookers
    when: {reached: product, for: 9h}
    only_if: {consent: email, stage: looking}
    do:
      - send: {channel: webhook}
      - wait: 2d
      - send: {channel: webhook}
    state: on
"""
POLICY = "contact_policy: {caps: {email: {times: 2, every: 7d}}}\n"
EVENTS = ("Product Viewed", "Product Added", "Order Completed", "Review Written", "Something Else")


def lived(made, seed: int, events: int = 16):
    """Some days of a few people; the clock stops at every moment that somebody waits for."""
    chance = random.Random(seed)
    people = ["anna", "ben", "carla", "dora"]
    for user in people[:3]:
        made.consent(user)
    for _ in range(events):
        until(made, made.now + chance.choice([HOUR // 30, HOUR, 3 * HOUR, 9 * HOUR, DAY]) + chance.randrange(MICRO))
        ago = chance.choice([0, 0, 0, 0, HOUR // 2])
        more = {"cart_id": chance.choice("xyz"), "total": chance.choice([10, 60, "60", None])}
        made.event(chance.choice(people), chance.choice(EVENTS), ago=ago, **more)
    until(made, made.now + 5 * DAY)


def until(made, moment: int) -> None:
    while True:
        with made.project.state.read() as connection:
            due = connection.execute(sa.select(sa.func.min(tables.timers.c.due))).scalar()
        if due is None or due > moment:
            made.wait(moment - made.now)
            return
        made.wait(max(due - made.now, 0))


def noted(made, rule: str) -> dict:
    """(customer, key) -> for each run: what was noted, and at what time."""
    notes, runs = tables.run_notes.c, tables.runs.c
    query = (
        sa.select(runs.id, runs.customer, runs.key, notes.what, notes.time)
        .join_from(tables.run_notes, tables.runs, notes.run == runs.id)
        .where(runs.rule == rule)
        .order_by(runs.id, notes.id)
    )
    found: dict = {}
    with made.project.state.read() as connection:
        for id, customer, key, what, time in connection.execute(query):
            found.setdefault((customer, key), {}).setdefault(id, []).append((what, time))
    return {who: sorted(runs.values()) for who, runs in found.items()}


@pytest.mark.parametrize("seed", [1, 2])
def test_a_replay_decides_what_live_decided(shop, seed):
    made = shop(RULES, POLICY)
    lived(made, seed)
    view = looked(made)
    whats = set()
    for rule in compile_rules(made.project.journey()):
        live = noted(made, rule.id)
        said: dict = {}
        for customer in {c for b in view.buckets for c in b.customer.tolist()}:
            for story in would_have(made.project, customer, rule, view=view) or ():
                notes = [(n.what, n.time) for n in story.notes]
                said.setdefault((customer, story.key), []).append(notes)
                whats |= {n.what for n in story.notes}
        assert {who: sorted(runs) for who, runs in said.items()} == live, rule.id
        told = replay(made.project, rule, start=dt.datetime(2026, 1, 1, tzinfo=dt.UTC), view=view)
        assert told.order == "seq"
        assert told.entered == sum(len(runs) for runs in live.values()) == sum(told.outcomes.values())
        dealt = any(what in ("treated", "held_out") for runs in live.values() for run in runs for what, _ in run)
        assert ((WAS_ON, {}) in told.cautions) is dealt
    assert {"entered", "message", "treated", "waits"} <= whats


CART = """
  - id: cart_reminder   # ours
    when: {reached: cart, without: order, for: 4h}
    only_if: {consent: email}
    send: {channel: email, content: content/cart.en.md}
    holdout: 0 %
    state: draft
"""


def test_a_draft_on_the_past(shop):
    made = shop(CART)
    made.consent("anna")
    made.event("anna", "Product Added")
    made.event("ben", "Product Added")
    made.wait(HOUR)
    made.event("carla", "Product Added")
    made.event("carla", "Order Completed", value=30.0)
    made.wait(DAY)
    made.event("anna", "Order Completed", value=20.0)
    made.wait(DAY)
    rule = rule_of(made.project.journey(), "cart_reminder")
    found = replay(made.project, rule, end=at(made.now), start=at(NOON - DAY))
    assert (found.met, found.entered, found.customers) == (3, 3, 3)
    assert dict(found.outcomes) == {"reached": 1, "no_consent": 1, "called_off": 1}
    assert dict(found.messages) == {"email": 1}
    assert found.anyway == Rate(0, 0, 1)
    assert found.cautions[0] == (ARRIVAL, {})
    assert sum(day.entered for day in found.days) == 3
    assert [p.outcome for p in found.sample] == ["reached", "no_consent", "called_off"]
    reader = Reader("en", "Europe/Helsinki")
    told = [text_of(n, reader, made.project.journey()) for n in found.sample[1].notes]
    assert told[0] == "Entered the rule: Cart."
    assert told[-1] == "Ended: the conditions did not hold. consent to email: never given"
    assumed = replay(made.project, rule, end=at(made.now), start=at(NOON - DAY), assume_consent=True)
    assert assumed.reached == 2
    assert (ASSUMED, {}) in assumed.cautions
    later = replay(made.project, rule, end=at(made.now), start=at(made.now - HOUR))
    assert (later.met, later.entered) == (0, 0)


def looked(made) -> View:
    return view_of(open_trails(made.project), made.project.journey(), project=made.project, as_of=at(made.now))


def at(micros: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(micros / MICRO, dt.UTC)


def test_imported_history_is_driven_by_the_time_of_events(shop):
    made = shop(CART)
    for user in ("anna", "ben"):
        made.event(user, "Product Added", ago=40 * DAY)
        made.event(user, "Order Completed", ago=39 * DAY, value=10.0)
    rule = rule_of(made.project.journey(), "cart_reminder")
    view = looked(made)
    found = replay(made.project, rule, start=at(made.now - 60 * DAY), view=view, assume_consent=True)
    assert found.order == "time"
    assert found.cautions[0] == (IMPORTED, {})
    assert dict(found.outcomes) == {"reached": 2}
    assert found.anyway.numerator == 2
    assert found.money == 10.0
    bare = replay(made.project, rule, start=at(made.now - 60 * DAY), view=view)
    assert (NO_CONSENTS, {"purpose": "email"}) in bare.cautions


def test_rules_of_the_calendar_and_of_segments(shop):
    made = shop("""
  - {id: letter, when: {every: week, on: monday, at: "10:00"}, send: {channel: email, content: a.en.md}, holdout: 0 %}
  - {id: fans, when: {segment: fans}, send: {channel: email, content: a.en.md}, holdout: 0 %}
  - {id: gone, when: {lapsed: customer}, send: {channel: email, content: a.en.md}, holdout: 0 %}
""")
    made.event("anna", "Order Completed")
    made.wait(DAY)
    made.event("anna", "Order Completed")
    made.event("ben", "Order Completed")
    made.wait(20 * DAY)
    journey, view = made.project.journey(), looked(made)
    rules = {i: rule_of(journey, i) for i in ("letter", "fans", "gone")}
    found = {i: replay(made.project, rule, start=at(NOON - 1), view=view) for i, rule in rules.items()}
    assert found["letter"].entered == 6  # three Mondays for each of the two
    assert found["fans"].entered == 1
    assert found["gone"].entered == 1  # anna is loyal by then, and that stage never lapses


def test_a_score_from_before_the_span_is_known(shop):
    made = shop("  - {id: hot, when: {score: properties.score, above: 50}, send: {channel: email}, holdout: 0 %}\n")
    for score in (60, 70, 20, "80", 90):
        made.event("anna", "Scored", score=score)
        made.event("ben", "Something Else")
        made.wait(DAY)
    view, hot = looked(made), rule_of(made.project.journey(), "hot")
    whole, part = (replay(made.project, hot, start=at(NOON + span), view=view) for span in (-1, HOUR))
    assert (whole.met, whole.entered, part.entered) == (1, 2, 1)


def test_why_tells_what_was_noted_and_else_what_would_have_been(shop):
    made = shop(CART.replace("draft", "on"))
    made.consent("anna")
    made.event("anna", "Product Added")
    made.event("ben", "Product Viewed")
    made.wait(4 * HOUR)
    rule = rule_of(made.project.journey(), "cart_reminder")
    found = why(made.project, made.customer("anna"), rule)
    (story,) = found.stories
    assert [n.what for n in story.notes] == ["entered", "waits", "treated", "message", "done"]
    assert [(s.channel, s.state) for s in story.sent] == [("email", "waiting")]
    assert found.reason is None
    assert why(made.project, made.customer("ben"), rule).reason == NEVER_MET
    made.write(CART)
    made.event("carla", "Product Added")
    made.wait(DAY)
    off = rule_of(made.project.journey(), "cart_reminder")
    told = why(made.project, made.customer("carla"), off)
    assert (told.reason, told.facts) == (NOT_ON_NOW, {"state": "draft"})
    assert [s.real for s in told.would] == [False]
    assert why(made.project, made.customer("carla"), rule).reason == NOT_ON


def test_turning_a_rule_on_changes_one_word_of_the_map(shop):
    made = shop(CART)
    before = made.project.map_file.read_text(encoding="utf-8")
    done = turn(made.project, "cart_reminder", "on", "cli:me")
    after = made.project.map_file.read_text(encoding="utf-8")
    assert after == before.replace("state: draft", "state: on")
    assert done.changed
    assert before.splitlines()[done.line - 1].strip() == "- id: cart_reminder   # ours"
    assert not turn(made.project, "cart_reminder", "on", "cli:me").changed
    assert Document(after).journey.guidance[0].state == "on"
    with pytest.raises(UsageError, match="cart_reminder"):
        turn(made.project, "cart_remnder", "on", "cli:me")
