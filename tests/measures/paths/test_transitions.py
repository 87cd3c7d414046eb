"""Which step follows which, against a plain reading and published counts."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measures.behind import lists_agree
from measures.small_world import journey_of, trails
from polku.errors import MeasureError
from polku.kernels.spread import BINS, edges, quantile
from polku.measures.ask import measure
from polku.measures.customers import customers_behind
from polku.measures.paths.alphabet import END, REST, START, alphabet_of
from polku.measures.paths.transitions import counted
from polku.measures.result import Period
from polku.measures.view import view_of
from polku.trails.layout import Trails, moment

DATA = Path(__file__).parents[4] / "shared" / "data"
MAP = journey_of(("see", ["ad", "view"]), ("buy", ["cart", "order"]))
PEOPLE = [
    [(10, "ad"), (20, "view"), (21, "other"), (50, "view"), (60, "cart")],
    [(10, "view"), (4000, "cart"), (4100, "order")],
    [(30, "other")],
]


def found(answer) -> dict[tuple[str, str], int]:
    return {(t.source, t.target): t.count.n for t in answer.transitions}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {(START, "ad"): 1, ("ad", "view"): 1, ("view", "view"): 1, ("view", "cart"): 2, ("cart", END): 1,
              (START, "view"): 1, ("cart", "order"): 1, ("order", END): 1}),
        ({"collapse": "yes"}, {(START, "ad"): 1, ("ad", "view"): 1, ("view", "cart"): 2, ("cart", END): 1,
                               (START, "view"): 1, ("cart", "order"): 1, ("order", END): 1}),
        ({"by": "session"}, {(START, "ad"): 1, ("ad", "view"): 1, ("view", "view"): 1, ("view", "cart"): 1,
                             ("cart", END): 1, (START, "view"): 1, ("view", END): 1, (START, "cart"): 1,
                             ("cart", "order"): 1, ("order", END): 1}),
        ({"of": "stage"}, {(START, "see"): 2, ("see", "see"): 2, ("see", "buy"): 2, ("buy", "buy"): 1,
                           ("buy", END): 2}),
        ({"of": "event", "limit": 3}, {("view", "cart"): 2, (START, "ad"): 1, ("ad", "view"): 1}),
    ],
)  # fmt: skip
def test_people_as_lists(options, expected):
    got = found(measure(trails(MAP, PEOPLE, buckets=2), "transitions", journey=MAP, **options))
    if "limit" in options:
        assert len(got) == 3
        assert got["view", "cart"] == 2
    else:
        assert got == expected


def test_times_and_shares():
    answer = measure(trails(MAP, PEOPLE), "transitions", journey=MAP)
    cart = next(t for t in answer.transitions if (t.source, t.target) == ("view", "cart"))
    assert (cart.out.numerator, cart.out.denominator) == (2, 3)
    assert (cart.into.numerator, cart.into.denominator) == (2, 2)
    assert cart.median == 10  # of 10 s and 3,990 s, the nearest rank
    assert cart.p95 == pytest.approx(3990, rel=0.01)


def test_a_period_takes_only_its_own_steps():
    answer = measure(trails(MAP, PEOPLE), "transitions", journey=MAP, period=Period(moment(15), moment(55)))
    assert found(answer) == {(START, "view"): 1, ("view", "view"): 1, ("view", END): 1}


@pytest.mark.parametrize("by", ["customer", "session"])
def test_every_number_of_customers_is_held_to_its_list(by):
    """Where it counts sessions or times, it says so."""
    made = trails(MAP, PEOPLE, buckets=2)
    seen = view_of(made, MAP)
    units = set()
    for name in ("transitions", "variants", "step_matrix", "flow", "sequences", "loops", "onward"):
        answer = measure(made, name, journey=MAP, by=by, **({"from": "view"} if name == "onward" else {}))
        lists_agree(answer, seen)
        units |= {part["unit"] for part in _parts(answer.to_dict()) if part.get("behind")}
    for centre in (None, "view"):
        rest = measure(made, "step_matrix", journey=MAP, by=by, centre=centre, top=1)
        assert any(place.step == REST and place.share.behind for place in rest.places)
        lists_agree(rest, seen)
    assert units == {"times", {"customer": "customers", "session": "sessions"}[by]}


def test_of_all_that_followed_a_step_those_who_took_it_are_listed():
    answer = measure(trails(MAP, PEOPLE, buckets=2), "transitions", journey=MAP)
    for each in answer.transitions:
        for name, rate in ((each.source, each.out), (each.target, each.into)):
            takers = [
                p
                for p in PEOPLE
                if any(e[1] == name or (name in (START, END) and e[1] in MAP.touchpoint_ids) for e in p)
            ]
            assert answer.customers(rate.behind_all).total == len(takers), name


def _parts(plain):
    """Every count and rate in the plain data of an answer."""
    if isinstance(plain, dict):
        if "unit" in plain:
            yield plain
        for each in plain.values():
            yield from _parts(each)
    elif isinstance(plain, list):
        for each in plain:
            yield from _parts(each)


def test_events_that_are_called_as_the_ends_of_a_path_are_told_apart():
    names = ["path_start", "a>b", "rest", "a>b", "path_end"]
    table = pa.table({"u": ["a"] * 5, "t": range(5), "e": names})
    made = Trails.from_table(table, customer="u", time="t", event="e")
    answer = made.transitions()
    assert found(answer)[START, "path_start (event)"] == found(answer)["path_end (event)", END] == 1
    for one in (answer, made.variants(), made.step_matrix(centre="rest"), made.flow(), made.sequences(), made.loops()):
        assert lists_agree(one, one.view) > 0 or one is answer
    assert all(answer.customers(t.count.behind).total == 1 for t in answer.transitions)


def test_steps_where_nothing_has_happened():
    table = pa.table({name: pa.array([], kind) for name, kind in (("u", "string"), ("t", "int64"), ("e", "string"))})
    empty = Trails.from_table(table, customer="u", time="t", event="e")
    with pytest.raises(MeasureError, match="no event has happened yet"):
        empty.transitions()
    with pytest.raises(MeasureError, match="'view': nothing has happened yet"):
        empty.funnel(["view", "cart"])
    with pytest.raises(MeasureError, match="name an event with `to`"):
        empty.leaving()


def test_those_behind_a_transition():
    made = trails(MAP, PEOPLE, buckets=2)
    answer = measure(made, "transitions", journey=MAP)
    behind = {(t.source, t.target): t.count.behind for t in answer.transitions}
    who = {pair: {line.customer for line in customers_behind(made, MAP, s).lines} for pair, s in behind.items()}
    assert who["view", "cart"] == {1, 2}
    assert who["view", "view"] == {1}
    assert who["order", END] == {2}
    assert who[START, "view"] == {2}


steps = st.lists(
    st.lists(st.tuples(st.integers(1, 40), st.sampled_from(["ad", "view", "cart", "order", "off"])), max_size=8).map(
        lambda p: sorted(p, key=lambda e: e[0])
    ),
    max_size=6,
)


@settings(deadline=None)
@given(steps, st.booleans(), st.sampled_from(["event", "touchpoint"]))
def test_the_quick_ways_and_the_timed_way_agree_with_a_plain_reading(people, skip_one, of):
    made = trails(MAP, people, buckets=2, codes=["ad"])
    view = view_of(made, MAP)
    if skip_one:
        view = view.only([np.arange(len(c.skip)) > 0 for c in view.columns])
    letters = alphabet_of(view, of)
    expected: Counter[tuple[int, int]] = Counter()
    first = {min((c for c in range(len(people)) if c % 2 == b), default=None) for b in range(2)}
    for c, trail in enumerate(people):
        path = [letters.names.index(name) for _, name in trail if name in letters.names]
        if path and not (skip_one and c in first):
            n = len(letters)
            expected.update(zip([n, *path], [*path, n], strict=True))
    pairs = [(a, b) for a, b in expected if len(letters) not in (a, b)]
    for timed in ([], pairs):
        counts, waits = counted(view, letters, timed=timed)
        assert {(a, b): counts[a, b] for a, b in np.argwhere(counts)} == dict(expected)
        assert waits.sum(axis=1).tolist() == [expected[pair] for pair in timed]


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=30), st.sampled_from([0.05, 0.5, 0.95]))
def test_a_waiting_time_is_known_to_within_one_per_cent(seconds, share):
    counts = np.zeros(BINS, np.int64)
    for s in seconds:
        counts[np.searchsorted(edges(), s, side="right") - 1] += 1
    exact = sorted(seconds)[max(1, int(np.ceil(share * len(seconds)))) - 1]
    got = quantile(counts, share)
    assert got == exact if exact < 128 else got == pytest.approx(exact, rel=0.01)


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not beside the repository")
def test_counts_that_others_published():
    with gzip.open(DATA / "ecom" / "ecom.csv.gz", "rt", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    table = pa.table({k: [r[k] for r in rows] for k in ("user_id", "event")}).append_column(
        "time", pa.array([r["timestamp"] for r in rows]).cast(pa.timestamp("s"))
    )
    answer = Trails.from_table(table, customer="user_id", time="time", event="event").transitions(limit=500)
    got = found(answer)
    wanted = {
        (START, "home"): 195, (START, "catalog"): 161, ("catalog", "product_view"): 1751, ("catalog", "catalog"): 1239,
        ("product_view", "catalog"): 1561, ("product_view", "add_to_cart"): 364, ("product_view", END): 124,
        ("cart", "purchase"): 72,
    }  # fmt: skip
    assert {pair: got[pair] for pair in wanted} == wanted
    out = {(t.source, t.target): t.out.value for t in answer.transitions}
    assert round(out["catalog", "product_view"], 4) == 0.2685
