"""What arrives live, through offers: points, referrals, codes that are used; once each, in any order, imports never."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from guidance.shop import DAY, Shop, moment
from polku.errors import ContentError
from polku.offers import byhand, carts, codes, ledger, live, referral, together
from polku.offers.catalogue import Given, store
from polku.offers.facts import facts_of
from polku.offers.rights import held
from polku.record import erasure, steps, tables

RULES = "  - {id: a, when: {reached: cart}, send: {channel: email, content: content/cart.en.md}}"
OFFERS = """
offers:
  catalogue: {hosts: shop.example, cart: "https://shop.example/cart"}
  codes: {thanks: {valid: 60d}, first: {valid: 14d, benefit: {fi: etu, en: 10 % off}}}
  referral: {url: "https://shop.example/", reward: {code: thanks}, after: 14d, least: 20}
  loyalty:
    earn: [{per: 1}, {event: Product Reviewed, points: 50, times: 1, every: 30d}]
    where: "source = 'web'"
    levels: {gold: {title: Gold, from: 100, earns: 2}}
    expires_after: 365d
    worth: 0.1
"""


class World:
    """A shop with offers. ``tick``: what offers did."""

    def __init__(self, folder: Path, **where: Any) -> None:
        self.shop = Shop(folder, RULES, OFFERS, **where)
        self.project = self.shop.project
        self.tick()

    def tick(self) -> live.Done:
        return live.catch_up(self.project, self.shop.now)

    def event(self, user: str | None, event: str, *, tick: bool = True, **more: Any) -> live.Done:
        """An event that has just happened; what is none of a row's columns is a property."""
        self.shop.sent += 1
        time = moment(self.shop.now)
        row = {"event_id": more.pop("id", f"e{self.shop.sent}"), "time": time, "received_at": time, "event": event,
               "source": more.pop("source", "web"), "user_id": user, "anonymous_id": more.pop("anonymous", None),
               "value": more.pop("value", None), "context": json.dumps(more.pop("context", {})),
               "properties": json.dumps(more)}  # fmt: skip
        self.project.inbox.append([row])
        return self.tick() if tick else live.Done()

    def points(self, user: str) -> list[tuple[int, str]]:
        with self.project.state.read() as connection:
            return [(e.points, e.kind) for e in ledger.entries_of(connection, self.shop.customer(user))]

    def referrals(self) -> list[tuple[str, str | None]]:
        return [(one.state, one.reason) for one in referral.listed(self.project)]

    def told(self, *names: str) -> list[tuple[str, str | None, dict[str, Any]]]:
        rows = self.project.look(["event", "user_id", "properties"])[1].to_pylist()
        return [(r["event"], r["user_id"], json.loads(r["properties"])) for r in rows if r["event"] in names]

    def recommend(self, user: str, device: str) -> str:
        customer = self.shop.customer(user)
        token = referral.tokens_for(self.project, [customer])[customer]
        self.event(None, "page", anonymous=device, context={"referral": token})
        return token


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "shop")
    yield made
    made.shop.close()


def test_orders_earn_refunds_take_back_each_once_in_any_order(world: World) -> None:
    world.event("anna", "Order Completed", order_id="1", value=60.9)
    world.event("anna", "Order Completed", order_id="1", value=60.9)  # the shop's server tells it as well
    assert world.points("anna") == [(60, "earned")]
    world.event("anna", "Order Refunded", order_id="2", value=30.0)  # before its order
    world.event("anna", "Order Completed", order_id="2", value=90.0)
    assert world.points("anna")[1:] == [(60, "earned")]
    assert world.told("Loyalty Level Reached") == [("Loyalty Level Reached", "anna", {"level": "gold"})]
    world.event("anna", "Order Completed", order_id="3", value=10.0)
    assert world.points("anna")[-1] == (20, "earned"), "gold earns double"
    world.event("anna", "Order Cancelled", order_id="1")
    world.event("anna", "Order Cancelled", order_id="1")
    assert world.points("anna")[3:] == [(-60, "taken_back")]
    assert [told[0] for told in world.told("Loyalty Level Lost")] == ["Loyalty Level Lost"]
    for _ in range(2):
        world.event("anna", "Product Reviewed", rating=5)
    assert world.points("anna")[4:] == [(50, "earned")]
    world.event("anna", "Points Redeemed", points=1_000)
    world.event("anna", "Points Redeemed", points=100, order_id="4")
    standing, _ = byhand.standing_of(world.project, world.shop.customer("anna"))
    assert standing.balance == 30
    assert [told[2]["balance"] for told in world.told("Points Refused")] == [130]
    world.event("anna", "Order Completed", order_id="x", value=50.0, id="stranger")
    assert byhand.totals(world.project)["left"] == 130


