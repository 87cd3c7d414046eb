"""Live guidance over a real project: events in the inbox, time by the test's clock, what is noted and to be sent."""

from __future__ import annotations

import gc
import weakref

import pytest
import sqlalchemy as sa

from guidance.shop import DAY, HOUR
from polku.backups.restoring import restore
from polku.backups.taking import take
from polku.cli import main
from polku.guidance.lag import Lag, lag
from polku.guidance.live import Live
from polku.guidance.livelook import LiveLook
from polku.record import tables
from polku.record.project import open_project

CART = """
  - id: cart_reminder
    when: {reached: cart, without: order, for: 4h}
    only_if: {consent: email}
    send: {channel: email, content: content/cart.en.md}
    limit: {times: 1, every: 14d}
    holdout: 0 %
    state: on
"""


def test_who_leaves_a_cart_gets_one_message_after_the_wait(shop):
    made = shop(CART)
    made.consent("anna")
    made.event("anna", "Product Added", cart_id="c1")
    made.wait(4 * HOUR - 1)
    assert made.outbox() == []
    assert made.timers() == 1
    made.wait(1)
    (message,) = made.outbox()
    assert (message["rule"], message["channel"], message["state"]) == ("cart_reminder", "email", "waiting")
    assert message["customer"] == made.customer("anna")
    assert made.notes("anna") == ["entered", "waits", "treated", "message", "done"]
    made.wait(DAY)
    assert len(made.outbox()) == 1
    assert made.timers() == 0


def test_nothing_of_a_customer_is_kept_in_memory_when_the_decision_is_made(shop, monkeypatch):
    looks = []
    made_so = LiveLook.__init__

    def begun(look, *given):
        made_so(look, *given)
        looks.append(weakref.ref(look))

    monkeypatch.setattr(LiveLook, "__init__", begun)
    made = shop(CART.replace("{consent: email}", "{where: \"traits.vip = 'yes'\"}"))
    made.event("anna", "Product Added", cart_id="c1")
    made.wait(5 * HOUR)
    gc.collect()
    assert looks
    assert [look() for look in looks if look() is not None] == []


def test_an_order_calls_it_off(shop):
    made = shop(CART)
    made.consent("anna")
    made.event("anna", "Product Added")
    made.wait(HOUR)
    made.event("anna", "Order Completed")
    made.wait(DAY)
    assert made.outbox() == []
    assert made.notes("anna") == ["entered", "waits", "called_off"]
    assert made.timers() == 0


def test_an_order_that_happened_before_the_cart_calls_nothing_off(shop):
    made = shop(CART)
    made.consent("anna")
    made.event("anna", "Order Completed", ago=HOUR)
    made.event("anna", "Product Added")
    made.wait(4 * HOUR)
    assert len(made.outbox()) == 1


