"""/map/edit: journey.yaml itself, checked while typing: campaigns, surveys, offers, audiences and all the rest of it.

Nothing is written before it is saved, nor over what somebody else has written meanwhile: then both are shown. A map
that has faults already is mended here as well.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from polku.errors import MapError, UsageError
from polku.journey.document import BOM, Document, replace_file
from polku.journey.fault import Fault, FaultyMapError
from polku.language import N_, Reader
from polku.web.editing.merging import merged
from polku.web.guard import actor_of, form_of, needs
from polku.web.live import project_of
from polku.web.options import refuse_unknown
from polku.web.pages import answers_of, own_query, read_language
from polku.web.reading import href
from polku.web.saving import diff, mark_of, may_edit
from polku.web.signin import drawn

if TYPE_CHECKING:
    from polku.record.project import Project

router = APIRouter(include_in_schema=False)


@dataclasses.dataclass(frozen=True)
class Page:
    """What one drawing of the editor shows. ``line``: where the reader begins."""

    text: str
    mark: str
    line: int = 0
    message: str = ""
    stale: bool = False


def may_write(request: Request) -> None:
    """Raises UsageError where the map is not edited from this reader's place."""
    if not may_edit(request, answers_of(request)):
        raise UsageError(N_("The map is not edited from here; the setting is server.edits."))


def shown(content: bytes) -> str:
    """The text of the file as a form holds it."""
    return content.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")


def stored(text: str, before: bytes) -> bytes:
    """The bytes of a form's text, with the line ends and the mark that the file ``before`` has.

    >>> stored("a: 1\\r\\nb: 2", b"a: 1\\r\\n")
    b'a: 1\\r\\nb: 2\\r\\n'
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = lines if lines.endswith("\n") or not lines else lines + "\n"
    written = (lines.replace("\n", "\r\n") if b"\r\n" in before else lines).encode()
    return BOM + written if before.startswith(BOM) else written


@router.get("/map/edit")
@needs("edit")
def edit_page(request: Request) -> Response:
    may_write(request)
    query = own_query(request)
    refuse_unknown(query, ("at", "saved"))
    project = project_of(request)
    content = project.map_file.read_bytes()
    mark = request.app.state.seen.keep(content)
    return map_drawn(request, Page(shown(content), mark, line_of(content, query.get("at", ""))))


def line_of(content: bytes, at: str) -> int:
    """The line of the part ``at`` (``campaigns.spring``), or of the nearest around it; 0 where none is asked for."""
    if not at:
        return 0
    try:
        document = Document(content)
    except MapError:
        return 0
    path = tuple(int(part) if part.isdecimal() else part for part in at.split("."))
    return document.place(path).line


@router.post("/map/edit")
@needs("edit")
async def edit_sent(request: Request) -> Response:
    return await run_in_threadpool(sent_in, request, await form_of(request))


def sent_in(request: Request, sent: dict[str, str]) -> Response:
    """The map to check, or to save."""
    may_write(request)
    now = project_of(request).map_file.read_bytes()
    text = shown(stored(sent.get("source", ""), b""))
    page = Page(text, sent.get("mark", ""), stale=mark_of(now) != sent.get("mark", ""))
    return saved(request, page, now) if sent.get("do") == "save" else map_drawn(request, page)


def faults_of(project: Project, text: str) -> tuple[Fault, ...]:
    """Every fault of the map as it stands on the page."""
    try:
        return tuple(Document(text, project.map_file).faults)
    except FaultyMapError as error:
        return error.faults


def saved(request: Request, page: Page, now: bytes) -> Response:
    """The map written into its file, unless that has changed since, or the map would have errors."""
    project, reader = project_of(request), Reader(read_language(request))
    if page.stale:
        return both_drawn(request, page, now)
    if any(fault.severity == "error" for fault in faults_of(project, page.text)):
        told = reader(N_("It was not saved: the map would have faults."))
        return map_drawn(request, dataclasses.replace(page, message=told), 400)
    replace_file(project.map_file, stored(page.text, now))
    name, address = actor_of(request)
    project.map_saved(name)
    project.audit.note(name, "map.saved", address=address)
    return RedirectResponse(href("/map/edit", saved="yes"), 303)


def map_drawn(request: Request, page: Page, status: int = 200) -> Response:
    project, reader = project_of(request), Reader(read_language(request))
    faults = faults_of(project, page.text)
    return drawn(
        request, "map_editor.html", status, page=page, bad_lines={fault.line for fault in faults},
        faults=[(fault.line, reader(fault.message, **fault.facts), fault.severity == "error") for fault in faults],
        saved=request.method == "GET" and own_query(request).get("saved") == "yes",
    )  # fmt: skip


def both_drawn(request: Request, page: Page, now: bytes) -> Response:
    """The file as it is now and what was written here, with what differs, and both together where they fit."""
    was, theirs = request.app.state.seen.text(page.mark), shown(now)
    together = merged(shown(was), theirs, page.text) if was is not None else None
    return drawn(
        request, "map_both.html", 409, page=page, mark=request.app.state.seen.keep(now),
        together=None if together in (theirs, page.text) else together, lines=diff(theirs, page.text).splitlines(),
        changed=diff(shown(was), theirs).splitlines() if was is not None else [],
    )  # fmt: skip
