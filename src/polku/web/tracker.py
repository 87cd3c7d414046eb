"""/polku.js and /polku/<module>.js: the tracker, for pages of any origin."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from polku.language import N_
from polku.onsite.everyone import has_pieces
from polku.tracker import Script, modules, tracker, with_site
from polku.web.guard import needs
from polku.web.live import project_of
from polku.web.notfound import NotFoundError

router = APIRouter(include_in_schema=False)

#: A new version is at work within five minutes; a browser that has an old one shows no page slower for asking.
CACHE = "public, max-age=300, stale-while-revalidate=86400"


@router.api_route("/polku.js", methods=["GET", "HEAD"])
@needs("open")
def tracker_script(request: Request) -> Response:
    return served(request, with_site() if has_pieces(project_of(request)) else tracker())


@router.api_route("/polku/{name}.js", methods=["GET", "HEAD"])
@needs("open")
def tracker_module(request: Request, name: str) -> Response:
    found = modules().get(name)
    if found is None:
        raise NotFoundError(
            N_("The tracker has no module {value!r}; there are {names}."), value=name, names=", ".join(modules())
        )
    return served(request, found)


def served(request: Request, script: Script) -> Response:
    """The script for a page of any origin: readable by it, and allowed where the page isolates itself."""
    headers = {
        "Cache-Control": CACHE,
        "ETag": script.etag,
        "Vary": "Accept-Encoding",
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Timing-Allow-Origin": "*",
    }
    wanted = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if script.etag in wanted or "*" in wanted:
        return Response(status_code=304, headers=headers)
    body = script.body
    if accepts_gzip(request.headers.get("accept-encoding", "")):
        headers["Content-Encoding"] = "gzip"
        body = script.packed
    return Response(body, headers=headers, media_type="text/javascript; charset=utf-8")


def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header takes gzip (RFC 9110, 12.5.3).

    >>> accepts_gzip("br, gzip;q=0.8"), accepts_gzip("gzip;q=0"), accepts_gzip("")
    (True, False, False)
    """
    for part in header.split(","):
        name, _, quality = part.strip().partition(";")
        if name.strip().lower() in ("gzip", "*"):
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
