"""The catalogue of products: what feeds and imports give holds; what events tell fills what is not given.

Anybody can send an event, so events never change what a feed says, and a link that they tell is kept only where it
leads to a host of the map (``offers.catalogue.hosts``).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from polku.errors import OfferError, UsageError, nearest
from polku.language import N_
from polku.offers.product import AVAILABILITY, OUT, UNKNOWN, Product, of_host, read_fields
from polku.offers.whose import LANE
from polku.record import tables
from polku.record.clock import now

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.project import Project

MANY: Final = 1_000
#: Fields whose values are links.
LINKS: Final = ("url", "image_url")
#: So few products may go from a list at once, whatever its length.
FEW: Final = 20
#: The name of imports by hand, where a file has none of its own.
BY_HAND: Final = "import"


@dataclasses.dataclass(frozen=True, slots=True)
class Given:
    """A product as a feed gives it."""

    product_id: str
    fields: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Stored:
    """What became of a list: ``gone``: products that this feed had before and has no more."""

    added: int = 0
    changed: int = 0
    same: int = 0
    gone: int = 0

    @property
    def all(self) -> int:
        return self.added + self.changed + self.same


def store(
    project: Project, given: Iterable[Given], feed: str, *, language: str | None = None, whole: bool = True,
    sure: bool = False,
) -> Stored:  # fmt: skip
    """Store a list of products. ``feed``: its name; ``language``: of its texts, where it is one of several.

    ``whole``: what is not in it any more is gone; a list that lacks most of what it had is not believed in that
    (OfferError, when the rest is stored), unless ``sure``. A product stands once in a list; of several the first
    counts. Written a thousand at a time: who reads meanwhile sees whole products, old or new.
    """
    at = now()
    added = changed = same = 0
    seen: set[str] = set()
    for part in _parts(given):
        fresh = {}
        for one in part:
            if one.product_id not in seen:
                seen.add(one.product_id)
                fresh[one.product_id] = one
        with project.state.write(LANE) as connection:
            before = _rows(connection, fresh)
            insert: list[dict[str, Any]] = []
            for key, one in fresh.items():
                row = before.get(key)
                told = dict(_json(row.given)) if row is not None else {}
                told[language or ""] = dict(one.fields)
                # one feed answers for the product's being there: the one for all languages, or the first that had it
                mine = feed if row is None or row.feed is None or language is None else row.feed
                if row is not None and _json(row.given) == told and row.gone_at is None and row.feed == mine:
                    same += 1
                    continue
                values = _columns(key, told, _json(row.heard) if row is not None else {})
                values |= {"feed": mine, "updated_at": at, "gone_at": None}
                if row is None:
                    insert.append({"product_id": key, **values})
                    added += 1
                else:
                    it = tables.products.c.product_id == key
                    connection.execute(sa.update(tables.products).where(it).values(**values))
                    changed += 1
            if insert:
                connection.execute(sa.insert(tables.products), insert)
    gone = _let_go(project, feed, seen, at, sure) if whole else 0
    return Stored(added, changed, same, gone)


def _parts(given: Iterable[Given]) -> Iterator[list[Given]]:
    part: list[Given] = []
    for one in given:
        part.append(one)
        if len(part) == MANY:
            yield part
            part = []
    if part:
        yield part


def _let_go(project: Project, feed: str, seen: set[str], at: int, sure: bool) -> int:
    row = tables.products.c
    with project.state.write(LANE) as connection:
        query = sa.select(row.product_id).where(row.feed == feed, row.gone_at.is_(None))
        had = set(connection.execute(query).scalars())
        gone = sorted(had - seen)
        if not sure and len(gone) > max(FEW, len(had) // 2):
            raise OfferError(
                N_("{feed} lacks {gone} of its {had} products. They stay as they are; say --sure if they are gone."),
                feed=feed, gone=len(gone), had=len(had),
            )  # fmt: skip
        for start in range(0, len(gone), MANY):
            mine = row.product_id.in_(gone[start : start + MANY])
            connection.execute(sa.update(tables.products).where(mine).values(gone_at=at))
    return len(gone)


def hear(connection: Connection, told: Mapping[str, Mapping[str, Any]], hosts: Sequence[str], at: int) -> int:
    """Take in what events told of products (by id, their properties), in the caller's transaction (lane ``offers``).

    Returns how many products it told something new of.
    """
    changed = 0
    before = _rows(connection, told)
    for key, properties in told.items():
        fields = read_fields(properties)
        fields = {n: v for n, v in fields.items() if n not in LINKS or of_host(v, hosts)}
        fields.pop("stock", None)  # an event's quantity is how many were put into the cart
        row = before.get(key)
        heard = _json(row.heard) if row is not None else {}
        if not fields or {**heard, **fields} == heard:
            continue
        heard = {**heard, **fields}
        changed += 1
        values = _columns(key, _json(row.given) if row is not None else {}, heard) | {"heard_at": at}
        if row is None:
            connection.execute(sa.insert(tables.products).values(product_id=key, updated_at=at, **values))
        else:
            connection.execute(
                sa.update(tables.products).where(tables.products.c.product_id == key).values(**values)
            )  # fmt: skip
    return changed


def _rows(connection: Connection, keys: Iterable[str]) -> dict[str, Any]:
    wanted = sorted(set(keys))
    row = tables.products
    found: dict[str, Any] = {}
    for at in range(0, len(wanted), MANY):
        query = sa.select(row).where(row.c.product_id.in_(wanted[at : at + MANY]))
        found.update((one.product_id, one) for one in connection.execute(query))
    return found


def _json(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


def _columns(key: str, given: Mapping[str, Any], heard: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a row, by what is given and heard of it."""
    fields = merged(given, heard, None)
    names = [str(one.get("name", "")) for one in (*given.values(), heard)]
    words = " ".join([key, *names, *(str(fields.get(n, "")) for n in ("category", "brand", "sku", "gtin"))])
    return {
        "name": str(fields.get("name") or key), "words": " ".join(words.lower().split()),
        "category": fields.get("category"), "brand": fields.get("brand"), "price": fields.get("price"),
        "currency": fields.get("currency"), "availability": fields.get("availability", UNKNOWN),
        "given": json.dumps(given, ensure_ascii=False, sort_keys=True),
        "heard": json.dumps(heard, ensure_ascii=False, sort_keys=True),
    }  # fmt: skip


