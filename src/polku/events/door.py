"""What happens to an event at the door, before the answer: an ordered list of small steps.

Each step keeps the event, perhaps changed, or refuses it with a typed reason. They follow authentication and the
protocol's parser, and come before the inbox.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from polku.events.arrival import Arrival
from polku.events.refusals import Refusal
from polku.events.values import MONEY, currency_of, read_amount

if TYPE_CHECKING:
    from polku.record.permission import Learned, Permission

#: Characters of the longest name of an event, and of the longest id.
MOST_NAME = 200
MOST_ID = 500
#: Characters of the longest text that is an amount.
MOST_AMOUNT = 50
#: Objects and lists in one another: enough for any shop, little enough for every reader of JSON.
MOST_DEPTH = 64
MINUTE = 60_000_000
#: How a query string alone begins (``context.page.search``); a question of a person does not.
QUERY = re.compile(r"\?[\w.~%+\[\]-]+=")
#: So far ahead of Polku's clock an event may be and still count as happening now; further ahead it is an error.
MOST_AHEAD = 24 * 60 * MINUTE


@dataclasses.dataclass(slots=True)
class Visit:
    """What the events of one request share.

    ``address``: the client's. ``received_at``: microseconds since 1970 UTC. ``parameters``: query parameters that stay
    in addresses of pages, besides ``utm_*``. ``permission``: takes e-mail addresses and phone numbers out of an event
    (``search``: the request may hold any) and knows who was erased and who consented to what; ``learned``: what it took
    and heard, to be stored with the events.
    """

    source: str
    address: str = ""
    received_at: int = 0
    parameters: frozenset[str] = frozenset()
    permission: Permission | None = None
    learned: Learned | None = None
    search: bool = True


def parameters_of(listed: str) -> frozenset[str]:
    """The query parameters that a setting lists with commas between.

    >>> sorted(parameters_of("id, Page"))
    ['id', 'page']
    """
    return frozenset(word.strip().lower() for word in listed.split(",") if word.strip())


Step = Callable[[Arrival, Visit], Refusal | None]


def enter(arrival: Arrival, visit: Visit) -> Refusal | None:
    """Take an event through all steps; it is changed in place. The reason when one of them refuses it."""
    arrival.source = visit.source
    arrival.received_at = visit.received_at
    try:
        for step in STEPS:
            refused = step(arrival, visit)
            if refused is not None:
                return refused
    except RecursionError:
        return Refusal.TOO_DEEP
    return None


def size(arrival: Arrival, visit: Visit) -> Refusal | None:
    """Names and ids of a length that somebody could have meant; NUL, which databases do not take, goes."""
    if len(arrival.event) > MOST_NAME:
        return Refusal.TOO_LONG
    for name in ("event", "user_id", "anonymous_id", "account_id", "previous_id", "session_id"):
        text = getattr(arrival, name)
        if text is not None:
            if len(text) > MOST_ID:
                return Refusal.TOO_LONG
            if "\0" in text:
                setattr(arrival, name, text.replace("\0", "") or None)
    return None if arrival.event else Refusal.NO_EVENT


def clock(arrival: Arrival, visit: Visit) -> Refusal | None:
    """The client's clock is corrected by when it says it sent the request (received_at - sent_at, as Segment does).

    What then lies ahead of Polku's clock has just happened; what lies more than a day ahead is refused, for it says
    something else than when it happened (a date of delivery, a clock without a ``sentAt``).
    """
    received = visit.received_at
    if arrival.time is None:
        arrival.time = received
        return None
    time = arrival.time
    if arrival.sent_at is not None:
        time += received - arrival.sent_at
    if time < 0:
        return Refusal.TIME_TOO_EARLY
    if time > received:
        if time > received + MOST_AHEAD:
            return Refusal.TIME_TOO_LATE
        time = received
    arrival.time = time
    return None


def consent(arrival: Arrival, visit: Visit) -> Refusal | None:
    """Nobody who was erased, nobody who denied analytics; what was consented to when it happened stands on the event.

    Addresses leave the event here, for by their hashes it is known whose it is.
    """
    if visit.permission is None or visit.learned is None:
        return None
    return visit.permission.check(arrival, visit.learned, visit.search)


def message_id(arrival: Arrival, visit: Visit) -> Refusal | None:
    """The source's own id of the event, where it is one; the writer makes the others from the content."""
    own = arrival.message_id
    if own is not None:
        own = own.strip().replace("\0", "")
        if len(own) > MOST_ID:
            return Refusal.TOO_LONG
        arrival.message_id = own or None
    return None


