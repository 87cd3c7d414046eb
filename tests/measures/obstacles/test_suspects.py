"""What is suspected, and when it is told: small shops in which one thing stops people."""

from __future__ import annotations

import pytest

from polku.errors import MeasureError
from polku.journey.model import Journey
from polku.language import Reader
from polku.measures.customers import customers_view
from polku.measures.obstacles.obstacles import obstacles
from polku.measures.obstacles.suspects import (
    CHARGED,
    DEVICE,
    PLAIN_PRICE,
    RESULTS,
    TOOK,
    TROUBLE,
    TROUBLED_PAGE,
    Suspect,
)
from polku.measures.selectors import Selector
from polku.measures.view import view_of
from polku.trails.people import trails_of

MAP = Journey.model_validate(
    {
        "title": "Shop",
        "timezone": "UTC",
        "currency": "EUR",
        "window": "7d",
        "stages": [
            {"id": "see", "touchpoints": [{"id": "home", "match": {"event": "page", "path": "/"}}]},
            {"id": "weigh", "touchpoints": [
                {"id": "search", "match": {"event": "Searched"}, "obstacles": ["Finds nothing"]},
                {"id": "reviews", "match": {"event": "page", "path": "/reviews"}},
            ]},
            {"id": "buy", "touchpoints": [
                {"id": "cart", "match": {"event": "Cart"}, "fails": {"event": "Cart Emptied"},
                 "obstacles": ["Empties"]},
                {"id": "order", "match": {"event": "Order"}, "value": "revenue"},
            ]},
        ],
    }
)  # fmt: skip