def merged(given: Mapping[str, Mapping[str, Any]], heard: Mapping[str, Any], language: str | None) -> dict[str, Any]:
    """The fields that hold in a language: of its own feed, else of one for all, else of any, else as events told.

    >>> merged({"fi": {"name": "Mekko"}, "en": {"name": "Dress", "price": 5.0}}, {"brand": "X"}, "fi")
    {'brand': 'X', 'name': 'Mekko', 'price': 5.0}
    """
    order = [name for name in ("", language) if name is not None and name in given]
    others = [name for name in given if name not in order]
    found = dict(heard)
    for name in (*others, *order):
        found |= given[name]
    return found


# -- asking ------------------------------------------------------------------------------------------------------------


def products_of(project: Project, keys: Iterable[str], language: str | None = None) -> dict[str, Product]:
    """Products by their ids, with their texts in ``language`` where there are such."""
    with project.state.read() as connection:
        return {key: _product(row, language) for key, row in _rows(connection, keys).items()}


def product_of(project: Project, key: str, language: str | None = None) -> Product:
    """One product. Raises UsageError with the nearest one."""
    found = products_of(project, [key], language).get(key)
    if found is not None:
        return found
    row = tables.products.c
    with project.state.read() as connection:
        known = list(connection.execute(sa.select(row.product_id).limit(10_000)).scalars())
    raise UsageError(
        N_("There is no product {id!r} in the catalogue. Nearest: {nearest}."),
        id=key,
        nearest=nearest(key, known) or "-",
    )


