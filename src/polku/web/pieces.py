"""/content/edit, /content/new: a piece written beside what a chosen customer would get, checked while typing.

The text of the file is the truth; subject and preheader are fields as well, and a change in either is taken into the
other (see ``web/editor.py``, which does the same with rules). Nothing is written before it is saved, nor over what
somebody else has written meanwhile: then both are shown.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from polku.content.check import Fault, check_piece, known_of, named_in
from polku.content.facts import FILE as FACTS
from polku.content.facts import NAMES, constants
from polku.content.piece import FOLDER, named, parts_of, paths, piece_of
from polku.content.preview import Preview, preview_of
from polku.errors import ContentError, MapError, UsageError
from polku.journey.document import replace_file
from polku.journey.excerpt import plain
from polku.journey.tree import read_text
from polku.language import LANGUAGES, N_, Reader
from polku.record import tables
from polku.record.naming import names_of
from polku.web.editing.fields import Field, changed, one, put, written
from polku.web.editing.merging import merged
from polku.web.guard import actor_of, form_of, needs
from polku.web.live import project_of
from polku.web.notfound import NotFoundError
from polku.web.options import refuse_unknown
from polku.web.pages import answers_of, own_query, read_language
from polku.web.policy import FRAMING
from polku.web.reading import href
from polku.web.saving import Seen, diff, mark_of, may_edit
from polku.web.signin import drawn
from polku.web.uses import uses_of

if TYPE_CHECKING:
    from polku.record.project import Project

router = APIRouter(include_in_schema=False)

#: Front matter and what stands under it.
FENCED: Final = re.compile(r"\A---[ \t]*\n(?P<head>.*?)^---[ \t]*\n", re.DOTALL | re.MULTILINE)
NAME: Final = re.compile(r"[\w-]+(?:/[\w-]+)*")
#: Texts that are being written, for the frames that show them.
MOST_DRAFTS: Final = 64
#: What a new piece begins with, by language.
BEGINNINGS: Final = {
    "fi": ("Otsikko", "Hei {{ customer.first_name | default: 'sinä' }},\n\nkirjoita viesti tähän.\n"),
    "en": ("Subject", "Hello {{ customer.first_name | default: 'there' }},\n\nwrite the message here.\n"),
}


class Drafts:
    """The latest texts that somebody is writing, by what they are: a frame of the page shows them."""

    def __init__(self) -> None:
        self._texts: collections.OrderedDict[str, tuple[str, str]] = collections.OrderedDict()
        self._lock = threading.Lock()

    def keep(self, path: str, text: str) -> str:
        key = hashlib.blake2b(f"{path}\n{text}".encode(), digest_size=12).hexdigest()
        with self._lock:
            self._texts[key] = (path, text)
            self._texts.move_to_end(key)
            while len(self._texts) > MOST_DRAFTS:
                self._texts.popitem(last=False)
        return key

    def of(self, key: str) -> tuple[str, str]:
        """The path and the text. Raises NotFoundError for one that is no longer kept."""
        found = self._texts.get(key)
        if found is None:
            raise NotFoundError(N_("This draft is no longer kept; go on writing and it is shown anew."))
        return found


def drafts_of(request: Request) -> Drafts:
    """The drafts of this server."""
    state = request.app.state
    if not hasattr(state, "drafts"):
        state.drafts = Drafts()
    drafts: Drafts = state.drafts
    return drafts


def seen_of(request: Request) -> Seen:
    """The texts that this server's editors were opened with."""
    state = request.app.state
    if not hasattr(state, "seen_pieces"):
        state.seen_pieces = Seen()
    seen: Seen = state.seen_pieces
    return seen


@dataclasses.dataclass(frozen=True)
class Page:
    """What one drawing of the editor shows."""

    path: str
    text: str
    base: str
    mark: str
    customer: str = ""
    message: str = ""
    stale: bool = False


def may_write(request: Request) -> None:
    """Raises UsageError where content is not edited from this reader's place."""
    if not may_edit(request, answers_of(request)):
        raise UsageError(N_("The map is not edited from here; the setting is server.edits."))