def test_an_order_that_arrives_late_calls_it_off_all_the_same(shop):
    made = shop(CART)
    made.consent("anna")
    made.event("anna", "Product Added", ago=3 * HOUR)
    made.wait(HOUR // 2)
    made.event("anna", "Order Completed", ago=2 * HOUR)
    made.wait(DAY)
    assert made.outbox() == []


def test_a_cart_and_an_order_that_arrive_together_after_the_fact_send_nothing(shop):
    made = shop(CART)
    made.consent("anna")
    made.event("anna", "Order Completed", ago=5 * HOUR, tick=False)
    made.event("anna", "Product Added", ago=6 * HOUR)
    made.wait(DAY)
    assert made.outbox() == []
    assert made.notes("anna") == ["entered", "called_off"]


def test_without_consent_nothing_goes_and_the_reason_stays(shop):
    made = shop(CART)
    made.event("anna", "Product Added")
    made.wait(4 * HOUR)
    assert made.outbox() == []
    assert made.notes("anna") == ["entered", "waits", "not_met"]
    assert made.runs()[0]["status"] == "left"


def test_consent_is_asked_at_the_moment_of_the_message(shop):
    made = shop(CART)
    made.consent("anna")
    made.event("anna", "Product Added")
    made.wait(HOUR)
    made.now += 1
    made.consent("anna", granted=False)
    made.now += 2 * DAY
    made.consent("anna", granted=False)
    made.tick()
    assert made.outbox() == []


def test_the_limit_of_a_rule_rolls(shop):
    made = shop(CART)
    made.consent("anna")
    for _ in range(3):
        made.event("anna", "Product Added")
        made.wait(7 * DAY)
    assert len(made.outbox()) == 2  # the first and the third: 14 days lie between them
    assert made.notes("anna").count("limited") == 1


def test_imports_begin_nothing_and_are_part_of_the_past(shop):
    made = shop(CART)
    made.consent("anna")
    row = {"event_id": "i1", "event": "Product Added", "source": "csv:a.csv", "user_id": "anna"}
    with made.project.history.writer("import", "csv") as writer:
        import pyarrow as pa

        from polku.record.writer import normalised

        times = pa.array([made.now - HOUR], pa.int64()).cast(pa.timestamp("us", "UTC"))
        table = pa.Table.from_pylist([row]).append_column("time", times).append_column("received_at", times)
        writer.add(normalised(table, 0).drop_columns(["day"]) if "day" in table.column_names else normalised(table, 0))
        writer.commit()
    assert made.project.history.rows() == 1
    made.wait(DAY)
    assert made.outbox() == []
    assert made.notes() == []


def test_a_rule_looks_at_nothing_from_before_it_was_on(shop):
    made = shop(CART.replace("state: on", "state: draft"))
    made.consent("anna")
    made.event("anna", "Product Added")
    made.wait(HOUR)
    made.write(CART)
    made.wait(DAY)
    assert made.outbox() == []
    made.event("anna", "Product Added")
    made.wait(4 * HOUR)
    assert len(made.outbox()) == 1


def test_a_rule_that_is_turned_off_ends_its_runs_with_a_word(shop):
    made = shop(CART)
    made.consent("anna")
    made.event("anna", "Product Added")
    made.write(CART.replace("state: on", "state: off"))
    made.wait(DAY)
    assert made.outbox() == []
    assert made.notes("anna")[-1] == "turned_off"


def test_a_run_goes_on_under_the_version_that_it_began_with(shop):
    made = shop(CART)
    made.consent("anna")
    made.event("anna", "Product Added")
    made.write(CART.replace("4h", "9h").replace("cart.en", "other.en"))
    made.wait(4 * HOUR)
    assert [m["content"] for m in made.outbox()] == ["content/cart.en.md"]


def test_a_repeat_is_no_second_event(shop):
    made = shop(CART.replace("reached: cart, without: order, for: 4h", "event: Product Added"))
    made.consent("anna")
    made.event("anna", "Product Added", id="same")
    made.event("anna", "Product Added", id="same")
    assert made.notes("anna").count("entered") == 1
    made.project.mover.move()
    made.event("anna", "Product Added", id="same")
    assert made.notes("anna").count("entered") == 1


def test_what_was_moved_to_history_before_guidance_looked_is_live_all_the_same(shop):
    made = shop(CART)
    made.consent("anna")
    made.event("anna", "Product Added", tick=False)
    made.project.mover.move()
    made.tick()
    made.wait(4 * HOUR)
    assert len(made.outbox()) == 1


def test_small_batches_do_the_same(shop):
    made = shop(CART, batch=2)
    for user in "abcdefg":
        made.consent(user)
        made.event(user, "Product Added", tick=False)
    made.tick()
    made.wait(4 * HOUR)
    assert len(made.outbox()) == 7


def rule(when: str, rest: str = "", holdout: str = "0 %") -> str:
    return f"""
  - id: one
    when: {when}
    send: {{channel: email, content: content/one.en.md}}
    holdout: {holdout}
    state: on
{rest}
"""


def test_two_carts_run_side_by_side(shop):
    made = shop(rule("{reached: cart, without: order, for: 4h, per: cart_id}"))
    made.event("anna", "Product Added", cart_id="c1")
    made.wait(HOUR)
    made.event("anna", "Product Added", cart_id="c2")
    made.event("anna", "Order Completed", cart_id="c1")
    made.wait(4 * HOUR)
    assert [r["status"] for r in made.runs()] == ["called_off", "done"]
    assert len(made.outbox()) == 1


def test_a_later_cart_restarts_the_wait_where_the_rule_says_so(shop):
    made = shop(rule("{reached: cart, for: 4h, meanwhile: restart}"))
    made.event("anna", "Product Added")
    made.wait(3 * HOUR)
    made.event("anna", "Product Added")
    made.wait(3 * HOUR)
    assert made.outbox() == []
    made.wait(HOUR)
    assert len(made.outbox()) == 1


def test_lapsing_and_being_won_back_begin_runs(shop):
    lapse = rule("{lapsed: customer}") + rule("{won_back: customer}").replace("id: one", "id: back")
    made = shop(lapse)
    made.event("anna", "Order Completed")
    made.wait(10 * DAY - 1)
    assert made.outbox() == []
    made.wait(1)
    assert [m["rule"] for m in made.outbox()] == ["one"]
    made.wait(DAY)
    made.event("anna", "Product Viewed")
    assert [m["rule"] for m in made.outbox()] == ["one", "back"]


def test_those_who_were_imported_lapse_live(shop):
    made = shop(rule("{lapsed: customer}"))
    made.event("anna", "Order Completed")
    made.project.mover.move()
    made.live.moments._next.clear()
    made.wait(30 * DAY)
    assert len(made.outbox()) == 1
    made.wait(30 * DAY)
    assert len(made.outbox()) == 1


def test_other_beginnings(shop):
    made = shop(
        rule("{entered: loyal}").replace("id: one", "id: entered")
        + rule("{left: customer}").replace("id: one", "id: left")
        + rule("{left: product}").replace("id: one", "id: left_product")
        + rule("{failed: cart}").replace("id: one", "id: failed")
        + rule("{segment: fans}").replace("id: one", "id: segment")
        + rule("{event: Order Completed, where: properties.total > 100}").replace("id: one", "id: big")
    )
    made.event("anna", "Product Viewed")
    made.event("anna", "Cart Failed")
    assert [m["rule"] for m in made.outbox()] == ["failed"]
    made.event("anna", "Order Completed", total=50)
    made.event("anna", "Order Completed", total=150)
    assert sorted(m["rule"] for m in made.outbox()) == ["big", "entered", "failed", "left", "left_product", "segment"]


def test_the_monthly_letter_goes_to_everyone_at_its_hour(shop):
    made = shop(rule('{every: month, on: 31, at: "10:00"}'))
    made.event("anna", "Product Viewed")
    made.event("bert", "Product Viewed")
    made.wait(19 * DAY - 2 * HOUR - 1)
    assert made.outbox() == []
    made.wait(1)
    assert len(made.outbox()) == 2
    made.wait(20 * DAY)
    assert len(made.outbox()) == 2
    made.wait(9 * DAY)
    assert len(made.outbox()) == 4  # the last of February


def test_a_birthday_in_the_traits_comes_every_year(shop):
    made = shop(rule("{date: traits.birthday, before: 1d, yearly: true, at: '09:00'}"))
    made.event("anna", "identify", context={"traits": {"birthday": "1990-01-20"}})
    made.wait(6 * DAY)
    assert made.outbox() == []
    made.wait(DAY)
    assert len(made.outbox()) == 1
    made.wait(365 * DAY)
    assert len(made.outbox()) == 2


def test_the_end_of_a_trial_is_told_before_it(shop):
    made = shop(rule("{event: Trial Started, date: properties.ends, before: 3d, at: '10:00'}"))
    made.event("anna", "Trial Started", ends="2026-01-26")
    made.wait(11 * DAY - 2 * HOUR - 1)
    assert made.outbox() == []
    made.wait(1)
    assert len(made.outbox()) == 1


def test_a_score_that_crosses_its_bound(shop):
    made = shop(rule("{score: properties.score, above: 50}"))
    for score in (10, 40, "60", 70, "30", 55, "a lot", True):
        made.event("anna", "Scored", score=score)
    assert len(made.outbox()) == 2


def test_quiet_hours_are_those_of_the_customer(shop):
    made = shop(rule("{reached: product}"))
    made.event("anna", "identify", context={"traits": {"timezone": "America/Los_Angeles"}})
    made.event("anna", "Product Viewed")  # 02:00 there
    made.event("bert", "Product Viewed")
    assert [m["customer"] for m in made.outbox()] == [made.customer("bert")]
    made.wait(6 * HOUR - 1)
    assert len(made.outbox()) == 1
    made.wait(1)
    assert len(made.outbox()) == 2


POLICY = "contact_policy: {caps: {email: {times: 1, every: 7d}}, quiet_hours: null}"


def test_caps_over_all_rules_drop_and_show_what_they_dropped(shop):
    two = rule("{reached: cart}") + rule("{reached: cart}", "    priority: 5").replace("id: one", "id: first")
    made = shop(two, POLICY)
    made.event("anna", "Product Added")
    assert [(m["rule"], m["state"]) for m in made.outbox()] == [("first", "waiting"), ("one", "capped")]


def test_a_capped_message_waits_where_the_rule_says_so(shop):
    made = shop(rule("{reached: cart}", "    limit: {times: 9, capped: wait}"), POLICY)
    made.event("anna", "Product Added")
    made.event("anna", "Product Added")
    assert len(made.outbox()) == 1
    made.wait(7 * DAY)
    assert [m["state"] for m in made.outbox()] == ["waiting", "waiting"]


def test_what_is_owed_knows_no_cap_and_no_holdout(shop):
    owed = rule("{reached: order}", "    owed: true").replace("    holdout: 0 %\n", "")
    made = shop(owed, POLICY)
    for user in "abcdefghij":
        made.event(user, "Order Completed", tick=False)
        made.event(user, "Order Completed", tick=False)
    made.tick()
    assert len(made.outbox()) == 20


def test_the_holdout_is_a_stable_share(shop):
    made = shop(rule("{reached: cart}", holdout="50 %"))
    users = [f"u{n}" for n in range(60)]
    for user in users:
        made.event(user, "Product Added", tick=False)
    made.tick()
    first = {m["customer"] for m in made.outbox()}
    assert 15 < len(first) < 45
    for user in users:
        made.event(user, "Product Added", tick=False)
    made.tick()
    assert {m["customer"] for m in made.outbox()} == first
    assert made.notes().count("held_out") == 2 * (60 - len(first))


def test_a_sequence_with_a_branch(shop):
    made = shop("""
  - id: welcome
    when: {reached: product}
    holdout: 0 %
    do:
      - send: {channel: email, content: content/1.md}
      - wait: {until: cart, for: 2d}
      - if: {happened: true}
        then: [{send: {channel: email, content: content/2a.md}}]
        else: [{task: Call, owner: mikko}, {stop: true}]
      - wait: {at: "10:00"}
      - send: {channel: email, content: content/3.md}
    state: on
""")
    made.event("anna", "Product Viewed")
    made.event("bert", "Product Viewed")
    made.wait(HOUR)
    made.event("anna", "Product Added")
    made.wait(3 * DAY)
    by = {u: [m["content"] for m in made.outbox() if m["customer"] == made.customer(u)] for u in ("anna", "bert")}
    assert by == {"anna": ["content/1.md", "content/2a.md", "content/3.md"], "bert": ["content/1.md", ""]}
    assert made.outbox()[-1]["channel"] in ("task", "email")


def test_the_goal_ends_a_run_anywhere(shop):
    made = shop(
        rule("{reached: product}", "    until: order\n    do: [{wait: 1d}, {send: {channel: email, content: b}}]")
    )
    made.event("anna", "Product Viewed")
    made.event("anna", "Order Completed")
    made.wait(2 * DAY)
    assert [m["content"] for m in made.outbox()] == ["content/one.en.md"]
    assert made.runs()[0]["status"] == "goal"


def test_nobody_waits_in_two_rules_of_a_group(shop):
    other = rule("{reached: product, for: 1d}", "    group: g").replace("id: one", "id: other")
    two = rule("{reached: cart, for: 1d}", "    group: g") + other
    made = shop(two)
    made.event("anna", "Product Added")
    made.event("anna", "Product Viewed")
    assert made.notes("anna", "other") == ["in_group"]


def test_once_is_once(shop):
    made = shop(rule("{reached: cart, again: once}"))
    made.event("anna", "Product Added")
    made.event("anna", "Product Added")
    assert len(made.outbox()) == 1


def test_conditions_on_persona_stage_and_where(shop):
    made = shop(rule("{reached: cart}", "    only_if: {persona: sara, stage: looking, where: properties.total > 5}"))
    made.event("anna", "identify", context={"traits": {"segment": "fashion"}})
    made.event("anna", "Product Added", total=3)
    assert made.outbox() == []
    made.event("anna", "Product Added", total=9)
    made.event("bert", "Product Added", total=9)
    assert len(made.outbox()) == 1


def identify(made, **traits):
    made.event("anna", "identify", context={"traits": traits})


#: (only_if, what makes it hold no longer)
NO_LONGER = [
    ("{stage: looking}", lambda made: made.event("anna", "Order Completed")),
    ("{consent: email}", lambda made: made.consent("anna", granted=False)),
    ("{persona: sara}", lambda made: identify(made, segment="games")),
    ("{where: \"traits.vip = 'yes'\"}", lambda made: identify(made, vip="no")),
    ("{not: {segment: fans}}", lambda made: [made.event("anna", "Order Completed") for _ in range(2)]),
    ("{not: {consent: sms}}", lambda made: made.consent("anna", "sms")),
]


@pytest.mark.parametrize(("only_if", "change"), NO_LONGER, ids=[only_if for only_if, _ in NO_LONGER])
def test_a_run_ends_as_soon_as_its_conditions_hold_no_longer(shop, only_if, change):
    made = shop(rule("{reached: product, for: 1d}", f"    only_if: {only_if}"))
    made.consent("anna")
    identify(made, segment="fashion", vip="yes")
    made.event("anna", "Product Viewed")
    made.wait(HOUR)
    made.event("anna", "Product Viewed")
    assert made.notes("anna") == ["entered", "waits"]
    change(made)
    made.tick()
    assert made.notes("anna") == ["entered", "waits", "not_met"]
    assert (made.runs()[0]["status"], made.runs()[0]["finished_at"], made.timers()) == ("left", made.now, 0)


def test_who_does_not_meet_the_conditions_yet_has_time_until_the_message(shop):
    made = shop(rule("{reached: product, for: 2d}", "    only_if: {stage: loyal, consent: email, persona: sara}"))
    made.event("anna", "Product Viewed")
    made.wait(HOUR)
    made.event("anna", "Order Completed")
    identify(made, segment="fashion")
    made.event("anna", "Order Completed")
    made.consent("anna")
    made.wait(2 * DAY)
    assert len(made.outbox()) == 1


def test_a_series_ends_between_two_of_its_messages(shop):
    series = "    only_if: {stage: looking}\n    do: [{wait: 3d}, {send: {channel: email, content: b.md}}]"
    made = shop(rule("{reached: product}", series))
    made.event("anna", "Product Viewed")
    made.wait(DAY)
    made.event("anna", "Order Completed")
    assert made.notes("anna") == ["entered", "treated", "message", "waits", "not_met"]
    assert len(made.outbox()) == 1


def test_a_day_of_the_traits_comes_by_the_customers_own_clock(shop):
    days = rule("{date: traits.birthday, yearly: true, at: '10:00'}")
    made = shop(days, "contact_policy: {quiet_hours: null}")
    for user, zone in (("anna", None), ("bert", "America/New_York"), ("carla", "Asia/Tokyo")):
        made.event(user, "identify", context={"traits": {"birthday": "1990-01-20", "timezone": zone}})
    made.wait(8 * DAY - 2 * HOUR)
    assert [m["customer"] for m in made.outbox()] == [made.customer("anna"), made.customer("carla")]
    made.wait(7 * HOUR - 1)
    assert len(made.outbox()) == 2
    made.wait(1)
    assert made.outbox()[-1]["customer"] == made.customer("bert")
    made.wait(DAY)
    assert len(made.outbox()) == 3


def test_a_merge_sends_nothing_and_takes_the_runs_along(shop):
    made = shop(CART + rule("{entered: loyal}"))
    made.consent("anna")
    made.event("", "Product Added", anonymous="a1")
    made.event("anna", "Order Completed", ago=20 * DAY)
    assert made.notes("anna") == []
    made.event("anna", "Product Viewed", anonymous="a1")  # who is who: one customer from here on
    assert {r["customer"] for r in made.runs()} == {made.customer("anna")}
    assert made.outbox() == []
    made.wait(4 * HOUR)
    assert [m["rule"] for m in made.outbox()] == ["cart_reminder"]


def test_downtime_fires_each_timer_once_and_late_ones_say_so(shop):
    made = shop(CART)
    for user in ("anna", "bert"):
        made.consent(user)
        made.event(user, "Product Added")
        made.wait(HOUR // 60)
    made.now += 6 * HOUR
    made.tick()
    made.tick()
    assert [m["customer"] for m in made.outbox()] == [made.customer("anna"), made.customer("bert")]
    assert made.notes("anna") == ["entered", "waits", "late", "treated", "message", "done"]


def test_a_clock_that_is_set_back_fires_nothing_twice(shop):
    made = shop(CART)
    made.consent("anna")
    made.event("anna", "Product Added")
    made.wait(4 * HOUR)
    made.wait(-6 * HOUR)
    made.wait(12 * HOUR)
    assert len(made.outbox()) == 1


def test_on_postgresql_all_is_the_same(shop, postgres):
    made = shop(CART, state=postgres.database())
    made.consent("anna")
    made.event("anna", "Product Added", cart_id="c1")
    made.event("anna", "Product Added", cart_id="c2")
    made.wait(5 * HOUR)
    made.wait(DAY)
    assert [(m["rule"], m["state"]) for m in made.outbox()] == [("cart_reminder", "waiting")]
    assert made.notes("anna") == ["entered", "waits", "late", "treated", "message", "done"]
    assert made.timers() == 0


def test_a_restored_project_lets_its_runs_go(shop, tmp_path):
    made = shop(CART)
    made.consent("anna")
    made.event("anna", "Product Added")
    take(made.project, tmp_path / "backups")
    restored = restore(tmp_path / "backups", tmp_path / "again")
    with open_project(restored.folder) as project:
        Live(project).catch_up(made.now + 2 * DAY)
        with project.state.read() as connection:
            assert connection.execute(sa.select(tables.runs.c.status)).scalars().all() == ["left"]
            assert connection.execute(sa.select(tables.outbox.c.key)).all() == []
            assert connection.execute(sa.select(tables.timers.c.run)).all() == []


def test_how_far_guidance_is_behind(shop, capsys):
    made = shop(CART)
    made.consent("anna")
    made.event("anna", "Product Added")
    assert lag(made.project.state, made.now) == Lag(0, 0.0)
    made.event("anna", "Product Viewed", tick=False)
    assert lag(made.project.state, made.now + 4 * HOUR + 5_000_000) == Lag(1, 5.0)
    for words, said in ((["status"], "Guidance is 1 events behind"), (["status", "--json"], '"events": 1')):
        with pytest.raises(SystemExit):
            main([*words, str(made.folder), "--language", "en"])
        assert said in capsys.readouterr().out
