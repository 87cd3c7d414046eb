"""What parsers of protocols share: bodies to values, values to ids, numbers and times, addresses to page and campaign.

Pure functions over what a stranger sent: each gives None for what it cannot read, and only whole bodies raise
(:class:`~polku.errors.Unreadable`).
"""

from __future__ import annotations

import datetime as dt
import json
import math
import zlib
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from polku.errors import Unreadable
from polku.events.values import ISO_4217, MONEY, read_amount
from polku.language import N_

#: A body that a protocol packs by itself (not by Content-Encoding) may hold this many bytes when unpacked.
MOST_UNPACKED = 20 * 1024 * 1024
#: Fields of one form or query.
MOST_FIELDS = 2_000
MICROS = 1_000_000
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)
#: Campaign parameters of addresses: Google's, Matomo's (and the names it had before).
CAMPAIGN = {
    **{f"utm_{word}": word for word in ("source", "medium", "term", "content", "id")},
    "utm_campaign": "name",
    **{f"{p}_{word}": word for p in ("mtm", "matomo", "pk", "piwik") for word in ("source", "medium", "content")},
    **{f"{p}_campaign": "name" for p in ("mtm", "matomo", "pk", "piwik")},
    **{f"{p}_{word}": "term" for p in ("mtm", "matomo", "pk", "piwik") for word in ("keyword", "kwd")},
    "mtm_cid": "id",
}


def decoded(body: bytes) -> Any:
    """A JSON body as Python values. Raises Unreadable.

    NaN and infinities, which some clients' encoders write, are read as null; what is not UTF-8 is no JSON; halves of
    characters (lone surrogates) are replaced, because no database takes them.
    """
    try:
        return msgspec.json.decode(body)
    except UnicodeDecodeError as fault:
        raise Unreadable(N_("The body is not UTF-8 text.")) from fault
    except RecursionError as fault:
        raise Unreadable(N_("The body is nested too deeply.")) from fault
    except msgspec.DecodeError as strict:
        try:
            text = body.decode("utf-8-sig")
            return whole(json.loads(text, parse_constant=lambda _: None, parse_float=finite))
        except UnicodeDecodeError as fault:
            raise Unreadable(N_("The body is not UTF-8 text.")) from fault
        except RecursionError as fault:
            raise Unreadable(N_("The body is nested too deeply.")) from fault
        except ValueError:  # also a number of more digits than Python reads
            raise Unreadable(N_("The body is not JSON: {fault}."), fault=str(strict)) from strict


def finite(text: str) -> float | None:
    """``text`` as a number, None when it is too large for one."""
    number = float(text)
    return number if math.isfinite(number) else None


def whole(value: Any) -> Any:
    """``value`` with every half of a character replaced, so that it can be written as UTF-8."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [whole(v) for v in value]
    if isinstance(value, dict):
        return {whole(k): whole(v) for k, v in value.items()}
    return value


def encoded(value: Any) -> bytes:
    """``value`` as JSON."""
    return msgspec.json.encode(value)


def unpacked(body: bytes) -> bytes:
    """A gzip body unpacked, at most MOST_UNPACKED bytes of it. Raises Unreadable."""
    try:
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        found = unpacker.decompress(body, MOST_UNPACKED)
    except zlib.error as fault:
        raise Unreadable(N_("The body is not gzip: {fault}."), fault=str(fault)) from fault
    if unpacker.unconsumed_tail:
        raise Unreadable(N_("The body is larger than {most} bytes when it is unpacked."), most=MOST_UNPACKED)
    if not unpacker.eof:
        raise Unreadable(N_("The body is not gzip: {fault}."), fault="truncated")
    return found


def fields(text: str) -> dict[str, str]:
    """A query or a form, the last one winning where a name stands twice. Raises Unreadable when there are too many.

    >>> fields("?a=1&b=%C3%A4&a=2")
    {'a': '2', 'b': 'ä'}
    """
    try:
        pairs = parse_qsl(text.removeprefix("?"), keep_blank_values=True, errors="replace", max_num_fields=MOST_FIELDS)
    except ValueError as fault:
        raise Unreadable(N_("The request has more than {most} parameters."), most=MOST_FIELDS) from fault
    return dict(pairs)


def form(body: bytes) -> dict[str, str]:
    """A form's body; see :func:`fields`."""
    return fields(body.decode("utf-8", "replace"))


def text(value: Any) -> str | None:
    """An id, name or other short text; whole numbers as they are written; None for what is neither.

    >>> text(" 42 "), text(42), text(42.0), text(True), text(""), text(["x"])
    ('42', '42', '42', None, None, None)
    """
    if isinstance(value, str):
        return value.strip() or None
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value) if abs(value) < 10**30 else None
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return None


