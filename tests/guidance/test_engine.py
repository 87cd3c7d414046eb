"""Parts of the engine that need no project: hours over changes of the clock, rolling caps, stable groups, compiling."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.guidance.holdout import held_out, place, variant
from polku.guidance.hours import DAY, Hours, after_quiet, allowed_from, clock, minute_of, next_clock
from polku.guidance.limits import MICRO, Cap
from polku.guidance.rules import Branch, Calendar, Jump, Send, Stop, compile_rules, from_definition
from polku.guidance.schedule import occurrences
from polku.journey import values
from polku.journey.check import check_text
from polku.journey.model import Journey
from polku.record.clock import moment

ZONES = ["Europe/Helsinki", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]
times = st.integers(1_577_836_800, 1_893_456_000).map(lambda seconds: seconds * MICRO)
minutes = st.integers(0, DAY - 1)


@settings(max_examples=200, deadline=None)
@given(times, minutes, minutes, st.sampled_from(ZONES))
def test_after_quiet_hours_it_is_never_quiet(time, start, end, name):
    zone, quiet = ZoneInfo(name), Hours(start, end)
    found = after_quiet(time, quiet, zone)
    assert time <= found <= time + 49 * 3600 * MICRO
    if start != end:
        skipped = minute_of(found, zone) != end  # the clock jumped over the end
        assert not quiet.holds(minute_of(found, zone)) or skipped
    else:
        assert found == time


@settings(max_examples=200, deadline=None)
@given(times, minutes, minutes, st.sampled_from(ZONES))
def test_allowed_hours_begin_within_two_days(time, start, end, name):
    zone, hours = ZoneInfo(name), Hours(start, end)
    found = allowed_from(time, hours, zone)
    assert time <= found <= time + 49 * 3600 * MICRO
    assert found == time or minute_of(found, zone) >= start or start >= 23 * 60


@pytest.mark.parametrize(
    ("at", "minute", "expected"),
    [
        ("2026-01-12T06:00", 540, "2026-01-12T09:00+02:00"),
        ("2026-01-12T09:00", 540, "2026-01-12T09:00+02:00"),
        ("2026-01-12T09:01", 540, "2026-01-13T09:00+02:00"),
        ("2026-03-28T10:00", 540, "2026-03-29T09:00+03:00"),  # the clock goes forward that night
        ("2026-10-24T10:00", 540, "2026-10-25T09:00+02:00"),  # and back
    ],
)
def test_the_next_time_a_clock_shows_an_hour(at, minute, expected):
    zone = ZoneInfo("Europe/Helsinki")
    start = int(dt.datetime.fromisoformat(at).replace(tzinfo=zone).timestamp()) * MICRO
    assert moment(next_clock(start, minute, zone)) == dt.datetime.fromisoformat(expected)


@pytest.mark.parametrize("text", ["25:00", "9", "noon", None, "09:60"])
def test_what_is_no_time_of_day(text):
    with pytest.raises(values.UnreadableError):
        clock(text)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 100), max_size=20), st.integers(1, 4), st.integers(1, 30))
def test_a_cap_never_lets_more_through_in_any_window(wishes, most, every):
    cap, sent = Cap(most, every), []
    for wish in sorted(wishes):
        free = cap.free_at(sent, wish * MICRO)
        assert free is not None
        if free <= wish * MICRO:
            sent.append(wish * MICRO)
    for start in sent:
        assert sum(start <= t < start + every * MICRO for t in sent) <= most


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=10), st.integers(1, 3), st.integers(1, 30), st.integers(60, 90))
def test_at_the_moment_that_a_cap_names_it_is_free(sent, most, every, now):
    cap, times = Cap(most, every), [s * MICRO for s in sent]
    free = cap.free_at(times, now * MICRO)
    assert free is not None
    assert cap.free_at(times, free) == free
    assert free <= now * MICRO or cap.free_at(times, free - 1) == free


def test_groups_are_stable_shares():
    """These very numbers: another hash would let everybody change places."""
    assert [round(place(c, "cart_reminder"), 6) for c in (1, 2, 3)] == PLACES
    share = sum(held_out(c, "cart_reminder", 0.1) for c in range(20_000)) / 20_000
    assert abs(share - 0.1) < 0.01
    assert all(held_out(c, "r", 0.2) for c in range(500) if held_out(c, "r", 0.1))
    both = sum(held_out(c, "a", 0.5) and held_out(c, "b", 0.5) for c in range(20_000)) / 20_000
    assert abs(both - 0.25) < 0.02  # of another rule other customers
    chosen = [variant(c, "r", 1, {"a": 1, "b": 3}) for c in range(20_000)]
    assert abs(chosen.count("b") / 20_000 - 0.75) < 0.02


PLACES = [0.960147, 0.523019, 0.090472]

MAP = """
title: Shop
stages:
  - id: one
    touchpoints: [{id: cart, match: {event: Added}}, {id: order, match: {event: Bought}}]