def test_who_may_not_tell_an_order_may_not_undo_it_either_nor_say_what_it_was_worth(world: World) -> None:
    codes.make(world.project, "thanks", 2, "me")
    world.shop.write(RULES, OFFERS.replace("least: 20", "least: 20, where: \"source = 'web'\""))
    world.event("anna", "Order Completed", order_id="1", value=60.0)
    world.recommend("anna", "dev1")
    world.event("bert", "Order Completed", order_id="2", value=9000.0, anonymous="dev1", source="page")
    assert world.referrals() == [("followed", None)]
    world.event("bert", "Order Completed", order_id="2", value=40.0, anonymous="dev1")
    for order in ("1", "2"):
        world.event("eve", "Order Cancelled", order_id=order, source="page")
    assert world.points("anna") == [(60, "earned")]
    assert world.referrals() == [("ordered", None)]
    world.event("bert", "Order Refunded", order_id="2", value=30.0)
    assert world.referrals() == [("cancelled", "returned")], "what the page said it was worth does not hold"


def test_the_same_on_a_server(tmp_path: Path, postgres: Any) -> None:
    world = World(tmp_path / "shop", state=postgres.database())
    try:
        codes.make(world.project, "thanks", 1, "me")
        world.event("anna", "Order Completed", order_id="1", value=120.0)
        world.recommend("anna", "dev1")
        world.event("bert", "Order Completed", order_id="2", value=40.0, anonymous="dev1")
        world.event("anna", "Order Refunded", order_id="1", value=60.0)
        world.shop.now += 15 * DAY
        world.tick()
        assert world.points("anna") == [(120, "earned"), (-60, "taken_back")]
        assert world.referrals() == [("completed", None)]
        names = ("Loyalty Level Reached", "Loyalty Level Lost", "Referral Followed", "Referral Completed")
        assert [told[0] for told in world.told(*names)] == [names[0], names[2], names[1], names[3]]
    finally:
        world.shop.close()


def test_points_expire_with_a_warning(world: World) -> None:
    world.event("anna", "Order Completed", order_id="1", value=100.0)
    world.shop.now += 336 * DAY
    world.tick()
    world.tick()
    assert [told[2]["points"] for told in world.told("Points Expiring")] == [100]
    world.shop.now += 30 * DAY
    world.tick()
    assert world.points("anna") == [(100, "earned"), (-100, "expired")]
    assert [told[0] for told in world.told("Loyalty Level Lost")] == ["Loyalty Level Lost"]


def test_a_friend_orders_and_the_reward_comes_when_the_order_has_stood(world: World) -> None:
    codes.make(world.project, "thanks", 1, "me")
    world.event("anna", "Order Completed", order_id="1", value=60.0)
    world.recommend("anna", "dev1")
    world.event("bert", "Order Completed", order_id="2", value=40.0, anonymous="dev1")
    assert world.referrals() == [("ordered", None)]
    world.shop.now += 13 * DAY
    world.tick()
    assert world.told("Referral Completed") == []
    world.shop.now += 2 * DAY
    world.tick()
    world.tick()
    assert world.referrals() == [("completed", None)]
    (told,) = world.told("Referral Completed")
    assert told == ("Referral Completed", "anna", {"referral_id": "1", "reward": "code:thanks"})
    assert [one.message for one in codes.listed(world.project, "thanks")] == ["referral:1"]
    # the reward is the code that the letter about it shows, and shows to nobody else
    piece = _piece("{{ code.thanks }} {{ referral_link }}")
    anna, bert = world.shop.customer("anna"), world.shop.customer("bert")
    given = {"event": {"properties": {"referral_id": "1"}}}
    facts = facts_of(world.project, piece, anna, "run9:1:a", given, "en", real=True)
    assert str(facts["code"]["thanks"]) == codes.listed(world.project, "thanks")[0].code
    with pytest.raises(ContentError, match="completed no such referral"):
        facts_of(world.project, piece, bert, "run10:1:a", given, "en", real=True)["code"]["thanks"]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("not_new", ("refused", "not_new")),
        ("small", ("refused", "small")),
        ("self", ("refused", "self")),
        ("returned", ("cancelled", "returned")),
        ("same_device", ("doubtful", "same_device")),
        ("same_address", ("doubtful", "same_address")),
    ],
)  # fmt: skip
def test_referrals_that_bring_no_reward(world: World, case: str, expected: tuple[str, str]) -> None:
    home = {"street": "Kauppakatu 1 A", "postalCode": "00100"}
    world.event("anna", "Signed Up", context={"traits": {"address": home}})
    if case == "not_new":
        world.event("bert", "Order Completed", order_id="0", value=50.0, anonymous="dev1")
    if case == "same_device":
        world.event("anna", "page", anonymous="dev1")
        world.event("bert", "page", anonymous="dev2")
    world.recommend("anna", "dev2" if case == "same_device" else "dev1")
    who = "anna" if case == "self" else "bert"
    more = {"shipping_address": {"address1": "kauppakatu 1a", "zip": "00100"}} if case == "same_address" else {}
    device = {"anonymous": "dev1"}
    world.event(who, "Order Completed", order_id="2", value=5.0 if case == "small" else 50.0, **device, **more)
    if case == "returned":
        world.event(who, "Order Refunded", order_id="2", value=45.0)
        assert [told[1] for told in world.told("Referral Cancelled")] == ["anna"]
    world.shop.now += 20 * DAY
    world.tick()
    assert world.referrals() == [expected]
    assert world.told("Referral Completed") == []
    if expected[0] == "doubtful":
        codes.make(world.project, "thanks", 1, "me")
        referral.decide(world.project, 1, True, "me")
        world.tick()
        assert world.referrals()[0][0] == "completed"


