"""A world in which what leads to an order is known: the score finds it, opens its customers, and sees no future."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from measures.behind import lists_agree
from measures.small_world import journey_of, trails
from polku.errors import MeasureError, MissingExtraError
from polku.language import Reader
from polku.measures.customers import keys_behind
from polku.measures.leads import score as measure
from polku.measures.leads.score import score
from polku.measures.selectors import Selector
from polku.measures.view import view_of

DAY = 86400
SHOP = journey_of(("a", ["home", "price"]), ("b", ["order"]), window="10d")


def world(n=900, days=60, seed=3):
    """Everyone looks in now and then; whoever looks at the price orders within some days with a chance of 40 %, the
    others with 4 % a look."""
    rng = np.random.default_rng(seed)
    people = []
    for _ in range(n):
        keen, at, events = rng.random() < 0.3, float(rng.uniform(0, days - 1)), []
        while at < days:
            look = "price" if keen and rng.random() < 0.5 else "home"
            events.append((int(at * DAY), look, None, {"origin": ("google" if keen else "mail", None, None)}))
            if rng.random() < (0.4 if look == "price" else 0.04):
                events.append((int((at + rng.uniform(0.5, 6)) * DAY), "order"))
                break
            at += rng.exponential(6)
        people.append([e for e in events if e[0] <= days * DAY])
    return [p for p in people if p]


@pytest.fixture(scope="module")
def shop():
    return view_of(trails(SHOP, world(), 2, as_of=60 * DAY), SHOP)


@pytest.fixture(scope="module")
def found(shop):
    return score(shop, "order", 10 * DAY)


def test_it_ranks_and_comes_true(found):
    assert found.reason is None
    assert found.moments == 5  # one more would lie before the first event
    assert found.auc.value > 0.65
    assert found.auc.low > 0.5
    assert found.skill.value > 0.03
    assert found.calibration_error.value < 0.08
    rows = found.calibration
    assert sum(r.came.denominator for r in rows) == found.auc.n
    best = found.lift[0]
    assert best.lift > 1.5
    assert found.lift[-1].gain == 1.0
    assert found.lift[-1].lift == 1.0
    assert found.bands[0].expected > found.bands[-1].expected
    assert sum(b.customers.n for b in found.bands) == found.scored.n
    assert 0 < found.expected < found.scored.n
    assert found.leaks == ()


def test_the_best_band_is_that_of_the_keen(found, shop):
    best = set(keys_behind(shop, Selector.parse(found.bands[0].customers.behind)).tolist())
    looked = set(keys_behind(shop, Selector.parse("touchpoint:price:reached")).tolist())
    assert len(best & looked) > 0.8 * len(best)
    likeliest = found.leads[0]
    assert likeliest.probability == max(x.probability for x in found.leads)
    assert len(likeliest.reasons) == 3
    assert [abs(r.adds) for r in likeliest.reasons] == sorted((abs(r.adds) for r in likeliest.reasons), reverse=True)


def test_bands_open_their_customers(found, shop):
    assert lists_agree(found, shop) >= 5
    lists = [set(keys_behind(shop, Selector.parse(b.customers.behind)).tolist()) for b in found.bands]
    assert not set.intersection(*lists)
    assert found.leads[0].customer in lists[0]


def test_who_has_ordered_is_not_scored(found, shop):
    scored = set(keys_behind(shop, Selector.parse(found.scored.behind)).tolist())
    ordered = set(keys_behind(shop, Selector.parse("touchpoint:order:reached")).tolist())
    assert not scored & ordered


def test_what_comes_later_changes_nothing(found):
    """The same people with another thirty days behind the moment: the same score to the last digit."""
    more = [
        [*p, *((int((60 + k + 0.5) * DAY), "price") for k in range(30)), (95 * DAY, "order")] for p in world()
    ]  # fmt: skip
    longer = trails(SHOP, more, 2, as_of=100 * DAY)
    at = view_of(trails(SHOP, world(), 2, as_of=60 * DAY), SHOP).moment
    again = score(view_of(longer, SHOP, as_of=at), "order", 10 * DAY, silence=found.silence)
    assert [(x.customer, x.probability) for x in again.leads] == [(x.customer, x.probability) for x in found.leads]
    assert again.auc.value == found.auc.value


def test_boosting_and_a_stage(shop):
    boosted = score(shop, "b", 15 * DAY, "boosting", limit=3)
    assert boosted.auc.value > 0.6
    assert len(boosted.leads) == 3
    assert boosted.leads[0].reasons
    logistic = score(shop, "b", 15 * DAY, limit=1)
    assert logistic.scored.n == boosted.scored.n


def test_too_few_and_too_short_are_told():
    few = score(view_of(trails(SHOP, world(20), 1, as_of=60 * DAY), SHOP), "order", 10 * DAY)
    assert few.auc.value is None
    assert few.expected is None
    assert few.why(Reader("en")).startswith("too few to learn from:")
    assert few.scored.n == 0
    short = score(view_of(trails(SHOP, world(20), 1, as_of=60 * DAY), SHOP), "order", 50 * DAY)
    assert short.reason.startswith("the time looked at is too short")
    for answer in (few, short):
        assert answer.text(Reader("fi"))
        assert answer.charts(Reader("fi")) == ()


def test_it_is_told_in_both_languages_and_drawn(found, shop):
    for language in ("en", "fi"):
        told = dataclasses.replace(found, view=shop)
        assert len(told.tables(Reader(language))) == 6
        assert len(told.charts(Reader(language))) == 3
    assert found.to_dict()["auc"]["n"] == found.auc.n


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    import importlib

    real = importlib.import_module

    def missing(name, package=None):
        if name.startswith("sklearn"):
            raise ModuleNotFoundError(f"No module named {name!r}", name="sklearn")
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"polku\[models\]"):
        score(view_of(trails(SHOP, world(), 1, as_of=60 * DAY), SHOP), "order", 10 * DAY)


def test_unknown_names(shop):
    with pytest.raises(MeasureError, match="There is no stage, touchpoint or event"):
        score(shop, "odrer")


def test_equal_probabilities_share_a_band():
    assert set(measure.band_of(np.full(10, 0.3)).tolist()) == {2}
