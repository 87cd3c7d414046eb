"""What offers give to a piece of content: products as they are now, the cart, a code, a link to recommend by, points.

Only what a piece asks for is looked up. A code is drawn at the moment when the piece writes it, for the message's key:
a branch that is not taken draws none, and a message that is tried again gets the same one. A preview and a letter to
the test address draw none, and show what one would look like.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from polku.content.piece import Piece
from polku.content.render import templates
from polku.errors import ContentError, PolkuError
from polku.journey.offers import CHANCE, CodePool
from polku.language import LANGUAGES, N_, Reader, said
from polku.offers import carts, catalogue, codes, ledger, loyalty, referral
from polku.offers.codes import Code, Want
from polku.offers.product import Product
from polku.record import tables
from polku.record.clock import moment, now

if TYPE_CHECKING:
    from polku.record.project import Project

#: Names that offers give a value (polku.content.facts.NAMES tells what they are).
ROOTS: Final = frozenset(
    {"product", "products", "cart", "order", "recommended", "code", "referral_link", "points"}
)  # fmt: skip
MICRO: Final = 1_000_000
MOST_RECOMMENDED: Final = 4
#: Stands in a link to recommend by where a piece is looked at without a customer: it leads to nobody.
SAMPLE_TOKEN: Final = "XXXXXXXXX"


@functools.lru_cache(maxsize=512)
def roots_of(piece: Piece) -> frozenset[str]:
    """Which of ROOTS a piece asks for. Raises ContentError where it does not parse."""
    asked: set[str] = set()
    for template in templates(piece).values():
        asked.update(str(name) for name in template.analyze().globals)
    return frozenset(asked & ROOTS)


def facts_of(
    project: Project, piece: Piece, customer: int | None, key: str, given: Mapping[str, Any], language: str, *,
    real: bool, own: Collection[str] = (), filled: Carts | None = None,
) -> dict[str, Any]:  # fmt: skip
    """What ``piece`` asks for of offers, by name.

    ``customer``: whom it is for, None for nobody; ``key``: the message's; ``given``: the facts of the message
    (``event``); ``real``: it leaves, so codes are drawn; ``own``: names to which the shop has given values of its own
    (``content/facts.yaml``), which stay; ``filled``: the carts of many, where they were read already. Raises
    ContentError.
    """
    asked = roots_of(piece) - set(own)
    if not asked:
        return {}
    mine = filled if filled is not None else Carts(project, () if customer is None else (customer,))
    return _Facts(project, customer, key, given, language, real, mine).told(asked)


class Carts:
    """The carts of some customers, all read when the first is asked for."""

    def __init__(self, project: Project, customers: Iterable[int]) -> None:
        self._project, self._customers = project, customers
        self._found: dict[int, dict[str, carts.Lines]] | None = None

    def of(self, customer: int) -> dict[str, carts.Lines]:
        if self._found is None:
            with self._project.state.read() as connection:
                self._found = carts.carts_of(connection, self._customers)
        return self._found.get(customer, {})


class _Facts:
    def __init__(
        self, project: Project, customer: int | None, key: str, given: Mapping[str, Any], language: str, real: bool,
        filled: Carts,
    ) -> None:  # fmt: skip
        self._carts = filled
        self.project, self.customer, self.key, self.language, self.real = project, customer, key, language, real
        self.journey = project.journey()
        self.reader = Reader(
            language if language in LANGUAGES else "en", self.journey.timezone, self.journey.currency
        )  # fmt: skip
        event = given.get("event")
        properties = event.get("properties") if isinstance(event, Mapping) else None
        self.properties: Mapping[str, Any] = properties if isinstance(properties, Mapping) else {}

    def told(self, asked: frozenset[str]) -> dict[str, Any]:
        makers = {
            "product": self._product, "products": self._products, "cart": self._cart, "order": self._order,
            "recommended": self._recommended, "code": self._code, "referral_link": self._link, "points": self._points,
        }  # fmt: skip
        found = {name: makers[name]() for name in sorted(asked)}
        return {name: value for name, value in found.items() if value is not None}

    # -- products ------------------------------------------------------------------------------------------------------

    def _catalogue(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Product]:
        keys = [key for item in items if (key := carts.product_key(item)) is not None]
        return catalogue.products_of(self.project, keys, self.language) if keys else {}

    def _product(self) -> dict[str, Any] | None:
        found = self._listed(self.properties)
        if not found:
            return None
        return self._priced(enriched(found[0], self._catalogue(found[:1]), fresh=True))

    def _products(self) -> ById:
        return ById(self.project, self.language)

    def _lines(self) -> list[Mapping[str, Any]]:
        """What is in the cart: as live events told it, else what the event itself says."""
        if self.customer is not None:
            mine = self._carts.of(self.customer)
            key = carts.cart_key(self.properties)
            chosen = mine.get(key) if key in mine else next(iter(reversed(mine.values())), None)
            if chosen:
                return list(chosen.values())
        return self._listed(self.properties)

    @staticmethod
    def _listed(properties: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        products = properties.get("products")
        if isinstance(products, list):
            return [one for one in products if isinstance(one, Mapping)]
        return [properties] if carts.product_key(properties) is not None else []

    def _cart(self) -> dict[str, Any] | None:
        lines = self._lines()
        if not lines:  # no products at all are a missing value: nobody gets a letter about an empty cart
            return dict(self.properties) or None
        known = self._catalogue(lines)
        products = [self._priced(enriched(line, known, fresh=True)) for line in lines]
        prices = [loyalty.decimal(one.get("price")) for one in products]
        cart = {**self.properties, "products": products, "count": sum(one["quantity"] for one in products)}
        if None not in prices:
            total = sum(p * one["quantity"] for p, one in zip(prices, products, strict=True) if p is not None)
            cart["total"] = float(total)
        currency = next((one["currency"] for one in products if one.get("currency")), None)
        cart.setdefault("currency", currency or self.journey.currency)
        if self.journey.offers.catalogue.cart is not None:
            cart["url"] = self.journey.offers.catalogue.cart
        return self._priced(cart)

    def _order(self) -> dict[str, Any] | None:
        if not self.properties:
            return None
        lines = self._listed(self.properties)
        if not lines:
            return dict(self.properties)
        known = self._catalogue(lines)
        return {**self.properties, "products": [self._priced(enriched(line, known, fresh=False)) for line in lines]}

    def _recommended(self) -> list[dict[str, Any]]:
        lines = self._lines()
        keys = [key for line in lines if (key := carts.product_key(line)) is not None]
        found = catalogue.recommended(self.project, keys, self.language, MOST_RECOMMENDED * 6)
        linked = [one for one in found if one.fields.get("url")]  # a recommendation leads somewhere
        return [self._priced(one.facts()) for one in linked[:MOST_RECOMMENDED]]

    def _priced(self, told: dict[str, Any]) -> dict[str, Any]:
        """With prices as the reader reads them."""
        currency = told.get("currency") or self.journey.currency
        for name in ("price", "list_price", "total"):
            amount = loyalty.decimal(told.get(name))
            if amount is not None and isinstance(currency, str):
                told[f"{name}_text"] = self.reader.money(float(amount), currency)
        return told

    # -- codes, referral, points ---------------------------------------------------------------------------------------

    def _code(self) -> Codes:
        return Codes(self)

    def draw(self, pool: str) -> GivenCode:
        """The code that the message gets of a pool. Raises ContentError: no such pool, none left, no right to it."""
        at = now()
        try:
            definition = codes.pool_of(self.journey, pool)
            if not self.real or self.customer is None:
                sample = definition.pattern.replace(CHANCE, "X")
                ends = codes.expiry(definition, self.journey.timezone, at)
                found = Code(0, pool, sample, codes.FREE, ends, at)
            else:
                want = Want(pool, self._key(pool), self.customer)
                found = codes.draw(self.project, [want])[(pool, want.key)]
        except PolkuError as error:
            raise ContentError(error.message, **error.facts) from error
        return GivenCode(found, definition, self.reader)

    def _key(self, pool: str) -> str:
        """For what a code is drawn: the message; of the pool of the referral's reward, the referral itself, which the
        customer must have completed: an event that says so is not believed."""
        definition = self.journey.offers.referral
        reward = definition.reward if definition is not None else None
        if reward is None or reward.code != pool:
            return self.key
        given = str(self.properties.get("referral_id", ""))
        row, who = tables.referrals.c, tables.identities.c
        query = (
            sa.select(row.number)
            .join(tables.identities, who.id == row.referrer)
            .where(row.state == referral.COMPLETED, who.customer == self.customer)
        )
        query = query.where(row.number == (int(given) if given.isascii() and given.isdigit() else -1))
        with self.project.state.read() as connection:
            number = connection.execute(query).scalar()
        if number is None:
            raise ContentError(
                N_("The pool {pool} holds rewards for recommending, and this customer has completed no such referral."),
                pool=pool,
            )
        return f"referral:{number}"

    def _link(self) -> str | None:
        definition = self.journey.offers.referral
        if definition is None:
            return None
        if self.customer is None:
            return referral.link(definition, SAMPLE_TOKEN)
        token = referral.tokens_for(self.project, [self.customer]).get(self.customer)
        return None if token is None else referral.link(definition, token)

    def _points(self) -> dict[str, Any] | None:
        programme = self.journey.offers.loyalty
        if programme is None:
            return None
        entries: list[ledger.Entry] = []
        if self.customer is not None:
            with self.project.state.read() as connection:
                entries = ledger.entries_of(connection, self.customer)
        standing = loyalty.standing(programme, entries, now())

        def title(level: str | None) -> str | None:
            if level is None:
                return None
            found = programme.levels[level]
            return said(found.title, self.language) or level.replace("_", " ").capitalize()

        benefit = programme.levels[standing.level].benefit if standing.level is not None else None
        told: dict[str, Any] = {
            "balance": standing.balance, "counted": standing.counted, "level": title(standing.level),
            "level_id": standing.level, "benefit": said(benefit, self.language) or None,
            "level_until": self._day(standing.until), "next_level": title(standing.next),
            "missing": standing.missing if standing.next is not None else None,
            "expiring": standing.expiring or None, "expires_on": self._day(standing.expires_at),
            "worth": None if programme.worth is None else round(standing.balance * programme.worth, 2),
            "programme": said(programme.title, self.language) or None,
        }  # fmt: skip
        return {name: value for name, value in told.items() if value is not None}

    def _day(self, micros: int | None) -> str | None:
        return None if micros is None else self.reader.date(moment(micros - MICRO))


def enriched(line: Mapping[str, Any], known: Mapping[str, Product], *, fresh: bool) -> dict[str, Any]:
    """A line of a cart or an order with what the catalogue knows. ``fresh``: what a feed says now holds before what the
    event said then, as in a cart; an order keeps what was paid."""
    product = known.get(carts.product_key(line) or "")
    told: dict[str, Any] = {**line, "quantity": carts.quantity_of(line)}
    if product is None:
        return {"in_stock": True, **told}
    facts = product.facts()
    if fresh and product.source == "feed":
        told = {**told, **facts}
    else:
        told = {**facts, **{name: value for name, value in told.items() if value not in (None, "")}}
    return {**told, "availability": product.availability, "in_stock": product.in_stock}


class ById(Mapping[str, Any]):
    """Products by id, looked up as they are asked for."""

    def __init__(self, project: Project, language: str) -> None:
        self.project, self.language = project, language

    def __getitem__(self, key: str) -> dict[str, Any]:
        found = catalogue.products_of(self.project, [str(key)], self.language).get(str(key))
        if found is None:
            raise KeyError(key)
        return found.facts()

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Codes(Mapping[str, Any]):
    """Codes by pool, drawn as they are asked for, each once."""

    def __init__(self, facts: _Facts) -> None:
        self._facts = facts
        self._drawn: dict[str, GivenCode] = {}

    def __getitem__(self, pool: str) -> GivenCode:
        if pool not in self._drawn:
            self._drawn[pool] = self._facts.draw(str(pool))
        return self._drawn[pool]

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts.journey.offers.codes)

    def __len__(self) -> int:
        return len(self._facts.journey.offers.codes)


class GivenCode(Mapping[str, Any]):
    """A code as content writes it: ``{{ code.first_order }}`` is the code itself."""

    def __init__(self, code: Code, pool: CodePool, reader: Reader) -> None:
        self.code = code
        told = {
            "code": code.code, "benefit": said(pool.benefit, reader.language) or None,
            "title": said(pool.title, reader.language) or None,
        }  # fmt: skip
        self._told: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
        if code.expires_at is not None:
            last = moment(code.expires_at - MICRO)
            self._told |= {"valid_until": reader.date(last), "expires_at": last.astimezone(reader.zone)}

    def __str__(self) -> str:
        return self.code.code

    def __getitem__(self, name: str) -> Any:
        return self._told[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._told)

    def __len__(self) -> int:
        return len(self._told)
