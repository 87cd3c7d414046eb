"""Which column is what: by the names that people and tools use, in Finnish and English, and by what stands in them.

Every guess carries its reason and is shown. Where two columns fit as well as each other, or none does, and the import
cannot do without, nothing is guessed: the error names the columns and how to say it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polku.events.times import Order, read_times
from polku.events.values import read_values
from polku.language import N_, translate


@dataclass(frozen=True)
class Choice:
    """A column (or word) chosen for a role, and why."""

    role: str
    column: str
    reason: str
    facts: tuple[tuple[str, str], ...] = ()

    def why(self, language: str = "en") -> str:
        return translate(language, self.reason, **dict(self.facts))


ASKED = N_("asked")
NAMED = N_("by its name")
FILLED = N_("by its name and because it is filled")
READS = N_("by its name and because times stand in it")
CONTENT_TIME = N_("the only column in which times stand")
CONTENT_EMAIL = N_("the only column in which e-mail addresses stand")
CLOCK = N_("a column of dates and one of clock times")
CANONICAL = N_("a column of Polku's own history")

#: For each role, tiers of names: a name of an earlier tier wins; two of the same tier are ambiguous.
NAMES: dict[str, tuple[tuple[str, ...], ...]] = {
    "customer": (
        ("userid", "useridentifier"),
        (
            "customerid",
            "asiakasid",
            "asiakastunnus",
            "asiakasnumero",
            "asiakasnro",
            "customernumber",
            "customerno",
            "custid",
            "kayttajaid",
            "kayttajatunnus",
        ),
        ("customer", "user", "asiakas", "kayttaja"),
        (
            "memberid",
            "jasennumero",
            "jasenid",
            "personid",
            "contactid",
            "profileid",
            "distinctid",
            "subscriberid",
            "clientnumber",
            "uid",
            "knownid",
        ),
        ("email", "emailaddress", "sahkoposti", "sahkopostiosoite"),
        ("caseid", "case", "caseconceptname", "traceid"),
    ),
    "anonymous": (
        ("anonymousid",),
        (
            "anonymous",
            "visitorid",
            "fullvisitorid",
            "userpseudoid",
            "clientid",
            "cookieid",
            "idvisitor",
            "kavijaid",
            "kavijatunnus",
            "evastetunnus",
        ),
        ("visitor", "cookie", "kavija", "deviceid", "laitetunnus"),
    ),
    "event": (
        ("event", "tapahtuma"),
        ("eventname", "tapahtumannimi", "tapahtumanimi"),
        ("eventtype", "tapahtumatyyppi", "eventaction"),
        (
            "activity",
            "activityid",
            "activityname",
            "action",
            "interaction",
            "interactiontype",
            "toiminto",
            "conceptname",
            "tapahtumalaji",
        ),
        ("type", "tyyppi"),
    ),
    "time": (
        ("time", "timestamp", "aika", "aikaleima", "tapahtumaaika"),
        (
            "eventtime",
            "eventtimestamp",
            "eventdatetime",
            "occurredat",
            "happenedat",
            "completetimestamp",
            "timetimestamp",
            "tapahtumahetki",
        ),
        (
            "datetime",
            "ts",
            "unixtime",
            "epoch",
            "invoicedate",
            "orderdate",
            "purchasedate",
            "tilausaika",
            "tilauspaiva",
            "ostoaika",
            "ostopaiva",
            "ajankohta",
        ),
        ("createdat", "created", "sentat", "originaltimestamp", "servertime", "luotu"),
        ("date", "paiva", "pvm", "paivamaara", "eventdate", "day"),
    ),
    "account": (
        (
            "accountid",
            "account",
            "companyid",
            "ytunnus",
            "yritysid",
            "yritystunnus",
            "groupid",
            "organizationid",
            "organisationid",
            "organisaatioid",
        ),
    ),
    "role": (("role", "rooli", "accountrole"),),
    "session": (
        ("sessionid", "usersession", "session", "istunto", "istuntoid", "istuntotunnus"),
        ("visitid", "idvisit", "gasessionid", "kayntiid", "kayntitunnus"),
    ),
    "value": (
        ("value", "arvo"),
        (
            "revenue",
            "eventvalue",
            "ordervalue",
            "conversionvalue",
            "purchaserevenue",
            "liikevaihto",
            "tilauksenarvo",
            "myynti",
        ),
        ("amount", "total", "totalprice", "ordertotal", "grandtotal", "summa", "yhteensa", "loppusumma"),
    ),
    "currency": (("currency", "currencycode", "valuutta"),),
    "source": (("source", "lahde"),),
    "channel": (("channel", "kanava"),),
    "event_id": (("eventid", "messageid", "insertid", "tapahtumaid", "tapahtumatunnus"), ("uuid", "eventuuid")),
    "consent": (("consent", "suostumus"),),
    "received_at": (("receivedat",),),
    "original_event": (("originalevent",),),
    "properties": (("properties", "eventproperties"),),
    "context": (("context",),),
}
REQUIRED = ("customer", "event", "time")
CLOCK_TEXT = r"^\s*(klo\s*)?\d{1,2}[:.]\d{2}([:.]\d{2}([.,]\d+)?)?(\s*[AaPp][Mm])?\s*$"
DATE_TEXT = r"^\s*(\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}[./-]\d{1,2}[./-]\d{1,2}|\d{8})\s*$"
#: Names of a column that holds the clock of a day which stands in another.
CLOCKS = frozenset(
    ("klo", "kello", "kellonaika", "aika", "time", "timeofday", "clock", "clocktime", "hour", "tunti", "eventtime")
)

#: Columns with a place of their own in the context (Segment's layout).
PLACES: dict[str, tuple[str, ...]] = {
    "utmsource": ("campaign", "source"), "utmmedium": ("campaign", "medium"), "utmcampaign": ("campaign", "name"),
    "utmterm": ("campaign", "term"), "utmcontent": ("campaign", "content"),
    "pagepath": ("page", "path"), "pagelocation": ("page", "url"), "pageurl": ("page", "url"),
    "pagetitle": ("page", "title"), "pagereferrer": ("page", "referrer"), "referrer": ("page", "referrer"),
    "useragent": ("userAgent",),
}  # fmt: skip
#: A column ``source`` beside one of these is where the visit came from, not who sent the event.
TRAFFIC = {"source": ("campaign", "source"), "medium": ("campaign", "medium"), "campaign": ("campaign", "name")}
#: In Polku's own export: what it derives anew.
DERIVED = ("seq", "day", "customer", "touchpoint", "stage")
OWN = {"user_id": "customer", "anonymous_id": "anonymous", "account_id": "account", "session_id": "session"} | {
    name: name
    for name in (
        "event_id", "time", "received_at", "event", "original_event", "source", "channel", "value", "currency",
        "consent", "properties", "context",
    )
}  # fmt: skip
TYPES_OF_CALLS = {"track", "page", "screen", "identify", "group", "alias"}


def squeeze(name: str) -> str:
    """A name without case, accents and marks.

    >>> squeeze("Päivä_määrä"), squeeze("$user ID")
    ('paivamaara', 'userid')
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]", "", plain)


