"""Recommending: a link of one's own, the friend who came by it, and the reward when the friend's order stands.

The first link that a friend came by counts (first touch), for as long as the map says. An order makes the referral
``ordered``; when it has stood through the time of returns it is ``completed`` and the reward is given, once. What looks
like recommending to oneself is ``doubtful``: a person decides.
"""

from __future__ import annotations

import dataclasses
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import sqlalchemy as sa

from polku.errors import UsageError, nearest
from polku.journey.offers import Referral
from polku.language import N_
from polku.offers.codes import ALPHABET
from polku.offers.whose import LANE, numbers_of
from polku.record import tables
from polku.record.clock import moment, now

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.project import Project

MICRO: Final = 1_000_000
FOLLOWED, ORDERED, DOUBTFUL = "followed", "ordered", "doubtful"
COMPLETED, CANCELLED, REFUSED = "completed", "cancelled", "refused"
STATES: Final = (FOLLOWED, ORDERED, DOUBTFUL, COMPLETED, CANCELLED, REFUSED)
STATE_WORDS: Final[Mapping[str, str]] = {
    FOLLOWED: N_("came by the link"), ORDERED: N_("ordered, within the time of returns"), DOUBTFUL: N_("doubtful"),
    COMPLETED: N_("rewarded"), CANCELLED: N_("cancelled"), REFUSED: N_("refused"),
}  # fmt: skip
REASONS: Final[Mapping[str, str]] = {
    "self": N_("the friend is the customer themselves"),
    "same_device": N_("the friend used a device of the customer who recommended"),
    "same_address": N_("the friend has the postal address of the customer who recommended"),
    "not_new": N_("the friend had ordered before"),
    "small": N_("the order is worth less than the map asks for"),
    "returned": N_("the order was cancelled or returned"),
    "limit": N_("the customer has had as many rewards as the map allows"),
    "no_code": N_("the pool of the reward has no free code; it is given when there is one"),
    "restored": N_("the project was brought back from a backup: the reward may have been given after that"),
    "by_hand": N_("decided by hand"),
    "no_currency": N_("the order is in another currency than the map's"),
}  # fmt: skip
#: Letters and digits of a token: 30 to the power of 9 are two hundred thousand times a hundred million.
LENGTH: Final = 9
_TOKEN: Final = re.compile(rf"^[{ALPHABET}]{{{LENGTH}}}$")
_WORDS: Final = re.compile(r"[\W_]+")


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """A referral for people. Times: microseconds since 1970 UTC. ``referrer``, ``friend``: keys of customers, None once
    they are erased."""

    number: int
    token: str
    referrer: int | None
    friend: int | None
    followed_at: int
    state: str
    order_id: str | None
    ordered_at: int | None
    value: float | None
    due_at: int | None
    decided_at: int | None
    decided_by: str | None
    reason: str | None
    reward: str | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON; times as ISO 8601."""
        told = dataclasses.asdict(self)
        for name in ("followed_at", "ordered_at", "due_at", "decided_at"):
            told[name] = None if told[name] is None else moment(told[name]).isoformat()
        return told


# -- links -------------------------------------------------------------------------------------------------------------


def read_token(text: Any) -> str | None:
    """A token as it is kept, of what a link or a person gives; None for what cannot be one.

    >>> read_token(" abcdefghj "), read_token("facebook")
    ('ABCDEFGHJ', None)
    """
    token = text.strip().upper() if isinstance(text, str) else ""
    return token if _TOKEN.match(token) else None


def link(definition: Referral, token: str) -> str:
    """The link of a token: the map's page with the parameter.

    >>> link(Referral(url="https://shop.example/?a=1#top"), "ABC")
    'https://shop.example/?a=1&ref=ABC#top'
    """
    parts = urlsplit(definition.url)
    query = [*parse_qsl(parts.query, keep_blank_values=True), (definition.parameter, token)]
    return urlunsplit(parts._replace(query=urlencode(query)))


def tokens_for(project: Project, customers: Iterable[int]) -> dict[int, str]:
    """The token of each customer: the oldest that any of their ids has, or a new one."""
    keys = sorted(set(customers))
    with project.state.read() as connection:
        found = _tokens(connection, keys)
    if len(found) == len(keys):
        return found
    with project.state.write(LANE) as connection:
        found = _tokens(connection, keys)
        for key in keys:
            if key in found or not numbers_of(connection, key):
                continue
            found[key] = _fresh(connection)
            values = {"token": found[key], "identity": key, "made_at": now()}
            connection.execute(sa.insert(tables.referral_links).values(**values))
    return found


def _fresh(connection: Connection) -> str:
    row = tables.referral_links.c
    while True:
        token = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        if connection.execute(sa.select(row.token).where(row.token == token)).first() is None:
            return token


def _tokens(connection: Connection, customers: Sequence[int]) -> dict[int, str]:
    row, who = tables.referral_links.c, tables.identities.c
    query = (
        sa.select(who.customer, row.token)
        .join(tables.identities, who.id == row.identity)
        .where(who.customer.in_(customers))
        .order_by(row.made_at.desc(), row.token)
    )
    return {int(customer): str(token) for customer, token in connection.execute(query)}


def token_told(definition: Referral, context: Mapping[str, Any], properties: Mapping[str, Any]) -> str | None:
    """The token that an event tells: what polku.js saw in the page's address, the address itself, or a property of an
    order (a shop that asks "who recommended us")."""
    for given in (context.get("referral"), properties.get("referral_code"), properties.get(definition.parameter)):
        if (token := read_token(given)) is not None:
            return token
    page = context.get("page")
    for holder in (page if isinstance(page, Mapping) else {}, properties):
        for name in ("url", "search"):
            text = holder.get(name)
            if isinstance(text, str) and f"{definition.parameter}=" in text:
                query = dict(parse_qsl(text.partition("?")[2].partition("#")[0]))
                if (token := read_token(query.get(definition.parameter))) is not None:
                    return token
    return None


# -- what happens (in the tick's transaction) --------------------------------------------------------------------------


def followed(
    project: Project, connection: Connection, definition: Referral, token: str, friend: int, time: int
) -> int | None:
    """Note that a friend (the number of an id) came by a link; the referral's number. None where there is no such link,
    or the friend came by one already: the first counts, for as long as the map says."""
    row, who = tables.referrals, tables.identities.c
    referrer = connection.execute(
        sa.select(tables.referral_links.c.identity).where(tables.referral_links.c.token == token)
    ).scalar()
    customer = connection.execute(sa.select(who.customer).where(who.id == friend)).scalar()
    if referrer is None or customer is None:
        return None
    before = (
        sa.select(row.c.number)
        .join(tables.identities, who.id == row.c.identity)
        .where(who.customer == customer)
        .where(sa.or_(row.c.state != FOLLOWED, row.c.followed_at > time - definition.within * MICRO))
        .limit(1)
    )
    if connection.execute(before).first() is not None:
        return None
    number = project.state.reserve(connection, "referral", 1)
    same = connection.execute(sa.select(who.customer).where(who.id == referrer)).scalar() == customer
    values = {
        "number": number, "token": token, "referrer": int(referrer), "identity": friend, "followed_at": time,
        "state": REFUSED if same else FOLLOWED, "reason": "self" if same else None,
        "decided_at": time if same else None,
    }  # fmt: skip
    connection.execute(sa.insert(row).values(**values))
    return None if same else number


def waiting_of(connection: Connection, customers: Iterable[int]) -> dict[int, list[Any]]:
    """Referrals whose friend has not ordered yet, by the friend's customer, the first one first."""
    row, who = tables.referrals, tables.identities.c
    query = (
        sa.select(row, who.customer.label("customer"))
        .join(tables.identities, who.id == row.c.identity)
        .where(who.customer.in_(sorted(set(customers))), row.c.state == FOLLOWED)
        .order_by(row.c.followed_at, row.c.number)
    )
    found: dict[int, list[Any]] = {}
    for one in connection.execute(query):
        found.setdefault(int(one.customer), []).append(one)
    return found


