"""Personas, clusters and drift of two kinds of people whose ways are known."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pyarrow as pa
import pytest

from measures.behind import lists_agree
from measures.small_world import journey_of, trails
from polku.errors import MeasureError
from polku.language import Reader
from polku.measures.customers import keys_behind
from polku.measures.personas.clusters import clusters
from polku.measures.personas.drifting import drift
from polku.measures.personas.fit import persona_fit
from polku.measures.selectors import Selector
from polku.measures.view import view_of

DAY = 86400
PERSONAS = {
    "sara": {"title": "Sara", "where": "traits.segment = 'fashion'", "platforms": ["Instagram", "TikTok"],
             "evidence": "12 interviews"},
    "all": {"title": "All", "where": "traits.segment != 'none'"},
    "nobody": {"title": "Nobody", "where": "traits.segment = 'ghost'"},
    "untold": {"title": "Untold"},
}  # fmt: skip
SHOP = journey_of(("a", ["home", "sale"]), ("b", ["order"]), personas=PERSONAS, reviewed="1970-01-21")


def world(n=200, late_order=0.1):
    """Every second is Sara: comes by Instagram, goes to the sale and has many visits; the others look in once or twice.
    From day 20 on everyone orders with the chance ``late_order``, before it with 10 %."""
    rng = np.random.default_rng(1)
    people, profiles = [], []
    for c in range(n):
        fashion = c % 2 == 0
        events = []
        for start in (0, 20):
            for _ in range(rng.integers(8, 12) if fashion else rng.integers(1, 3)):
                at = int((start + rng.uniform(0, 19.9)) * DAY)
                if fashion:
                    events += [(at, "home", None, {"origin": ("instagram", None, None)}), (at + 60, "sale")]
                else:
                    events.append((at, "home", None, {"origin": ("google", None, None)}))
            if rng.random() < (0.1 if start == 0 else late_order):
                events.append((int((start + rng.uniform(0, 19)) * DAY), "order"))
        people.append(events)
        profiles.append({"customer": c + 1, "traits": json.dumps({"segment": "fashion" if fashion else "home"})})
    return people, pa.Table.from_pylist(profiles)


def view_over(people, profiles, shop=SHOP, buckets=2):
    return view_of(trails(shop, people, buckets, as_of=40 * DAY - 1), shop, profiles=profiles)


@pytest.fixture(scope="module")
def shop():
    return view_over(*world())


def test_personas_and_their_verdicts(shop):
    found = persona_fit(shop)
    told = {f.id: (f.caught.numerator, f.caught.denominator, f.verdict) for f in found.personas}
    assert told["sara"] == (100, 200, "stands out")
    assert told["all"][:2] == (200, 200)
    assert told["all"][2] == "catches nearly everyone, so it tells nobody apart"
    assert told["nobody"] == (0, 200, "catches nobody")
    assert told["untold"][2] == "no `where` tells who they are"
    assert found.uncaught.numerator == 0
    assert [(o.one, o.other, o.both.value) for o in found.overlaps] == [("sara", "all", 1.0)]
    sara = next(f for f in found.personas if f.id == "sara")
    sale = sara.touches[0]
    assert (sale.name, sale.rate.numerator, sale.others.numerator) == ("touchpoint:sale", 100, 0)
    assert sale.lift.low > 10
    assert {p.name: p.rate and p.rate.value for p in sara.places} == {"Instagram": 1.0, "TikTok": None}
    assert lists_agree(found, shop) > 5


def test_a_persona_like_everyone_else():
    people, _ = world(120)
    rng = np.random.default_rng(4)
    chance = pa.Table.from_pylist(
        [
            {"customer": c + 1, "traits": json.dumps({"segment": "fashion" if rng.random() < 0.5 else "none"})}
            for c in range(120)
        ]
    )
    found = persona_fit(view_over(people, chance))
    sara = next(f for f in found.personas if f.id == "sara")
    assert sara.touches == ()
    assert sara.verdict == "behaves like everyone else"
    assert found.uncaught.numerator == 120 - sara.caught.numerator


def test_without_traits_or_personas_the_reason_is_told(shop):
    people, _ = world(40)
    found = persona_fit(view_over(people, None))
    assert found.reason == "nothing is known of the customers' traits, so personas cannot be told apart"
    assert found.uncaught.value is None
    plain = journey_of(("a", ["home", "sale"]), ("b", ["order"]))
    assert persona_fit(view_over(people, None, plain)).reason == "the map has no personas"


def test_clusters_are_the_two_kinds():
    people, profiles = world()
    shop = view_over([[e for e in p if e[1] != "order"] for p in people], profiles)
    found = clusters(shop)
    assert found.k == 2
    assert found.reason is None
    assert [c.share.numerator for c in found.clusters] == [100, 100]
    assert min(c.stability for c in found.clusters) > 0.95
    keen = max(found.clusters, key=lambda c: dict(c.middle)["events"])
    assert "touchpoint:sale" in [t.name for t in keen.touches]
    listed = keys_behind(shop, Selector.parse(keen.share.behind))
    assert set((listed % 2).tolist()) == {1}  # customers count from 1, so Saras are odd
    assert lists_agree(found, shop) >= 5
    assert clusters(shop) == found


def test_a_mixture_and_a_number_asked_for(shop):
    assert clusters(shop, "mixture", 2).clusters[0].share.numerator == 100
    with pytest.raises(MeasureError, match="at least 2"):
        clusters(shop, k=1)
    people, profiles = world(20)
    few = clusters(view_over(people, profiles))
    assert (few.k, few.clusters, few.reason) == (1, (), "too few to find clusters in")


def test_nothing_drifts_when_nothing_has_changed(shop):
    found = drift(shop)
    assert found.since == dt.date(1970, 1, 21)
    assert {m.word for m in found.columns} == {"as before"}
    assert all(s.p is None or s.p > 0.05 for s in found.personas)
    assert lists_agree(found, shop) == 2


def test_what_drifts_is_told():
    view = view_over(*world(late_order=0.7))
    found = drift(view, dt.date(1970, 1, 21))
    assert found.columns[0].column == "touchpoint:order"
    assert found.columns[0].word == "has changed much"
    assert found.earlier.n <= 200
    assert lists_agree(found, view) == 2


def test_shares_of_personas_move():
    """Saras stay away after the review: their share falls, with an interval that says so."""
    people, profiles = world()
    gone = [[e for e in p if e[0] < 20 * DAY] if c % 2 == 0 and c > 20 else p for c, p in enumerate(people)]
    found = drift(view_over(gone, profiles))
    sara = next(s for s in found.personas if s.persona == "sara")
    assert sara.before.value == 0.5
    assert sara.after.value < 0.2
    assert sara.change.high < 0
    assert sara.p < 0.001


def test_drift_without_a_review(shop):
    plain = journey_of(("a", ["home", "sale"]), ("b", ["order"]))
    people, profiles = world(40)
    view = view_over(people, profiles, plain)
    assert drift(view).reason.startswith("the map does not say when it was reviewed")
    assert drift(view, dt.date(1971, 1, 1)).reason == "that day has not come yet"
    assert drift(view, dt.date(1970, 1, 1)).reason == "there is nothing before that day to hold it against"


def test_all_is_told_in_both_languages_and_drawn(shop):
    for ask in (persona_fit, clusters, drift):
        found = ask(shop)
        for language in ("en", "fi"):
            assert found.text(Reader(language))
            assert found.charts(Reader(language))
        assert found.to_dict()["measure"] == found.name