def is_own_export(columns: Sequence[str]) -> bool:
    """Whether the columns are those of Polku's history."""
    return {"event_id", "time", "event", "received_at"} <= set(columns)


@dataclass(frozen=True)
class Found:
    """``choices`` by role; ``rivals``: roles where several columns fit equally."""

    choices: dict[str, Choice]
    rivals: dict[str, tuple[str, ...]]


def guess(columns: Sequence[str], sample: pa.Table, taken: Sequence[str] = ()) -> Found:
    """Choices for the roles that nobody asked for; ``taken`` columns are spoken for."""
    free = [c for c in columns if c not in taken]
    choices: dict[str, Choice] = {}
    rivals: dict[str, tuple[str, ...]] = {}
    if is_own_export(columns):
        for column in free:
            if (role := OWN.get(column)) is not None:
                choices[role] = Choice(role, column, CANONICAL)
        return Found(choices, rivals)
    names = {c: squeeze(c) for c in free}
    traffic = {"source"} if any(n in ("medium", "campaign") for n in names.values()) else set()
    for role, tiers in NAMES.items():
        if role in traffic:
            continue
        for tier in tiers:
            fitting = [c for c in free if names[c] in tier and not any(ch.column == c for ch in choices.values())]
            fitting = [c for c in fitting if fits(role, sample, c)]
            if not fitting:
                continue
            if len(fitting) > 1:
                narrowed = _narrow(role, sample, fitting)
                if len(narrowed) != 1:
                    rivals[role] = tuple(fitting)
                    break
                choices[role] = Choice(role, narrowed[0], READS if role == "time" else FILLED)
            else:
                choices[role] = Choice(role, fitting[0], NAMED)
            break
    if "time" in choices:
        whole = _whole_time(choices["time"].column, free, names, sample, [c.column for c in choices.values()])
        if whole is None:
            del choices["time"]
        elif whole != choices["time"].column:
            choices["time"] = Choice("time", whole, CLOCK)
    if "time" not in choices and "time" not in rivals:
        by_content = [
            c for c in free if not any(ch.column == c for ch in choices.values()) and _are_times(sample.column(c))
        ]
        if len(by_content) == 1:
            choices["time"] = Choice("time", by_content[0], CONTENT_TIME)
        elif by_content:
            rivals["time"] = tuple(by_content)
    if not {"customer", "anonymous", "account"} & (choices.keys() | rivals.keys()):
        mails = [c for c in free if _are_mails(sample.column(c))]
        if len(mails) == 1:
            choices["customer"] = Choice("customer", mails[0], CONTENT_EMAIL)
    if "role" in choices and "account" not in choices:
        del choices["role"]
    return Found(choices, rivals)


