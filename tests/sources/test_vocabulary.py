"""One vocabulary: every line of the tables of names and fields, as a client of each protocol would send it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from polku.events.arrival import Arrival, Call
from polku.sources import ga4, matomo, posthog
from polku.sources.names import CANONICAL, canonical

PAGE = {"idsite": 1, "rec": 1, "url": "https://shop.fi/"}

#: canonical name | what GA4 calls it | what Matomo sends ("" none).
NAMES = """\
page                         | page_view              | action_name=Shop
Product List Viewed          | view_item_list         | action_name=Hats&_pkc=Hats
Product Viewed               | view_item              | action_name=Hat&_pks=K1
Product Added                | add_to_cart            | idgoal=0&revenue=20&ec_items=[["K1","Hat","",20,1]]
Product Removed              | remove_from_cart       | idgoal=0&revenue=0&ec_items=[]
Checkout Started             | begin_checkout         |
Order Completed              | purchase               | idgoal=0&revenue=20&ec_id=7
Product Shared               | share                  |
Product Clicked              | select_item            |
Cart Viewed                  | view_cart              |
Product Added to Wishlist    | add_to_wishlist        |
Checkout Step Completed      | add_shipping_info      |
Payment Info Entered         | add_payment_info       |
Order Refunded               | refund                 |
Promotion Viewed             | view_promotion         | c_n=Sale
Promotion Clicked            | select_promotion       | c_n=Sale&c_i=click
Products Searched            | search                 |
Searched                     |                        | search=hat&search_count=3
Lead Submitted               | generate_lead          |
Lead Qualified               | qualify_lead           |
Deal Won                     | close_convert_lead     |
Deal Lost                    | close_unconvert_lead   |
Signed Up                    | sign_up                |
Signed In                    | login                  |
Video Started                | video_start            |
Video Finished               | video_complete         |
Form Submitted               | form_submit            |
File Downloaded              | file_download          | download=https://shop.fi/a.pdf
Link Clicked                 |                        | link=https://other.fi
Goal Reached                 |                        | idgoal=4
"""
LINES = [[cell.strip() for cell in line.split("|")] for line in NAMES.splitlines()]

#: canonical names of which the others know nothing; a Segment client sends them as they are, written in any way.
OWN = """\
Product List Filtered, Checkout Step Viewed, Order Updated, Order Cancelled, Coupon Entered, Coupon Applied,
Coupon Denied, Coupon Removed, Cart Shared, Product Reviewed, Trial Started, Trial Ended, Subscription Started,
Subscription Renewed, Subscription Paused, Subscription Cancelled, Payment Failed, Meeting Booked, Meeting Held,
Offer Sent, Offer Viewed, Call Received, Chat Started, Store Visited, Support Requested, Support Resolved,
Survey Answered, Recommended, Content Read, Page Failed, Page Slow"""

#: GA4's field of an item | the canonical field of a product | its value.
ITEM = """\
item_id|product_id|K1
item_name|name|Hat
item_brand|brand|B
item_category|category|Hats
item_category2|category2|Wool
item_category3|category3|Red
item_category4|category4|Warm
item_category5|category5|Big
item_variant|variant|red
price|price|19.9
quantity|quantity|2
discount|discount|1.5
coupon|coupon|SUMMER
index|position|3"""
#: GA4's parameter of a purchase | the canonical property | its value.
ORDER = """\
transaction_id|order_id|A7
value|revenue|39.8
tax|tax|8
shipping|shipping|5
coupon|coupon|SUMMER
currency|currency|EUR"""
#: Matomo's parameter of an order | the canonical property | its value.
MATOMO_ORDER = """\
ec_id|order_id|A7
revenue|total|52.8
ec_st|subtotal|39.8
ec_tx|tax|8.0
ec_sh|shipping|5.0
ec_dt|discount|1.5"""


def value(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def by_ga4(name: str, **params: Any) -> Arrival:
    body = json.dumps({"client_id": "1.2", "events": [{"name": name, "params": params}]}).encode()
    (found,) = ga4.parse(Call(method="POST", path="/mp/collect", body=body)).events
    return found


def by_matomo(query: str) -> list[Arrival]:
    given = dict(pair.split("=", 1) for pair in query.split("&"))
    return matomo.parse(Call(method="GET", path="/matomo.php", query=urlencode({**PAGE, **given}))).events


def test_every_canonical_name_is_itself_however_it_is_written() -> None:
    for name in CANONICAL:
        spellings = (
            {name} if name.islower() else {name, name.lower(), name.replace(" ", "_").lower(), name.replace(" ", "-")}
        )
        assert {canonical(s) for s in spellings} == {name}
    assert {n.strip() for n in OWN.replace("\n", " ").split(",")} <= set(CANONICAL)


@pytest.mark.parametrize(("name", "google", "query"), LINES)
def test_a_line_of_the_table_of_names(name: str, google: str, query: str) -> None:
    if google:
        assert canonical(by_ga4(google).event) == name
    if query:
        assert name in [canonical(e.event) for e in by_matomo(query)]
    body = json.dumps({"api_key": "k", "event": name, "distinct_id": "u"}).encode()
    (sent,) = posthog.parse(Call(method="POST", path="/capture/", body=body)).events
    assert canonical(sent.event) == name


def test_names_with_no_single_meaning_stay() -> None:
    for name in ("working_lead", "disqualify_lead", "view", "click", "$autocapture", "user_engagement"):
        assert canonical(name) == name


@pytest.mark.parametrize("line", ITEM.splitlines())
def test_a_field_of_a_product(line: str) -> None:
    theirs, ours, said = line.split("|")
    alone = by_ga4("view_item", items=[{theirs: value(said)}])
    many = by_ga4("purchase", items=[{theirs: value(said)}, {}])
    assert alone.properties == {ours: value(said)}
    assert many.properties == {"products": [{ours: value(said)}, {}]}


@pytest.mark.parametrize("line", ORDER.splitlines())
def test_a_field_of_an_order(line: str) -> None:
    theirs, ours, said = line.split("|")
    assert by_ga4("purchase", **{theirs: value(said)}).properties == {ours: value(said)}


@pytest.mark.parametrize("line", MATOMO_ORDER.splitlines())
def test_a_field_of_matomos_order(line: str) -> None:
    theirs, ours, said = line.split("|")
    given = {"idgoal": "0", "ec_id": "A7", theirs: said}
    (found,) = by_matomo(urlencode(given))
    assert found.properties[ours] == value(said)


def test_a_field_that_has_its_canonical_name_already_wins() -> None:
    assert by_ga4("purchase", transaction_id="theirs", order_id="ours").properties == {"order_id": "ours"}
