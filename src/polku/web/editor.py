"""/guidance/new-rule, /guidance/RULE/edit: a rule as a form and its source side by side, checked and counted meanwhile.

The form and the source are sent together, with the source that the form was drawn of (``base``): what differs from it
in the form is written into the source. A script does that after each change and takes in what comes back; without one
the buttons do. The file is written by ``save`` alone.
"""

from __future__ import annotations

import dataclasses
import re
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from polku.errors import MapError, UsageError
from polku.guidance import patterns as ready
from polku.guidance.replay import OUTCOMES, Replay
from polku.guidance.rules import compile_rule
from polku.journey.document import Document
from polku.journey.excerpt import plain
from polku.journey.fault import Fault
from polku.journey.model import Journey
from polku.journey.tree import read_text
from polku.language import N_
from polku.web.editing.known import Known, known_of
from polku.web.editing.merging import merged
from polku.web.editing.rule import ADDED, STEP_WORDS, form_of
from polku.web.editing.sheet import Counting, OvertakenError, Sheet, sheet_of, would_have
from polku.web.editing.writing import FIRST_ID, edited
from polku.web.guard import actor_of, needs
from polku.web.guard import form_of as sent_form
from polku.web.guidance import SPANS, fresh, kept_of, mark_of_record, may_change, rule_named
from polku.web.live import project_of
from polku.web.options import known, read_number, refuse_unknown
from polku.web.pages import Visit, answer, frame_of, own_query
from polku.web.reading import href, render
from polku.web.saving import diff, mark_of

if TYPE_CHECKING:
    from polku.record.project import Project

router = APIRouter(include_in_schema=False)

#: What the rule would have done is counted over these days unless another span is chosen.
USUAL_SPAN = "7d"
SHEET = re.compile(r"[0-9a-f]{8,32}")


@dataclasses.dataclass(frozen=True)
class Page:
    """What one drawing of the editor shows besides its sheet."""

    id: str | None  # of the rule in the file; None: a new one
    text: str
    base: str
    mark: str
    name: str  # of the open page, so that its counts overtake each other
    turn: int = 0  # the number of this count among those of the page
    last: str = USUAL_SPAN
    assume: bool = False
    focus: str = ""
    message: str = ""
    stale: bool = False  # the file has changed since the page was opened
    told: tuple[str, ...] = ()


@router.get("/guidance/new-rule")
@needs("edit")
def new_page(request: Request) -> Response:
    """Where to begin: a pattern, a rule of the map, or nothing; then the editor of a new rule."""
    visit = Visit.of(request)
    may_change(request, visit)
    query = own_query(request)
    refuse_unknown(query, ("begin", "copy"))
    if query.get("copy"):
        text = _copied(request, visit, project_of(request), query["copy"])
    elif query.get("begin") == "empty":
        text = _empty(visit.journey, known_of(project_of(request), visit.journey, visit.reader))
    else:
        return begin_drawn(request, visit)
    return editor_drawn(request, visit, _page(request, None, text))


def begin_drawn(request: Request, visit: Visit, status: int = 200, message: str = "") -> Response:
    body = render(
        "rule_new.html", visit.reader, journey=visit.journey, patterns=[ready.pattern(n) for n in ready.names()],
        message=message, href=href, **frame_of(request, visit.reader, "/guidance", "", visit.zone),
    )  # fmt: skip
    return fresh(answer(request, body, language=visit.language, status=status))


def _page(request: Request, id: str | None, text: str) -> Page:
    mark = request.app.state.seen.note(project_of(request).map_file)
    return Page(id, text, text, mark, secrets.token_hex(8))


def _copied(request: Request, visit: Visit, project: Project, id: str) -> str:
    """The source of a rule under another id, as a draft."""
    rule_named(request, visit, id)
    document = Document(project.map_file.read_bytes(), project.map_file)
    text = excerpt_of(document, id) or ""
    made = Document(text)
    made.set(("id",), free_id(visit.journey, id))
    if "state" in made.data:
        made.set(("state",), "draft")
    return made.text


def free_id(journey: Journey, id: str) -> str:
    """``id``, with a number where the map has it already."""
    taken = {g.id for g in journey.guidance}
    return next(found for n in range(1, len(taken) + 2) if (found := id if n == 1 else f"{id}_{n}") not in taken)


def _empty(journey: Journey, exists: Known) -> str:
    """A rule to begin with: what the map has, so that it can be read and counted at once."""
    several = isinstance(journey.title, Mapping)
    title = "{fi: Uusi sääntö, en: New rule}" if several else "New rule"
    place = exists.touchpoints[0].value if exists.touchpoints else journey.stages[0].id
    content = f", content: {exists.content[0].value}" if exists.content else ""
    return (
        f"id: {free_id(journey, FIRST_ID)}\ntitle: {title}\nwhen: {{reached: {place}}}\nonly_if: {{consent: email}}\n"
        f"send: {{channel: email{content}}}\nstate: draft\n"
    )