def _product(row: Any, language: str | None) -> Product:
    given = _json(row.given)
    fields = merged(given, _json(row.heard), language)
    name = str(fields.pop("name", row.product_id))
    availability = str(fields.pop("availability", UNKNOWN))
    source = "feed" if given else "events"
    return Product(
        row.product_id, name, fields, availability, source, row.feed, row.updated_at, row.gone_at, row.sold
    )  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Search:
    """Which products: ``words`` must all be found; ``availability``: one of AVAILABILITY, or ``gone``."""

    words: str = ""
    availability: str | None = None
    category: str | None = None

    @classmethod
    def read(cls, words: str | None, availability: str | None, category: str | None) -> Search:
        """Raises UsageError for an availability that there is not."""
        known = [*AVAILABILITY, "gone"]
        if availability and availability not in known:
            raise UsageError(
                N_("There is no availability {value!r}; there are {known}."), value=availability,
                known=", ".join(known), nearest=nearest(availability, known),
            )  # fmt: skip
        return cls((words or "").strip(), availability or None, category or None)


def _where(search: Search) -> list[sa.ColumnElement[bool]]:
    row = tables.products.c
    found: list[sa.ColumnElement[bool]] = [
        row.words.contains(word, autoescape=True) for word in search.words.lower().split()
    ]
    if search.availability == "gone":
        found.append(row.gone_at.is_not(None))
    elif search.availability is not None:
        found += [row.availability == search.availability, row.gone_at.is_(None)]
    if search.category is not None:
        found.append(row.category == search.category)
    return found


def search(project: Project, asked: Search, limit: int = 100, language: str | None = None) -> list[Product]:
    """Products that meet a search, those that are sold most first."""
    row = tables.products
    query = sa.select(row).where(*_where(asked)).order_by(row.c.sold.desc(), row.c.name, row.c.product_id).limit(limit)
    with project.state.read() as connection:
        return [_product(one, language) for one in connection.execute(query)]


def counts(project: Project, asked: Search = Search()) -> dict[str, int]:
    """How many products meet a search: ``all``, by availability, and ``gone``."""
    row = tables.products.c
    state = sa.case((row.gone_at.is_not(None), "gone"), else_=row.availability)
    query = sa.select(state, sa.func.count()).where(*_where(asked)).group_by(state)
    with project.state.read() as connection:
        found = {str(name): int(n) for name, n in connection.execute(query)}
    return {"all": sum(found.values()), **{name: found[name] for name in (*AVAILABILITY, "gone") if name in found}}


def categories(project: Project) -> list[str]:
    """The categories that there are, those with most products first."""
    row = tables.products.c
    query = sa.select(row.category).where(row.category.is_not(None), row.gone_at.is_(None))
    query = query.group_by(row.category).order_by(sa.func.count().desc(), row.category).limit(200)
    with project.state.read() as connection:
        return [str(one) for one in connection.execute(query).scalars()]


# -- what goes with what ---------------------------------------------------------------------------------------------


def recommended(project: Project, keys: Sequence[str], language: str | None = None, count: int = 4) -> list[Product]:
    """Products that go with those of ``keys``, never they themselves, and never one that is sold out.

    Those that are bought together first; where they are too few, what sells most in the same categories, and then what
    sells most of all.
    """
    row = tables.products
    there = sa.and_(row.c.gone_at.is_(None), row.c.availability != OUT, row.c.product_id.not_in(keys))
    with project.state.read() as connection:
        begun = _rows(connection, keys)
        scores: dict[str, float] = {}
        for one in begun.values():
            for place, other in enumerate(json.loads(one.together) if one.together else []):
                scores[other] = scores.get(other, 0.0) + 1 / (1 + place)
        wanted = [key for key in sorted(scores, key=lambda key: (-scores[key], key)) if key not in keys]
        rows = _rows(connection, wanted)
        found = [rows[key] for key in wanted if key in rows and _offered(rows[key])][:count]
        groups = sorted({one.category for one in begun.values() if one.category})
        best = sa.select(row).where(there, row.c.sold > 0).order_by(row.c.sold.desc(), row.c.product_id)
        for query in (best.where(row.c.category.in_(groups)), best):
            if len(found) < count:
                names = {one.product_id for one in found}
                found += [
                    one for one in connection.execute(query.limit(count * 2)) if one.product_id not in names
                ]  # fmt: skip
        return [_product(one, language) for one in found[:count]]


def _offered(row: Any) -> bool:
    return row.gone_at is None and row.availability != OUT
