"""Addresses apart from the events: e-mail addresses and phone numbers become keyed hashes, the plain ones a table.

History is open data that many tools read, so no plain address may stand in it. A hash without a key would not do: there
are so few phone numbers that all of them can be tried in minutes, and lists of e-mail addresses are for sale. So the
hash is HMAC-SHA256 with a secret of the project, of which 128 bits are kept (base64url, 22 characters). Who needs the
unkeyed SHA-256 that advertising platforms take makes it from the plain address in the table ``contacts``.

>>> addresses = Addresses(b"secret", "FI")
>>> addresses.hash("email", " Anna@Example.FI ") == addresses.hash("email", "anna@example.fi")
True
>>> addresses.normal("phone", "040 123 4567")
'+358401234567'
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import functools
import hmac
import operator
import re
import secrets
import unicodedata
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from polku.errors import RecordError
from polku.events.arrival import Arrival
from polku.kernels.signs import signs
from polku.language import N_
from polku.record import tables
from polku.record.clock import moment
from polku.record.placeholders import NONE, Nobody, names_nobody, read_nobody

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.state import State

Kind = Literal["email", "phone"]
KINDS: Final[tuple[Kind, ...]] = ("email", "phone")
#: Bytes of the hash that are kept: 128 bits, so that two addresses never share one by chance.
LENGTH: Final = 16
#: What the secret is called among the words that the state keeps.
SECRET: Final = "address_key"

#: Keys under which a person's **own** address stands, in English and Finnish, without blanks, hyphens, underscores.
#: Other addresses (a friend's in a referral, one in a free text) are hashed too, but are nobody's contact and no id.
OWN: Final[dict[str, Kind]] = {
    **dict.fromkeys(
        ("email", "emailaddress", "mail", "useremail", "customeremail", "billingemail", "contactemail", "$email",
         "sähköposti", "sähköpostiosoite", "sahkoposti", "sahkopostiosoite", "meili"), "email"),
    **dict.fromkeys(
        ("phone", "phonenumber", "telephone", "tel", "mobile", "mobilephone", "mobilenumber", "cell", "cellphone",
         "userphone", "customerphone", "billingphone", "contactphone", "$phone", "puhelin", "puhelinnumero",
         "matkapuhelin", "matkapuhelinnumero", "kännykkä", "gsm", "puh"), "phone"),
}  # fmt: skip
#: Phone numbers of somebody else: no id, no contact, but no plain number either.
OTHERS: Final = frozenset({"recipientphone", "shippingphone", "friendphone", "deliveryphone"})
#: Objects that tell about the customer: an address in another object is somebody else's.
ABOUT: Final = frozenset(
    {"traits", "properties", "customer", "user", "contact", "billing", "billingaddress", "billingdetails", "address",
     "asiakas", "laskutus", "$set", "$setonce", "userproperties"}
)  # fmt: skip
#: ``logo@2x.png`` is a picture.
FILES: Final = frozenset({"png", "jpg", "jpeg", "webp", "gif", "svg", "avif", "js", "css", "mjs", "map", "html"})

# Lengths are bounded (64 and 63 by RFC 5321), so that no text can make the search slow.
EMAIL: Final = re.compile(r"(?:[\w.+'-]|%2[Bb]){1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_USUAL: Final = re.compile(r"[A-Za-z0-9._+'-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,63}")
PHONE: Final = re.compile(r"(?<![\w+%])(?:\+|%2[Bb])\d(?:[ ().\u00a0-]{0,3}\d){6,15}(?!\d)")


@dataclasses.dataclass(frozen=True, slots=True)
class Contact:
    """One address of a customer. ``first_seen`` and ``last_seen``: microseconds since 1970 UTC."""

    kind: Kind
    hash: str
    value: str
    first_seen: int
    last_seen: int
    source: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        seen: dict[str, dt.datetime] = {"first_seen": moment(self.first_seen), "last_seen": moment(self.last_seen)}
        return {"kind": self.kind, "hash": self.hash, "value": self.value, "source": self.source} | {
            name: when.isoformat() for name, when in seen.items()
        }


def might_hold(body: bytes) -> bool:
    """Whether a JSON body may hold an address at all: one look over the bytes spares its events the search.

    >>> might_hold(b'{"event": "page"}'), might_hold(b'{"phone": "0401234567"}')
    (False, True)
    """
    return signs(body)


class Key(NamedTuple):
    """What a key of an object says: the kind of a person's own address under it, whether somebody's phone number stands
    there, whether the object under it tells about the customer, whether the key itself may be an address.
    """

    own: Kind | None
    phone: bool
    about: bool
    address: bool


_PLAIN: Final = Key(None, False, False, False)
_keys: dict[str, Key] = {}


def key_of(name: str) -> Key:
    """See Key; remembered, for names repeat.

    >>> key_of("Phone_Number").own, key_of("friend_email").own
    ('phone', None)
    """
    if (known := _keys.get(name)) is None:
        plain = re.sub(r"[\s_.-]", "", name).lower()
        own = OWN.get(plain)
        known = Key(own, own == "phone" or plain in OTHERS, plain in ABOUT, "@" in name or "+" in name)
        if known == _PLAIN:
            known = _PLAIN
        if len(_keys) > 1 << 14:
            _keys.clear()  # names come from the network
        _keys[name] = known
    return known


def normal_email(text: str) -> str | None:
    """The address in the one form that is hashed: trimmed, composed (NFC), lower case, its domain in ASCII (IDNA).

    None when it is no address.

    >>> normal_email("Matti@Äiti.fi"), normal_email("logo@2x.png"), normal_email("nobody")
    ('matti@xn--iti-pla.fi', None, None)
    """
    text = text.strip().removeprefix("mailto:")
    if _USUAL.fullmatch(text) and text.rpartition(".")[2].lower() not in FILES:
        return text.lower()  # nearly all: nothing to compose, nothing to encode
    text = unicodedata.normalize("NFC", text).lower()
    local, at, domain = text.rpartition("@")
    ending = domain.rpartition(".")[2]
    if not (at and local) or re.search(r"[\s,;:<>()@]", local) or "." not in domain:
        return None
    if ending in FILES or not ending.strip("-") or ending.isdigit():
        return None
    try:
        ascii_domain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        return None  # a label that is empty or too long
    return f"{local}@{ascii_domain}" if re.fullmatch(r"[a-z0-9.-]+", ascii_domain) else None


def normal_phone(text: str, country: str) -> str | None:
    """The number in E.164; a number without a country code is one of ``country`` (ISO 3166, two letters).

    None when there can be no such number.

    >>> normal_phone("(09) 123 4567", "FI"), normal_phone("12", "FI")
    ('+35891234567', None)
    """
    import phonenumbers  # here: opening a project must not wait for it

    try:
        number = phonenumbers.parse(text.strip().removeprefix("tel:"), country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


class Addresses:
    """Finds, normalises and hashes addresses with a project's key. Pure: nothing is stored."""

    def __init__(self, key: bytes, country: str, nobody: Nobody = NONE) -> None:
        self._key = key
        self.country = country
        self.nobody = nobody
        self._seen = functools.lru_cache(maxsize=1 << 16)(self._hashed)

    def normal(self, kind: Kind, value: str) -> str | None:
        """The one form of an address that is hashed; None when it is none."""
        return normal_email(value) if kind == "email" else normal_phone(value, self.country)

    def is_nobody(self, text: str) -> bool:
        """Whether a text is an e-mail address that is nobody's (polku.record.placeholders)."""
        if "@" not in text and "%40" not in text:
            return False
        found = self.found("email", text.replace("%40", "@"))
        return found is not None and names_nobody(found[0], self.nobody)

    def hash(self, kind: Kind, value: str) -> str:
        """22 characters that stand for the address. Raises RecordError when it is no address."""
        found = self._seen(kind, value)
        if found is None:
            what = N_("e-mail address") if kind == "email" else N_("phone number")
            raise RecordError(N_("{value!r} is no {what}."), value=value, what=what)
        return found[1]

    def _hashed(self, kind: Kind, value: str) -> tuple[str, str] | None:
        normal = self.normal(kind, value)
        return None if normal is None else (normal, self.mark(kind, normal))

    def mark(self, kind: str, value: str) -> str:
        """HMAC-SHA256 of any text with the project's key, 128 bits of it as base64url."""
        digest = hmac.digest(self._key, f"{kind}\0{value}".encode("utf-8", "surrogatepass"), "sha256")
        return base64.urlsafe_b64encode(digest[:LENGTH]).rstrip(b"=").decode("ascii")

    # -- events ----------------------------------------------------------------------------------------------------

    def take(self, arrival: Arrival) -> list[Contact]:
        """Take addresses out of an event, in place; gives those that are the customer's own.

        Where an address stood, ``email:<hash>`` or ``phone:<hash>`` stands after it: in the ids, the properties and the
        context, be it a whole value or in the middle of a text or a URL. The customer's own go to ``context.ids`` as
        well (a bare hash by kind), by which identities know them.
        """
        taking = _Taking(self)
        for name in ("user_id", "anonymous_id", "previous_id", "account_id", "session_id"):
            value = getattr(arrival, name)
            if value is not None and ("@" in value or "+" in value or "%40" in value):
                if self.is_nobody(value):  # as if no id had been given
                    setattr(arrival, name, None)
                    continue
                own = name in ("user_id", "anonymous_id")
                setattr(arrival, name, taking.text(value, own=own))
        given = arrival.context.get("ids")
        if isinstance(given, dict):
            taking.ids(given)
        taking.object(arrival.properties, True)
        taking.object(arrival.context, True)
        if not taking.found:
            return []
        ids = arrival.context.setdefault("ids", {})
        if not isinstance(ids, dict):
            arrival.context["ids"] = ids = {}
        for kind, hashed in taking.own.items():
            ids.setdefault(kind, hashed)
        at = arrival.received_at
        return [Contact(kind, hashed, value, at, at, arrival.source) for (kind, hashed), value in taking.found.items()]

    def clean_text(self, text: str) -> str:
        """A text with its addresses replaced.

        >>> Addresses(b"k", "FI").clean_text("mail anna@example.fi").startswith("mail email:")
        True
        """
        return _Taking(self).text(text, own=False)

    def clean(self, value: dict[str, Any], about: bool = True) -> list[tuple[Kind, str, str]]:
        """An object with its addresses replaced, in place. Returns the customer's own: (kind, hash, plain)."""
        taking = _Taking(self)
        taking.object(value, about)
        return [(kind, hashed, plain) for (kind, hashed), plain in taking.found.items()]

    def found(self, kind: Kind, value: str) -> tuple[str, str] | None:
        """(normal form, hash) of an address, or None when it is none."""
        return self._seen(kind, value)


