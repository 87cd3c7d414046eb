"""What anybody may ask of reviews: /reviews/<product> as JSON for the shop's pages, and a page to report one."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from polku.access.entrance import ThrottledError, is_loopback
from polku.access.limits import Limit, network
from polku.errors import UsageError
from polku.guidance.preparing import sender_of
from polku.language import N_, Reader, said
from polku.surveys import reviews
from polku.web.asking import NO_STORE, limited
from polku.web.guard import by_link, form_of, needs
from polku.web.live import project_of
from polku.web.notfound import NotFoundError
from polku.web.options import read_number, refuse_unknown
from polku.web.pages import own_query, read_language
from polku.web.reading import href, render

router = APIRouter(include_in_schema=False)

#: A shop's page, on whatever address it is, may ask; browsers and caches keep the answer for so many seconds.
OPEN: Final = {
    "Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "public, max-age=300, stale-while-revalidate=3600",
}  # fmt: skip
SHOWN: Final = 20


@router.get("/reviews")
@needs("open")
def of_the_shop(request: Request) -> Response:
    """Reviews of the shop itself."""
    return told(request, "")


@router.get("/reviews/{product:path}")
@needs("open")
def of_a_product(request: Request, product: str) -> Response:
    """Reviews of a product: average, how many, and the latest of them with the shop's replies."""
    return told(request, product)


def told(request: Request, product: str) -> Response:
    slowed(request)
    query = own_query(request)
    refuse_unknown(query, ("limit", "offset"))
    limit = read_number("limit", query.get("limit") or str(SHOWN), 0, 200)
    offset = read_number("offset", query.get("offset") or "0", 0, 1_000_000)
    body = msgspec.json.encode(reviews.public(project_of(request), product, limit, offset))
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    if tag in [each.strip() for each in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers={**OPEN, "ETag": tag})
    return Response(body, media_type="application/json", headers={**OPEN, "ETag": tag})


def slowed(request: Request) -> None:
    """Raise ThrottledError where one address asks for more than a program that shows reviews needs: anybody may ask."""
    state = request.app.state
    if not hasattr(state, "reviews_limit"):
        state.reviews_limit = Limit(project_of(request).settings.limits.api, 60.0)
    address = request.client.host if request.client else ""
    if not is_loopback(address) and (wait := state.reviews_limit.take(network(address))):
        raise ThrottledError(N_("There were too many requests. Wait a while and try again."), wait)


@router.get("/review-report")
@by_link
def report_page(request: Request) -> Response:
    """A form by which any reader reports a review."""
    return report_form(request, "")


def report_form(request: Request, message: str) -> Response:
    project = project_of(request)
    try:
        review = reviews.review_of(project, request.query_params.get("review", ""))
    except UsageError as error:
        raise NotFoundError(error.message, **error.facts) from error
    language = read_language(request)
    context = {
        "review": review, "reasons": reviews.REASONS, "message": message, "done": "done" in request.query_params,
        "action": href("/review-report", review=review.id, lang=request.query_params.get("lang")),
        "sender": sender_of(project.settings.mail.sender) or said(project.journey().title, language),
        "assets": request.app.state.assets,
    }  # fmt: skip
    return HTMLResponse(
        render("review_report.html", Reader(language), **context), 400 if message else 200, headers=NO_STORE
    )


@router.post("/review-report")
@by_link
async def send_report(request: Request) -> Response:
    return await run_in_threadpool(reported, request, await form_of(request))


def reported(request: Request, sent: dict[str, str]) -> Response:
    limited(request)
    id = request.query_params.get("review", "")
    try:
        reviews.report(project_of(request), id, sent.get("reason", ""), sent.get("detail", ""))
    except UsageError as error:
        return report_form(request, error.text(read_language(request)))
    return RedirectResponse(href("/review-report", review=id, done=1), 303, NO_STORE)