def excerpt_of(document: Document, id: str) -> str | None:
    """The source of the rule ``id`` in a map; None where it has none."""
    listed = document.data.get("guidance") if isinstance(document.data, dict) else None
    ids = [g.get("id") if isinstance(g, dict) else None for g in listed or ()]
    return document.excerpt(("guidance", ids.index(id))).text if id in ids else None


@router.get("/guidance/{id}/edit")
@needs("edit")
def edit_page(request: Request, id: str) -> Response:
    visit = Visit.of(request)
    may_change(request, visit)
    refuse_unknown(own_query(request), ())
    rule_named(request, visit, id)
    document = Document(project_of(request).map_file.read_bytes())
    return editor_drawn(request, visit, _page(request, id, excerpt_of(document, id) or ""))


@router.post("/guidance/new-rule")
@needs("edit")
async def new_sent(request: Request) -> Response:
    return await run_in_threadpool(sent_in, request, None, await sent_form(request))


@router.post("/guidance/{id}/edit")
@needs("edit")
async def edit_sent(request: Request, id: str) -> Response:
    return await run_in_threadpool(sent_in, request, id, await sent_form(request))


def sent_in(request: Request, id: str | None, sent: dict[str, str]) -> Response:
    """What the editor sends: a change to take in, a count, the rule to save or to take away."""
    visit, project = Visit.of(request), project_of(request)
    may_change(request, visit)
    if sent.get("do") == "delete" and id is not None:
        return taken_away(request, visit, id, sent)
    exists = known_of(project, visit.journey, visit.reader)
    text, base = plain(sent.get("source", "")), plain(sent.get("base", ""))
    made = edited(text, base, sent, exists, new=id is None)
    name = sent.get("sheet", "")
    page = Page(
        id, made.text,
        base=made.text if read(made.text) is not None else base,
        mark=sent.get("mark", ""),
        name=name if SHEET.fullmatch(name) else secrets.token_hex(8),
        turn=read_number("turn", sent.get("turn") or "0", 0, 2**31),
        last=known("period", sent.get("last") or USUAL_SPAN, SPANS),
        assume=sent.get("assume") == "yes",
        focus=made.focus,
        told=tuple(error.text(visit.language) for error in made.refused),
        stale=mark_of(project.map_file.read_bytes()) != sent.get("mark", ""),
    )  # fmt: skip
    if sent.get("do") == "save" and not made.refused:
        return saved(request, visit, page)
    if sent.get("do") == "count":
        return editor_drawn(request, visit, page, counted=True)
    return editor_drawn(request, visit, page)


def saved(request: Request, visit: Visit, page: Page) -> Response:
    """The rule written into journey.yaml, unless the file has changed since, or would have faults."""
    project = project_of(request)
    content = project.map_file.read_bytes()
    if mark_of(content) != page.mark:
        return both_drawn(request, visit, page, content)
    sheet = sheet_of(content, project.map_file, page.text, page.id)
    if not sheet.good or sheet.document is None:
        told = N_("It was not saved: the map would have faults.")
        return editor_drawn(request, visit, dataclasses.replace(page, message=visit.reader(told)), status=400)
    try:
        sheet.document.save()
    except MapError:  # written in this very moment
        return both_drawn(request, visit, page, project.map_file.read_bytes())
    name, address = actor_of(request)
    project.map_saved(name)
    id = str(sheet.tree.data["id"])
    project.audit.note(name, "rule.saved", id, address=address)
    return RedirectResponse(href(f"/guidance/{id}", saved=sheet.line), 303)


def taken_away(request: Request, visit: Visit, id: str, sent: Mapping[str, str]) -> Response:
    """The rule out of journey.yaml; its runs end when their moment comes."""
    project = project_of(request)
    rule_named(request, visit, id)
    content = project.map_file.read_bytes()
    text = excerpt_of(Document(content), id) or ""
    if mark_of(content) != sent.get("mark"):
        page = dataclasses.replace(_page(request, id, text), stale=True)
        told = N_("journey.yaml has changed since you opened the page. Look at it, then do it once more.")
        return editor_drawn(request, visit, dataclasses.replace(page, message=visit.reader(told)), status=409)
    document = Document(content, project.map_file)
    try:
        document.remove(("guidance", sheet_of(content, project.map_file, text, id).place))
        document.save()
    except MapError as error:  # something else of the map stands on it, or it is written in a way that cannot be cut
        page = dataclasses.replace(_page(request, id, text), message=error.text(visit.language))
        return editor_drawn(request, visit, page, status=400)
    name, address = actor_of(request)
    project.map_saved(name)
    project.audit.note(name, "rule.deleted", id, address=address)
    return RedirectResponse("/guidance", 303)