class _Taking:
    """One event's addresses while they are taken out."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self.found: dict[tuple[Kind, str], str] = {}
        self.own: dict[Kind, str] = {}

    def _take(self, kind: Kind, text: str, own: bool) -> str | None:
        found = self._addresses.found(kind, text)
        if found is None:
            return None
        normal, hashed = found
        if own and not (kind == "email" and names_nobody(normal, self._addresses.nobody)):
            self.found[(kind, hashed)] = normal
            self.own.setdefault(kind, hashed)
        return f"{kind}:{hashed}"

    def text(self, value: str, *, own: bool) -> str:
        """A text with its addresses replaced."""
        if "@" in value or "%40" in value:
            value = EMAIL.sub(lambda m: self._email(m[0], own), value)
        if "+" in value or "%2" in value:
            value = PHONE.sub(lambda m: self._phone(m[0], own), value)
        return value

    def _email(self, text: str, own: bool) -> str:
        plain = text.replace("%40", "@").replace("%2B", "+").replace("%2b", "+").rstrip(".-_")
        kept = self._take("email", plain.lstrip(".'-"), own)
        return text if kept is None else kept

    def _phone(self, text: str, own: bool) -> str:
        return self._take("phone", text.replace("%2B", "+").replace("%2b", "+"), own) or text

    def ids(self, given: dict[str, Any]) -> None:
        """``context.ids``: addresses that a source put there plainly become bare hashes."""
        for kind in KINDS:
            value = given.get(kind)
            if isinstance(value, str) and self._addresses.is_nobody(value):
                del given[kind]
            elif isinstance(value, str) and self._take(kind, value, own=True) is not None:
                given[kind] = self.own[kind]

    def object(self, value: dict[str, Any], about: bool) -> None:
        """Replace the addresses of an object, in place; ``about``: it tells about the customer."""
        renamed: list[tuple[str, str]] = []
        known = _keys.get
        for name, inner in value.items():
            key = known(name) or key_of(name)
            what = type(inner)
            if what is str:
                if "@" in inner or "+" in inner or "%" in inner or key is not _PLAIN:
                    value[name] = self._value(inner, key, about)
            elif what is dict:
                if inner and name != "ids":
                    self.object(inner, about and key.about)
            elif what is list:
                self.list(inner, key, about)
            elif key.phone and what is int:
                value[name] = self._number(str(inner), about and key.own == "phone") or inner
            if key.address and (clean := self.text(name, own=False)) != name:
                renamed.append((name, clean))
        for name, clean in renamed:
            value[clean] = value.pop(name)

    def list(self, values: list[Any], key: Key, about: bool) -> None:
        """Replace the addresses of a list, in place; ``key`` is the one under which it stands."""
        for at, inner in enumerate(values):
            what = type(inner)
            if what is str:
                if "@" in inner or "+" in inner or "%" in inner or key is not _PLAIN:
                    values[at] = self._value(inner, key, about)
            elif what is dict:
                self.object(inner, about and key.about)
            elif what is list:
                self.list(inner, key, about)

    def _value(self, text: str, key: Key, about: bool) -> str:
        if key.phone and (taken := self._number(text, about and key.own == "phone")) is not None:
            return taken
        return self.text(text, own=about and key.own is not None)

    def _number(self, text: str, own: bool) -> str | None:
        """A phone number under a key that says so; digits that are none, but long enough to be somebody's, as well."""
        if text.startswith("phone:"):
            return None
        if (taken := self._take("phone", text, own)) is not None:
            return taken
        digits = re.sub(r"\D", "", text)
        return (
            f"phone:{self._addresses.mark('digits', digits)}"
            if len(digits) >= 6 and len(digits) * 2 > len(text)
            else None
        )


