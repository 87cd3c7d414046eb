"""The ASGI application of the doors: it answers the protocols' paths itself and hands all others to the pages.

A request passes: path and method, body (size, time, gzip), the protocol's parser, its key, the steps of
``events.door``, the writer's queue. It is answered when the writer has brought it to disk.
"""

from __future__ import annotations

import asyncio
import logging
import math
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from polku.access.entrance import is_loopback
from polku.access.limits import Limit, network
from polku.collect.columns import Kept
from polku.collect.counters import Counters
from polku.collect.vitals import metrics, vitals
from polku.collect.writer import UNWRITABLE, Deposit, Writer
from polku.errors import Unreadable
from polku.events.arrival import Call, Dropped, Outcome, Parsed, Reply
from polku.events.door import Visit, enter, parameters_of
from polku.events.plain import enter_plain
from polku.events.refusals import UNKEPT, Refusal
from polku.record.clock import now
from polku.record.contacts import might_hold
from polku.record.permission import Learned
from polku.record.refused import Refused
from polku.record.state import State
from polku.sources.protocols import Protocol, protocols

if TYPE_CHECKING:
    from polku.record.project import Project

log = logging.getLogger("polku.collect")

#: Headers that parsers may ask for: no list of all, so that a stranger's are never kept.
CORS = (
    (b"access-control-allow-origin", b"*"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"access-control-expose-headers", b"retry-after, polku-site"),  # polku.js waits as long as it is told
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)
#: A browser asks this often whether it may send, in seconds.
PREFLIGHT_AGE = b"86400"
#: A key may send so many seconds' events at once.
BURST = 10
#: A request without a key that fits counts as so many of its address.
STRANGER = 20
#: Refused with these, the request's body was not read to its end.
UNREAD = frozenset({405, 408, 413, 429})
#: Answered to a page of another site while no key is asked for.
FOREIGN = "Without a key this machine's own pages and programs alone may send. Make one: polku keys create --write"
#: Where polku.js sends events. It is told in the answer that something is shown on the site, and then loads what asks.
TRACKER = "/v1/b"
SHOWS = (b"polku-site", b"1")
#: What the paths begin with that are about what is shown on the site.
SITE = "/site/"
#: Paths that are answered besides protocols and pages.
VITALS = ("/ready", "/metrics")


