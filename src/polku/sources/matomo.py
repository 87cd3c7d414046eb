"""Matomo's tracking API: matomo.js, the PHP and Node trackers, plug-ins of shops, single requests and bulk.

One request is one event, but for a page view that says which product it shows: that is a page view and Product Viewed.

| request | event (its name in Matomo is kept as the original) |
|---|---|
| nothing else | page |
| ``_pks`` or ``_pkn`` | page, and Product Viewed; with ``_pkc`` alone page, and Product List Viewed |
| ``idgoal=0`` with ``ec_id`` | Order Completed; ``revenue`` is the total, the value the total without tax, shipping |
| ``idgoal=0`` without ``ec_id`` | Product Added with the whole cart as ``products``; Product Removed when it is empty |
| ``idgoal`` over 0 | Goal Reached, ``properties.goal`` its number |
| ``e_c``, ``e_a`` | the action's own name, with category, name and value as properties |
| ``search`` | Searched, with ``query``, ``category`` and ``results`` |
| ``link``, ``download`` | Link Clicked, File Downloaded |
| ``c_n`` | Promotion Viewed; with ``c_i`` Promotion Clicked |
| ``ping=1`` | none: it says only that the page is still open |
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

from polku.errors import Unreadable
from polku.events.arrival import Arrival, Call, Dropped, Outcome, Parsed, Reply
from polku.events.refusals import Refusal
from polku.language import N_
from polku.sources import commerce, reading

NAME = "matomo"
PATHS: tuple[str, ...] = ("/matomo.php", "/piwik.php", "/matomo/matomo.php", "/piwik/piwik.php")
METHODS: tuple[str, ...] = ("GET", "POST", "HEAD")
MOST_BYTES: int = 10 * 1024 * 1024
#: A time of the sender's own that is older needs a key (``token_auth``), as in Matomo.
DAY = 24 * 3600 * reading.MICROS
GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
NEVER_KEPT = (("Cache-Control", "no-store"),)
#: Load times of a page view, in milliseconds.
TIMINGS = ("pf_net", "pf_srv", "pf_tfr", "pf_dm1", "pf_dm2", "pf_onl")
Fields = dict[str, Any]


def parse(call: Call) -> Parsed:
    """The events of a request, single or bulk. Raises Unreadable.

    >>> query = "idsite=1&rec=1&url=https%3A%2F%2Fshop.fi%2F&action_name=Shop&_id=0123456789abcdef"
    >>> parse(Call(method="GET", path="/matomo.php", query=query)).events[0].anonymous_id
    '0123456789abcdef'
    """
    query: Fields = dict(reading.fields(call.query))
    body = call.body.strip()
    if body[:1] in (b"{", b"["):
        return _bulk(call, query, reading.decoded(body))
    given = query | (reading.form(body) if body else {})
    parsed = Parsed(key=_key(given), site=reading.text(given.get("idsite")), replies={"pixel": _pixel(given)})
    if not given:
        return parsed  # somebody looks whether the door is there
    if parsed.site is None:
        raise Unreadable(N_("The parameter {parameter} is missing."), parameter="idsite")
    raw = reading.encoded({k: v for k, v in given.items() if k != "token_auth"})
    _take(parsed, given, raw, 0, call, parsed.key is not None)
    return parsed


def _key(given: Fields) -> str | None:
    return reading.text(given.get("token_auth"))


def _pixel(given: Fields) -> bool:
    return str(given.get("send_image", "1")) != "0"


def _bulk(call: Call, query: Fields, data: Any) -> Parsed:
    requests = data.get("requests") if isinstance(data, dict) else data
    if not isinstance(requests, list):
        raise Unreadable(N_("The body has no list {name}."), name="requests")
    whole: Fields = data if isinstance(data, dict) else {}
    parsed = Parsed(key=_key(whole) or _key(query), replies={"bulk": len(requests)})
    for place, request in enumerate(requests):
        if isinstance(request, str):
            given: Fields = dict(reading.fields(request.rpartition("?")[2] if "?" in request[:200] else request))
        elif isinstance(request, dict):
            given = {str(k): v for k, v in request.items()}
        else:
            parsed.dropped.append(Dropped(reason=Refusal.NOT_AN_OBJECT, raw=reading.encoded(request), place=place))
            continue
        raw = reading.encoded({k: v for k, v in given.items() if k != "token_auth"})
        site = reading.text(given.get("idsite"))
        parsed.key, parsed.site = parsed.key or _key(given), parsed.site or site
        if site is None or site != parsed.site:
            reason = Refusal.NO_SOURCE if site is None else Refusal.OTHER_SITE
            parsed.dropped.append(Dropped(reason=reason, raw=raw, place=place))
            continue
        _take(parsed, given, raw, place, call, parsed.key is not None)
    if parsed.site is None and requests:
        raise Unreadable(N_("The parameter {parameter} is missing."), parameter="idsite")
    return parsed


def _take(parsed: Parsed, given: Fields, raw: bytes, place: int, call: Call, keyed: bool) -> None:
    """Add what one request is to ``parsed``; ``keyed``: it carries a key, which the door finds right or refuses."""
    if str(given.get("ping", "0")) == "1":
        return
    time = None
    if said := given.get("cdt"):
        time = reading.time(said)
        if time is None:
            parsed.dropped.append(Dropped(reason=Refusal.UNREADABLE_TIME, raw=raw, place=place))
            return
        if time < call.received_at - DAY and not keyed:
            parsed.dropped.append(Dropped(reason=Refusal.UNPROVEN_TIME, raw=raw, place=place))
            return
    made = list(_events(given))
    if not made:
        parsed.dropped.append(Dropped(reason=Refusal.NO_EVENT, raw=raw, place=place))
    mark = _mark(given)
    for number, arrival in enumerate(made):
        arrival.time = time
        arrival.message_id = f"{mark}.{number}" if mark else None
        _who(arrival, given)
        _context(arrival, given, call, keyed)
        parsed.events.append(arrival)
        parsed.places.append(place)


def _mark(given: Fields) -> str | None:
    """What tells a request from every other, so that one sent twice by a browser or a proxy counts once: None where a
    request has too little of its own (many scripts write the same ``rand`` each time)."""
    rand = str(given.get("rand", ""))
    if len(rand) < 4 or not (given.get("pv_id") or given.get("cdt") or {"h", "m", "s"} <= given.keys()):
        return None
    told = sorted(
        (str(k), str(v)) for k, v in given.items() if k not in ("token_auth", "cdt", "send_image", "queuedtracking")
    )
    return "m" + base64.urlsafe_b64encode(hashlib.sha256(repr(told).encode("utf-8", "replace")).digest()[:15]).decode()


def _events(given: Fields) -> Iterator[Arrival]:
    """What one request tells, in Matomo's words for it; the mover gives canonical names."""
    extra = {str(k): v for k, v in given.items() if str(k).startswith("dimension") and str(k)[9:].isdigit()}
    extra.update(_variables(given.get("cvar")))
    goal = reading.text(given.get("idgoal"))
    if goal == "0":
        yield _commerce(given, extra)
    elif goal is not None:
        revenue = reading.text(given.get("revenue"))
        facts = {"goal": goal, "revenue": revenue if (read := reading.amount(revenue)) is None else read}
        yield Arrival(event="Goal Reached", properties=_known(facts) | extra, value=read)
    elif given.get("e_c") or given.get("e_a"):
        facts = {"category": given.get("e_c"), "name": given.get("e_n"), "value": reading.number(given.get("e_v"))}
        name = reading.text(given.get("e_a")) or reading.text(given.get("e_c"))
        if name is not None:
            yield Arrival(event=name, properties=_known(facts) | extra)
    elif "search" in given:
        facts = {
            "query": reading.text(given["search"]), "category": reading.text(given.get("search_cat")),
            "results": reading.number(given.get("search_count")),
        }  # fmt: skip
        yield Arrival(event="site search", properties=_known(facts) | extra)
    elif given.get("download"):
        yield Arrival(event="download", properties={"url": given["download"], **extra})
    elif given.get("link"):
        yield Arrival(event="outlink", properties={"url": given["link"], **extra})
    elif given.get("c_n"):
        facts = {
            "name": given["c_n"],
            "creative": given.get("c_p"),
            "target": given.get("c_t"),
            "action": given.get("c_i"),
        }
        event = "content interaction" if given.get("c_i") else "content impression"
        yield Arrival(event=event, properties=_known(facts) | extra)
    elif str(given.get("ca", "0")) != "1" and (given.get("url") or given.get("action_name")):
        spent = [n for name in TIMINGS if (n := reading.number(given.get(name))) is not None]
        timing = sum(spent) if spent else reading.number(given.get("gt_ms"))
        facts = {"load_ms": timing, "page_view_id": reading.text(given.get("pv_id"))}
        yield Arrival(event="page", kind="page", properties=_known(facts) | extra)
        yield from _shown(given)


