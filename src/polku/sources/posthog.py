"""PostHog's capture protocol: posthog-js, posthog-python, posthog-node and the mobile libraries.

What an event becomes: ``$pageview`` a page view, ``$identify`` and ``$set`` identify, ``$groupidentify`` group,
``$create_alias`` alias; ``$set`` and ``$set_once`` traits; ``$current_url``, ``$referrer`` and the utm parameters
``context.page`` and ``context.campaign``; the rest of the properties stay under their names. A ``distinct_id`` is a
user's id unless the library says that nobody has been identified yet: then it is anonymous.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from polku.errors import Unreadable
from polku.events.arrival import Arrival, Call, Dropped, Kind, Outcome, Parsed, Reply
from polku.events.refusals import Refusal
from polku.language import N_
from polku.sources import reading

NAME = "posthog"
CAPTURE = ("/i/v0/e", "/batch", "/capture", "/track", "/engage", "/e", "/i/v0/ai/batch")
CAPTURE_V1 = "/i/v1/analytics/events"
FLAGS = ("/flags", "/decide")
#: Recordings of the screen, which Polku does not take: answered, so that the library stays quiet.
RECORDINGS = ("/s", "/i/v0/s")
CONFIG = "/array/"
PATHS: tuple[str, ...] = (
    *(path + end for path in (*CAPTURE, CAPTURE_V1, *FLAGS, *RECORDINGS) for end in ("", "/")),
    CONFIG + "*",
)
METHODS: tuple[str, ...] = ("GET", "POST")
MOST_BYTES: int = reading.MOST_UNPACKED

KINDS: dict[str, tuple[str, Kind]] = {
    "$pageview": ("$pageview", "page"),
    "$screen": ("screen", "screen"),
    "$identify": ("identify", "identify"),
    "$set": ("identify", "identify"),
    "$groupidentify": ("group", "group"),
    "$create_alias": ("alias", "alias"),
    "$merge_dangerously": ("alias", "alias"),
}
#: Properties that are read into a column or the context, or that carry nothing about the customer.
TAKEN = frozenset({
    "token", "distinct_id", "alias", "$set", "$set_once", "$anon_distinct_id", "$device_id", "$user_id",
    "$is_identified", "$session_id", "$current_url", "$pathname", "$host", "$referrer", "$referring_domain", "title",
    "$raw_user_agent", "$user_agent", "$lib", "$lib_version", "$ip", "$groups", "$group_type", "$group_key",
    "$group_set", "$os", "$os_version", "$browser", "$browser_version", "$browser_language", "$device",
    "$device_type", "$device_manufacturer", "$device_model", "$screen_height", "$screen_width", "$viewport_height",
    "$viewport_width", "$timezone", "$insert_id", "$time", "$process_person_profile", "$geoip_disable", "$is_server",
    "$configured_session_timeout_ms", "$sdk_debug_retry_queue_size", "$config_defaults",
})  # fmt: skip
DEVICE = {
    "$os": "os", "$os_version": "os_version", "$browser": "browser", "$browser_version": "browser_version",
    "$device_type": "type", "$device_manufacturer": "manufacturer", "$device_model": "model",
}  # fmt: skip
SCREEN = {"$screen_width": "width", "$screen_height": "height"}
#: Groups that are the account a customer acts for, the likeliest first.
ACCOUNTS = ("company", "account", "organization", "organisation", "customer", "team", "workspace")
#: An id that a library made up for somebody who has none.
UUID = re.compile(r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
APPS = ("posthog-ios", "posthog-android", "posthog-react-native", "posthog-flutter")


def parse(call: Call) -> Parsed:
    """The events of a request to any of PATHS. Raises Unreadable.

    >>> body = b'{"api_key":"k","event":"$pageview","distinct_id":"u1","properties":{"$current_url":"https://a.fi/b"}}'
    >>> parse(Call(method="POST", path="/i/v0/e/", body=body)).events[0].context["page"]["path"]
    '/b'
    """
    query = reading.fields(call.query)
    key = _bearer(call) or reading.text(query.get("api_key")) or reading.text(query.get("token"))
    path = call.path.rstrip("/")
    if call.path.startswith(CONFIG):
        return Parsed(key=call.path.removeprefix(CONFIG).partition("/")[0])
    if path in (*FLAGS, *RECORDINGS):
        return Parsed(key=key)
    if call.method == "GET" and "data" not in query:
        return Parsed(key=key)  # somebody looks whether the door is there
    return _Request(call, query, _body(call, query), key).parsed()


def _bearer(call: Call) -> str | None:
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _body(call: Call, query: dict[str, str]) -> Any:
    """What the request carries, decoded."""
    body, packing = call.body, query.get("compression", "")
    if call.method == "GET" or not body:
        if "data" not in query:
            raise Unreadable(N_("The body is empty."))
        body = query["data"].encode("utf-8", "replace")
    elif call.headers.get("content-type", "").startswith("application/x-www-form-urlencoded") or body[:5] == b"data=":
        filled = reading.form(body)
        if "data" not in filled:
            raise Unreadable(N_("The form has no field {field}."), field="data")
        body, packing = filled["data"].encode("utf-8", "replace"), filled.get("compression", packing)
    if body[:2] == b"\x1f\x8b":  # gzip-js, which says so only in the query
        body = reading.unpacked(body)
    elif packing == "lz64":
        raise Unreadable(N_("The packing {packing} is not read; there are gzip-js and base64."), packing=packing)
    elif body.lstrip()[:1] not in (b"{", b"["):
        body = _from_base64(body)
    return reading.decoded(body)


def _from_base64(body: bytes) -> bytes:
    """Base64 as browsers send it in a form: blanks were plus signs, the end may lack its padding."""
    try:
        text = body.strip().replace(b" ", b"+")
        found = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as fault:
        raise Unreadable(N_("The body is neither JSON nor base64.")) from fault
    return reading.unpacked(found) if found[:2] == b"\x1f\x8b" else found


class _Request:
    """One body: an event, a list of them, or a batch that says of all of them who sent them and when."""

    def __init__(self, call: Call, query: dict[str, str], data: Any, key: str | None) -> None:
        self.call, self.v1 = call, call.path.rstrip("/") == CAPTURE_V1
        whole = data if isinstance(data, dict) else {}
        items = data if isinstance(data, list) else whole.get("batch")
        if items is None and isinstance(whole.get("data"), list):
            items = whole["data"]
        self.single = items is None
        self.items: list[Any] = [whole] if self.single else items if isinstance(items, list) else []
        if not isinstance(data, (dict, list)) or (items is not None and not isinstance(items, list)):
            raise Unreadable(N_("The body is neither an event nor a batch of events."))
        self.key = key or next(
            (k for name in ("api_key", "token", "$token") if (k := reading.text(whole.get(name)))), None
        )
        sent = next((whole[name] for name in ("sent_at", "created_at") if name in whole), query.get("_"))
        self.sent_at = None if whole.get("historical_migration") is True else reading.time(sent)

    def parsed(self) -> Parsed:
        found = Parsed(key=self.key, replies={"uuids": []} if self.v1 else {})
        for place, item in enumerate(self.items):
            if self.v1 and isinstance(item, dict):
                found.replies["uuids"].append(reading.text(item.get("uuid")))
            elif self.v1:
                found.replies["uuids"].append(None)
            made = self._event(item)
            if isinstance(made, Refusal):
                raw = self.call.body if self.single else reading.encoded(item)
                found.dropped.append(Dropped(reason=made, raw=raw, place=place))
                continue
            if found.key is None:
                found.key = reading.text(_properties(item).get("token")) or reading.text(item.get("api_key"))
            found.events.append(made)
            found.places.append(place)
        return found

    def _event(self, item: Any) -> Arrival | Refusal:
        if not isinstance(item, dict):
            return Refusal.NOT_AN_OBJECT
        name = reading.text(item.get("event"))
        if name is None:
            return Refusal.NO_EVENT
        given = item.get("properties")
        if given is not None and not isinstance(given, dict):
            return Refusal.BAD_PROPERTIES
        said = _properties(item)
        event, kind = KINDS.get(name, (name, "track"))
        arrival = Arrival(
            event=event, kind=kind, message_id=reading.text(item.get("uuid")) or reading.text(said.get("$insert_id"))
        )
        self._clock(arrival, item)
        _who(arrival, name, item, said)
        _context(arrival, item, said)
        arrival.session_id = reading.text(said.get("$session_id")) or reading.text(item.get("session_id"))
        kept = {k: v for k, v in said.items() if k not in TAKEN and not k.startswith("utm_")}
        if kind == "screen" and (screen := reading.text(kept.pop("$screen_name", None))):
            kept["name"] = screen
        if kind == "group":
            if arrival.account_id is None:
                return Refusal.NO_GROUP
            facts = said.get("$group_set")
            kept = {**kept, **facts} if isinstance(facts, dict) else kept  # of the account, as in Segment's group call
        elif kind == "alias" and (arrival.previous_id is None or arrival.user_id is None):
            return Refusal.NO_PREVIOUS_ID
        arrival.properties = kept
        if "$revenue" in kept:
            kept.setdefault("revenue", kept.pop("$revenue"))
        arrival.value = reading.worth(kept)
        arrival.currency = reading.currency(kept.get("currency"))
        return arrival

    def _clock(self, arrival: Arrival, item: dict[str, Any]) -> None:
        offset = reading.number(item.get("offset"))
        if (
            offset is not None and 0 <= offset < 1e12
        ):  # milliseconds that it waited: by nobody's clock but the waiting one's
            arrival.time = self.call.received_at - round(offset * 1000)
            arrival.sent_at = self.call.received_at
            return
        arrival.time = reading.time(item.get("timestamp"))
        arrival.sent_at = self.sent_at or (reading.time(item.get("sent_at")) if self.single else None)


def _properties(item: dict[str, Any]) -> dict[str, Any]:
    given = item.get("properties")
    return given if isinstance(given, dict) else {}


def _who(arrival: Arrival, name: str, item: dict[str, Any], said: dict[str, Any]) -> None:
    """Ids, account and traits."""
    given = item.get("distinct_id", item.get("$distinct_id"))
    distinct = reading.text(given) or reading.text(said.get("distinct_id"))
    device = reading.text(said.get("$device_id"))
    if arrival.kind == "alias":
        arrival.user_id = reading.text(said.get("alias"))
        arrival.previous_id = reading.text(said.get("distinct_id")) or distinct
    elif name == "$identify":
        arrival.user_id, arrival.anonymous_id = distinct, reading.text(said.get("$anon_distinct_id")) or device
    elif distinct is not None and (
        said.get("$is_identified") is False
        or distinct == device
        or (said.get("$process_person_profile") is False and UUID.match(distinct))
    ):
        arrival.anonymous_id = distinct
    else:
        arrival.user_id, arrival.anonymous_id = distinct, device
    groups = said.get("$groups")
    if name == "$groupidentify":
        group = reading.text(said.get("$group_key"))
        arrival.account_id = group
        reading.merged(arrival.context, "groups", {reading.text(said.get("$group_type")) or "account": group})
        if distinct is not None and group is not None and distinct.startswith("$"):
            arrival.user_id = arrival.anonymous_id = None  # "$company_acme": a name that the library makes up
    elif isinstance(groups, dict) and groups:
        named = {str(k): v for k, given in groups.items() if (v := reading.text(given))}
        reading.merged(arrival.context, "groups", named)
        first = next((named[word] for word in ACCOUNTS if word in named), None)
        arrival.account_id = first or (next(iter(named.values())) if len(named) == 1 else None)
    traits: dict[str, Any] = {}
    for place in (said.get("$set_once"), item.get("$set_once"), said.get("$set"), item.get("$set")):
        if isinstance(place, dict):
            traits.update({k: v for k, v in place.items() if not k.startswith("$")})
    if traits:
        reading.merged(arrival.context, "traits", traits)


def _context(arrival: Arrival, item: dict[str, Any], said: dict[str, Any]) -> None:
    """Page, campaign, device, library, channel."""
    url = said.get("$current_url")
    referrer = said.get("$referrer")
    page = reading.page(url, None if referrer == "$direct" else referrer, said.get("title"), said.get("$pathname"))
    library = reading.text(said.get("$lib"))
    if page:
        arrival.context["page"] = page
    named = reading.named_campaign(said.items()) or reading.campaign(url)
    if named:
        arrival.context["campaign"] = named
    for place, table in (("device", DEVICE), ("screen", SCREEN)):
        reading.merged(arrival.context, place, {word: said.get(name) for name, word in table.items()})
    reading.merged(arrival.context, "library", {"name": library, "version": reading.text(said.get("$lib_version"))})
    for word, name in (
        ("userAgent", "$raw_user_agent"),
        ("locale", "$browser_language"),
        ("timezone", "$timezone"),
        ("ip", "$ip"),
    ):
        if found := reading.text(said.get(name)):
            arrival.context[word] = found
    if library in ("web", "js") or (library is None and arrival.kind == "page"):
        arrival.channel = "web"
    elif library in APPS:
        arrival.channel = "app"


# -- answers ----------------------------------------------------------------------------------------------------------


def reply(call: Call, parsed: Parsed, outcome: Outcome) -> Reply:
    """What the libraries look for: 200 and JSON; flags and configuration that switch nothing on."""
    path = call.path.rstrip("/")
    if call.path.startswith(CONFIG):
        return _config(call.path.removeprefix(CONFIG), parsed.key or "")
    if path in FLAGS:
        return Reply(body=reading.encoded(_no_flags(path)))
    refused = [{"place": d.place, "reason": Refusal(d.reason).name.lower()} for d in outcome.refused]
    if path == CAPTURE_V1:
        reasons = {d["place"]: d["reason"] for d in refused}
        results = {
            uuid: {"result": "drop", "details": reasons[at]} if at in reasons else {"result": "ok"}
            for at, uuid in enumerate(parsed.replies.get("uuids", ()))
            if uuid is not None
        }
        return Reply(body=reading.encoded({"results": results}))
    return Reply(body=reading.encoded({"status": "Ok", "accepted": outcome.accepted, "refused": refused}))


def _no_flags(path: str) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "flags": {}, "featureFlags": {}, "featureFlagPayloads": {}, "errorsWhileComputingFlags": False,
        "sessionRecording": False, "supportedCompression": ["gzip-js", "base64"],
    }  # fmt: skip
    if path == "/decide":
        answer.update(config={"enable_collect_everything": True}, toolbarParams={}, isAuthenticated=False)
    return answer


def _config(rest: str, key: str) -> Reply:
    """``/array/<key>/config`` (JSON) and ``config.js``; posthog-js itself is not served from here."""
    answer = {
        "token": key, "supportedCompression": ["gzip-js", "base64"], "hasFeatureFlags": False,
        "analytics": {"endpoint": "/i/v0/e/"}, "sessionRecording": False, "heatmaps": False, "surveys": False,
        "autocaptureExceptions": False, "capturePerformance": False, "captureDeadClicks": False, "siteApps": [],
        "defaultIdentifiedOnly": True, "elementsChainAsString": True,
    }  # fmt: skip
    name = rest.partition("/")[2]
    if name == "config":
        return Reply(body=reading.encoded(answer))
    if name != "config.js":
        return Reply(
            status=404, body=reading.encoded({"code": "not_found", "message": "Polku does not serve posthog-js"})
        )
    safe = reading.encoded(answer).replace(b"<", b"\\u003c")  # a key is a stranger's text in a script
    word = reading.encoded(key).replace(b"<", b"\\u003c")
    script = b"(window._POSTHOG_REMOTE_CONFIG=window._POSTHOG_REMOTE_CONFIG||{})[%s]={config:%s,siteApps:[]};\n"
    return Reply(body=script % (word, safe), content_type="text/javascript; charset=utf-8")


def refuse(call: Call, status: int, code: str, message: str) -> Reply:
    """An error as posthog's libraries read it: ``detail`` besides ``code`` and ``message``."""
    body = {"type": "validation_error", "code": code, "message": message, "detail": message}
    return Reply(status=status, body=reading.encoded(body))
