"""Pages for owners: people and their roles, keys of machines, the audit log."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from polku.access.audit import ACTIONS
from polku.access.keys import STATE_WORDS, Keys
from polku.access.roles import ROLE_MEANS, ROLE_WORDS
from polku.access.users import VALID
from polku.errors import AccessError
from polku.language import N_
from polku.record.clock import moment
from polku.web.guard import actor_of, form_of, needs
from polku.web.options import read_number, refuse_unknown
from polku.web.pages import own_query, read_language
from polku.web.reading import href
from polku.web.signin import drawn, entrance_of

router = APIRouter(include_in_schema=False)

PAGE_SIZE = 100


async def done(request: Request, work: Callable[[Request, dict[str, str]], Response]) -> Response:
    """A form's work in a thread of its own."""
    return await run_in_threadpool(work, request, await form_of(request))


def site_of(request: Request) -> str:
    """The address of this server as its reader wrote it, for links to be passed on."""
    return f"{request.url.scheme}://{request.headers.get('host', '')}"


# -- people -----------------------------------------------------------------------------------------------------------


@router.get("/settings/people")
@needs("own")
def people_page(request: Request) -> Response:
    refuse_unknown(own_query(request), ())
    return people(request)


def people(
    request: Request, status: int = 200, message: str | None = None, link: str | None = None, name: str = ""
) -> Response:
    entrance = entrance_of(request)
    return drawn(
        request,
        "people.html",
        status,
        room="/settings/people",
        users=entrance.users.list(),
        needed=entrance.needed(),
        role_words=ROLE_WORDS,
        role_means=ROLE_MEANS,
        moment=moment,
        message=message,
        link=link,
        name=name,
        days=VALID["invite"] // 86_400_000_000,
    )


@router.post("/settings/people")
@needs("own")
async def change_people(request: Request) -> Response:
    return await done(request, people_changed)


def people_changed(request: Request, sent: dict[str, str]) -> Response:
    """Invite, change a role, make a link for a new password, or remove, as the form's ``do`` says."""
    users = entrance_of(request).users
    by, address = actor_of(request)
    name, role = sent.get("name", ""), sent.get("role", "")
    link: str | None = None
    try:
        match sent.get("do"):
            case "invite":
                link = users.invite(name, role, by=by, address=address)
            case "link":
                link = users.reset_link(name, by=by, address=address)
            case "role":
                users.set_role(name, role, by=by, address=address)
            case "remove":
                users.remove(name, by=by, address=address)
            case other:
                raise AccessError(N_("The form asks for {what}, which it cannot do."), what=str(other))
    except AccessError as error:
        return people(request, 400, error.text(read_language(request)))
    if link is None:
        return RedirectResponse("/settings/people", 303)
    return people(request, link=f"{site_of(request)}/welcome/{link}", name=name)


# -- keys -------------------------------------------------------------------------------------------------------------


@router.get("/settings/keys")
@needs("own")
def keys_page(request: Request) -> Response:
    refuse_unknown(own_query(request), ())
    return keys(request)


def keys_of(request: Request) -> Keys:
    found: Keys = entrance_of(request).project.keys
    return found


def keys(request: Request, status: int = 200, message: str | None = None, made: str | None = None) -> Response:
    return drawn(
        request,
        "keys.html",
        status,
        room="/settings/keys",
        keys=keys_of(request).list(),
        states=STATE_WORDS,
        moment=moment,
        message=message,
        made=made,
    )


@router.post("/settings/keys")
@needs("own")
async def change_keys(request: Request) -> Response:
    return await done(request, keys_changed)


def keys_changed(request: Request, sent: dict[str, str]) -> Response:
    """Make, rotate or revoke a key, as the form's ``do`` says. A new key's text is in this answer alone."""
    found = keys_of(request)
    by, address = actor_of(request)
    made: str | None = None
    try:
        number = read_number("id", sent.get("id", "0"), 0, 2**40)
        match sent.get("do"):
            case "create":
                scopes = [scope for scope in ("write", "read") if scope in sent]
                source, site = sent.get("source") or None, sent.get("site") or None
                made = found.create(sent.get("name", ""), scopes, source, site, by=by, address=address).text
            case "rotate":
                made = found.rotate(number, by=by, address=address).text
            case "revoke":
                found.revoke(number, by=by, address=address)
            case other:
                raise AccessError(N_("The form asks for {what}, which it cannot do."), what=str(other))
    except AccessError as error:
        return keys(request, 400, error.text(read_language(request)))
    return keys(request, made=made) if made else RedirectResponse("/settings/keys", 303)


# -- the audit log ----------------------------------------------------------------------------------------------------


@router.get("/settings/audit")
@needs("own")
def audit_page(request: Request) -> Response:
    """Who did what, the latest first; and whether the chain is whole."""
    query = own_query(request)
    refuse_unknown(query, ("before", "action", "actor"))
    before = query.get("before")
    action, actor = query.get("action") or None, query.get("actor") or None
    audit = entrance_of(request).project.audit
    entries = audit.entries(
        PAGE_SIZE + 1, None if before is None else read_number("before", before, 1, 2**62), action, actor
    )
    older = entries[PAGE_SIZE - 1].id if len(entries) > PAGE_SIZE else None
    return drawn(
        request,
        "audit.html",
        room="/settings/audit",
        entries=entries[:PAGE_SIZE],
        actions=ACTIONS,
        action=action,
        actor=actor,
        moment=moment,
        older=None if older is None else href("/settings/audit", action=action, actor=actor, before=older),
        chain=audit.check(),
    )
