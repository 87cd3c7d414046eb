"""The live recogniser and the kernel over trails: the same changes, on random journeys, however they arrive."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from measures.small_world import journey_of, trails
from measures.strategies import events, journeys
from measures.test_stages_doc import EXAMPLES, seconds
from polku.guidance.limits import MICRO
from polku.guidance.recogniser import Customer, Meaning, Past, Recogniser, Row
from polku.kernels import fold
from polku.measures.rules import rules_of
from polku.measures.view import columns_of

KINDS = {fold.ENTERED: "stage_entered", fold.LAPSED_KIND: "lapsed", fold.WON_BACK: "won_back"}
CODES = ["ad", "view", "cart", "order", "other", "!cart"]


def by_kernel(journey, rows, as_of):
    """Changes of a customer with these rows as of a moment (seconds): (kind, stage, second)."""
    ordered = sorted(rows, key=lambda r: (r.time, r.seq))
    person = [(r.time // MICRO, sorted(CODES)[r.code], None if np.isnan(r.value) else r.value) for r in ordered]
    made = trails(journey, [person], as_of=as_of, codes=CODES)
    of, rules = columns_of(made.buckets[0]), rules_of(journey, made.tables)
    found = fold.transitions(of, rules, np.zeros(1, np.int64), as_of)
    return [(KINDS[k], journey.stages[to].id, time) for _, time, _, _, to, k, _ in found.tolist()]


def meaning_of(journey):
    return Meaning(journey, trails(journey, [[]], as_of=0, codes=CODES).tables)


def told_by(customer):
    return [(c.kind, c.name, c.time // MICRO) for c in customer.changes if c.kind != "stage_left"]


#: Events of a customer with the seconds after which each arrives; then how long time passes on its own.
arriving = st.lists(st.tuples(events, st.integers(0, 12)), max_size=10)


def delivered(given_events):
    """Rows in order of arrival, each with the second at which it is known."""
    ordered = sorted(given_events, key=lambda pair: pair[0][0] + pair[1])
    rows = []
    for seq, ((second, name, value), lag) in enumerate(ordered, 1):
        worth = float("nan") if value is None else value
        rows.append((second + lag, Row(second * MICRO, seq, sorted(CODES).index(name), worth)))
    return rows


@settings(max_examples=120, deadline=None)
@given(journeys(), arriving, st.integers(0, 20))
def test_events_in_any_order_end_where_the_kernel_does(journey, given_events, after):
    customer = Customer(meaning_of(journey))
    told: Counter[tuple[str, str]] = Counter()
    most: Counter[tuple[str, str]] = Counter()
    rows = []
    for known, row in delivered(given_events):
        new = customer.pass_time(max(customer.passed, known - 1))
        most |= Counter((kind, stage) for kind, stage, _ in by_kernel(journey, rows, customer.passed))
        rows.append(row)
        new += customer.take(row)
        told.update((c.kind, c.name) for c in new if c.kind != "stage_left")
        changes = by_kernel(journey, rows, customer.passed)
        assert told_by(customer) == changes
        most |= Counter((kind, stage) for kind, stage, _ in changes)
    end = max(customer.passed, 100) + after
    told.update((c.kind, c.name) for c in customer.pass_time(end) if c.kind != "stage_left")
    changes = by_kernel(journey, rows, end)
    assert told_by(customer) == changes
    # each change is told once, however often it came to be and was undone by what arrived late
    assert told == most | Counter((kind, stage) for kind, stage, _ in changes)


@settings(max_examples=80, deadline=None)
@given(journeys(), arriving, arriving, st.integers(100, 140))
def test_a_merge_and_its_undo_tell_nothing_and_end_where_the_kernel_does(journey, mine, theirs, at):
    first = [row for _, row in delivered(mine)]
    second = [row._replace(seq=row.seq + 100) for _, row in delivered(theirs)]
    customer = Customer(meaning_of(journey))
    customer.passed = at
    customer.replace(Past.of(first))
    assert told_by(customer) == by_kernel(journey, first, at)
    before = Counter(customer.told)
    new = Counter((c.kind, c.name) for c in customer.replace(Past.of([*first, *second])))
    assert told_by(customer) == by_kernel(journey, [*first, *second], at)
    assert not new & Counter(before) or all(customer.told[key] > before[key] for key in new)
    assert customer.replace(Past.of(first)) == []
    assert told_by(customer) == by_kernel(journey, first, at)
    assert customer.replace(Past.of([*first, *second])) == []


@settings(max_examples=80, deadline=None)
@given(journeys(), arriving, st.integers(0, 9))
def test_a_restart_in_the_middle_tells_the_rest_and_nothing_again(journey, given_events, where):
    """The past is folded untold from the record; what arrives afterwards is told as if there had been no restart."""
    rows = [row._replace(event={"event": sorted(CODES)[row.code]}) for _, row in delivered(given_events)]
    rows.sort(key=lambda r: (r.time, r.seq))
    rows = [row._replace(seq=n) for n, row in enumerate(rows, 1)]
    meaning = meaning_of(journey)
    whole = Recogniser(meaning, lambda _: Past.of(()), 0).take(1, rows)
    cut = rows[:where]
    since = cut[-1].time // MICRO if cut else 0
    before = Recogniser(meaning, lambda _: Past.of(()), 0).take(1, cut)
    after = Recogniser(meaning, lambda _: Past.of(cut), since).take(1, rows[where:])
    assert [(h.kind, h.name, h.time) for h in before + after] == [(h.kind, h.name, h.time) for h in whole]


@pytest.mark.parametrize("way", ["in order", "the last first", "after a restart", "by a merge", "by an undone merge"])
@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_cases_of_the_stages_page_are_so_live(text, way):
    """The table of cases that the kernel is held to (docs/stages.md), however the events come."""
    example = YAML(typ="safe", pure=True).load(text)
    journey = journey_of(*[(s.pop("id"), s.pop("touchpoints", []), s) for s in example["map"]])
    end = seconds(example["as of"])
    names = sorted({name for _, name in example["events"]})
    meaning = Meaning(journey, trails(journey, [[]], as_of=0, codes=names).tables)
    rows = [
        Row(seconds(when) * MICRO, seq, names.index(name), float("nan"))
        for seq, (when, name) in enumerate(example["events"], 1)
    ]
    rows = [row for row in rows if row.time // MICRO <= end]
    customer = Customer(meaning)
    if way in ("in order", "the last first"):
        for row in rows if way == "in order" else reversed(rows):
            customer.take(row)
    elif way == "after a restart":
        half = rows[: len(rows) // 2]
        customer = Customer(meaning, Past.of(half), half[-1].time // MICRO if half else -1)
        for row in rows[len(rows) // 2 :]:
            customer.take(row)
    elif way == "by a merge":
        for row in rows[::2]:
            customer.take(row)
        customer.replace(Past.of(rows))
    else:
        strangers = [row._replace(seq=row.seq + 100) for row in rows]
        for row in rows:
            customer.take(row)
        customer.replace(Past.of([*rows, *strangers]))
        customer.replace(Past.of(rows))
    customer.pass_time(end)
    expected = [told_on_page(line) for line in example["tells"]]
    assert [(kind.removeprefix("stage_"), stage, time) for kind, stage, time in told_by(customer)] == expected


def told_on_page(line):
    day, clock, kind, stage, *_ = line.replace(",", "").replace("won back", "won_back").split()
    return kind, stage, seconds(f"{day} {clock}")


#: A step in a customer's life: an event of the first or of the second person with its lag, or what becomes of them.
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["mine", "theirs"]), events, st.integers(0, 12)),
        st.tuples(st.sampled_from(["merge", "undo", "restart", "time", "repeat"]), st.none(), st.integers(0, 12)),
    ),
    max_size=14,
)


def live_a_life(journey, life):
    """After every step the live fold stands where the kernel over everything known stands, and tells nothing twice."""
    meaning = meaning_of(journey)
    customer, seq, now = Customer(meaning), 0, 100
    mine, theirs, merged = [], [], False
    told: Counter[tuple[str, str]] = Counter()
    for what, event, span in life:
        new = []
        now += span
        known = [*mine, *theirs] if merged else mine
        if what in ("mine", "theirs"):
            seq += 1
            second, name, value = event
            worth = float("nan") if value is None else value
            row = Row(min(second, now) * MICRO, seq, sorted(CODES).index(name), worth)
            (mine if what == "mine" else theirs).append(row)
            if what == "mine" or merged:
                new = customer.pass_time(max(customer.passed, now - 1)) + customer.take(row)
        elif what in ("merge", "undo"):
            merged = what == "merge"
            customer.replace(Past.of([*mine, *theirs] if merged else mine))  # tells nothing live: see live.py
            told = Counter(customer.told)
        elif what == "restart":
            customer = Customer(meaning, Past.of(known), customer.passed)
            told = Counter(customer.told)
        elif what == "time":
            new = customer.pass_time(max(customer.passed, now))
        elif known:  # a repeat: dropped before it comes here; that the same past is put again changes nothing
            new = customer.replace(Past.of(known))
            assert new == []
        told.update((c.kind, c.name) for c in new)
        known = [*mine, *theirs] if merged else mine
        assert told_by(customer) == by_kernel(journey, known, customer.passed)
        assert told == Counter(customer.told)


@settings(max_examples=60, deadline=None)
@given(journeys(), steps)
def test_a_whole_life(journey, life):
    live_a_life(journey, life)


@pytest.mark.soak
@settings(max_examples=3_000, deadline=None)
@given(journeys(), steps)
def test_many_whole_lives(journey, life):
    live_a_life(journey, life)


def test_what_an_event_means():
    journey = journey_of(("one", ["view", "cart"]), ("two", ["order"]))
    recogniser = Recogniser(meaning_of(journey), lambda _: Past.of(()), 0)
    names = sorted(CODES)

    def row(seq, name):
        return Row(seq * 10 * MICRO, seq, names.index(name), float("nan"), seq * 11 * MICRO, {"event": name})

    found = recogniser.take(7, [row(1, "view"), row(2, "other"), row(3, "!cart"), row(4, "order")])
    assert [(h.kind, h.name) for h in found] == [
        ("event", "view"), ("touchpoint", "view"), ("stage_entered", "one"),
        ("event", "other"),
        ("event", "!cart"), ("failed", "cart"),
        ("event", "order"), ("touchpoint_left", "view"), ("touchpoint", "order"), ("stage_left", "one"),
        ("stage_entered", "two"),
    ]  # fmt: skip
    assert {h.known for h in found} == {11 * MICRO, 22 * MICRO, 33 * MICRO, 44 * MICRO}


def test_the_next_moments_of_all_are_those_of_each():
    journey = journey_of(("one", ["view"], {"lapses_after": 20}), ("two", [], {"enter": "count(view) >= 2 within 5s"}))
    people = [[(10, "view")], [(10, "view"), (12, "view")], [], [(10, "other")]]
    made = trails(journey, people, as_of=13, codes=CODES)
    of, rules = columns_of(made.buckets[0]), rules_of(journey, made.tables)
    found = fold.upcoming(of, rules, np.arange(4), 13)
    meaning = Meaning(journey, made.tables)
    for n, person in enumerate(people):
        one = Customer(meaning)
        one.passed = 13
        rows = [Row(s * MICRO, i, sorted(CODES).index(name), float("nan")) for i, (s, name) in enumerate(person)]
        one.replace(Past.of(rows))
        assert one.next_moment() == found[n]