def _shown(given: Fields) -> Iterator[Arrival]:
    """The product or category that a page view shows."""
    product = commerce.matomo_product({w: given[k] for k, w in commerce.MATOMO_PRODUCT.items() if given.get(k)})
    if "sku" in product or "name" in product:
        yield Arrival(event="Product Viewed", properties=product)
    elif "category" in product:
        yield Arrival(event="Product List Viewed", properties=product)


def _commerce(given: Fields, extra: dict[str, Any]) -> Arrival:
    """An order, or the cart as it now is."""
    items = given.get("ec_items")
    if isinstance(items, str):
        try:
            items = reading.decoded(items.encode("utf-8", "replace"))
        except Unreadable:
            extra = {**extra, "ec_items": items}  # kept as it came: an order counts even where its lines are unreadable
            items = None
    properties: dict[str, Any] = {}
    for name, word in commerce.MATOMO_ORDER.items():
        found = reading.text(given.get(name)) if word == "order_id" else reading.amount(given.get(name))
        if found is not None:
            properties[word] = found
        elif (unreadable := reading.text(given.get(name))) is not None:
            extra = {**extra, "revenue": unreadable}  # the door refuses it: what the order is worth is not known
    if isinstance(items, list):
        properties["products"] = commerce.matomo_products(items)
    properties |= extra
    if "order_id" not in properties:
        empty = isinstance(items, list) and not items
        return Arrival(event="ecommerce cart emptied" if empty else "ecommerce cart update", properties=properties)
    total = properties.get("total")
    if total is not None and "revenue" not in properties:
        properties["revenue"] = round(total - properties.get("tax", 0.0) - properties.get("shipping", 0.0), 6)
    return Arrival(event="ecommerce order", properties=properties, value=reading.worth(properties))