def test_the_first_link_counts_and_a_missing_code_is_made_good(world: World) -> None:
    for user in ("anna", "cecilia"):
        world.event(user, "Order Completed", order_id=user, value=60.0)
        world.recommend(user, "dev1")
    world.event("bert", "Order Completed", order_id="2", value=40.0, anonymous="dev1")
    world.shop.now += 15 * DAY
    world.tick()
    assert world.referrals() == [("ordered", "no_code")]
    codes.make(world.project, "thanks", 1, "me")
    world.shop.now += DAY
    world.tick()
    assert [one.referrer for one in referral.listed(world.project, "completed")] == [world.shop.customer("anna")]


def test_a_tick_that_dies_has_done_nothing(world: World) -> None:
    world.event("anna", "Order Completed", order_id="1", value=60.0)

    class Death(BaseException):
        pass

    def die(moment: str) -> None:
        if moment == "offers written":
            raise Death

    world.event("anna", "Order Completed", tick=False, order_id="2", value=60.0)
    steps.listener = die
    try:
        with pytest.raises(Death):
            world.tick()
    finally:
        steps.listener = None
    assert world.points("anna") == [(60, "earned")]
    world.tick()
    world.tick()
    assert world.points("anna") == [(60, "earned"), (60, "earned")]
    assert len(world.told("Loyalty Level Reached")) == 1


def test_the_past_pays_only_when_told_and_once(world: World, tmp_path: Path) -> None:
    from polku.sources.importing import import_files

    rows = "user_id,event,time,order_id,value\n" + "".join(
        f"old{n % 3},Order Completed,2025-12-{n:02} 10:00,h{n},20\n" for n in range(1, 10)
    )
    (tmp_path / "old.csv").write_text(rows + "old1,Order Refunded,2025-12-20 10:00,h1,20\n", encoding="utf-8")
    import_files(world.project, tmp_path / "old.csv")
    world.tick()
    assert byhand.totals(world.project)["customers"] == 0, "an import pays nothing by itself"
    loose = OFFERS.replace("    where: \"source = 'web'\"\n", "").replace("expires_after: 365d", "expires_after: 100y")
    world.shop.write(RULES, loose)
    since = world.shop.now - 100 * DAY
    tried = byhand.backfill(world.project, since, "me", dry=True)
    assert byhand.totals(world.project)["customers"] == 0
    done = byhand.backfill(world.project, since, "me")
    assert (done.points, done.customers, done.entries) == (160, 3, 10)
    assert tried == done
    assert byhand.backfill(world.project, since, "me").points == 0


def test_a_restored_project_gives_and_pays_nothing_by_itself(world: World) -> None:
    codes.make(world.project, "thanks", 1, "me")
    world.event("anna", "Order Completed", order_id="1", value=60.0)
    world.recommend("anna", "dev1")
    world.event("bert", "Order Completed", order_id="2", value=40.0, anonymous="dev1")
    with world.project.state.write() as connection:
        world.project.state.set_meta(connection, "restored_at", str(world.shop.now))
    world.event("carl", "Order Completed", tick=False, order_id="3", value=40.0)
    world.shop.now += 20 * DAY
    world.tick()
    assert world.referrals() == [("doubtful", "restored")]
    assert codes.pools(world.project)[0].counts == {"withdrawn": 1}
    assert world.points("carl") == []


def test_a_merge_and_its_undo_take_points_along(world: World) -> None:
    world.event("anna", "Order Completed", order_id="1", value=60.0)
    world.event("annie", "Order Completed", order_id="2", value=30.0)
    first, second = world.shop.customer("anna"), world.shop.customer("annie")
    with world.project.state.write() as connection:
        connection.execute(sa.update(tables.identities).where(tables.identities.c.id == second).values(customer=first))
    standing, _ = byhand.standing_of(world.project, first)
    assert standing.balance == 90
    byhand.change(world.project, first, -75, "spent", "me")
    with world.project.state.write() as connection:
        connection.execute(sa.update(tables.identities).where(tables.identities.c.id == second).values(customer=second))
    left = [byhand.standing_of(world.project, one)[0].balance for one in (first, second)]
    assert sum(left) == 15
    assert min(left) >= 0


