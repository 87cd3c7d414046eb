"""/connect: the line to paste, the other ways in, and the events as they arrive, so that one sees that it works."""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from polku.access.keys import NewKey
from polku.errors import AccessError
from polku.events.refusals import Refusal
from polku.live import refusals
from polku.live.lag import lag_of
from polku.web.guard import actor_of, form_of, may, needs
from polku.web.live import EVERY, fresh, project_of, stream_of
from polku.web.options import refuse_unknown
from polku.web.pages import Visit, frame_of, own_query, plain_of, titles_of
from polku.web.reading import render
from polku.web.ways import PLACEHOLDER, WAYS

router = APIRouter(include_in_schema=False)

#: Events on the page.
SHOWN = 12


@dataclasses.dataclass(frozen=True, slots=True)
class Trouble:
    """Why events may be missing, as far as the server knows: counts of what it turned away."""

    wrong_keys: int  # requests, since the server started
    no_consent: int
    refused: int  # all others


@router.get("/connect")
@needs("see")
def connect_page(request: Request) -> Response:
    refuse_unknown(own_query(request), ())
    visit = Visit.of(request)
    return fresh(request, visit, lambda: drawn(request, visit), trouble_of(request))


@router.post("/connect")
@needs("own")
async def make_key(request: Request) -> Response:
    """Make a write key and show it, this once, in every way in."""
    visit = Visit.of(request)
    form = await form_of(request)
    actor, address = actor_of(request)
    given = {name: form.get(name, "").strip() or None for name in ("source", "site")}
    made: NewKey | None = None
    fault: AccessError | None = None
    try:
        keys = project_of(request).keys
        made = keys.create(given["source"] or "web", ["write"], by=actor, address=address, **given)
    except AccessError as error:
        fault = error
    body = drawn(request, visit, made=made, fault=fault)
    return HTMLResponse(body, 200 if made else 400, {"Cache-Control": "no-store", "Content-Language": visit.language})


def drawn(request: Request, visit: Visit, made: NewKey | None = None, fault: AccessError | None = None) -> str:
    project = project_of(request)
    stream = stream_of(request)
    look = stream.look(limit=SHOWN)
    host = str(request.base_url).rstrip("/")
    key = made.text if made else PLACEHOLDER
    keys = [entry for entry in project.keys.list() if "write" in entry.key.scopes and entry.state() == "active"]
    return render(
        "connect.html",
        visit.reader,
        ways=[(way, code_of(way.filled(host, key), host, made)) for way in WAYS],
        made=made,
        fault=fault.text(visit.language) if fault else None,
        keys=keys,
        owns=may(request, "own"),
        host=host,
        local=urlsplit(host).hostname in ("127.0.0.1", "localhost", "::1"),
        placeholder=PLACEHOLDER,
        look=look,
        plain=plain_of(request, [told.name for told in look.rows]),
        lag=lag_of(project, stream.rows()),
        every=EVERY,
        trouble=trouble_of(request),
        counts=refusals.counts(project)[:3],
        why=lambda name: refusals.why(name, visit.reader),
        **titles_of(visit.journey, visit.reader),
        **frame_of(request, visit.reader, "/connect", "", visit.zone),
    )


def code_of(code: str, host: str, made: NewKey | None) -> str:
    """The parts of a way that are neither the address nor the key: its scheme, its host alone, the key's site."""
    place = urlsplit(host)
    site = made.key.site if made and made.key.site else "1"
    return code.replace("{bare}", place.netloc).replace("{scheme}", place.scheme).replace("{site}", site)


def trouble_of(request: Request) -> Trouble:
    found = {Refusal.WRONG_KEY: wrong_keys(request), Refusal.NO_CONSENT: 0}
    others = 0
    for count in refusals.counts(project_of(request)):
        reason = refusals.reason_of(count.reason)
        if reason is Refusal.NO_CONSENT:
            found[reason] += count.count
        elif reason is not Refusal.WRONG_KEY:
            others += count.count
    return Trouble(found[Refusal.WRONG_KEY], found[Refusal.NO_CONSENT], others)


def wrong_keys(request: Request) -> int:
    """Requests that came with a wrong key, or none, since this process started: its doors counted them."""
    doors: Any = getattr(request.app.state, "doors", None)
    return 0 if doors is None else doors.counters.wrong_keys()