class Contacts:
    """The contacts of a project: its key, and the table of plain addresses."""

    def __init__(self, state: State, country: str, nobody: str = "") -> None:
        self._state = state
        self._country = country
        self._nobody = read_nobody(nobody)

    @functools.cached_property
    def addresses(self) -> Addresses:
        """With the project's key, which is made when the project is first opened and stays with the state."""
        return Addresses(self._secret(), self._country, self._nobody)

    def ready(self) -> None:
        """Have the key. Opening a project asks for it: made later it would wait for the write of whoever needs it."""
        assert self.addresses is not None

    def _secret(self) -> bytes:
        with self._state.read() as connection:
            kept = self._state.meta(connection, SECRET)
        if kept is None:
            with self._state.write() as connection:
                kept = self._state.meta(connection, SECRET)  # another process may have made it meanwhile
                if kept is None:
                    kept = secrets.token_hex(32)
                    self._state.set_meta(connection, SECRET, kept)
        return bytes.fromhex(kept)

    def address_hash(self, kind: Kind, value: str) -> str:
        """The hash that stands for an address in events. Raises RecordError when it is none."""
        return self.addresses.hash(kind, value)

    def take_addresses(self, arrival: Arrival) -> list[Contact]:
        """See Addresses.take; the caller gives what it returns to :meth:`write`, in its transaction."""
        return self.addresses.take(arrival)

    def write(self, connection: Connection, contacts: Iterable[Contact]) -> int:
        """Store contacts in the caller's transaction; of one that is known the last time grows. Returns how many."""
        latest: dict[tuple[str, str], Contact] = {}
        for contact in contacts:
            key = contact.kind, contact.hash
            known = latest.get(key)
            latest[key] = (
                contact
                if known is None
                else dataclasses.replace(
                    known,
                    first_seen=min(known.first_seen, contact.first_seen),
                    last_seen=max(known.last_seen, contact.last_seen),
                )
            )
        if not latest:
            return 0
        names = [field.name for field in dataclasses.fields(Contact)]
        row_of = operator.attrgetter(*names)
        # In the order of the key, so that the database's index of it grows at its end.
        rows = [dict(zip(names, row_of(latest[key]), strict=True)) for key in sorted(latest)]
        table = tables.contacts
        insert: Any = (sqlite if self._state.sqlite else postgresql).insert(table)
        greatest = sa.func.max if self._state.sqlite else sa.func.greatest
        new = insert.excluded
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=[table.c.kind, table.c.hash],
                set_={"last_seen": greatest(table.c.last_seen, new.last_seen)},
            ),
            rows,
        )
        return len(latest)

    def of(self, hash: str) -> Contact | None:
        """The contact of a hash (``email:<hash>`` or the bare one), or None."""
        table = tables.contacts
        bare = hash.partition(":")[2] or hash
        with self._state.read() as connection:
            row = connection.execute(sa.select(table).where(table.c.kind.in_(KINDS), table.c.hash == bare)).first()
        return None if row is None else Contact(**row._mapping)

    def of_many(self, hashes: Iterable[str]) -> Mapping[str, Contact]:
        """Contacts by their bare hash."""
        bare = sorted({h.partition(":")[2] or h for h in hashes})
        found: dict[str, Contact] = {}
        table = tables.contacts
        with self._state.read() as connection:
            for at in range(0, len(bare), 10_000):
                query = sa.select(table).where(table.c.kind.in_(KINDS), table.c.hash.in_(bare[at : at + 10_000]))
                found.update({row.hash: Contact(**row._mapping) for row in connection.execute(query)})
        return found

    def count(self) -> dict[str, int]:
        """How many contacts there are, by kind."""
        table = tables.contacts
        with self._state.read() as connection:
            rows = connection.execute(sa.select(table.c.kind, sa.func.count()).group_by(table.c.kind))
            return dict.fromkeys(KINDS, 0) | {str(kind): int(count) for kind, count in rows}
