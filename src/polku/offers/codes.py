"""Pools of discount codes: made or imported, each given to one customer for one message, and what became of it.

A code is drawn in one transaction, for the key of a message: a message that is tried again gets the same one, and no
two messages ever get the same (the database holds it: ``codes_folded`` and ``codes_drawn`` are unique).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from polku.errors import OfferError, UsageError, nearest
from polku.journey.offers import CHANCE, CodePool
from polku.language import N_
from polku.offers.whose import LANE
from polku.record import tables
from polku.record.clock import moment, now

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.journey.model import Journey
    from polku.record.project import Project

#: Letters and digits that nobody takes for another: no 0 and O, 1, I and L; and no U, which makes words.
ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
FREE: Final = "free"
GIVEN: Final = "given"
USED: Final = "used"
EXPIRED: Final = "expired"
WITHDRAWN: Final = "withdrawn"
STATES: Final = (FREE, GIVEN, USED, EXPIRED, WITHDRAWN)
State = Literal["free", "given", "used", "expired", "withdrawn"]
STATE_WORDS: Final[Mapping[str, str]] = {
    FREE: N_("free"), GIVEN: N_("given"), USED: N_("used"), EXPIRED: N_("expired"), WITHDRAWN: N_("withdrawn"),
}  # fmt: skip
#: Why a code was withdrawn, in words; others are a person's own.
RESTORED: Final = "restored"
REASONS: Final[Mapping[str, str]] = {
    RESTORED: N_("the project was brought back from a backup: it may have been given after that"),
}
#: So many codes are made at once at most.
MOST: Final = 1_000_000
LONGEST: Final = 120
MICRO: Final = 1_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class Code:
    """A code and what became of it. Times: microseconds since 1970 UTC. ``customer``, ``used_by``: keys of customers,
    None where nobody is known. ``message``: the message, or ``referral:<number>``, that it was drawn for."""

    number: int
    pool: str
    code: str
    state: str
    expires_at: int | None
    made_at: int
    customer: int | None = None
    message: str | None = None
    given_at: int | None = None
    used_at: int | None = None
    used_by: int | None = None
    order_id: str | None = None
    times_used: int = 0
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON; times as ISO 8601."""
        told = dataclasses.asdict(self)
        for name in ("expires_at", "made_at", "given_at", "used_at"):
            told[name] = None if told[name] is None else moment(told[name]).isoformat()
        return told


@dataclasses.dataclass(frozen=True, slots=True)
class Want:
    """A code wanted: of which pool, for which message, for whom (the number of an id)."""

    pool: str
    key: str
    identity: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Taken:
    """What became of codes that were to be taken in: ``refused`` has those that are none, with the reason."""

    added: int
    known: int
    refused: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Pool:
    """A pool with how many of its codes are in each state. ``defined``: it stands in the map still."""

    name: str
    definition: CodePool
    counts: Mapping[str, int]
    defined: bool = True

    @property
    def low(self) -> bool:
        """Whether it runs low: a pool of the map that has fewer free codes than it says."""
        return self.defined and self.counts.get(FREE, 0) < self.definition.low

    def to_dict(self) -> dict[str, Any]:
        return {"pool": self.name, "defined": self.defined, "low": self.low, **self.counts}


def folded(code: str) -> str:
    """A code as it is compared: shops take it in any case, and people type spaces.

    >>> folded(" hello-7kq "), folded("HELLO-7KQ")
    ('HELLO-7KQ', 'HELLO-7KQ')
    """
    return "".join(unicodedata.normalize("NFKC", code).split()).upper()


def generated(pattern: str) -> str:
    """A code of a pattern: every ``#`` by chance that cannot be foreseen.

    >>> len(generated("HI-######"))
    9
    """
    return "".join(secrets.choice(ALPHABET) if sign == CHANCE else sign for sign in pattern)


def pool_of(journey: Journey, name: str) -> CodePool:
    """The pool's definition. Raises UsageError for one that the map has not."""
    found = journey.offers.codes.get(name)
    if found is None:
        known = list(journey.offers.codes)
        raise UsageError(
            N_("There is no pool of codes {name!r} in the map; it has: {known}. Pools stand under offers.codes."),
            name=name, known=", ".join(known) or "-", nearest=nearest(name, known),
        )  # fmt: skip
    return found


# -- taking in ---------------------------------------------------------------------------------------------------------


