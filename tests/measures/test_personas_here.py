"""Personas by stage: counted as their lists are, under every filter."""

from __future__ import annotations

import pyarrow as pa

from measures.small_world import journey_of, trails
from polku.measures.customers import customers_behind
from polku.measures.personas_here import personas_here
from polku.measures.view import view_of
from polku.trails.layout import moment

SHOP = journey_of(
    ("aware", ["ad"]),
    ("buy", ["order"], {"lapses_after": 100}),
    segments={"buyers": "count(order) >= 1"},
    personas={
        "sara": {"title": "Sara", "where": "traits.likes = 'fashion'"},
        "nobody": {"title": "Nobody"},
        "anyone": {"title": "Anyone", "where": "traits.likes != 'x'"},
    },
)
PEOPLE = [
    [(0, "ad")],
    [(0, "ad"), (10, "order")],  # lapsed at 110
    [(0, "ad"), (950, "order")],
    [(5, "ad")],
    [(7, "other")],
]
PROFILES = pa.table(
    {"customer": [1, 2, 3, 4], "traits": ['{"likes": "fashion"}', '{"likes": "fashion"}', '{"likes": "fashion"}', "{}"]}
)


def told(**options):
    made = trails(SHOP, PEOPLE, 2, as_of=1000)
    found = personas_here(view_of(made, SHOP, profiles=PROFILES, **options))
    for persona in found:
        for count in persona.stages:
            assert customers_behind(made, SHOP, count.behind, profiles=PROFILES).total == count.n
    return {p.id: [c.n for c in p.stages] for p in found}


def test_who_stands_where():
    """Without a ``where`` a persona is nobody's and is left out; the lapsed stand nowhere; personas may overlap."""
    assert told() == {"sara": [1, 1], "anyone": [1, 1]}


def test_under_filters():
    assert told(segment="buyers") == {"sara": [0, 1], "anyone": [0, 1]}
    assert told(persona="sara") == {"sara": [1, 1]}
    assert told(as_of=moment(50)) == {"sara": [2, 1], "anyone": [2, 1]}


def test_nothing_is_told_without_traits():
    assert personas_here(view_of(trails(SHOP, PEOPLE, as_of=1000), SHOP)) == ()