def read(text: str) -> dict[str, Any] | None:
    """What a source says; None where it does not read as lines of key and value."""
    tree = read_text(text)
    return tree.data if not tree.faults and isinstance(tree.data, dict) else None


# -- drawing ----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """A fault in words: ``at`` the field that it is about (its name; "" none), ``line`` of journey.yaml."""

    text: str
    line: int
    error: bool
    at: str = ""


def editor_drawn(request: Request, visit: Visit, page: Page, *, status: int = 200, counted: bool = False) -> Response:
    project, reader = project_of(request), visit.reader
    sheet = sheet_of(project.map_file.read_bytes(), project.map_file, page.text, page.id)
    exists = known_of(project, visit.journey, reader)
    data = read(page.text)
    readable = data is not None
    form = form_of(data or read(page.base) or {}, exists, page.id is None)  # of before while the source does not read
    by_field = sheet.by_field(list(form.fields())) if readable else {}
    at = {id(fault): name for name, faults in by_field.items() for fault in faults}
    faults = [_told(fault, visit, at.get(id(fault), "")) for fault in sheet.mine]
    count, why_not = _count(request, visit, sheet, page) if counted else (None, None)
    body = render(
        "rule_editor.html", reader, page=page, sheet=sheet, form=form, readable=readable, known=exists,
        journey=visit.journey, faults=faults,
        elsewhere=[_told(fault, visit, "") for fault in sheet.elsewhere],
        beside={name: [_told(f, visit, name) for f in found] for name, found in by_field.items()},
        bad_lines={f.line for f in sheet.mine}, refused=sheet.refused.text(visit.language) if sheet.refused else "",
        action=f"/guidance/{page.id}/edit" if page.id else "/guidance/new-rule", spans=SPANS, outcomes=OUTCOMES,
        count=count, why_not=why_not, step_words=STEP_WORDS, added=ADDED, href=href,
        **frame_of(request, reader, "/guidance", "", visit.zone),
    )  # fmt: skip
    return fresh(answer(request, body, language=visit.language, status=status))


def _told(fault: Fault, visit: Visit, at: str) -> Told:
    return Told(visit.reader(fault.message, **fault.facts), fault.line, fault.severity == "error", at)


def _count(request: Request, visit: Visit, sheet: Sheet, page: Page) -> tuple[Replay | None, str | None]:
    """What the rule would have done, or why that is not told."""
    if sheet.document is None or not sheet.good:
        return None, visit.reader(N_("It is counted when the faults are mended."))
    project, journey = project_of(request), sheet.document.journey
    id = str(sheet.tree.data["id"])
    version = compile_rule(next(g for g in journey.guidance if g.id == id), journey).version
    state = request.app.state
    if not hasattr(state, "counting"):
        state.counting = Counting()
    counting: Counting = state.counting
    key = ("count", id, version, page.last, page.assume, mark_of_record(project))
    try:
        counting.begin(page.name, page.turn)
        made: Replay = kept_of(request).of(
            key,
            lambda: would_have(
                project, journey, id, page.last, page.assume, lambda: counting.go_on(page.name, page.turn)
            ),
        )
    except OvertakenError as error:
        return None, error.text(visit.language)
    except UsageError as error:
        return None, error.text(visit.language)
    return made, None


def _new(together: str | None, *known: str | None) -> str | None:
    """Both changes in one text, where that reads and is neither of the texts that are ``known``."""
    return together if together is not None and together not in known and read(together) is not None else None


def both_drawn(request: Request, visit: Visit, page: Page, content: bytes) -> Response:
    """Theirs and mine beside each other, with what differs: the person chooses, or merges by hand."""
    project, reader = project_of(request), visit.reader
    before = request.app.state.seen.text(page.mark)
    now = Document(content, project.map_file)
    theirs = excerpt_of(now, page.id) if page.id else None
    was = excerpt_of(Document(before), page.id) if page.id and before is not None else None
    changed = "" if before is None else diff(before.decode("utf-8", "replace"), content.decode("utf-8", "replace"))
    mark = request.app.state.seen.note(project.map_file)
    together = merged(was, theirs, page.text) if was is not None and theirs is not None else None
    body = render(
        "rule_both.html", reader, together=_new(together, theirs, page.text), page=page, mark=mark,
        theirs=theirs, changed=changed, known_before=before is not None,
        elsewhere=theirs is not None and theirs == was, lines=diff(theirs or "", page.text).splitlines(),
        action=f"/guidance/{page.id}/edit" if page.id else "/guidance/new-rule", href=href,
        **frame_of(request, reader, "/guidance", "", visit.zone),
    )  # fmt: skip
    return fresh(answer(request, body, language=visit.language, status=409))
