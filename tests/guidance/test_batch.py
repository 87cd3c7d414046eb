"""Many customers folded together say what each of them says alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guidance.test_recogniser import CODES, arriving
from measures.small_world import journey_of, trails
from measures.strategies import conditions, journeys
from polku.guidance.batch import New, fold_together
from polku.guidance.limits import MICRO
from polku.guidance.recogniser import Meaning, Past, Recogniser, Row
from polku.kernels.fresh import in_order

NAMES = sorted(CODES)


def arrived(people):
    """Everybody's events in order of arrival: (customer, known second, row)."""
    flat = [
        (second + lag, customer, second, name, value)
        for customer, events in enumerate(people, 1)
        for (second, name, value), lag in events
    ]
    found = []
    for seq, (known, customer, second, name, value) in enumerate(sorted(flat, key=lambda e: (e[0], e[1])), 1):
        worth = float("nan") if value is None else value
        event = {"event": name, "seq": seq}
        row = Row(second * MICRO, seq, NAMES.index(name), worth, known * MICRO, event)
        found.append((customer, known, row))
    return found


def bucket_of(journey, people, rows):
    """The trails with all rows, as the record gives them: each customer's in order of (time, seq), with their seqs."""
    theirs = {c: sorted((r for who, _, r in rows if who == c), key=lambda r: (r.time, r.seq)) for c in people}
    of = [[(r.time // MICRO, NAMES[r.code], None if np.isnan(r.value) else r.value) for r in theirs[c]] for c in people]
    made = trails(journey, of, as_of=200, codes=CODES)
    (bucket,) = made.buckets
    seqs = np.array([r.seq for c in people for r in theirs[c]], np.int64)
    return dataclasses.replace(bucket, seq=seqs), made.tables


#: A map with a segment, people whose events come late or not, when they were folded, events of a batch, what is heard.
worlds = st.tuples(
    journeys(), conditions, st.lists(arriving, min_size=1, max_size=4), st.integers(98, 130), st.integers(1, 8),
    st.sampled_from([None, "view"]),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(worlds)
def test_together_is_as_alone(world):
    together_and_alone(*world)


@pytest.mark.soak
@settings(max_examples=2_000, deadline=None)
@given(worlds)
def test_together_is_as_alone_in_many_worlds(world):
    together_and_alone(*world)


def together_and_alone(journey, condition, given_people, since, size, only):
    journey = journey.model_copy(update={"segments": {"some": journey_segment(condition)}})
    rows = arrived(given_people)
    people = range(1, len(given_people) + 1)
    bucket, tables = bucket_of(journey, people, rows)
    cursor = sum(known <= since for _, known, _ in rows)
    batch = rows[cursor : cursor + size]
    last = batch[-1][2].seq if batch else cursor
    meaning = Meaning(journey, tables, ["some"])

    def old(customer):
        return Past.of(r for c, _, r in rows[:cursor] if c == customer)

    def listens(kind, name):
        return only is None or name == only

    new = New(
        np.array([c for c, _, _ in batch], np.int64),
        np.array([r.seq for _, _, r in batch], np.int64),
        np.array([r.known for _, _, r in batch], np.int64),
        [r.event["event"] for _, _, r in batch],
        lambda at: batch[at][2].event,
    )
    found = fold_together(meaning, (bucket,), new, since, last, np.zeros(0, np.int64), listens)
    alone = Recogniser(meaning, old, since)
    for customer in people:
        own = [r for c, _, r in batch if c == customer]
        told = [h for _, h in found.happenings if h.customer == customer]
        if customer not in found.until:
            assert told == []
            assert not own or not in_line(rows, cursor, last, customer, since)
            continue
        wanted = [h for h in alone.take(customer, own) if listens(h.kind, h.name)]
        assert told == wanted
        together = Recogniser(meaning, old, since, lambda c: Past.of(r for w, _, r in rows[:last] if w == c))
        together.until = found.until
        one, other = together.customer(customer), alone.customer(customer)
        assert (one.stage, one.lapsed, one.passed, one.next_moment()) == (
            other.stage, other.lapsed, other.passed, other.next_moment(),
        )  # fmt: skip
        assert one.pass_time(200) == other.pass_time(200)


def journey_segment(condition):
    from polku.journey.model import Segment

    return Segment.model_validate({"condition": condition})


def in_line(rows, cursor, last, customer, since):
    """Whether a customer's new events need no care."""
    mine = [r for c, _, r in rows if c == customer]
    line = sorted(mine, key=lambda r: (r.time, r.seq))
    kinds = ["old" if r.seq <= cursor else "new" if r.seq <= last else "later" for r in line]
    ordered = sorted(kinds, key=["old", "new", "later"].index)
    times = {k: [r.time // MICRO for r, kind in zip(line, kinds, strict=True) if kind == k] for k in ("old", "new")}
    fresh = [r.seq for r, kind in zip(line, kinds, strict=True) if kind == "new"]
    if fresh != sorted(fresh):
        return False
    return kinds == ordered and max(times["old"], default=since) <= since <= min(times["new"], default=since)


def test_a_repeat_needs_care():
    starts = np.array([0, 2, 4], np.int64)
    time, seq = np.array([10, 20, 10, 20], np.int64), np.array([1, 3, 2, 4], np.int64)
    fresh = np.array([3, 4], np.int64)
    none = np.zeros(0, np.int64)
    assert in_order(starts, time, seq, fresh, none, 15, 4).tolist() == [[1, 1], [3, 3]]
    assert in_order(starts, time, seq, fresh, np.array([2], np.int64), 15, 4).tolist() == [[1, 1], [-1, -1]]
    assert in_order(starts, time, seq, fresh, none, 21, 4).tolist() == [[-1, -1], [-1, -1]]


def test_who_stands_masked_in_an_older_layer_is_found_in_the_newer():
    journey = journey_of(("one", ["view"]), ("two", ["order"]))
    rows = arrived([[((100, "view", None), 0), ((110, "order", None), 0)]])
    whole, tables = bucket_of(journey, [1], rows)
    older, _ = bucket_of(journey, [1], rows[:1])
    masked = dataclasses.replace(older, masked=np.ones(1, np.bool_))
    new = New(np.array([1]), np.array([2]), np.array([110 * MICRO]), ["order"], lambda _: rows[1][2].event)
    meaning, none = Meaning(journey, tables), np.zeros(0, np.int64)
    found = fold_together(meaning, (masked, whole), new, 105, 2, none, lambda *_: True)
    assert [(h.kind, h.name) for _, h in found.happenings] == [
        ("event", "order"), ("touchpoint_left", "view"), ("touchpoint", "order"), ("stage_left", "one"),
        ("stage_entered", "two"),
    ]  # fmt: skip