class Refuse(Exception):
    """The request is answered with an error; ``after``: the client comes again in so many seconds."""

    def __init__(self, status: int, code: str, message: str, *, after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.after = status, code, message, after


class Doors:
    """See the module. ``start`` before the first request, ``stop`` after the last one.

    ``anyone``: while the project has no write key, any key is taken (the server listens on this machine alone).
    """

    def __init__(self, project: Project, pages: ASGIApp, *, anyone: bool = False) -> None:
        self.project, self.pages, self.anyone = project, pages, anyone
        self.settings = project.settings.collect
        self.counters = Counters()
        self.exact: dict[str, Protocol] = {}
        self.beginnings: list[tuple[str, Protocol]] = []
        for protocol in protocols(project):
            for path in protocol.PATHS:
                if path.endswith("/*"):
                    self.beginnings.append((path[:-1], protocol))
                else:
                    self.exact[path] = protocol
        self.parameters = parameters_of(self.settings.parameters)
        # A connection of its own that waits for less long than others: a client waits with it.
        self.state = State(project.state.url.render_as_string(hide_password=False), self.settings.busy)
        self.writer = Writer(
            self.state,
            project.inbox,
            project.permission,
            self._told,
            most_events=self.settings.queue_events,
            most_bytes=self.settings.queue_megabytes * 1_000_000,
        )
        limits = project.settings.limits
        self.by_address = Limit(limits.address, 60.0)
        self.by_key = Limit(limits.events * BURST, BURST)
        self._loop: asyncio.AbstractEventLoop | None = None
        #: Answers what browsers ask about the site (``polku.onsite.doors``); whether anything is shown there at all.
        self.site: ASGIApp | None = None
        self.shows: Callable[[], bool] = lambda: False

    def start(self) -> None:
        """Begin to write."""
        self.project.permission.ready()  # before the first request
        self.writer.start()

    def stop(self) -> None:
        """Write what waits, then end."""
        self.writer.stop()
        self.state.close()

    def protocol_of(self, path: str) -> Protocol | None:
        """Whose path this is; None: the pages'."""
        found = self.exact.get(path)
        if found is None:
            for beginning, protocol in self.beginnings:
                if path.startswith(beginning):
                    return protocol
        return found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.site is not None and scope["type"] == "http" and scope["path"].startswith(SITE):
            await self.site(scope, receive, send)
            return
        protocol = self.protocol_of(scope["path"]) if scope["type"] == "http" else None
        if protocol is None:
            if scope["type"] == "http" and scope["path"] in VITALS:
                await self._vitals(scope, send)
            else:
                await self.pages(scope, receive, send)
            return
        if scope["method"] == "OPTIONS":
            await send_reply(send, Reply(status=204), preflight(scope, protocol.METHODS))
            return
        call = call_of(scope)
        try:
            if scope["method"] not in protocol.METHODS:
                raise Refuse(405, "method", f"Use {' or '.join(protocol.METHODS)}.")
            if not is_loopback(call.address):
                within(self.by_address, network(call.address))
            body = await self.body(receive, protocol.MOST_BYTES, call)
            call = msgspec.structs.replace(call, body=body, received_at=now())
            reply = await self._take(protocol, call)
            answer, after, unread = "ok", None, False
        except UNWRITABLE as fault:  # keys, consents or the erased could not be looked up
            log.warning("events could not be judged: %s", fault)
            answer, after, unread = "unwritable", self.settings.retry_after, False
            reply = protocol.refuse(call, 503, answer, "Events cannot be stored now.")
        except Refuse as refused:
            if refused.status == 401 and not is_loopback(call.address):
                self.by_address.take(network(call.address), STRANGER - 1)
            reply = protocol.refuse(call, refused.status, refused.code, refused.message)
            answer, after, unread = refused.code, refused.after, refused.status in UNREAD
        self.counters.answered(protocol.NAME, answer)
        shown = scope["path"] == TRACKER and answer == "ok" and self.shows()
        await send_reply(send, reply, (*CORS, SHOWS) if shown else CORS, after, unread)

    async def _vitals(self, scope: Scope, send: Send) -> None:
        """/ready is for whoever asks (a balancer); /metrics beyond this machine for who has a key that reads."""
        if scope["method"] not in ("GET", "HEAD"):
            reply = Reply(status=405, body=b"Use GET.", content_type="text/plain")
        elif scope["path"] == "/ready":
            found = await asyncio.to_thread(vitals, self)
            told = {
                "ready": found.ready,
                "lag_seconds": found.lag,
                "inbox_events": found.waiting,
                "faults": found.faults,
            }
            reply = Reply(status=200 if found.ready else 503, body=msgspec.json.encode(told))
        elif self.anyone or self._may_read(scope):
            text = await asyncio.to_thread(metrics, self)
            reply = Reply(body=text, content_type="text/plain; version=0.0.4; charset=utf-8")
        else:
            reply = Reply(
                status=401, body=b"Send a key that reads: Authorization: Bearer ...", content_type="text/plain"
            )
        await send_reply(send, reply, CORS[1:])

    def _may_read(self, scope: Scope) -> bool:
        given = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        scheme, _, text = given.partition(" ")
        key = self.project.keys.find(text.strip()) if scheme.lower() == "bearer" else None
        return key is not None and "read" in key.scopes

    # -- the request --------------------------------------------------------------------------------------------------

    async def body(self, receive: Receive, most: int, call: Call) -> bytes:
        """The body, unpacked. Raises Refuse when it is too large (before it was all read), too slow or not gzip."""
        length = call.headers.get("content-length", "")
        if length.isdigit() and int(length) > most:
            raise Refuse(413, "too_large", f"A request holds at most {most} bytes.")
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self.settings.body_seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Refuse(400, "cut", "The connection was closed before the body ended.")
                    part = message.get("body", b"")
                    size += len(part)
                    if size > most:
                        raise Refuse(413, "too_large", f"A request holds at most {most} bytes.")
                    parts.append(part)
                    more = message.get("more_body", False)
        except TimeoutError:
            raise Refuse(408, "slow", "The body did not arrive in time.") from None
        body = b"".join(parts)
        coding = call.headers.get("content-encoding", "").strip().lower()
        return unpacked(body, coding, most) if coding and coding != "identity" else body

    async def _take(self, protocol: Protocol, call: Call) -> Reply:
        try:
            parsed = protocol.parse(call)
        except Unreadable as fault:
            if fault.status == 400:
                self._count(protocol, Refusal.UNREADABLE_REQUEST)
            raise Refuse(fault.status, fault.code, str(fault)) from fault
        outcome = Outcome(accepted=0)
        if not (parsed.count or parsed.dropped or parsed.key or parsed.site):
            return protocol.reply(call, parsed, outcome)  # a look whether the door is there, or for flags
        source, payer = self._source(protocol, call, parsed)
        if parsed.count or parsed.dropped:
            within(self.by_key, payer, parsed.count)
            outcome = await self._store(protocol, call, parsed, source)
        return protocol.reply(call, parsed, outcome)

    def _source(self, protocol: Protocol, call: Call, parsed: Parsed) -> tuple[str, str]:
        """Whose events these are, and against whose limit they count. Raises Refuse when no key says so."""
        if parsed.proven is not None:
            return parsed.proven, f"hook {parsed.proven}"
        keys = self.project.keys
        found = keys.find(parsed.key) if parsed.key else None
        if found is None and parsed.site:
            found = keys.of_site(parsed.site)
        if found is not None and "write" in found.scopes:
            return found.source or protocol.NAME, f"key {found.id}"
        keyless = self.anyone and not keys.has_write
        if keyless and of_this_machine(call):
            return protocol.NAME, protocol.NAME
        self._count(protocol, Refusal.WRONG_KEY)
        raise Refuse(401, "wrong_key", FOREIGN if keyless else Refusal.WRONG_KEY.text())

    def _count(self, protocol: Protocol, reason: Refusal) -> None:
        """Count a whole request that was refused; nobody known sent it, so its text is not kept."""
        name = reason.name.lower()
        self.counters.refused(protocol.NAME, name)
        self.writer.note(Refused(protocol.NAME, protocol.NAME, "door", name, now(), None, None))

    async def _store(self, protocol: Protocol, call: Call, parsed: Parsed, source: str) -> Outcome:
        visit = Visit(
            source=source,
            address=call.address,
            received_at=call.received_at,
            parameters=self.parameters,
            permission=self.project.permission,
            learned=Learned(),
        )
        if parsed.plain is not None:
            enter_plain(parsed.plain, visit)
        if parsed.events:
            visit.search = bool(call.query) or might_hold(call.body)
        kept = Kept([], plain=parsed.plain)
        dropped = list(parsed.dropped)
        times: dict[int, int | None] = {}
        for at, (place, arrival) in enumerate(zip(parsed.places, parsed.events, strict=True)):
            reason = enter(arrival, visit)
            if reason is None:
                kept.arrivals.append(arrival)
                kept.places.append(place)
            else:
                times[place] = arrival.time
                raw = bytes(parsed.raws[at]) if parsed.raws else msgspec.json.encode(arrival)
                dropped.append(Dropped(reason=reason, raw=raw, place=place))
        refused = [
            Refused(
                source,
                protocol.NAME,
                "door",
                Refusal(d.reason).name.lower(),
                call.received_at,
                times.get(d.place),
                None if d.reason in UNKEPT else d.raw,
            )
            for d in dropped
        ]
        loop = asyncio.get_running_loop()
        self._loop = loop
        done: asyncio.Future[None] = loop.create_future()
        assert visit.learned is not None
        deposit = Deposit(kept, refused, visit.learned, len(call.body) + 200, done)
        if not self.writer.put(deposit):
            raise Refuse(503, "full", "Too many events wait to be stored.", after=self.settings.retry_after)
        await done
        if deposit.fault is not None:
            raise Refuse(503, "unwritable", "Events cannot be stored now.", after=self.settings.retry_after)
        self.counters.stored(source, len(kept))
        for one in refused:
            self.counters.refused(source, one.reason)
        return Outcome(accepted=len(kept), refused=tuple(dropped))

    def _told(self, group: Sequence[Deposit]) -> None:
        """Called by the writer's thread: those who wait go on in their own."""
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(_go_on, group)
        except RuntimeError:  # the loop is closed: nobody waits any more, and what they sent is on disk
            log.debug("nobody waits for %s requests", len(group))


def _go_on(group: Sequence[Deposit]) -> None:
    for deposit in group:
        if not deposit.waiter.done():
            deposit.waiter.set_result(None)


def call_of(scope: Scope) -> Call:
    """The request without its body. A header that stands twice has its last value."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    client = scope.get("client")
    return Call(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        address=client[0] if client else "",
        received_at=now(),
    )


def of_this_machine(call: Call) -> bool:
    """Whether a request is of a program or page of this machine: not of a page from elsewhere that a browser here shows
    (its Origin; ``Sec-Fetch-Site`` where an image asks), nor by a name that somebody pointed at this machine.

    >>> call = Call(method="POST", path="/v1/batch", query="", headers={"host": "localhost:8000"}, address="127.0.0.1")
    >>> of_this_machine(call)
    True
    >>> call.headers["origin"] = "https://elsewhere.example"
    >>> of_this_machine(call)
    False
    """
    origin = call.headers.get("origin")
    if origin is not None and not _is_local(origin):
        return False
    if origin is None and call.headers.get("sec-fetch-site") == "cross-site":
        return False
    return "host" not in call.headers or _is_local(f"http://{call.headers['host']}")


def _is_local(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:  # no address at all
        return False


def within(limit: Limit, name: str, tokens: int = 1) -> None:
    """Raise Refuse (429) where ``name`` has asked for more than it may."""
    wait = limit.take(name, tokens)
    if wait:
        raise Refuse(429, "limit", "More than is allowed in this time.", after=math.ceil(wait))


def unpacked(body: bytes, coding: str, most: int) -> bytes:
    """A body without its content coding. Raises Refuse when it is not of that coding, or larger than ``most`` bytes."""
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise Refuse(415, "coding", "The body's encoding is not known; use gzip, deflate or none.")
    worker = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, by its first bytes
    try:
        found = worker.decompress(body, most + 1)
    except zlib.error as fault:
        raise Refuse(400, "coding", f"The body is not {coding}: {fault}.") from fault
    if len(found) > most:
        raise Refuse(413, "too_large", f"A request holds at most {most} bytes when it is unpacked.")
    if not worker.eof:
        raise Refuse(400, "coding", f"The body is not {coding}: it ends too early.")
    return found


def preflight(scope: Scope, methods: Sequence[str]) -> tuple[tuple[bytes, bytes], ...]:
    """What a browser asks before it sends from another origin."""
    wished = dict(scope["headers"]).get(b"access-control-request-headers", b"content-type")
    if len(wished) > 1000:
        wished = b"content-type, authorization"
    return (
        *CORS,
        (b"access-control-allow-methods", ", ".join((*methods, "OPTIONS")).encode()),
        (b"access-control-allow-headers", wished),
        (b"access-control-max-age", PREFLIGHT_AGE),
    )


async def send_reply(
    send: Send,
    reply: Reply,
    headers: Sequence[tuple[bytes, bytes]],
    after: int | None = None,
    unread: bool = False,
) -> None:
    """Send an answer whole; ``unread``: the connection ends, for there is a body on it that nobody reads."""
    lines: list[tuple[bytes, bytes]] = [*headers]
    if reply.status != 204:
        lines += [(b"content-type", reply.content_type.encode()), (b"content-length", b"%d" % len(reply.body))]
    lines += [(name.lower().encode(), value.encode()) for name, value in reply.headers]
    if after is not None:
        lines.append((b"retry-after", b"%d" % after))
    if unread:
        lines.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reply.status, "headers": lines})
    await send({"type": "http.response.body", "body": reply.body})