def make(project: Project, pool: str, count: int, author: str) -> list[str]:
    """Make ``count`` codes of a pool of the map; the shop has to be told them. Raises UsageError."""
    definition = pool_of(project.journey(), pool)
    if not 1 <= count <= MOST:
        raise UsageError(N_("{count} codes cannot be made at once; 1 to {most} can."), count=count, most=MOST)
    room = len(ALPHABET) ** definition.pattern.count(CHANCE)
    if count > room // 1000:  # else somebody who tries a thousand times finds one
        raise UsageError(
            N_("The pattern {pattern} has too few signs by chance for {count} codes: guessing would find one."),
            pattern=definition.pattern, count=count,
        )  # fmt: skip
    made: list[str] = []
    with project.state.write(LANE) as connection:
        while len(made) < count:
            fresh = list({generated(definition.pattern) for _ in range(count - len(made))} - set(made))
            known = _known(connection, fresh)
            fresh = [code for code in fresh if code not in known]
            _insert(project, connection, pool, [(code, None) for code in fresh])
            made += fresh
    project.audit.note(author, "codes.made", pool, {"codes": count})
    return made


def take_in(project: Project, pool: str, given: Iterable[tuple[str, int | None]], author: str) -> Taken:
    """Take in codes that the shop has made: each with the moment when it expires (microseconds), or None.

    One that some pool has already is left as it is. Raises UsageError for a pool that the map has not.
    """
    pool_of(project.journey(), pool)
    refused: list[tuple[str, str]] = []
    fresh: dict[str, tuple[str, int | None]] = {}
    twice = 0
    for text, expires in given:
        code = text.strip()
        if not code:
            continue
        if len(code) > LONGEST or any(unicodedata.category(sign)[0] == "C" for sign in code):
            refused.append((code[:LONGEST], "unfit"))
        elif folded(code) in fresh:
            twice += 1
        else:
            fresh[folded(code)] = (code, expires)
    with project.state.write(LANE) as connection:
        known = _known(connection, fresh)
        wanted = [pair for fold, pair in fresh.items() if fold not in known]
        _insert(project, connection, pool, wanted)
    done = Taken(len(wanted), twice + len(known), tuple(refused))
    project.audit.note(author, "codes.imported", pool, {"codes": done.added})
    return done


def _known(connection: Connection, codes: Iterable[str]) -> set[str]:
    wanted = list(codes)
    row = tables.codes.c
    known: set[str] = set()
    for at in range(0, len(wanted), 5_000):
        known.update(connection.execute(sa.select(row.folded).where(row.folded.in_(wanted[at : at + 5_000]))).scalars())
    return known


def _insert(project: Project, connection: Connection, pool: str, codes: Sequence[tuple[str, int | None]]) -> None:
    if not codes:
        return
    first, at = project.state.reserve(connection, "code", len(codes)), now()
    n = len(codes)
    project.state.insert_many(
        connection,
        tables.codes,
        {
            "number": list(range(first, first + n)), "pool": [pool] * n, "code": [code for code, _ in codes],
            "folded": [folded(code) for code, _ in codes], "state": [FREE] * n,
            "expires_at": [expires for _, expires in codes], "made_at": [at] * n,
        },
    )  # fmt: skip


# -- giving ------------------------------------------------------------------------------------------------------------


def draw(project: Project, wants: Sequence[Want]) -> dict[tuple[str, str], Code]:
    """A code for each want, by (pool, key): the one that it was given before, else a free one.

    Of the free ones the one that expires first goes first. Raises UsageError for a pool that the map has not,
    OfferError where a pool has run out; then none is given.
    """
    if not wants:
        return {}
    with project.state.write(LANE) as connection:
        return draw_in(project.journey(), connection, wants, now())


def draw_in(journey: Journey, connection: Connection, wants: Sequence[Want], at: int) -> dict[tuple[str, str], Code]:
    """:func:`draw` in the caller's transaction (of the lane ``offers``), as of the moment ``at``."""
    found: dict[tuple[str, str], Code] = {}
    for want in wants:
        pair = (want.pool, want.key)
        if pair in found:
            continue
        definition = pool_of(journey, want.pool)
        row = tables.codes
        mine = sa.and_(row.c.pool == want.pool, row.c.message == want.key)
        before = connection.execute(sa.select(row).where(mine)).first()
        if before is not None:
            found[pair] = _of(before, None, at)
            continue
        found[pair] = _give(connection, want, expiry(definition, journey.timezone, at), at)
    return found