def _path_of(given: str) -> str:
    """The path that is edited: a piece's, or that of the constants. Raises NotFoundError for another."""
    path = given if given.startswith(f"{FOLDER}/") else f"{FOLDER}/{given}"
    if path != FACTS:
        try:
            parts_of(path)
        except ContentError as error:
            raise NotFoundError(error.message, **error.facts) from error
    return path


def _read(project: Project, path: str) -> bytes | None:
    try:
        return (project.folder / path).read_bytes()
    except FileNotFoundError:
        return None


@router.get("/content/edit")
@needs("edit")
def edit_page(request: Request) -> Response:
    may_write(request)
    query = own_query(request)
    refuse_unknown(query, ("piece", "customer", "saved"))
    path = _path_of(query.get("piece", ""))
    content = _read(project_of(request), path)
    if content is None and path != FACTS:
        raise NotFoundError(N_("There is no {file}."), file=path)
    text = plain((content or b"").decode("utf-8-sig", "replace"))
    mark = seen_of(request).keep(content or b"")
    return piece_drawn(request, Page(path, text, text, mark, query.get("customer", "").strip()))


@router.post("/content/edit")
@needs("edit")
async def edit_sent(request: Request) -> Response:
    return await run_in_threadpool(sent_in, request, await form_of(request))


def sent_in(request: Request, sent: dict[str, str]) -> Response:
    """A change to take in, or the piece to save or to take away."""
    may_write(request)
    project = project_of(request)
    path = _path_of(sent.get("piece", ""))
    if sent.get("do") == "delete":
        return taken_away(request, path, sent)
    text = with_fields(plain(sent.get("source", "")), plain(sent.get("base", "")), sent)
    now = _read(project, path) or b""
    page = Page(path, text, text, sent.get("mark", ""), sent.get("customer", "").strip(),
                stale=mark_of(now) != sent.get("mark", ""))  # fmt: skip
    return saved(request, page, now) if sent.get("do") == "save" else piece_drawn(request, page)


def head_fields(text: str) -> tuple[Field, ...]:
    """The fields of a piece's front matter; none where it does not read."""
    found = FENCED.match(text)
    tree = read_text(found["head"] or "{}\n") if found and found["head"].strip() else None
    if found and tree is not None and (tree.faults or not isinstance(tree.data, dict)):
        return ()
    data = tree.data if tree is not None else {}
    if data.get("channel") == "site":
        return ()
    return (
        one(data, ("subject",), "text", N_("Subject")),
        one(data, ("preheader",), "text", N_("What mail programs show behind the subject")),
    )


def with_fields(text: str, base: str, sent: dict[str, str]) -> str:
    """The text with what the fields changed against ``base``; comments of the front matter stay."""
    found = FENCED.match(text)
    changes = list(changed(head_fields(base), sent))
    if not changes or not head_fields(text):
        return text
    head, body = (found["head"], text[found.end() :]) if found else ("", text)
    for field, values in changes:
        value = written(field, values)
        tree = read_text(head)
        if tree.data is None:
            head = "" if value is None else put(read_text("x: y\n"), field.path, value).text.replace("x: y\n", "")
        else:
            head = put(tree, field.path, value).text
    return f"---\n{head if not head or head.endswith(chr(10)) else head + chr(10)}---\n{body}"


def saved(request: Request, page: Page, now: bytes) -> Response:
    """The piece written into its file, unless that has changed since, or the piece does not read."""
    project = project_of(request)
    if mark_of(now) != page.mark:
        return both_drawn(request, page, now)
    reader = Reader(read_language(request))
    unread = [f for f in faults_of(project, page) if f.code in ("unreadable", "syntax", "facts")]
    if unread:
        told = reader(N_("It was not saved: nobody could be sent what does not read."))
        return piece_drawn(request, dataclasses.replace(page, message=told), 400)
    file = project.folder / page.path
    _in_folder(project, file)
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, page.text.encode())
    name, address = actor_of(request)
    project.audit.note(name, "content.saved", page.path, address=address)
    return RedirectResponse(href("/content/edit", piece=page.path, customer=page.customer, saved="yes"), 303)