def ordered(
    connection: Connection, definition: Referral, one: Any, *, order_id: str, time: int, value: float | None,
    first: bool, home: bool, address: str | None,
) -> str:  # fmt: skip
    """Take a friend's order in. ``first``: it is their first; ``home``: it is in the map's currency; ``address``: where
    it goes to, as :func:`address_of` has it. Returns the state that the referral has now."""
    who = tables.identities.c
    people = dict(
        connection.execute(sa.select(who.id, who.customer).where(who.id.in_((one.referrer, one.identity)))).all()
    )
    state, reason = ORDERED, None
    if people.get(one.referrer) == people.get(one.identity):
        state, reason = REFUSED, "self"
    elif definition.new_customers and not first:
        state, reason = REFUSED, "not_new"
    elif definition.least is not None and not home:
        state, reason = REFUSED, "no_currency"
    elif definition.least is not None and (value or 0.0) < definition.least:
        state, reason = REFUSED, "small"
    elif one.referrer in people and (doubt := _doubt(connection, people, one, address)) is not None:
        state, reason = DOUBTFUL, doubt
    row = tables.referrals
    values = {
        "state": state, "reason": reason, "order_id": order_id, "ordered_at": time, "value": value,
        "due_at": time + definition.after * MICRO, "decided_at": time if state == REFUSED else None,
    }  # fmt: skip
    connection.execute(sa.update(row).where(row.c.number == one.number, row.c.state == FOLLOWED).values(**values))
    return state