def _give(connection: Connection, want: Want, expires: int | None, at: int) -> Code:
    row = tables.codes
    if expires is not None and expires <= at:
        raise OfferError(N_("The codes of the pool {pool} are good no more: the map's until has passed."),
                         pool=want.pool)  # fmt: skip
    mine = sa.select(row).where(row.c.pool == want.pool, row.c.state == FREE).limit(1)
    ending = mine.where(row.c.expires_at > at).order_by(row.c.expires_at)  # the one that ends first goes first
    lasting = mine.where(row.c.expires_at.is_(None))
    while (free := connection.execute(ending).first() or connection.execute(lasting).first()) is not None:
        ends = min((e for e in (free.expires_at, expires) if e is not None), default=None)
        values = {
            "state": GIVEN, "message": want.key, "identity": want.identity, "given_at": at, "expires_at": ends,
        }  # fmt: skip
        it = sa.and_(row.c.number == free.number, row.c.state == FREE)
        if connection.execute(sa.update(row).where(it).values(**values)).rowcount == 1:
            return Code(
                free.number, want.pool, free.code, GIVEN, ends, free.made_at, None, want.key, at,
            )  # fmt: skip
    raise OfferError(
        N_("The pool {pool} has no free code left. Make more (polku codes make), or import the shop's."),
        pool=want.pool,
    )


def expiry(definition: CodePool, timezone: str, at: int) -> int | None:
    """When a code that is given at ``at`` ends, microseconds; None for never.

    >>> from polku.journey.offers import CodePool
    >>> expiry(CodePool.model_validate({"valid": "1d", "until": "1970-01-01"}), "UTC", 0)
    86400000000
    """
    ends = [at + definition.valid * MICRO] if definition.valid is not None else []
    if definition.until is not None:
        after = dt.datetime.combine(definition.until + dt.timedelta(days=1), dt.time(), ZoneInfo(timezone))
        ends.append(int(after.timestamp()) * MICRO)
    return min(ends, default=None)


# -- what becomes of them ----------------------------------------------------------------------------------------------


def used_by_order(properties: Mapping[str, Any]) -> list[str]:
    """The codes that an order tells of, folded, each once: ``coupon``, ``discount_code`` and the like, its products'.

    >>> used_by_order({"coupon": "hello-7kq", "products": [{"coupon": "B2"}], "discount_codes": [{"code": "c3"}]})
    ['HELLO-7KQ', 'C3', 'B2']
    """
    told: dict[str, None] = {}
    for text in _coupons(properties):
        for one in text.split(","):
            if one.strip():
                told[folded(one)[:LONGEST]] = None
    return list(told)


#: Properties under which shops tell the codes of an order.
COUPONS: Final = (
    "coupon", "coupons", "coupon_code", "coupon_codes", "discount_code", "discount_codes", "promo_code", "voucher",
    "voucher_code",
)  # fmt: skip


def _coupons(properties: Mapping[str, Any]) -> Iterator[str]:
    for name in COUPONS:
        value = properties.get(name)
        for one in value if isinstance(value, list) else [value]:
            text = one.get("code") if isinstance(one, Mapping) else one
            if isinstance(text, str):
                yield text
    products = properties.get("products")
    for product in products if isinstance(products, list) else ():
        if isinstance(product, Mapping) and isinstance(product.get("coupon"), str):
            yield product["coupon"]


def note_used(
    connection: Connection, codes: Sequence[str], identity: int | None, order_id: str | None, time: int
) -> int:
    """Note that an order used these codes (folded). Returns how many of them are of our pools."""
    row = tables.codes
    if not codes:
        return 0
    found = connection.execute(sa.select(row).where(row.c.folded.in_(codes))).all()
    for one in found:
        values: dict[str, Any] = {"times_used": one.times_used + 1}
        if one.state != USED:
            values |= {"state": USED, "used_at": time, "used_by": identity, "order_id": order_id}
        elif one.order_id is not None and one.order_id == order_id:
            continue  # the same order, told by the browser and by the shop
        connection.execute(sa.update(row).where(row.c.number == one.number).values(**values))
    return len(found)


