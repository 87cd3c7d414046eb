"""Google Analytics 4's Measurement Protocol: servers, tag managers' server containers, ga4mp.

What an event becomes: its parameters are properties under the canonical names (``transaction_id`` is ``order_id``,
``items`` are ``products``; ``commerce.GA4_ORDER`` has them all), ``page_*`` is ``context.page``, ``user_properties``
are traits, ``consent`` is ``context.consent``. A name that begins with an underscore is Google's own and not taken.
``/debug/mp/collect`` says what Google would not take, and stores nothing.
"""

from __future__ import annotations

import re
from typing import Any

from polku.errors import Unreadable
from polku.events.arrival import Arrival, Call, Dropped, Kind, Outcome, Parsed, Reply
from polku.events.refusals import Refusal
from polku.language import N_
from polku.sources import commerce, reading

NAME = "ga4"
COLLECT, DEBUG = "/mp/collect", "/debug/mp/collect"
PATHS: tuple[str, ...] = (COLLECT, DEBUG)
METHODS: tuple[str, ...] = ("POST",)
MOST_BYTES: int = 130 * 1024
#: Google takes no more events in one request.
MOST_EVENTS = 25
MOST_PARAMETERS = 25
KINDS: dict[str, Kind] = {"page_view": "page", "screen_view": "screen"}
#: Parameters that go to the context or a column.
TAKEN = frozenset({
    "page_location", "page_referrer", "page_title", "page_path", "session_id", "ga_session_id", "user_agent",
    "language", "screen_resolution", "campaign", "source", "medium", "term", "content", "campaign_id",
})  # fmt: skip
CAMPAIGN = {
    "campaign": "name",
    "source": "source",
    "medium": "medium",
    "term": "term",
    "content": "content",
    "campaign_id": "id",
}
#: What GA4's consent is called among Polku's purposes.
PURPOSES = {"ad_user_data": "ads", "ad_personalization": "personalisation"}
NAMED = re.compile(r"^[A-Za-z][A-Za-z0-9_]*$")
#: Names that Google keeps for itself.
RESERVED = frozenset({
    "ad_activeview", "ad_click", "ad_exposure", "ad_query", "ad_reward", "adunit_exposure", "app_clear_data",
    "app_exception", "app_install", "app_remove", "app_store_refund", "app_update", "app_upgrade",
    "dynamic_link_app_open", "dynamic_link_app_update", "dynamic_link_first_open", "error", "firebase_campaign",
    "firebase_in_app_message_action", "firebase_in_app_message_dismiss", "firebase_in_app_message_impression",
    "first_open", "first_visit", "in_app_purchase", "notification_dismiss", "notification_foreground",
    "notification_open", "notification_receive", "notification_send", "os_update", "session_start",
    "user_engagement",
})  # fmt: skip


def parse(call: Call) -> Parsed:
    """The events of a request. Raises Unreadable.

    >>> body = b'{"client_id":"1.2","events":[{"name":"purchase","params":{"transaction_id":"7","value":20}}]}'
    >>> parse(Call(method="POST", path="/mp/collect", query="api_secret=k", body=body)).events[0].properties
    {'order_id': '7', 'revenue': 20}
    """
    query = reading.fields(call.query)
    parsed = Parsed(
        key=reading.text(query.get("api_secret")),
        site=reading.text(query.get("measurement_id")) or reading.text(query.get("firebase_app_id")),
    )
    data = reading.decoded(call.body) if call.body.strip() else {}
    if call.path == DEBUG:
        parsed.replies["messages"] = list(messages(query, data))
        return parsed
    if not isinstance(data, dict):
        raise Unreadable(N_("The body is not a JSON object."))
    events = data.get("events")
    if isinstance(events, dict):  # ga4mp's postponed_send sends the event itself
        events = [events]
    if not isinstance(events, list):
        raise Unreadable(N_("The body has no list of events."))
    for place, event in enumerate(events):
        made = Refusal.TOO_MANY if place >= MOST_EVENTS else _event(data, event)
        if isinstance(made, Refusal):
            parsed.dropped.append(Dropped(reason=made, raw=reading.encoded(event), place=place))
            continue
        parsed.events.append(made)
        parsed.places.append(place)
    return parsed