def _doubt(connection: Connection, people: Mapping[int, int], one: Any, address: str | None) -> str | None:
    theirs = numbers_of(connection, people[one.referrer])
    friends = numbers_of(connection, people[one.identity])
    join = tables.joins.c  # evidence that does not join two users: both were seen with one device
    of_theirs = sa.select(join.weaker).where(sa.or_(join.stronger.in_(theirs), join.weaker.in_(theirs)))
    shared = sa.select(join.id).where(
        sa.or_(join.stronger.in_(friends), join.weaker.in_(friends)), join.weaker.in_(of_theirs)
    )
    if connection.execute(shared.limit(1)).first() is not None:
        return "same_device"
    homes = _addresses(connection, theirs)
    if homes & ({address} if address is not None else _addresses(connection, friends)):
        return "same_address"
    return None


def _addresses(connection: Connection, numbers: Sequence[int]) -> set[str]:
    import json

    trait = tables.traits.c
    told: dict[str, Any] = {}
    query = sa.select(trait.name, trait.value).where(trait.identity.in_(numbers)).order_by(trait.time, trait.seq)
    for name, value in connection.execute(query):
        told[str(name)] = json.loads(value)
    found = address_of(told)
    return {found} if found is not None else set()


def address_of(told: Mapping[str, Any]) -> str | None:
    """A postal address as it is compared: street and postal code, in small letters and without signs between.

    >>> address_of({"address": {"street": "Kauppakatu 1 A", "postalCode": "00100"}})
    'kauppakatu1a 00100'
    >>> address_of({"street": "Kauppakatu 1 a", "zip": "00100"}) , address_of({"city": "Helsinki"})
    ('kauppakatu1a 00100', None)
    """
    inner = next((told[n] for n in ("shipping_address", "address") if isinstance(told.get(n), Mapping)), told)
    street = next((inner[n] for n in ("street", "address1", "line1", "street_address") if inner.get(n)), None)
    code = next((inner[n] for n in ("postalCode", "postal_code", "postcode", "zip", "zip_code") if inner.get(n)), None)
    if street is None or code is None:
        return None
    return f"{_WORDS.sub('', str(street).lower())} {_WORDS.sub('', str(code).lower())}"


def undone(connection: Connection, order_id: str, left: float, definition: Referral, time: int) -> list[Any]:
    """An order was cancelled or went back, wholly or so far that ``left`` of its value is less than the map asks for:
    referrals that waited for it are cancelled. Returns them."""
    row = tables.referrals
    waits = sa.and_(row.c.order_id == order_id, row.c.state.in_((ORDERED, DOUBTFUL)))
    found = list(connection.execute(sa.select(row).where(waits)).all())
    if left > 0 and left >= (definition.least or 0.0):
        return []
    gone = sa.update(row).where(waits).values(state=CANCELLED, reason="returned", decided_at=time)
    connection.execute(gone)
    return found


def due(connection: Connection, at: int, limit: int = 500) -> list[Any]:
    """Referrals whose order has stood for long enough."""
    row = tables.referrals
    query = sa.select(row).where(row.c.state == ORDERED, row.c.due_at <= at).order_by(row.c.due_at, row.c.number)
    return list(connection.execute(query.limit(limit)).all())