def _in_folder(project: Project, file: Path) -> None:
    """Raises UsageError for a file that a link would lead out of the project's folder."""
    if not file.resolve().is_relative_to(project.folder.resolve()):
        raise UsageError(N_("{file} lies outside the project's folder."), file=str(file))


def taken_away(request: Request, path: str, sent: dict[str, str]) -> Response:
    """The piece's file removed, unless a rule sends it or it has changed."""
    project = project_of(request)
    content = _read(project, path) or b""
    text = plain(content.decode("utf-8-sig", "replace"))
    page = Page(path, text, text, mark_of(content))
    reader = Reader(read_language(request))
    if mark_of(content) != sent.get("mark"):
        told = reader(N_("{file} has changed since you opened the page. Look at it, then do it once more."), file=path)
        return piece_drawn(request, dataclasses.replace(page, message=told), 409)
    if by := users_of(project, path):
        told = reader(
            N_("It is not removed: {users} would have nothing to send."),
            users=", ".join(use.title for use in uses_of(project, by, reader).values()),
        )
        return piece_drawn(request, dataclasses.replace(page, message=told), 400)
    (project.folder / path).unlink(missing_ok=True)
    name, address = actor_of(request)
    project.audit.note(name, "content.deleted", path, address=address)
    return RedirectResponse("/content", 303)


def users_of(project: Project, path: str) -> tuple[str, ...]:
    """What of the map names the piece in any of its languages, as ``named_in`` calls it."""
    parts = named(path)
    return users_by_name(project).get(parts["name"], ()) if parts else ()


def users_by_name(project: Project) -> dict[str, tuple[str, ...]]:
    """What of the map names each piece in any of its languages, by the piece's name; {} of a map with faults."""
    try:
        there = named_in(project.journey())
    except MapError:
        return {}
    found: dict[str, dict[str, None]] = {}
    for path, users in there.items():
        if parts := named(path):
            found.setdefault(parts["name"], {}).update(dict.fromkeys(users))
    return {name: tuple(users) for name, users in found.items()}


# -- a new piece ------------------------------------------------------------------------------------------------------


@router.get("/content/new")
@needs("edit")
def new_page(request: Request) -> Response:
    may_write(request)
    refuse_unknown(own_query(request), ("name",))
    return new_drawn(request, own_query(request).get("name", ""))


def new_drawn(request: Request, name: str, status: int = 200, message: str = "") -> Response:
    project = project_of(request)
    there = sorted({parts["name"] for path in paths(project.folder) if (parts := named(path))})
    return drawn(request, "piece_new.html", status, room="/content", name=name, there=there, message=message)


@router.post("/content/new")
@needs("edit")
async def new_sent(request: Request) -> Response:
    return await run_in_threadpool(begun, request, await form_of(request))


def begun(request: Request, sent: dict[str, str]) -> Response:
    """The files of a new piece, in the languages asked for; those that are there already stay."""
    may_write(request)
    project = project_of(request)
    name, copied = sent.get("name", "").strip(), sent.get("copy", "")
    languages = [language for language in LANGUAGES if sent.get(language) == "yes"]
    reader = Reader(read_language(request))
    if not NAME.fullmatch(name):
        return new_drawn(request, name, 400, reader(N_("Give the piece a name of letters, digits, - and _.")))
    if not languages:
        return new_drawn(request, name, 400, reader(N_("Choose at least one language.")))
    made = []
    for language in languages:
        path = f"{FOLDER}/{name}.{language}.md"
        text = _copy_of(project, copied, language)
        file = project.folder / path
        _in_folder(project, file)
        if file.exists():
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        subject, body = BEGINNINGS[language]
        replace_file(file, (text or f"---\nsubject: {subject}\n---\n{body}").encode())
        made.append(path)
    if not made:
        told = reader(N_("There is a piece {name} in these languages already."), name=name)
        return new_drawn(request, name, 400, told)
    who, address = actor_of(request)
    project.audit.note(who, "content.saved", ", ".join(made), address=address)
    return RedirectResponse(href("/content/edit", piece=made[0]), 303)