"""


def rules_of(guidance):
    made = Journey.model_validate({
        "title": "Shop",
        "stages": [{"id": "one", "touchpoints": [
            {"id": "cart", "match": {"event": "Added"}}, {"id": "order", "match": {"event": "Bought"}}]}],
        "guidance": [{"id": "r", "state": "on", **guidance}],
    })  # fmt: skip
    return compile_rules(made), made


def test_branches_jump_where_they_should():
    (rule,), journey = rules_of({
        "when": {"reached": "cart"},
        "do": [
            {"if": {"stage": "one"}, "then": [{"send": {"channel": "email"}}],
             "else": [{"if": {"happened": True}, "then": [{"stop": True}]}]},
            {"task": "call"},
        ],
    })  # fmt: skip
    assert [type(step).__name__ for step in rule.steps] == ["Hold", "Branch", "Send", "Jump", "Branch", "Stop", "Send"]
    outer, jump, inner = rule.steps[1], rule.steps[3], rule.steps[4]
    assert isinstance(outer, Branch)
    assert isinstance(jump, Jump)
    assert isinstance(inner, Branch)
    assert (outer.otherwise, jump.to, inner.otherwise) == (4, 6, 6)
    assert isinstance(rule.steps[5], Stop)
    assert isinstance(rule.steps[6], Send)
    assert rule.steps[6].channel == "task"
    assert from_definition("r", rule.definition, journey) == rule


def test_what_a_rule_is_called_does_not_change_its_version():
    one = rules_of({"when": {"reached": "cart"}, "send": {"channel": "email"}})[0][0]
    two = rules_of({"when": {"reached": "cart"}, "send": {"channel": "email"}, "title": "New"})[0][0]
    three = rules_of({"when": {"reached": "order"}, "send": {"channel": "email"}})[0][0]
    assert one.version == two.version != three.version


@pytest.mark.parametrize(
    ("guidance", "share"),
    [
        ({"send": {"channel": "email"}}, 0.1),
        ({"send": {"channel": "email"}, "owed": True}, 0.0),
        ({"do": [{"task": "call"}]}, 0.0),
        ({"do": [{"task": "call"}], "holdout": "20 %"}, 0.2),
        ({"send": {"channel": "email"}, "holdout": "0 %"}, 0.0),
    ],
)
def test_the_share_that_is_held_out(guidance, share):
    assert rules_of({"when": {"reached": "cart"}, **guidance})[0][0].holdout == share


@settings(max_examples=100, deadline=None)
@given(
    times, st.integers(1, 40), st.sampled_from(ZONES), st.sampled_from(["day", "week", "month"]), st.integers(0, 6),
    minutes,
)  # fmt: skip
def test_calendar_moments_do_not_depend_on_how_time_is_cut(time, days, name, every, on, at):
    zone, rule = ZoneInfo(name), Calendar(every, on + (every == "month"), at)
    end = time + days * 86400 * MICRO
    whole = list(occurrences(rule, zone, time, end))
    middle = time + days * 43200 * MICRO
    assert whole == [*occurrences(rule, zone, time, middle), *occurrences(rule, zone, middle, end)]
    assert whole == sorted(set(whole))


@pytest.mark.parametrize(
    ("rule", "code", "said"),
    [
        ("{id: r, when: {reachd: cart}}", "shape.unknown_key", "reached"),
        ("{id: r, when: {for: 1d}}", "guidance.trigger", "nothing begins"),
        ("{id: r, when: {reached: cart, without: order}}", "guidance.without", "for: 4h"),
        ("{id: r, when: {reached: crt}}", "name.place", "cart"),
        ("{id: r, when: {reached: cart, again: twice}}", "value.choice", "once"),
        ("{id: r, when: {every: week, on: mondai}}", "value.choice", "monday"),
        ("{id: r, when: {every: month, on: 32}}", "value.unreadable", "day of the month"),
        ("{id: r, when: {every: day, at: noon}}", "value.unreadable", "09:00"),
        ("{id: r, when: {score: traits.s}}", "guidance.score", "above or below"),
        ("{id: r, when: {reached: cart}, only_if: {segmnt: x}}", "shape.unknown_key", "segment"),
        ("{id: r, when: {reached: cart}, only_if: {where: 'properties.a >'}}", "where.syntax", ""),
        ("{id: r, when: {reached: cart}, do: [{sned: {}}]}", "guidance.step", "sned"),
        ("{id: r, when: {reached: cart}, do: [{wait: 1d, send: {channel: email}}]}", "guidance.step", "one thing"),
        ("{id: r, when: {reached: cart}, do: [{wait: soon}]}", "value.unreadable", "duration"),
        ("{id: r, when: {reached: cart}, do: [{wait: {until: order}}]}", "guidance.wait", "longest"),
        ("{id: r, when: {reached: cart}, do: [{wait: {until: ordr, for: 1d}}]}", "name.place", "order"),
        ("{id: r, when: {reached: cart}, do: [{wait: {hours: late}}]}", "value.unreadable", "09:00-20:00"),
        ("{id: r, when: {reached: cart}, until: ordr}", "name.place", "order"),
        ("{id: r, when: {reached: cart}, limit: {capped: never}}", "value.choice", "drop"),
        ("{id: r, when: {reached: cart}, send: {chanel: email}}", "shape.unknown_key", "channel"),
        ("{id: r, when: {reached: cart}, state: on}", "guidance.nothing", "add send or do"),
        ("{id: r, when: {reached: cart}, do: [{if: {role: boss}, then: []}]}", "name.role", "boss"),
    ],
)
def test_faults_of_rules(rule, code, said):
    faults = check_text(f"{MAP}guidance:\n  - {rule}\n")
    assert code in [f.code for f in faults], [str(f) for f in faults]
    assert any(said in f.text() and f.text("fi") != f.text("en") for f in faults if f.code == code)