def _event(request: dict[str, Any], event: Any) -> Arrival | Refusal:
    if not isinstance(event, dict):
        return Refusal.NOT_AN_OBJECT
    name = reading.text(event.get("name"))
    if name is None:
        return Refusal.NO_EVENT
    params = event.get("params", {})
    if not isinstance(params, dict):
        return Refusal.BAD_PROPERTIES
    arrival = Arrival(
        event=name,
        kind=KINDS.get(name, "track"),
        anonymous_id=reading.text(request.get("client_id")) or reading.text(request.get("app_instance_id")),
        user_id=reading.text(request.get("user_id")),
        session_id=reading.text(params.get("session_id")) or reading.text(params.get("ga_session_id")),
        value=reading.number(params.get("value")),
        currency=reading.currency(params.get("currency")),
        channel="app" if "app_instance_id" in request else None,
    )
    when = event.get("timestamp_micros", request.get("timestamp_micros"))
    if when is not None:
        arrival.time = _micros(when)
        if arrival.time is None:
            return Refusal.UNREADABLE_TIME
    arrival.properties = commerce.order({k: v for k, v in params.items() if k not in TAKEN}, commerce.GA4_ORDER)
    if name != "purchase" and "revenue" in arrival.properties and "value" in params:
        arrival.properties["value"] = arrival.properties.pop("revenue")  # what a cart or a lead is worth is no revenue
    commerce.one_product(name, arrival.properties)
    _context(arrival, request, params)
    return arrival


def _micros(value: Any) -> int | None:
    """Microseconds, as a number or a text of one; a value of a date or of seconds is a mistake that Google refuses."""
    found = reading.number(value)
    return None if found is None or not 1e14 <= found < 1e17 else int(value) if isinstance(value, int) else int(found)


def _context(arrival: Arrival, request: dict[str, Any], params: dict[str, Any]) -> None:
    page = reading.page(
        params.get("page_location"), params.get("page_referrer"), params.get("page_title"), params.get("page_path")
    )
    if page:
        arrival.context["page"] = page
        arrival.channel = arrival.channel or "web"
    named = {word: v for name, word in CAMPAIGN.items() if (v := reading.text(params.get(name)))}
    if found := named if named.keys() & {"name", "source"} else reading.campaign(params.get("page_location")):
        arrival.context["campaign"] = found
    device = request.get("device")
    facts = device if isinstance(device, dict) else {}
    agent = params.get("user_agent") or request.get("user_agent")
    for word, value in (
        ("userAgent", agent), ("locale", params.get("language") or facts.get("language")),
        ("ip", request.get("ip_override")),
    ):  # fmt: skip
        if said := reading.text(value):
            arrival.context[word] = said
    reading.merged(arrival.context, "device", {
        "type": reading.text(facts.get("category")), "os": reading.text(facts.get("operating_system")),
        "os_version": reading.text(facts.get("operating_system_version")),
        "browser": reading.text(facts.get("browser")),
        "browser_version": reading.text(facts.get("browser_version")), "model": reading.text(facts.get("model")),
        "manufacturer": reading.text(facts.get("brand")),
    })  # fmt: skip
    place = request.get("user_location")
    if isinstance(place, dict):
        reading.merged(arrival.context, "location", {
            "city": reading.text(place.get("city")), "region": reading.text(place.get("region_id")),
            "country": reading.text(place.get("country_id")),
        })  # fmt: skip
    properties = request.get("user_properties")
    if isinstance(properties, dict):
        traits = {k: v["value"] if isinstance(v, dict) and "value" in v else v for k, v in properties.items()}
        if traits:
            arrival.context["traits"] = traits
    consent = request.get("consent")
    if isinstance(consent, dict):
        given = {
            PURPOSES[k]: v == "GRANTED" for k, v in consent.items() if k in PURPOSES and v in ("GRANTED", "DENIED")
        }
        if given:
            arrival.context["consent"] = {"categoryPreferences": given}


# -- what Google would say -------------------------------------------------------------------------------------------


