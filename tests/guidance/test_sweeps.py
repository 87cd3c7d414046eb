"""Looks of a rule at all customers: the monthly letter, days of the traits, who qualifies now; slices and kills."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from ruamel.yaml import YAML

from guidance.shop import DAY, HOUR, NOON
from guidance.test_engine import rules_of
from polku.errors import UsageError
from polku.guidance import schedule, sweeps
from polku.guidance.qualifying import look_now, who_qualifies
from polku.guidance.rules import compile_rules
from polku.record import steps, tables

LETTER = """
  - id: letter
    when: {every: month, on: 13, at: "12:00"}
    send: {channel: email, content: content/letter.en.md}
    holdout: 0 %
    state: on
"""


class Died(Exception):
    pass


def looks(made):
    with made.project.state.read() as connection:
        return connection.execute(sa.select(tables.sweeps).order_by(tables.sweeps.c.id)).all()


def test_a_letter_to_everybody_goes_out_in_slices_that_a_kill_leaves_whole(shop, monkeypatch):
    made = shop(LETTER, batch=3)
    users = [f"u{n}" for n in range(10)]
    for user in users:
        made.event(user, "Product Viewed", tick=False)
    made.tick()
    made.now += DAY
    for step, survived in (("written", 0), ("written", 1), ("committed", 0), ("committed", 1)):
        left = iter([False] * survived)

        def listen(moment, step=step, left=left):
            if moment == f"guidance {step}" and next(left, True):
                raise Died

        monkeypatch.setattr(steps, "listener", listen)
        with pytest.raises(Died):
            made.tick()
    monkeypatch.setattr(steps, "listener", None)
    made.now += HOUR // 60
    made.event("late", "Product Viewed")  # came after the hour
    made.wait(HOUR)
    assert sorted(m["customer"] for m in made.outbox()) == sorted(made.customer(u) for u in users)
    (look,) = looks(made)
    assert (look.kind, look.time, look.customers, look.entered) == ("schedule", NOON + DAY, 10, 10)
    assert look.finished_at is not None
    assert look.reason is None


def test_hours_that_came_while_polku_was_away_are_told_late_and_once(shop):
    made = shop(LETTER.replace("every: month, on: 13", "every: day"))
    made.event("anna", "Product Viewed")
    made.wait(3 * DAY)
    assert [look.time for look in looks(made)] == [NOON + n * DAY for n in (1, 2, 3)]
    assert len(made.outbox()) == 3
    assert [r["entered_at"] for r in made.runs()] == [NOON + n * DAY for n in (1, 2, 3)]


def test_a_rule_that_is_turned_on_after_the_hour_waits_for_the_next(shop):
    made = shop(LETTER.replace("state: on", "state: draft").replace("every: month, on: 13", "every: day"))
    made.event("anna", "Product Viewed")
    made.now += DAY + HOUR
    made.write(LETTER.replace("every: month, on: 13", "every: day"))
    made.tick()
    assert made.outbox() == []
    made.wait(23 * HOUR)
    assert len(made.outbox()) == 1


def test_turning_a_letter_off_stops_it_where_it_is(shop, monkeypatch):
    made = shop(LETTER, batch=2)
    for n in range(6):
        made.event(f"u{n}", "Product Viewed", tick=False)
    made.tick()
    made.now += DAY
    made.live.tick(made.now)
    made.live.tick(made.now)
    made.write(LETTER.replace("state: on", "state: off"))
    made.tick()
    assert len(made.outbox()) == 2
    assert [look.reason for look in looks(made)] == ["turned_off"]


#: (day in the traits, the date of the rule, moments at which a message is made: local times of Helsinki)
DATES = [
    ("2026-01-15", "before: 1d", ["2026-01-14T09:00"]),
    ("2026-01-15", "after: 2d, at: '18:30'", ["2026-01-17T18:30"]),
    ("2026-01-15T23:30:00Z", "at: '10:00'", ["2026-01-16T10:00"]),  # that evening is the 16th in Helsinki
    ("1990-01-20", "yearly: true", ["2026-01-20T09:00", "2027-01-20T09:00"]),
    ("2024-02-29", "yearly: true", ["2026-02-28T09:00"]),
    ("1990-01-03", "yearly: true, before: 7d", ["2026-12-27T09:00"]),
    ("2026-03-30", "before: 2d, at: '03:30'", ["2026-03-28T03:30"]),  # the clock goes forward on the 29th
    ("2026-04-01", "before: 3d, at: '03:30'", ["2026-03-29T04:30"]),  # that hour is skipped
    ("2026-10-26", "before: 1d, at: '03:30'", ["2026-10-25T03:30"]),  # that hour comes twice: the first
    ("2026-01-12", "", []),  # at nine that day, three hours ago
    ("soon", "", []),
    (17, "yearly: true", []),
]


@pytest.mark.parametrize(("day", "said", "times"), DATES)
def test_days_of_the_traits(day, said, times):
    when = YAML(typ="safe").load(f"{{date: traits.day{', ' + said if said else ''}}}")
    (found,), _ = rules_of({"when": when, "do": [{"task": "Call"}]})
    zone, end = ZoneInfo("Europe/Helsinki"), NOON + 380 * DAY
    assert found.trigger.date is not None
    due = list(schedule.days_of(day, found.trigger.date, zone, NOON, end))
    wanted = [int(dt.datetime.fromisoformat(t).replace(tzinfo=zone).timestamp()) * 1_000_000 for t in times]
    assert due == wanted
    assert set(due) <= set(schedule.moments(found, zone, NOON, end))  # somebody looks at that moment


def rule(when: str, rest: str = "") -> str:
    return f"""
  - id: one
    when: {when}
    send: {{channel: email, content: content/one.en.md}}
    holdout: 0 %
    state: {{state}}
{rest}
"""


#: (when, who has a message after a look at who qualifies now)
NOW = [
    ("{reached: cart, without: order, for: 4h}", {"anna"}),
    ("{reached: cart, without: order, for: 4h, per: cart_id}", {"anna", "bert"}),  # his order is of another cart
    ("{reached: cart, for: 4h, where: properties.total > 50}", {"bert"}),
    ("{entered: customer}", {"dora"}),  # bert and emil are loyal by now
    ("{lapsed: customer}", {"fred"}),
    ("{segment: fans}", {"bert", "emil"}),
    ("{event: Order Completed}", {"bert", "dora", "emil"}),  # fred's is longer ago than 30 days
    ("{every: month, on: 1}", {"anna", "bert", "carla", "dora", "emil", "fred"}),
    ("{date: traits.ends, before: 3d}", {"carla"}),
    ("{score: properties.score, above: 50}", {"carla"}),
]


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    from guidance.shop import Shop

    made = Shop(tmp_path_factory.mktemp("now") / "shop", rule("{reached: cart}").replace("{state}", "draft"))
    made.event("bert", "Order Completed", ago=40 * DAY, tick=False)
    made.event("fred", "Order Completed", ago=50 * DAY, tick=False)
    made.event("anna", "Product Added", ago=2 * DAY, cart_id="a1", total=20, tick=False)
    made.event("bert", "Product Added", ago=2 * DAY, cart_id="b1", total=80, tick=False)
    made.event("bert", "Order Completed", ago=DAY, cart_id="b9", tick=False)
    made.event("dora", "Order Completed", ago=DAY, tick=False)
    made.event("emil", "Order Completed", ago=3 * DAY, tick=False)
    made.event("emil", "Order Completed", ago=2 * DAY, tick=False)
    made.event("carla", "identify", ago=DAY, tick=False, context={"traits": {"ends": "2026-01-14"}})
    for n, score in enumerate((70, 40, 60)):
        made.event("carla", "Scored", ago=(9 - n) * HOUR, score=score, tick=False)
    made.event("dora", "Scored", ago=HOUR, score=60, tick=False)
    made.event("dora", "Scored", ago=HOUR // 2, score=30, tick=False)
    made.tick()
    yield made
    made.close()


@pytest.mark.parametrize(("when", "who"), NOW)
def test_who_qualifies_now(lived, when, who):
    made, before = lived, len(lived.outbox())
    made.write(rule(when).replace("{state}", "draft"))
    made.tick()
    found = who_qualifies(made.project, compile_rules(made.project.journey(), ("draft",))[0], now=made.now)
    assert (found.customers, found.messages.get("email", 0)) == (found.entered, len(who))
    assert len(made.outbox()) == before  # the dry run wrote nothing
    made.write(rule(when).replace("{state}", "on"))
    made.wait(1_000)
    assert len(made.outbox()) == before  # and turning it on acts on nothing from before
    (on,) = compile_rules(made.project.journey())
    assert look_now(made.project, on, "cli:me", now=made.now)
    assert not look_now(made.project, on, "cli:me", now=made.now)  # one is on its way
    made.tick()
    new = made.outbox()[before:]
    assert {m["customer"] for m in new} == {made.customer(u) for u in who}
    assert len(new) == len(who)
    with made.project.state.read() as connection:
        assert sweeps.of_rule(connection, "one")[0].entered == found.entered
    made.wait(1_000)
    made.write(rule(when).replace("{state}", "off"))
    made.tick()


def test_only_a_rule_that_is_on_looks(lived):
    lived.write(rule("{reached: cart}").replace("{state}", "draft"))
    with pytest.raises(UsageError, match="draft"):
        look_now(lived.project, compile_rules(lived.project.journey(), ("draft",))[0], "cli:me", now=lived.now)