def people(trouble, n=400, *, go_on=(0.8, 0.2), of=0.5):
    """``n`` people who come to the cart, of whom the share ``of`` meets ``trouble`` there; a share of each goes on.

    ``trouble(k, met)``: the events between the search and the order.
    """
    made = {}
    for k in range(n):
        met = k % 10 < of * 10
        on = (k // 10) % 10 < 10 * go_on[met]
        made[f"p{k}"] = [
            (f"2026-03-{1 + k % 20:02d} 10:00", "page", {"path": "/"}),
            *((f"2026-03-{1 + k % 20:02d} 10:{m:02d}", *event) for m, event in enumerate(trouble(k, met), 1)),
            *([(f"2026-03-{1 + k % 20:02d} 10:30", "Order", {"value": 50.0})] if on else []),
        ]
    return made


def found_in(made, **options):
    view = view_of(trails_of(MAP, made, as_of="2026-04-20"), MAP)
    return view, obstacles(view, to="order", **options)


def cart(k, met):
    return [("Cart", {"properties": {"delivery_fee": 5.9 if met else 0}})]


def failing(event, **facts):
    return lambda k, met: [("Cart",), *([(event, facts)] if met else [])]


@pytest.mark.parametrize(
    ("trouble", "id", "at"),
    [
        (failing("Terms Declined"), "failure>Terms%20Declined>>", "cart"),
        (failing("Cart Emptied"), "failure>Cart%20Emptied>>", "cart"),
        (failing("page", path="/virhe"), "failure>%2Fvirhe>>", "cart"),
        (failing("View", properties={"load_ms": 5200}), "slow>properties.load_ms>>", "cart"),
        (cart, "cost>properties.delivery_fee>>cart", "cart"),
        (
            lambda k, met: [("Cart", {"context": {"browser": {"name": "Old" if met else "New"}}})],
            "technical>context.browser.name>Old>cart",
            "cart",
        ),
        (
            lambda k, met: [("Searched", {"properties": {"results": 0 if met else 7}}), *([] if met else [("Cart",)])],
            "no_result>properties.results>>",
            "search",
        ),
    ],
)
def test_each_kind_of_trouble_is_found(trouble, id, at):
    view, answer = found_in(people(trouble))
    (obstacle,) = answer.found
    assert (obstacle.id, obstacle.at) == (id, at)
    assert obstacle.people.n == 200
    assert obstacle.went_on.denominator == 200
    assert str(Suspect.of(id).id) == id
    listed = customers_view(view, Selector.parse(obstacle.people.behind), 1, 0, "customer", False)
    assert listed.total == 200


def test_the_price_by_hand():
    """200 met a fee at the cart and 20 % ordered; of the 200 others 80 %: 120 orders of 50 euros are lost."""
    _, answer = found_in(people(cart))
    (obstacle,) = answer.found
    assert obstacle.loss.value == pytest.approx(-0.6)
    assert obstacle.expected == pytest.approx(0.8)
    assert obstacle.lost.value == pytest.approx(120)
    assert obstacle.money.value == pytest.approx(6000)
    assert obstacle.money.low < 6000 < obstacle.money.high
    assert obstacle.odds.value == pytest.approx((0.2 / 0.8) / (0.8 / 0.2))
    assert obstacle.share.value == pytest.approx(120 / (40 + 160 + 120))
    assert obstacle.pending == 0
    assert [Reader("en").said(d) for d in obstacle.declared] == ["Empties"]


def test_what_makes_no_difference_is_no_obstacle():
    _, answer = found_in(people(cart, go_on=(0.5, 0.5)))
    assert answer.found == ()
    assert [c.id for c in answer.cleared] == ["cost>properties.delivery_fee>>cart"]
    assert {d.text: d.found for d in answer.declared} == {"Finds nothing": (), "Empties": ()}


def test_what_few_met_is_not_judged():
    _, answer = found_in(people(cart, n=50))
    assert (answer.found, answer.looked, answer.too_few) == ((), 0, 1)


def test_what_costs_little_is_left_out():
    _, answer = found_in(people(cart), least=0.5)
    assert answer.found == ()


def test_what_nobody_has_had_time_for_has_no_price():
    view = view_of(trails_of(MAP, people(cart), as_of="2026-03-01 12:00"), MAP)
    assert obstacles(view, to="order").found == ()  # one day's twenty people are too few
    late = view_of(trails_of(MAP, people(cart), as_of="2026-03-24"), MAP)
    (obstacle,) = obstacles(late, to="order", within=40 * 86400).found
    assert (obstacle.lost.value, obstacle.money.value, obstacle.pending) == (None, None, 200)
    assert obstacle.lost.reason is not None


def test_visits_of_one_medium_are_held_against_each_other():
    """Those who came by an ad order seldom, and only they meet the fee: it is the ad."""
    made = {}
    for k in range(400):
        by_ad, on = k % 2 == 0, (k // 2) % 10 < (2 if k % 2 == 0 else 8)
        day = f"2026-03-{1 + k % 20:02d}"
        campaign = {"campaign": {"source": "x", "medium": "cpc" if by_ad else "email"}}
        fee = 5.9 if by_ad and (k // 20) % 3 else 0
        made[f"p{k}"] = [
            (f"{day} 10:00", "page", {"path": "/", **campaign}),
            (f"{day} 10:01", "Cart", {"properties": {"delivery_fee": fee}}),
            *([(f"{day} 10:30", "Order", {"value": 50.0})] if on else []),
        ]
    _, together = found_in(made, by_source=False)
    assert [o.kind for o in together.found] == ["cost"]
    _, apart = found_in(made)
    assert apart.found == ()


def test_other_properties_on_request_only():
    made = people(lambda k, met: [("Cart", {"properties": {"delivery_method": "post" if met else "home"}})])
    _, nothing = found_in(made)
    assert nothing.found == ()
    _, asked = found_in(made, properties=("properties.delivery_method",))
    assert [o.id for o in asked.found] == ["property>properties.delivery_method>post>cart"]


def test_a_planned_touchpoint_that_was_not_met():
    made = people(lambda k, met: [*([] if met else [("page", {"path": "/reviews"})]), ("Cart",)])
    _, usual = found_in(made)
    assert usual.found == ()
    _, asked = found_in(made, kinds=("missing",))
    assert [(o.id, o.at) for o in asked.found] == [("missing>reviews>>cart", "cart")]
    assert "not met before" in Reader("en").said(asked.found[0].title)
    assert "ei kohdattu" in Reader("fi").said(asked.found[0].title)


def test_one_thing_from_two_sides_is_one_finding():
    def trouble(k, met):
        device = {"context": {"browser": {"name": "Old" if met else "New"}}}
        return [("Cart", device), *([("Payment Failed", device)] if met else [])]

    _, answer = found_in(people(trouble))
    assert len(answer.found) == 1
    assert len(answer.found[0].seen_in) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kinds": ("failures",)}, "failure"),
        ({"properties": ("properties.delivry_fee",)}, "delivery_fee"),
        ({"like": "context.nothing"}, "nothing"),
    ],
)
def test_unknown_names_are_said(options, said):
    with pytest.raises(MeasureError, match=said):
        found_in(people(cart, n=40), **options)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        (TROUBLE, ("Payment Failed", "pay_error", "Out of Stock", "Virhe kassalla", "Rage Click"), ("Order",)),
        (TROUBLED_PAGE, ("/404", "/fi/virhe", "/error.html"), ("/errors-and-omissions", "/tuote/404-paita")),
        (TOOK, ("load_ms", "page_load_time", "lcp", "response_time"), ("duration", "time", "loader")),
        (CHARGED, ("shipping", "delivery_fee", "service_fee", "toimituskulut", "delivery_price"), ("shipping_method",)),
        (PLAIN_PRICE, ("price", "cost"), ("delivery_price",)),
        (RESULTS, ("results", "result_count", "num_results", "total_hits"), ("result_id", "query")),
        (DEVICE, ("browser", "$browser", "os", "app_version"), ("browse", "device")),
    ],
)  # fmt: skip
def test_names_that_tell(pattern, yes, no):
    assert all(pattern.search(name) for name in yes)
    assert not any(pattern.search(name) for name in no)