def _known(facts: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in facts.items() if v is not None and v != ""}


def _variables(given: Any) -> dict[str, Any]:
    """Custom variables: ``{"1": ["name", "value"]}``, as JSON or decoded."""
    if isinstance(given, str) and given:
        try:
            given = reading.decoded(given.encode("utf-8", "replace"))
        except Unreadable:
            return {"cvar": given}
    pairs = given.values() if isinstance(given, dict) else ()
    return {str(p[0]): p[1] for p in pairs if isinstance(p, list) and len(p) == 2 and reading.text(p[0])}


def _who(arrival: Arrival, given: Fields) -> None:
    arrival.user_id = reading.text(given.get("uid"))
    arrival.anonymous_id = reading.text(given.get("cid")) or reading.text(given.get("_id"))
    if traits := _variables(given.get("_cvar")):
        arrival.context["traits"] = traits


def _context(arrival: Arrival, given: Fields, call: Call, keyed: bool) -> None:
    context, url = arrival.context, given.get("url")
    title = given.get("action_name") if arrival.kind == "page" else None
    if page := reading.page(url, given.get("urlref"), title):
        context["page"] = page
    remembered = {"name": reading.text(given.get("_rcn")), "term": reading.text(given.get("_rck"))}
    if named := reading.campaign(url) or _known(remembered):
        context["campaign"] = named
    agent = given.get("ua")
    if not isinstance(agent, str) or not agent:
        agent = call.headers.get("user-agent")
    if agent and str(given.get("bots", "0")) != "1":  # bots=1 asks that robots be kept
        context["userAgent"] = agent
    if language := reading.text(given.get("lang")) or call.headers.get("accept-language"):
        context["locale"] = language.partition(",")[0].partition(";")[0]
    width, _, height = str(given.get("res", "")).partition("x")
    reading.merged(context, "screen", {"width": reading.number(width), "height": reading.number(height)})
    if str(given.get("new_visit", "0")) == "1":
        context["new_visit"] = True
    context["ip"] = call.address
    if keyed:
        if address := reading.text(given.get("cip")):
            context["ip"] = address
        reading.merged(
            context, "location", {word: reading.text(given.get(word)) for word in ("country", "region", "city")}
        )
    if not context["ip"]:
        del context["ip"]
    arrival.channel = "web" if page else None


# -- answers ----------------------------------------------------------------------------------------------------------


def reply(call: Call, parsed: Parsed, outcome: Outcome) -> Reply:
    """A pixel, 204 where none is wanted (``send_image=0``), or what bulk tells."""
    if (asked := parsed.replies.get("bulk")) is not None:
        invalid = sorted({d.place for d in outcome.refused})
        answer = {
            "status": "success",
            "tracked": asked - len(invalid),
            "invalid": len(invalid),
            "invalid_indices": invalid,
        }
        return Reply(body=reading.encoded(answer))
    if not parsed.replies.get("pixel", True):
        return Reply(status=204, content_type="image/gif", headers=NEVER_KEPT)
    return Reply(body=GIF, content_type="image/gif", headers=NEVER_KEPT)


def refuse(call: Call, status: int, code: str, message: str) -> Reply:
    """An error as Matomo's trackers read it."""
    body = {"status": "error", "tracked": 0, "code": code, "message": message}
    return Reply(status=status, body=reading.encoded(body))
