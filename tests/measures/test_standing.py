"""Customers by current stage: the quick way and the fold say what the living map says."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings

from measures.small_world import journey_of, trails
from measures.strategies import journeys, moments, people
from polku.measures.ask import measure
from polku.measures.customers import customers_behind
from polku.measures.living import living_map

MAP = journey_of(("see", ["ad", "view"]), ("buy", ["cart", "order"], {"lapses_after": 10, "active_on": ["order"]}))


def counts(answer) -> dict[str, tuple[int, int]]:
    return {s.stage: (s.customers.n, s.lapsed.numerator) for s in answer.stages} | {"outside": (answer.outside.n, 0)}


@pytest.mark.parametrize(
    ("person", "stage", "lapsed"),
    [
        ([(1, "ad"), (5, "view")], "see", 0),
        ([(1, "cart")], "buy", 1),  # entering was the last activity: 10 s of silence at 11
        ([(1, "cart"), (2, "order"), (3, "cart")], "buy", 0),  # active at 2, asked at 11
        ([(1, "order"), (2, "cart")], "buy", 1),
        ([(1, "other")], "outside", 0),
        ([(12, "order")], None, 0),  # not yet
    ],
)
def test_people_as_lists(person, stage, lapsed):
    answer = measure(trails(MAP, [person], as_of=11, codes=["order"]), "standing", journey=MAP)
    expected = {"see": (0, 0), "buy": (0, 0), "outside": (0, 0)}
    assert counts(answer) == expected | ({stage: (1, lapsed)} if stage else {})


@settings(deadline=None)
@given(journeys(), people, moments)
def test_it_says_what_the_living_map_says(journey, who, as_of):
    plain = journey.model_copy(update={"stages": tuple(s.model_copy(update={"enter": None}) for s in journey.stages)})
    for each in (journey, plain):
        made = trails(each, who, buckets=2, as_of=as_of)
        answer, living = measure(made, "standing", journey=each), living_map(made, each)
        found = {s.id: (s.now.n + s.lapsed.n, s.lapsed.n) for s in living.stages}
        assert {k: v for k, v in counts(answer).items() if k != "outside"} == found
        seen = sum(any(event[0] <= as_of for event in person) for person in who)
        assert answer.outside.n == seen - sum(n for n, _ in found.values())
        assert customers_behind(made, each, answer.outside.behind).total == answer.outside.n
        for stage in answer.stages:
            assert customers_behind(made, each, stage.lapsed.behind).total == stage.lapsed.numerator
            assert customers_behind(made, each, stage.customers.behind).total == stage.customers.n


def test_it_draws_itself():
    answer = measure(trails(MAP, [[(1, "cart")]], as_of=11), "standing", journey=MAP)
    assert dataclasses.is_dataclass(answer)
    assert answer.to_frame()["customer count"].tolist() == [0, 1, 0]


def test_codes_that_share_a_bit_are_read():
    """There are 64 bits for codes: 70 names of events share some, and so do stages."""
    names = [f"e{n}" for n in range(70)]
    wide = journey_of(("see", names[:3]), ("buy", [*names[63:66], names[69]]), ("back", ["z"]))
    who = [[(n, name)] for n, name in enumerate(names)] + [[(1, names[0]), (2, names[64])], [(1, names[5])]]
    made = trails(wide, who, as_of=100, codes=names)
    answer, living = measure(made, "standing", journey=wide), living_map(made, wide)
    assert {s.id: s.now.n + s.lapsed.n for s in living.stages} == {s.stage: s.customers.n for s in answer.stages}
    assert [s.customers.n for s in answer.stages] == [3, 5, 0]
