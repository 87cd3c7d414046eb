"""Funnels refined, as people: what an order, a gap, an exclusion, a held property and a start mean; who is behind."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import pickle

import pytest

from measures.funnels.people import SHOP, at, view
from polku.engines.threads import sum_over
from polku.errors import MeasureError
from polku.kernels.funnels.chains import chains
from polku.kernels.funnels.unordered import unordered
from polku.language import Reader
from polku.measures.ask import measure_view
from polku.measures.customers import customers_behind
from polku.measures.funnels.asked import asked_again, asked_of
from polku.measures.funnels.funnel import funnel
from polku.measures.funnels.rows import _alone, way_of
from polku.measures.funnels.totals import _counted, nothing
from polku.measures.memo import Memo
from polku.measures.selectors import Selector
from polku.measures.view import view_of
from polku.trails.people import trails_of

STEPS = ("product", "cart", "order")
STRAIGHT = [at("10:00", "product"), at("10:10", "cart"), at("10:20", "order")]
CHATTED = [at("10:00", "product"), at("10:05", "chat"), at("10:10", "cart"), at("10:20", "order")]
BACKWARDS = [at("10:00", "order"), at("10:10", "cart"), at("10:20", "product")]
AT_ONCE = [at("10:00", "product"), at("10:00", "cart"), at("10:00", "order")]
TWICE = [*STRAIGHT, at("12:00", "product"), at("12:10", "cart"), at("13:00", "order")]
NO_CART = [at("10:00", "product"), at("10:20", "order")]
EVERYONE = {"anna": STRAIGHT, "bea": CHATTED, "celia": BACKWARDS, "dora": AT_ONCE, "eva": TWICE, "fanny": NO_CART}


def reached(people, **options):
    return funnel(view(people), STEPS, **options).reached


@pytest.mark.parametrize(
    ("options", "counts"),
    [
        ({}, [6, 4, 4]),
        ({"order": "strict"}, [6, 3, 3]),  # not bea, who chatted between
        ({"order": "increasing"}, [6, 3, 3]),  # not dora, whose events are of one moment
        ({"order": "any"}, [6, 5, 5]),  # celia too
        ({"starts": "every"}, [7, 5, 5]),  # eva went through twice
        ({"optional": ["cart"]}, [6, 4, 5]),  # fanny ordered without a cart
        ({"without": ["chat"]}, [6, 3, 3]),
        ({"without": ["chat:cart>order"]}, [6, 4, 4]),  # bea's chat was before the cart
        ({"gaps": ["order:..10min"]}, [6, 4, 4]),
        ({"gaps": ["order:15min.."]}, [6, 4, 1]),  # eva, the second time
        ({"gaps": ["2:1min..", "3:1min.."]}, [6, 3, 3]),
        ({"within": 1199}, [6, 4, 1]),  # all at once
        ({"within": 1200}, [6, 4, 4]),
    ],
)
def test_what_refinements_mean(options, counts):
    assert reached(EVERYONE, **options) == counts


def test_the_first_start_alone_may_not_get_furthest():
    people = {"anna": [at("10:00", "product"), *(at(f"2026-05-02 1{h}:00", n) for h, n in enumerate(STEPS))]}
    day = 86_400
    assert reached(people, within=day) == [1, 1, 1]
    assert reached(people, within=day, starts="first") == [1, 0, 0]
    assert reached(people, within=day, starts="every") == [1, 0, 0]  # the way through that begins then is not over


def test_every_way_through_ends_with_its_last_step_or_its_window():
    people = {"anna": [at("10:00", "product"), at("10:20", "product"), at("11:00", "product"), at("11:10", "cart")]}
    assert reached(people, within=1800, starts="every") == [2, 1, 0]


def test_a_property_that_is_held_makes_each_value_a_funnel_of_its_own():
    mixed = [at("10:00", "product", id="a"), at("10:10", "cart", id="b"), at("10:20", "order", id="a")]
    same = [at("10:00", "product", id="a"), at("10:05", "product", id="b"), at("10:10", "cart", id="b"),
            at("10:20", "order", id="b")]  # fmt: skip
    unsaid = [at("10:00", "product"), at("10:10", "cart"), at("10:20", "order")]
    people = {"mixed": mixed, "same": same, "unsaid": unsaid}
    assert reached(people) == [3, 3, 3]
    assert reached(people, hold="properties.id") == [2, 1, 1]
    assert reached(people, hold="properties.id", starts="every") == [3, 1, 1]
    assert reached(people, hold="properties.id", order="any") == [2, 1, 1]


def test_an_event_that_says_nothing_of_the_held_property_is_an_exclusion_for_all_its_values():
    chatted = [at("10:00", "product", id="a"), at("10:05", "chat"), at("10:10", "cart", id="a")]
    other = [at("10:00", "product", id="a"), at("10:05", "chat", id="b"), at("10:10", "cart", id="a")]
    people = {"chatted": chatted, "other": other}
    assert reached(people, hold="properties.id", without=["chat"]) == [2, 1, 0]


def test_by_account_people_of_one_company_go_on_together():
    people = {
        "anna": [at("10:00", "product", company="x"), at("10:30", "product", company="y")],
        "bea": [at("10:10", "cart", company="x"), at("10:20", "order")],
        "celia": [at("10:20", "order", company="x")],
        "dora": [at("10:40", "cart", company="z")],
    }
    seen = view(people)
    found = funnel(seen, STEPS, by="account", account="properties.company")
    assert found.reached == [2, 1, 1]
    assert found.steps[0].reached.unit == "accounts"
    assert listed(seen, found.steps[2].reached.behind) == {"anna", "bea", "celia"}
    # of the account that dropped off
    assert listed(seen, found.steps[1].from_previous.behind_not) == {"anna"}
    assert (
        funnel(seen, STEPS, by="account", account="properties.company", breakdown="event").groups[0].reached[0].n == 2
    )


def test_where_the_map_is_about_accounts_customers_are_accounts():
    journey = SHOP.model_copy(update={"subject": "account"})
    assert asked_of(_with(journey), STEPS, by="account").by == "customer"
    with pytest.raises(MeasureError, match="account="):
        asked_of(view({"anna": STRAIGHT}), STEPS, by="account")


def _with(journey):
    return dataclasses.replace(view({"anna": STRAIGHT}), journey=journey)


def listed(seen, selector):
    """Names of the customers behind a selector."""
    found = customers_behind(seen.trails, SHOP, selector, limit=1000, profiles=seen.profiles)
    return {line.name for line in found.lines}


@pytest.mark.parametrize(
    "options",
    [
        {}, {"within": 1200}, {"order": "strict"}, {"order": "increasing"}, {"order": "any"}, {"starts": "first"},
        {"optional": ["cart"]}, {"without": ["chat:product>cart"]}, {"gaps": ["order:15min..2h"]},
        {"hold": "event"}, {"breakdown": "event", "at": "last"},
    ],
)  # fmt: skip
def test_every_number_lists_its_customers(options):
    seen = view(EVERYONE)
    found = funnel(seen, STEPS, **options)
    rates = [r for s in found.steps for r in (s.from_start, s.from_previous)] + [g.conversion for g in found.groups]
    counts = [s.reached for s in found.steps] + [n for g in found.groups for n in g.reached]
    for count in counts:
        assert len(listed(seen, count.behind)) == count.n
    for rate in rates:
        assert len(listed(seen, rate.behind)) == rate.numerator
        assert len(listed(seen, rate.behind_all)) == rate.denominator
        assert len(listed(seen, rate.behind_pending)) == rate.pending
        if rate.behind_not:
            assert len(listed(seen, rate.behind_not)) == rate.denominator - rate.numerator


@pytest.mark.parametrize(
    "options",
    [
        {"optional": ["2"], "gaps": ["cart:1h..2d", "order:..3d"], "without": ["chat", "Chat Started:cart>order"]},
        {"within": 60, "by": "session", "order": "increasing", "starts": "every", "hold": "properties.id"},
        {"by": "account", "account": "properties.company", "order": "any"},
        {"repeats": "end", "within": 60},
    ],
)
def test_a_selector_says_the_whole_funnel(options):
    seen = view({**EVERYONE, "g": [at("10:00", "product", id="a", company="x")]})
    asked = asked_of(seen, STEPS, **options)
    text = seen.select("funnel", asked.chain, "reached", step=1, **asked.texts())
    assert asked_again(seen, Selector.parse(text)) == asked


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": "orderd"}, "ordered"),
        ({"starts": "last"}, "first"),
        ({"optional": ["order"]}, "first and the last"),
        ({"optional": ["crt"]}, "cart"),
        ({"gaps": ["product:1h.."]}, "first step"),
        ({"gaps": ["cart:1h"]}, r"cart:1h\.\.2d"),
        ({"gaps": ["cart:2h..1h"]}, "more than"),
        ({"without": ["chatt"]}, "chat"),
        ({"without": ["chat:order>cart"]}, "before the second"),
        ({"order": "any", "optional": ["cart"]}, "any order"),
        ({"order": "any", "repeats": "end"}, "any order"),
        ({"repeats": "never"}, "allowed"),
        ({"hold": "properties.nothing"}, "properties"),
        ({"breakdown": "persona"}, "traits"),
        ({"breakdown": "event", "against": "Nothing"}, "no group"),
    ],
)
def test_what_does_not_fit_is_told(options, message):
    with pytest.raises(MeasureError, match=message):
        funnel(view({**EVERYONE, "g": [at("10:00", "product", id="a")]}), STEPS, **options)


def test_in_any_order_an_event_is_one_step_only():
    with pytest.raises(MeasureError, match="one step only"):
        funnel(view(EVERYONE), ("product", "Product Viewed"), order="any")


def test_options_are_read_from_texts_as_a_url_gives_them():
    given = {"steps": "product,cart,order", "within": "1h", "optional": "cart", "gaps": "order:..1h", "without": "chat"}
    found = measure_view(view(EVERYONE), "funnel", given)
    assert found.reached == [6, 3, 4]
    assert found.refined["without"] == "chat (product › order)"
    title = found.tables(Reader("en"))[0].title
    assert title == "Funnel by customer, within 1 h, without chat (product › order), times between: order ..1h"
    for gaps in ({"order": "..1h"}, {"order": (None, "1h")}):  # as a notebook may say it
        assert measure_view(view(EVERYONE), "funnel", given | {"gaps": gaps}).refined == found.refined


def test_a_way_without_the_whole_windows_end_ends_with_the_steps_own():
    """Every step has a most: together they bound the window, and those who may still come are pending."""
    people = {"anna": STRAIGHT, "late": [at("2026-05-31 23:50", "product")]}
    found = funnel(view(people), STEPS, gaps=["cart:..1h", "order:..1h"])
    assert (found.conversion.numerator, found.conversion.denominator, found.conversion.pending) == (1, 1, 1)


@pytest.mark.parametrize("order", ["ordered", "strict", "any"])
def test_a_buckets_work_can_be_sent_to_another_machine(order):
    """And what comes there out of the parcel does not make the kernels compile anew: they see the same types."""
    seen = view(EVERYONE)
    asked = asked_of(seen, STEPS, order=order)
    alone = functools.partial(_alone, seen, asked, way_of(seen, asked), functools.partial(_counted, asked))
    kernel = unordered if order == "any" else chains
    here = sum_over(alone, seen.columns, nothing(3))
    compiled = len(kernel.signatures)
    there = sum_over(pickle.loads(pickle.dumps(alone)), seen.columns, nothing(3))
    assert there.reached.tolist() == here.reached.tolist() == funnel(seen, STEPS, order=order).reached
    assert len(kernel.signatures) == compiled


def test_accounts_of_one_moment_are_not_those_of_another():
    people = {"anna": [at("10:00", "product", company="x")], "bea": [at("2026-05-02 10:00", "order", company="x")]}
    memo = Memo()
    for as_of, counts in (("2026-05-03 00:00", [1, 1]), ("2026-05-01 12:00", [1, 0])):
        made = trails_of(SHOP, people, "2026-06-01 00:00")
        seen = view_of(made, SHOP, as_of=dt.datetime.fromisoformat(as_of).replace(tzinfo=dt.UTC), memo=memo)
        found = funnel(seen, ("product", "order"), by="account", account="properties.company")
        assert found.reached == counts


def test_a_step_that_nobody_has_met_is_no_part_of_the_funnel_before_it():
    shop = view({"anna": [at("10:00", "product"), at("10:10", "cart")]})
    assert funnel(shop, ("product", "cart")).reached == [1, 1]
    assert funnel(shop, ("product", "cart", "order")).reached == [1, 1, 0]
    assert funnel(shop, ("product", "cart")).reached == [1, 1]
