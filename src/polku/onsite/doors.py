"""The doors that the tracker's modules ask: what stands on the site, what waits for this visitor, what became of it.

They are open to pages of any origin, as the doors of events are, take the same write keys and count against the same
limits. What they tell is in docs/on-site.md: texts of the shop's own, filled in for whoever holds the anonymous id.

``GET /site/pieces``, ``POST /site/waiting``, ``POST /site/told``, ``POST /site/help``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, get_args
from urllib.parse import parse_qs

import msgspec
from starlette.types import Receive, Scope, Send

from polku.access.entrance import is_loopback
from polku.access.limits import Limit, network
from polku.channels.site import SITE
from polku.collect.doors import CORS, STRANGER, UNREAD, Refuse, call_of, of_this_machine, preflight, send_reply, within
from polku.collect.writer import UNWRITABLE
from polku.errors import MapError, PolkuError
from polku.events.arrival import Call, Reply
from polku.events.refusals import Refusal
from polku.onsite.answering import UnfitError
from polku.onsite.drawing import review_words
from polku.onsite.everyone import pieces
from polku.onsite.handing import hand_over
from polku.onsite.telling import NoSuchMessageError, Report, What, tell
from polku.onsite.waiting import Visitor, waiting
from polku.record.clock import now
from polku.record.refused import Refused

if TYPE_CHECKING:
    from polku.collect.doors import Doors
    from polku.record.project import Project

log = logging.getLogger("polku.onsite")

#: What the paths begin with.
BEGINNING: Final = "/site/"
#: A browser keeps the pieces for everybody for so long, in seconds; a chat that opens or closes is right by then.
KEPT: Final = 60
#: In this process they are drawn anew after so long.
FRESH: Final = 5.0
#: Seconds after which a browser asks again, one after the other, as long as its page is looked at; then no more until
#: something happens on the page. A rule fires a second or two after what it waits for.
AGAIN: Final = (1, 2, 3, 5, 10, 20, 40, 60)
NAME: Final = "site"
#: What is kept of the page.
PAGE: Final = frozenset({"path", "url", "title", "referrer"})
TOLD: Final[Mapping[str, What]] = {what: what for what in get_args(What)}
METHODS: Final = ("GET", "HEAD", "POST")
#: Bytes of the longest request.
MOST_BYTES: Final = 100_000
#: Forms and calls for help of one address in an hour, as many as a household or an office of people writes: each may
#: send a letter to whatever address it names, or is read by a person.
MOST_AN_HOUR: Final = 120


class Asked(msgspec.Struct, kw_only=True, rename="camel"):
    """The body of a request: who asks, and what is told."""

    write_key: str = ""
    anonymous_id: str = ""
    session: str | None = None
    language: str | None = None
    user: str | None = None
    proof: str | None = None
    message: str = ""
    what: str = ""
    id: str = ""
    page: dict[str, str] = msgspec.field(default_factory=dict)
    url: str = ""
    fields: dict[str, str] = msgspec.field(default_factory=dict)
    agreed: bool = False
    answers: dict[str, list[str]] = msgspec.field(default_factory=dict)
    via: str = ""
    agent: str = ""

    def visitor(self) -> Visitor:
        """Who asks, in lengths that somebody could have meant."""
        language = self.language if self.language and len(self.language) == 2 and self.language.isalpha() else None
        return Visitor(
            self.anonymous_id[:500], (self.session or "")[:100] or None, language and language.lower(),
            (self.user or "")[:500] or None, (self.proof or "")[:200] or None,
        )  # fmt: skip


class SiteDoors:
    """Answers what begins with ``/site/``, beside the doors of events."""

    def __init__(self, doors: Doors) -> None:
        self.doors, self.project = doors, doors.project
        self.by_hand = Limit(MOST_AN_HOUR, 3600.0)
        self._pieces: dict[str | None, tuple[float, Any, list[dict[str, Any]]]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            await send_reply(send, Reply(status=204), preflight(scope, METHODS))
            return
        call = call_of(scope)
        headers: Sequence[tuple[bytes, bytes]] = CORS
        answer, after, unread = "ok", None, False
        try:
            if not is_loopback(call.address):
                within(self.doors.by_address, network(call.address))
            if call.path == "/site/pieces" and call.method in ("GET", "HEAD"):
                reply, headers = await self._all(call), _cacheable()
            elif call.path in PATHS and call.method == "POST":
                body = await self.doors.body(receive, MOST_BYTES, call)
                reply = await self._take(call, body)
            elif call.path in PATHS or call.path == "/site/pieces":
                raise Refuse(405, "method", "Use GET for /site/pieces, POST for all others.")
            else:
                raise Refuse(404, "path", f"There is nothing at {call.path}.")
        except UNWRITABLE as fault:
            log.warning("a visitor's browser could not be answered: %s", fault)
            answer, after = "unwritable", self.doors.settings.retry_after
            reply = _refusal(503, answer, "Not now.")
        except Refuse as refused:
            if refused.status == 401 and not is_loopback(call.address):
                self.doors.by_address.take(network(call.address), STRANGER - 1)
            answer, after, unread = refused.code, refused.after, refused.status in UNREAD
            reply = _refusal(refused.status, refused.code, refused.message)
        self.doors.counters.answered(NAME, answer)
        await send_reply(send, reply, headers, after, unread)

    async def _all(self, call: Call) -> Reply:
        """The pieces for everybody. They hold nothing but the shop's own texts, so no key is asked for."""
        wish = parse_qs(call.query).get("language", [""])[0].lower()[:2]
        language = wish if len(wish) == 2 and wish.isalpha() and wish.isascii() else None
        found = await asyncio.to_thread(self._fresh, language)
        return Reply(body=_json({"pieces": found, "again": list(AGAIN), "reviews": review_words(language)}))

    def _fresh(self, language: str | None) -> list[dict[str, Any]]:
        at = time.monotonic()
        kept = self._pieces.get(language)
        try:
            journey = self.project.journey() if self.project.map_file.exists() else None
        except MapError as fault:  # somebody is writing it: what stood on the site stays until it is mended
            log.warning("the map has faults, so nothing new is shown on the site: %s", fault)
            return kept[2] if kept is not None else []
        if kept is None or at - kept[0] > FRESH or kept[1] is not journey:
            if len(self._pieces) > 50:  # languages that nobody has
                self._pieces.clear()
            kept = self._pieces[language] = (at, journey, pieces(self.project, language))
        return kept[2]

    async def _take(self, call: Call, body: bytes) -> Reply:
        try:
            asked = msgspec.json.decode(body, type=Asked)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
            self._count(Refusal.UNREADABLE_REQUEST)
            raise Refuse(400, "unreadable", f"The body does not read: {fault}.") from fault
        source, payer = self._source(call, asked.write_key)
        within(self.doors.by_key, payer)
        if (call.path == "/site/help" or asked.what == "submitted") and not is_loopback(call.address):
            within(self.by_hand, network(call.address))
        try:
            return await asyncio.to_thread(PATHS[call.path], self.project, call, asked, source)
        except NoSuchMessageError as fault:
            raise Refuse(404, "message", str(fault)) from fault
        except UnfitError as fault:
            # no error of the request: the page's own console stays clean while somebody fills in a form
            return Reply(body=_json({"code": "unfit", "message": str(fault), "faults": fault.faults}))
        except UNWRITABLE:
            raise
        except PolkuError as fault:
            raise Refuse(400, fault.code, str(fault)) from fault

    def _source(self, call: Call, key: str) -> tuple[str, str]:
        """Whose pages these are, by their key, and against whose limit they count. Raises Refuse."""
        keys = self.project.keys
        found = keys.find(key) if key else None
        if found is not None and "write" in found.scopes:
            return found.source or NAME, f"key {found.id}"
        if self.doors.anyone and not keys.has_write and of_this_machine(call):
            return NAME, NAME
        self._count(Refusal.WRONG_KEY)
        raise Refuse(401, "wrong_key", Refusal.WRONG_KEY.text())

    def _count(self, reason: Refusal) -> None:
        """Count a whole request that was refused, as the doors of events do."""
        name = reason.name.lower()
        self.doors.counters.refused(NAME, name)
        self.doors.writer.note(Refused(NAME, NAME, "door", name, now(), None, None))