def amount(arrival: Arrival, visit: Visit) -> Refusal | None:
    """Money that came as a text is read as imports read it; what cannot be read refuses the event, in the open.

    An order whose revenue is "12,50 €" is worth 12.5 EUR; with "free" it would count as an order worth nothing. What is
    called ``value`` may be no money at all (a colour, a setting) and refuses nothing. An amount in a currency that is
    none of ISO 4217 would be counted as the map's: it is refused too.
    """
    properties = arrival.properties
    if arrival.kind == "track" and arrival.value is None and properties:
        for name in MONEY:
            given = properties.get(name)
            if given is None or given == "":
                continue
            read = read_amount(given) if type(given) is str and len(given) <= MOST_AMOUNT else None
            if read is None or read.refused:
                if name == "value":
                    return None
                odd = read is not None and read.refused == Refusal.VALUE_NOT_FINITE
                return Refusal.VALUE_NOT_FINITE if odd else Refusal.UNREADABLE_VALUE
            arrival.value = properties[name] = read.number
            arrival.currency = arrival.currency or read.currency
            break
    if arrival.value is not None and arrival.currency is None and type(said := properties.get("currency")) is str:
        arrival.currency = currency_of(said.strip())
        if arrival.currency is None and said.strip():
            return Refusal.UNKNOWN_CURRENCY
    return None


def privacy(arrival: Arrival, visit: Visit) -> Refusal | None:
    """Nothing of a person that the map does not need: IP addresses are cut, query parameters of pages go."""
    context = arrival.context
    if "ip" in context:
        cut = cut_address(context["ip"])
        if cut is None:
            del context["ip"]
        else:
            context["ip"] = cut
    if arrival.properties:
        without_parameters(arrival.properties, visit.parameters, MOST_DEPTH)
    if context:
        without_parameters(context, visit.parameters, MOST_DEPTH)
    if arrival.previous_id is not None:
        ids = context.get("ids")
        context["ids"] = {**(ids if isinstance(ids, dict) else {}), "previous": arrival.previous_id}
    return None


#: In this order.
STEPS: tuple[Step, ...] = (size, clock, consent, message_id, amount, privacy)


def cut_address(text: Any) -> str | None:
    """An IP address without what tells one customer of a network from another: /24 of IPv4, /48 of IPv6; else None.

    >>> cut_address("203.0.113.77"), cut_address("2001:db8:1:2::3"), cut_address("::ffff:203.0.113.77")
    ('203.0.113.0', '2001:db8:1::', '203.0.113.0')
    """
    if not isinstance(text, str):
        return None
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.IPv6Address(int(address) >> 80 << 80))
        address = address.ipv4_mapped
    return str(ipaddress.IPv4Address(int(address) >> 8 << 8))


def without_parameters(values: dict[str, Any] | list[Any], keep: frozenset[str], depth: int) -> None:
    """Drop query parameters from every address of a page in ``values`` and below, in place.

    Raises RecursionError where more than ``depth`` objects and lists stand in one another.
    """
    if not depth:
        raise RecursionError
    places: Iterable[tuple[Any, Any]] = values.items() if isinstance(values, dict) else enumerate(values)
    for place, value in places:
        kind = type(value)
        if kind is str:
            if "?" in value or "#" in value:
                values[place] = clean_url(value, keep)
        elif kind is dict or kind is list:
            without_parameters(value, keep, depth - 1)


def clean_url(url: str, keep: frozenset[str]) -> str:
    """The address with ``utm_*`` and the parameters to ``keep`` only, and without a fragment that holds values.

    Texts that are no addresses stay: only what begins with a scheme, with ``/`` or with ``?name=`` is one.

    >>> clean_url("https://shop.example/p?id=7&utm_source=ig&token=x#top", frozenset({"id"}))
    'https://shop.example/p?id=7&utm_source=ig#top'
    >>> [clean_url(text, frozenset()) for text in ("?q=shoes", "What size am I?", "?? Is it = 5")]
    ['', 'What size am I?', '?? Is it = 5']
    """
    if not (url.startswith("/") or "://" in url[:12] or QUERY.match(url)):
        return url
    rest, mark, fragment = url.partition("#")
    place, _, query = rest.partition("?")
    stay = [
        pair
        for pair in query.split("&")
        if (name := unquote_plus(pair.partition("=")[0]).lower()).startswith("utm_") or name in keep
    ]
    if "=" in fragment or "?" in fragment:
        mark = fragment = ""
    return f"{place}{'?' if stay else ''}{'&'.join(stay)}{mark}{fragment}"