def number(value: Any) -> float | None:
    """An amount as programs write it (a number, or a text with a point); None for anything else.

    >>> number("19.90"), number(5), number("5,0"), number(float("nan")), number(True)
    (19.9, 5.0, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str) and (len(value) > 40 or "_" in value):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def amount(value: Any) -> float | None:
    """An amount as programs or people write it, read as imports read it; None for what is none or can be two.

    >>> amount("19.90"), amount("1 299,50 €"), amount("1,299"), amount("free")
    (19.9, 1299.5, None, None)
    """
    found = number(value)
    if found is not None or not isinstance(value, str) or len(value) > 40:
        return found
    read = read_amount(value)
    return None if read.refused else read.number


def worth(properties: Mapping[str, Any]) -> float | None:
    """What an event is worth: the first of MONEY that is given, where it is a plain number.

    Where it is not, the door's step ``amount`` reads or refuses it: no other property may stand in for it.

    >>> worth({"revenue": None, "total": 5}), worth({"revenue": "49,90", "total": 62})
    (5.0, None)
    """
    for name in MONEY:
        if name in properties and (given := properties[name]) is not None and given != "":
            return number(given)
    return None


def currency(value: Any) -> str | None:
    """A code of ISO 4217 in capitals, None for anything else: the door refuses an amount whose currency is none.

    >>> currency("eur"), currency("XYZ"), currency(" EUR "), currency("kpl"), currency(978)
    ('EUR', None, 'EUR', None, None)
    """
    found = text(value)
    return found.upper() if found and len(found) == 3 and found.upper() in ISO_4217 else None


def time(value: Any) -> int | None:
    """Microseconds since 1970 UTC of an ISO 8601 text (UTC where it names no zone) or of seconds, milliseconds,
    microseconds since 1970 (told by their size); None for anything else.

    >>> time("2026-11-26T12:00:00.5+02:00") == time("2026-11-26 10:00:00.500Z") == time(1795687200.5)
    True
    """
    if isinstance(value, str):
        if value[4:5] == "-" and value[-1:] == "Z" and len(value) <= 40:  # what nearly all write
            try:
                return (dt.datetime.fromisoformat(value) - EPOCH) // MICROSECOND
            except ValueError:
                return None
        value = value.strip()
        if not value or len(value) > 40:
            return None
        if value[0].isdigit() and value.replace(".", "", 1).isdigit() and len(value) >= 9:
            return time(float(value))
        try:
            moment = dt.datetime.fromisoformat(value.replace("z", "Z"))
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=dt.UTC)
        return (moment - EPOCH) // MICROSECOND
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e17:
        return None
    if abs(value) < 1e11:
        return round(value * MICROS)
    return round(value * 1000) if abs(value) < 1e14 else int(value)


def merged(into: dict[str, Any], name: str, facts: Mapping[str, Any]) -> None:
    """Put what ``facts`` knows under ``into[name]``, without a None among it; nothing when nothing is known."""
    known = {k: v for k, v in facts.items() if v is not None}
    if known:
        present = into.get(name)
        into[name] = {**present, **known} if isinstance(present, dict) else known


def page(url: Any = None, referrer: Any = None, title: Any = None, path: Any = None) -> dict[str, str]:
    """Segment's ``context.page``.

    >>> page("https://shop.fi/hats?utm_source=x", title="Hats")
    {'url': 'https://shop.fi/hats?utm_source=x', 'path': '/hats', 'title': 'Hats'}
    """
    address = text(url)
    place = text(path) or (path_of(address) if address else None)
    found = {"url": address, "path": place, "referrer": text(referrer), "title": text(title)}
    return {k: v for k, v in found.items() if v is not None}


def path_of(url: str) -> str | None:
    """The path part of an address, "/" for a bare host, None where there is none."""
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets that are no IPv6 address
        return None
    return parts.path or ("/" if parts.netloc else None)


def campaign(url: Any) -> dict[str, str]:
    """The campaign that an address names, as Segment's ``context.campaign``.

    >>> campaign("https://shop.fi/?utm_source=meta&utm_campaign=summer"), campaign("https://shop.fi/?pk_kwd=hat")
    ({'source': 'meta', 'name': 'summer'}, {'term': 'hat'})
    """
    address = text(url)
    if not address or "?" not in address:
        return {}
    query = address.partition("?")[2].partition("#")[0]
    return named_campaign(fields(query).items()) if query.count("&") < MOST_FIELDS else {}


def named_campaign(pairs: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """``context.campaign`` from pairs of name and value; names that say no campaign are passed over."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if (meaning := CAMPAIGN.get(name.lower())) and (said := text(value)) and meaning not in found:
            found[meaning] = said
    return found