def withdraw(project: Project, pool: str, codes: Sequence[str] | None, reason: str, author: str) -> int:
    """Let codes be given no more: all free ones of a pool, or these (free or given). Returns how many."""
    row = tables.codes
    where = sa.and_(row.c.pool == pool, row.c.state == FREE)
    if codes is not None:
        wanted = [folded(code) for code in codes]
        where = sa.and_(row.c.pool == pool, row.c.folded.in_(wanted), row.c.state.in_((FREE, GIVEN)))
    with project.state.write(LANE) as connection:
        done = connection.execute(sa.update(row).where(where).values(state=WITHDRAWN, reason=reason or None)).rowcount
    project.audit.note(author, "codes.withdrawn", pool, {"codes": done})
    return int(done)


def release(project: Project, pool: str, author: str) -> int:
    """Let codes that were withdrawn before anybody got them be given again. Returns how many."""
    row = tables.codes
    where = sa.and_(row.c.pool == pool, row.c.state == WITHDRAWN, row.c.given_at.is_(None))
    with project.state.write(LANE) as connection:
        done = connection.execute(sa.update(row).where(where).values(state=FREE, reason=None)).rowcount
    project.audit.note(author, "codes.released", pool, {"codes": done})
    return int(done)


def hold_restored(connection: Connection) -> int:
    """After a restore no free code is given: some of them may have been given after the backup was made."""
    row = tables.codes
    held = sa.update(row).where(row.c.state == FREE).values(state=WITHDRAWN, reason=RESTORED)
    return int(connection.execute(held).rowcount)


# -- looking -----------------------------------------------------------------------------------------------------------


def pools(project: Project) -> list[Pool]:
    """Every pool of the map, in its order, and behind them those that only have codes still."""
    defined = project.journey().offers.codes
    with project.state.read() as connection:
        counted = _counts(connection, now())
    found = [Pool(name, definition, counted.get(name, {})) for name, definition in defined.items()]
    return found + [Pool(name, CodePool(), counted[name], False) for name in sorted(set(counted) - set(defined))]


def _state(at: int) -> sa.ColumnElement[str]:
    row = tables.codes.c
    over = sa.and_(row.state.in_((FREE, GIVEN)), row.expires_at.is_not(None), row.expires_at <= at)
    return sa.case((over, EXPIRED), else_=row.state)


def _counts(connection: Connection, at: int) -> dict[str, dict[str, int]]:
    state = _state(at).label("now")
    row = tables.codes.c
    counted: dict[str, dict[str, int]] = {}
    for pool, one, n in connection.execute(sa.select(row.pool, state, sa.func.count()).group_by(row.pool, state)):
        counted.setdefault(str(pool), {})[str(one)] = int(n)
    return {pool: {state: n[state] for state in STATES if state in n} for pool, n in counted.items()}


def listed(
    project: Project, pool: str | None = None, state: str | None = None, search: str = "", limit: int = 100,
    customer: int | None = None,
) -> list[Code]:  # fmt: skip
    """Codes, those of whom something was last heard first. ``search``: the beginning of a code.

    Raises UsageError for a state that there is not.
    """
    if state is not None and state not in STATES:
        raise UsageError(
            N_("There is no state {state!r} of a code; there are {states}."), state=state, states=", ".join(STATES),
            nearest=nearest(state, STATES),
        )  # fmt: skip
    at, row = now(), tables.codes
    who, by = tables.identities.alias("who"), tables.identities.alias("by")
    query = (
        sa.select(row, who.c.customer.label("customer"), by.c.customer.label("user"))
        .outerjoin(who, who.c.id == row.c.identity)
        .outerjoin(by, by.c.id == row.c.used_by)
        .order_by(sa.func.coalesce(row.c.used_at, row.c.given_at, row.c.made_at).desc(), row.c.number)
        .limit(limit)
    )
    if pool is not None:
        query = query.where(row.c.pool == pool)
    if state is not None:
        query = query.where(_state(at) == state)
    if search:
        query = query.where(row.c.folded.startswith(folded(search), autoescape=True))
    if customer is not None:
        query = query.where(sa.or_(who.c.customer == customer, by.c.customer == customer))
    with project.state.read() as connection:
        return [_of(found, found.customer, at, found.user) for found in connection.execute(query)]


def _of(row: Any, customer: int | None, at: int, user: int | None = None) -> Code:
    over = row.state in (FREE, GIVEN) and row.expires_at is not None and row.expires_at <= at
    return Code(
        row.number, row.pool, row.code, EXPIRED if over else row.state, row.expires_at, row.made_at, customer,
        row.message, row.given_at, row.used_at, user, row.order_id, row.times_used, row.reason,
    )  # fmt: skip