def rewarded(connection: Connection, definition: Referral, referrer: int, at: int) -> bool:
    """Whether who recommended (a customer) has had as many rewards as the map allows."""
    most = definition.most
    if most is None:
        return False
    row, who = tables.referrals, tables.identities.c
    query = (
        sa.select(sa.func.count())
        .select_from(row)
        .join(tables.identities, who.id == row.c.referrer)
        .where(who.customer == referrer, row.c.state == COMPLETED)
    )
    if most.every is not None:
        query = query.where(row.c.decided_at > at - most.every * MICRO)
    return int(connection.execute(query).scalar_one()) >= most.times


def settle(connection: Connection, number: int, state: str, at: int, **values: Any) -> None:
    """Write how a referral ended."""
    row = tables.referrals
    connection.execute(sa.update(row).where(row.c.number == number).values(state=state, decided_at=at, **values))


def hold_restored(connection: Connection) -> int:
    """After a restore a person decides on what waited: it may have been rewarded after the backup was made."""
    row = tables.referrals
    held = sa.update(row).where(row.c.state == ORDERED).values(state=DOUBTFUL, reason="restored")
    return int(connection.execute(held).rowcount)


# -- people ------------------------------------------------------------------------------------------------------------


def decide(project: Project, number: int, accept: bool, author: str) -> Told:
    """Decide on a referral that is doubtful: accepted, it goes on as ordered; else it is refused. Raises UsageError."""
    row = tables.referrals
    with project.state.write(LANE) as connection:
        found = connection.execute(sa.select(row).where(row.c.number == number)).first()
        if found is None:
            raise UsageError(N_("There is no referral {number}."), number=number)
        if found.state != DOUBTFUL:
            raise UsageError(
                N_("The referral {number} is {state}; only a doubtful one is decided by hand."),
                number=number, state=found.state,
            )  # fmt: skip
        values = (
            {"state": ORDERED, "reason": "by_hand", "decided_by": author} if accept
            else {"state": REFUSED, "reason": found.reason, "decided_at": now(), "decided_by": author}
        )  # fmt: skip
        connection.execute(sa.update(row).where(row.c.number == number).values(**values))
        facts = {"accepted": accept}
        project.audit.note(author, "referral.decided", str(number), facts, connection=connection)
    return listed(project, number=number)[0]


def listed(
    project: Project, state: str | None = None, customer: int | None = None, limit: int = 100, number: int | None = None
) -> list[Told]:
    """Referrals, the latest first. ``customer``: of whom, as the one who recommended or the friend.

    Raises UsageError for a state that there is not.
    """
    if state is not None and state not in STATES:
        raise UsageError(
            N_("There is no state {state!r} of a referral; there are {states}."), state=state,
            states=", ".join(STATES), nearest=nearest(state, STATES),
        )  # fmt: skip
    row = tables.referrals
    friend, referrer = tables.identities.alias("friend"), tables.identities.alias("referrer")
    query = (
        sa.select(row, friend.c.customer.label("of_friend"), referrer.c.customer.label("of_referrer"))
        .outerjoin(friend, friend.c.id == row.c.identity)
        .outerjoin(referrer, referrer.c.id == row.c.referrer)
        .order_by(row.c.number.desc())
        .limit(limit)
    )
    if state is not None:
        query = query.where(row.c.state == state)
    if number is not None:
        query = query.where(row.c.number == number)
    if customer is not None:
        query = query.where(sa.or_(friend.c.customer == customer, referrer.c.customer == customer))
    with project.state.read() as connection:
        return [
            Told(
                one.number, one.token, one.of_referrer, one.of_friend, one.followed_at, one.state, one.order_id,
                one.ordered_at, one.value, one.due_at, one.decided_at, one.decided_by, one.reason, one.reward,
            )
            for one in connection.execute(query)
        ]  # fmt: skip


def counts(project: Project) -> dict[str, int]:
    """How many referrals there are in each state."""
    row = tables.referrals.c
    with project.state.read() as connection:
        counted = connection.execute(sa.select(row.state, sa.func.count()).group_by(row.state))
        found = {str(state): int(n) for state, n in counted}
    return {state: found[state] for state in STATES if state in found}