def messages(query: dict[str, str], data: Any) -> list[dict[str, str]]:
    """What ``/debug/mp/collect`` answers: each fault with the field, a description, and Google's code of it."""
    found: list[dict[str, str]] = []

    def tell(field: str, code: str, description: str) -> None:
        found.append({"fieldPath": field, "description": description, "validationCode": code})

    if not reading.text(query.get("measurement_id")) and not reading.text(query.get("firebase_app_id")):
        tell(
            "measurement_id", "VALUE_REQUIRED", "One of measurement_id and firebase_app_id is required in the address."
        )
    if not reading.text(query.get("api_secret")):
        tell("api_secret", "VALUE_REQUIRED", "api_secret (a write key of this project) is required in the address.")
    if not isinstance(data, dict):
        tell("", "VALUE_INVALID", "The body is not a JSON object.")
        return found
    if not reading.text(data.get("client_id")) and not reading.text(data.get("app_instance_id")):
        tell("client_id", "VALUE_REQUIRED", "Measurement requires a client_id.")
    if "timestamp_micros" in data and _micros(data["timestamp_micros"]) is None:
        tell("timestamp_micros", "VALUE_INVALID", "timestamp_micros is not a number of microseconds since 1970.")
    events = data.get("events")
    if not isinstance(events, list) or not events:
        tell("events", "VALUE_REQUIRED", "The list of events is missing or empty.")
        return found
    if len(events) > MOST_EVENTS:
        tell(
            "events",
            "EXCEEDED_MAX_ENTITIES",
            f"A request may have at most {MOST_EVENTS} events, this has {len(events)}.",
        )
    for at, event in enumerate(events):
        _tell_event(f"events[{at}]", at, event, tell)
    return found


def _tell_event(field: str, at: int, event: Any, tell: Any) -> None:
    name = event.get("name") if isinstance(event, dict) else None
    if not isinstance(event, dict) or not isinstance(name, str) or not name:
        tell(field, "VALUE_REQUIRED", f"Event at index: [{at}] has no name.")
        return
    if name in RESERVED:
        tell(field, "NAME_RESERVED", f"Event at index: [{at}] has name [{name}] which is reserved.")
    elif not NAMED.match(name):
        said = "Names must start with an alphabetic character and hold only letters, digits and underscores."
        tell(field, "NAME_INVALID", f"Event at index: [{at}] has invalid name [{name}]. {said}")
    elif len(name) > 40:
        tell(field, "NAME_INVALID", f"Event at index: [{at}] has a name of {len(name)} characters; 40 are the most.")
    params = event.get("params", {})
    if not isinstance(params, dict):
        tell(f"{field}.params", "VALUE_INVALID", f"Event at index: [{at}] has params that are not an object.")
        return
    if len(params) > MOST_PARAMETERS:
        said = f"Event at index: [{at}] has {len(params)} parameters; {MOST_PARAMETERS} are the most."
        tell(f"{field}.params", "EXCEEDED_MAX_ENTITIES", said)
    for parameter in params:
        if not NAMED.match(parameter):
            said = f"Event at index: [{at}] has a parameter with invalid name [{parameter}]."
            tell(f"{field}.params.{parameter}", "NAME_INVALID", said)
    if "currency" in params and reading.currency(params["currency"]) is None:
        said = f"Event at index: [{at}] has a currency that is not a code of ISO 4217."
        tell(f"{field}.params.currency", "VALUE_INVALID", said)
    if "value" in params and reading.number(params["value"]) is None:
        tell(f"{field}.params.value", "VALUE_INVALID", f"Event at index: [{at}] has a value that is not a number.")
    elif "value" in params and "currency" not in params:
        tell(f"{field}.params.currency", "VALUE_REQUIRED", f"Event at index: [{at}] has a value without a currency.")


# -- answers ----------------------------------------------------------------------------------------------------------


def reply(call: Call, parsed: Parsed, outcome: Outcome) -> Reply:
    """204 as Google answers; the debugging door tells what it found."""
    if call.path == DEBUG:
        return Reply(body=reading.encoded({"validationMessages": parsed.replies["messages"]}))
    return Reply(status=204, content_type="text/plain")


def refuse(call: Call, status: int, code: str, message: str) -> Reply:
    """204 for whatever is wrong with the request, because no client of Google's looks for anything else (ga4mp ends
    in an exception); 429 and 503 stay, so that a sender knows that it was not taken and can send again."""
    if call.path == DEBUG:
        told = {"fieldPath": "", "description": message, "validationCode": "VALUE_INVALID"}
        return Reply(body=reading.encoded({"validationMessages": [told]}))
    if status in (429, 503):
        return Reply(status=status, body=reading.encoded({"code": code, "message": message}))
    return Reply(status=204, content_type="text/plain")