def _copy_of(project: Project, name: str, language: str) -> str | None:
    """The text of another piece in this language, or in any; None where none is to be copied."""
    if not name:
        return None
    same = [path for path in paths(project.folder) if (parts := named(path)) and parts["name"] == name]
    mine = [path for path in same if path.endswith((f".{language}.md", f".{language}.mjml"))]
    found = next((path for path in (*mine, *same) if path.endswith(".md")), None)
    return None if found is None else (project.folder / found).read_text(encoding="utf-8-sig")


# -- drawing ----------------------------------------------------------------------------------------------------------


def faults_of(project: Project, page: Page) -> tuple[Fault, ...]:
    """The faults of the text as it stands on the page."""
    if page.path != FACTS:
        return check_piece(project, page.path, page.text)
    tree = read_text(page.text)
    return tuple(Fault(FACTS, f.line, "facts", f.message, f.facts) for f in tree.faults if f.code != "yaml.empty")


def shown_of(project: Project, page: Page, language: str) -> tuple[Preview | None, str]:
    """The piece as the customer would get it, or why it cannot be shown."""
    if page.path == FACTS:
        return None, ""
    try:
        return preview_of(project, piece_of(page.path, page.text), page.customer or None), ""
    except (ContentError, UsageError) as error:
        return None, error.text(language)


def piece_drawn(request: Request, page: Page, status: int = 200) -> Response:
    project, language = project_of(request), read_language(request)
    reader = Reader(language)
    users = users_of(project, page.path) if page.path != FACTS else ()
    shown, why_not = shown_of(project, page, language)
    found = named(page.path)
    others = [
        path for path in paths(project.folder)
        if path != page.path and found and (parts := named(path)) and parts["name"] == found["name"]
    ]  # fmt: skip
    faults = [
        (f.line, reader(f.message, **f.facts), f.code in ("unreadable", "syntax", "facts"))
        for f in faults_of(project, page)
    ]
    response = drawn(
        request, "piece_editor.html", status, room="/content", page=page, fields=head_fields(page.text), faults=faults,
        shown=shown, why_not=why_not, others=others, users=list(uses_of(project, users, reader).values()),
        draft=drafts_of(request).keep(page.path, page.text), names=NAMES, shared=_shared(project), facts=FACTS,
        saved=own_query(request).get("saved") == "yes" and request.method == "GET", href=href,
        traits=sorted(known_of(project)[0].traits), people=_people(project, page.customer),
    )  # fmt: skip
    response.headers["Content-Security-Policy"] = FRAMING
    return response


def _shared(project: Project) -> list[str]:
    """The names of the shop's own constants."""
    try:
        found = constants(project.folder)
    except ContentError:  # told among the faults of the content
        return []
    return [f"{root}.{inner}" for root, value in found.items() for inner in (value if isinstance(value, dict) else ())]


def _people(project: Project, chosen: str) -> list[str]:
    """A few customers to choose from: those to whom messages were made last, then those who came last."""
    row = tables.identities.c
    with project.state.read() as connection:
        told = sa.select(tables.outbox.c.customer).order_by(tables.outbox.c.made_at.desc()).limit(60)
        came = sa.select(row.customer).where(row.kind != "anonymous").order_by(row.id.desc()).limit(20)
        latest = dict.fromkeys([*connection.execute(told).scalars(), *connection.execute(came).scalars()])
    names = names_of(project, set(list(latest)[:12]), project.subject())
    return [name for name in names.values() if name != chosen]


def both_drawn(request: Request, page: Page, now: bytes) -> Response:
    """Theirs and mine beside each other, with what differs."""
    theirs = now.decode("utf-8-sig", "replace")
    was = seen_of(request).text(page.mark)
    before = None if was is None else plain(was.decode("utf-8-sig", "replace"))
    together = merged(before, plain(theirs), page.text) if before and now else None
    return drawn(
        request, "piece_both.html", 409, room="/content", page=page, theirs=theirs, mark=seen_of(request).keep(now),
        together=None if together in (plain(theirs), page.text) else together, href=href,
        there=bool(now), lines=diff(plain(theirs) if now else "", page.text).splitlines(),
    )  # fmt: skip