def _piece(body: str) -> Any:
    from polku.content.piece import Piece

    return Piece("content/x.en.md", "x", "en", "md", body, 1, subject="Hi")


def test_a_letter_shows_the_cart_as_it_is_now(world: World) -> None:
    store(world.project, [Given("A-1", {"name": "Dress", "price": 50.0, "currency": "EUR", "availability": "in_stock",
                                        "image_url": "https://shop.example/a.jpg", "url": "https://shop.example/a"}),
                          Given("A-2", {"name": "Coat", "availability": "out_of_stock"}),
                          Given("A-3", {"name": "Scarf", "url": "https://shop.example/s"})], "list")  # fmt: skip
    world.event(None, "Product Added", anonymous="dev1", product_id="A-1", price=64.9, name="Old name", quantity=2)
    world.event("anna", "Product Added", anonymous="dev1", product_id="A-2", price=30.0)
    world.event("anna", "Product Added", product_id="B-9", name="Hat", price=5)
    world.event("anna", "Product Removed", product_id="B-9")
    anna = world.shop.customer("anna")
    given = {"event": {"properties": {"product_id": "A-2"}}}
    asked = _piece("{{ cart.products }}{{ product.name }}{{ recommended }}{{ points.balance }}{{ code.first }}")
    facts = facts_of(world.project, asked, anna, "m", given, "en", real=False)
    told = [(one["name"], one["quantity"], one["in_stock"], one.get("price")) for one in facts["cart"]["products"]]
    assert told == [("Dress", 2, True, 50.0), ("Coat", 1, False, 30.0)]
    assert (facts["cart"]["total_text"], facts["cart"]["url"]) == ("€130.00", "https://shop.example/cart")
    assert facts["product"]["name"] == "Coat"
    assert facts["points"]["balance"] == 0
    assert (str(facts["code"]["first"]), facts["code"]["first"]["benefit"]) == ("XXXXXXXX", "10 % off")
    assert codes.listed(world.project) == [], "a preview draws none"
    for number in range(2):
        world.event("bert", "Order Completed", order_id=f"t{number}", value=5.0,
                    products=[{"product_id": "A-1"}, {"product_id": "A-3"}])  # fmt: skip
    together.count(world.project)
    with world.project.state.write("offers") as connection:  # the test's clock is behind the machine's
        connection.execute(sa.update(tables.products).where(tables.products.c.product_id == "A-1")
                           .values(together=json.dumps(["A-3", "A-2"]), sold=2))  # fmt: skip
    facts = facts_of(world.project, asked, anna, "m", given, "en", real=False)
    assert [one["name"] for one in facts["recommended"]] == ["Scarf"], "in stock, with a link, not in the cart"
    world.event("anna", "Order Completed", order_id="1", value=5.0)
    with world.project.state.read() as connection:
        assert carts.carts_of(connection, [anna]) == {}


def test_nothing_of_the_forgotten_is_left(world: World) -> None:
    codes.make(world.project, "first", 2, "me")
    world.event("anna", "Order Completed", order_id="1", value=60.0)
    world.recommend("anna", "dev1")
    world.event("bert", "Order Completed", order_id="2", value=40.0, anonymous="dev1")
    world.event("bert", "Product Added", product_id="A-1", name="Dress")
    anna, bert = world.shop.customer("anna"), world.shop.customer("bert")
    piece = _piece("{{ code.first }}")
    mine = [str(facts_of(world.project, piece, who, f"m{who}", {}, "en", real=True)["code"]["first"])
            for who in (anna, bert)]  # fmt: skip
    world.event("bert", "Order Completed", order_id="3", value=40.0, coupon=mine[1])
    told = held(world.project, bert)
    assert [len(told[name]) for name in ("codes", "referrals", "points")] == [1, 1, 2]
    assert "anna" not in json.dumps(told)
    erasure.forget(world.project, "bert", "me")
    assert held(world.project, bert) == {"codes": [], "referrals": [], "points": [], "carts": {}}
    assert {one.code for one in codes.listed(world.project, state="free")}.isdisjoint(mine)
    with world.project.state.read() as connection:
        for table in (tables.points, tables.carts, tables.offer_orders, tables.referrals, tables.codes):
            text = str(connection.execute(sa.select(table)).all())
            assert "bert" not in text
            assert table.c.get("identity") is not None
    assert world.referrals() == [("ordered", None)], "the one who recommended keeps what is theirs"
    assert [one.friend for one in referral.listed(world.project)] == [None]