class InUse:
    """Whether anything is shown on the site at all; asked at every request of a tracker, so it is looked up once a
    second at most."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._due, self._known = 0.0, False

    def __call__(self) -> bool:
        at = time.monotonic()
        if at >= self._due:
            self._due, self._known = at + 1.0, in_use(self.project)
        return self._known


def in_use(project: Project) -> bool:
    """Whether the map has a piece for everybody, a rule or a campaign that is on and sends to the site; a map with
    faults has none."""
    if not project.map_file.exists():
        return False
    try:
        journey = project.journey()
    except MapError:
        return False
    return any(piece.state == "on" for piece in journey.site.values()) or SITE in _ways(
        [rule.model_dump(include={"send", "do"}) for rule in journey.guidance if rule.state == "on"]
        + [campaign.model_dump(include={"send"}) for campaign in journey.campaigns.values()]
    )


def _ways(value: Any) -> set[str]:
    """The channels that are named anywhere in a rule."""
    if isinstance(value, Mapping):
        own = {value["channel"]} if isinstance(value.get("channel"), str) else set()
        return own.union(*(_ways(inner) for inner in value.values()))
    if isinstance(value, (list, tuple)):
        return set().union(*(_ways(inner) for inner in value))
    return set()


def _waiting(project: Project, call: Call, asked: Asked, source: str) -> Reply:
    return Reply(body=_json({"messages": waiting(project, asked.visitor())}))


def _told(project: Project, call: Call, asked: Asked, source: str) -> Reply:
    what = TOLD.get(asked.what)
    if what is None:
        raise Refuse(400, "what", f"There is no {asked.what[:50]!r}; tell {', '.join(TOLD)}.")
    page = {name: text[:2000] for name, text in asked.page.items() if name in PAGE}
    report = Report(
        asked.visitor(), asked.message[:300], what, asked.id[:100], page, asked.url[:2000],
        asked.fields, asked.agreed, asked.answers, call.address, asked.agent or call.headers.get("user-agent", ""),
    )  # fmt: skip
    return Reply(body=_json(tell(project, report, source)))


def _help(project: Project, call: Call, asked: Asked, source: str) -> Reply:
    code = hand_over(project, asked.visitor(), asked.via, asked.page.get("path", ""))
    return Reply(body=_json({"code": code}))


PATHS: Final[Mapping[str, Callable[[Project, Call, Asked, str], Reply]]] = {
    "/site/waiting": _waiting, "/site/told": _told, "/site/help": _help,
}  # fmt: skip


def _cacheable() -> tuple[tuple[bytes, bytes], ...]:
    kept = b"public, max-age=%d" % KEPT
    return tuple((name, kept if name == b"cache-control" else value) for name, value in CORS)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _refusal(status: int, code: str, message: str) -> Reply:
    return Reply(status=status, body=_json({"code": code, "message": message}))