def places(columns: Sequence[str], taken: Sequence[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Columns that belong to the context by their names: campaign and page."""
    names = {c: squeeze(c) for c in columns if c not in taken}
    found = [(c, PLACES[n]) for c, n in names.items() if n in PLACES]
    if any(n in ("medium", "campaign") for n in names.values()):
        there = {p for _, p in found}
        found += [(c, TRAFFIC[n]) for c, n in names.items() if n in TRAFFIC and TRAFFIC[n] not in there]
    first: dict[tuple[str, ...], str] = {}
    for column, place in found:
        first.setdefault(place, column)
    return tuple((column, place) for place, column in first.items())


def fits(role: str, sample: pa.Table, column: str) -> bool:
    """Whether what stands in the column can play the role."""
    values = _filled(sample.column(column))
    if role in ("customer", "event", "time", "anonymous", "session", "account"):
        if pa.types.is_nested(values.type) or pa.types.is_boolean(values.type):
            return False
        return role != "event" or not pa.types.is_temporal(values.type)
    if not len(values):
        return role not in ("properties", "context")
    if role == "value":
        if pa.types.is_nested(values.type) or pa.types.is_temporal(values.type):
            return False
        # a handful of rows (such as refused ones) tells less than the name does
        return len(values) < 20 or bool((read_values(values, ".").refused == 0).mean() > 0.5)
    if role == "event_id":
        return len(values) < 100 or pc.count_distinct(values).as_py() > 0.5 * len(values)
    if role in ("properties", "context"):
        if pa.types.is_struct(values.type) or pa.types.is_map(values.type):
            return True
        return pa.types.is_string(values.type) and all(
            v.lstrip().startswith("{") for v in values.slice(0, 100).to_pylist()
        )
    if role == "received_at":
        return _are_times(sample.column(column))
    return not pa.types.is_nested(values.type)


def _filled(values: pa.ChunkedArray) -> pa.Array:
    whole = values.combine_chunks()
    if pa.types.is_dictionary(whole.type):
        whole = whole.dictionary_decode()
    return whole.drop_null()


def _narrow(role: str, sample: pa.Table, columns: Sequence[str]) -> list[str]:
    if role == "time":
        return [c for c in columns if _are_times(sample.column(c))]
    return [c for c in columns if sample.column(c).null_count < len(sample)] if len(sample) else list(columns)


def _are_times(values: pa.ChunkedArray) -> bool:
    """Whether nearly all that stands in the column are dates or times (plain numbers do not count)."""
    filled = _filled(values)
    if pa.types.is_timestamp(filled.type) or pa.types.is_date(filled.type):
        return True
    if not pa.types.is_string(filled.type) or not len(filled):
        return False
    read = read_times(filled, "UTC", 2**62, Order.DAY_FIRST)
    other = read_times(filled, "UTC", 2**62, Order.MONTH_FIRST)
    numbers = np.asarray(pc.match_substring_regex(filled, r"^\s*\d+([.,]\d+)?\s*$"), dtype=np.bool_)
    readable = ((read.refused == 0) | (other.refused == 0)) & ~numbers
    return bool(readable.mean() > 0.9)


def _whole_time(
    column: str, free: Sequence[str], names: dict[str, str], sample: pa.Table, spoken_for: Sequence[str]
) -> str | None:
    """``date+clock`` where the column of the time tells only one of them and one other column tells the other.

    None where it tells the clock only, and no column the day.
    """
    others = [c for c in free if c not in spoken_for]
    if _clock_only(sample.column(column)):
        dates = [c for c in others if names[c] in NAMES["time"][-1]]
        return f"{dates[0]}+{column}" if len(dates) == 1 else None
    if _date_only(sample.column(column)):
        clocks = [c for c in others if names[c] in CLOCKS and _clock_only(sample.column(c))]
        return f"{column}+{clocks[0]}" if len(clocks) == 1 else column
    return column


def _clock_only(values: pa.ChunkedArray) -> bool:
    filled = _filled(values)
    if pa.types.is_time(filled.type):
        return True
    if not pa.types.is_string(filled.type) or not len(filled):
        return False
    return bool(np.asarray(pc.match_substring_regex(filled, CLOCK_TEXT), dtype=np.bool_).mean() > 0.9)


def _date_only(values: pa.ChunkedArray) -> bool:
    filled = _filled(values)
    if pa.types.is_date(filled.type):
        return True
    if not pa.types.is_string(filled.type) or not len(filled):
        return False
    return bool(np.asarray(pc.match_substring_regex(filled, DATE_TEXT), dtype=np.bool_).mean() > 0.9)


def _are_mails(values: pa.ChunkedArray) -> bool:
    filled = _filled(values)
    if not pa.types.is_string(filled.type) or not len(filled):
        return False
    return bool(
        np.asarray(pc.match_substring_regex(filled, r"^\s*[^@\s]+@[^@\s]+\.[^@\s]+\s*$"), dtype=np.bool_).mean() > 0.9
    )
