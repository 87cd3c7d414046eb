"""/offers: what offers are made of. The catalogue, pools of codes, referrals, points, each with what became of it."""

from __future__ import annotations

import io
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from polku.errors import PolkuError, UsageError
from polku.journey.offers import Offers
from polku.language import N_
from polku.measures.csvtext import MARK, lines
from polku.offers import byhand, catalogue, codes, fetching, ledger, referral
from polku.offers.product import AVAILABILITY
from polku.record.clock import moment
from polku.record.naming import names_of
from polku.web.guard import UNREADABLE, actor_of, body_of, form_of, may, needs
from polku.web.live import project_of
from polku.web.options import read_number, refuse_unknown
from polku.web.pages import own_query, read_language
from polku.web.policy import POLICY
from polku.web.reading import href
from polku.web.signin import drawn

router = APIRouter(include_in_schema=False)
api = APIRouter(tags=["guidance"])
SHOWN = 100
Given = str | None


@router.get("/offers")
@needs("see")
def offers_page(request: Request) -> Response:
    """All of it at a glance."""
    refuse_unknown(own_query(request), ())
    project = project_of(request)
    offers = project.journey().offers
    return drawn(
        request, "offers.html", room="/offers", offers=offers, pools=codes.pools(project), words=codes.STATE_WORDS,
        products=catalogue.counts(project), feeds=fetching.looks(project), availability=AVAILABILITY,
        referrals=referral.counts(project), referral_words=referral.STATE_WORDS, moment=moment, href=href,
        totals=byhand.totals(project) if offers.loyalty is not None else None, levels=levels_of(offers),
        states=codes.STATES,
    )  # fmt: skip


def levels_of(offers: Offers) -> list[tuple[str, Any]]:
    """The levels of the programme, the lowest first."""
    from polku.offers.loyalty import levels_by_points

    return levels_by_points(offers.loyalty) if offers.loyalty is not None else []


# -- products ----------------------------------------------------------------------------------------------------------


@router.get("/offers/products")
@needs("see")
def products_page(request: Request) -> Response:
    """The catalogue, searched. Pictures are shown from the hosts of the map, and from no other."""
    query = own_query(request)
    refuse_unknown(query, ("search", "availability", "category", "limit"))
    project = project_of(request)
    asked = catalogue.Search.read(query.get("search"), query.get("availability"), query.get("category"))
    limit = read_number("limit", query.get("limit") or str(SHOWN), 1, 1000)
    return with_pictures(
        project.journey().offers,
        drawn(
            request, "offer_products.html", room="/offers", asked=asked, counts=catalogue.counts(project, asked),
            found=catalogue.search(project, asked, limit, read_language(request)), availability=AVAILABILITY,
            categories=catalogue.categories(project), feeds=fetching.looks(project), limit=limit, moment=moment,
            shown=lambda address: pictured(project.journey().offers, address), href=href,
        ),
    )  # fmt: skip


@router.get("/offers/products/one")
@needs("see")
def product_page(request: Request) -> Response:
    """One product, with what goes with it."""
    query = own_query(request)
    refuse_unknown(query, ("id",))
    project = project_of(request)
    language = read_language(request)
    one = catalogue.product_of(project, query.get("id", ""), language)
    return with_pictures(
        project.journey().offers,
        drawn(
            request, "offer_product.html", room="/offers", one=one, availability=AVAILABILITY, moment=moment,
            others=catalogue.recommended(project, [one.product_id], language), href=href,
            shown=lambda address: pictured(project.journey().offers, address),
        ),
    )  # fmt: skip


def pictured(offers: Offers, address: str | None) -> bool:
    """Whether a picture is shown: it is of a host of the map."""
    from polku.offers.product import of_host

    return address is not None and address.startswith("https:") and of_host(address, offers.catalogue.hosts)


def with_pictures(offers: Offers, response: Response) -> Response:
    """Let a page show pictures of the map's hosts, over https alone."""
    hosts = " ".join(f"https://{host}" for host in offers.catalogue.hosts)
    response.headers["Content-Security-Policy"] = POLICY.replace(
        "img-src 'self' data:", f"img-src 'self' data: {hosts}"
    )
    return response


# -- codes -------------------------------------------------------------------------------------------------------------


@router.get("/offers/codes")
@needs("see")
def codes_page(request: Request) -> Response:
    return codes_of(request)


def codes_of(request: Request, status: int = 200, message: str | None = None, pool: str = "") -> Response:
    """The codes of a pool, and what became of each. Who may not edit sees no code that could still be used."""
    query = own_query(request) if status == 200 else {"pool": pool}
    refuse_unknown(query, ("pool", "state", "search", "limit"))
    project = project_of(request)
    limit = read_number("limit", query.get("limit") or str(SHOWN), 1, 1000)
    pools = codes.pools(project)
    chosen = next((one for one in pools if one.name == query.get("pool")), None)
    if chosen is None:
        codes.pool_of(project.journey(), query.get("pool", ""))
    may_edit = may(request, "edit")
    search = query.get("search", "") if may_edit else ""
    found = codes.listed(project, query.get("pool"), query.get("state") or None, search, limit)
    people = {who for one in found for who in (one.customer, one.used_by) if who is not None}
    return drawn(
        request, "offer_codes.html", status, room="/offers", pool=chosen, found=found, words=codes.STATE_WORDS,
        names=names_of(project, people, project.subject()), may_edit=may_edit, moment=moment, href=href, limit=limit,
        state=query.get("state"), search=search, message=message, masked=masked, states=codes.STATES,
        reasons=codes.REASONS,
    )  # fmt: skip


def masked(code: codes.Code, may_edit: bool) -> str:
    """A code as a reader may see it: its end is hidden from who may not edit, while it can still be used."""
    if may_edit or code.state not in (codes.FREE, codes.GIVEN):
        return code.code
    return code.code[:-4] + "••••"


@router.get("/offers/codes.csv")
@needs("edit")
def codes_file(request: Request) -> Response:
    """The free codes of a pool, for the shop."""
    query = own_query(request)
    refuse_unknown(query, ("pool",))
    project = project_of(request)
    pool = query.get("pool", "")
    codes.pool_of(project.journey(), pool)
    found = codes.listed(project, pool, codes.FREE, "", codes.MOST)
    rows = [("code", "expires"), *((one.code, one.expires_at and moment(one.expires_at).isoformat()) for one in found)]
    actor, address = actor_of(request)
    project.audit.note(actor, "data.exported", f"codes:{pool}", {"rows": len(found)}, address=address)
    headers = {"Content-Disposition": f'attachment; filename="codes-{pool}.csv"', "Cache-Control": "no-store"}
    text = MARK + "".join(lines(rows))
    return Response(text.encode(), media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/offers/codes")
@needs("edit")
async def codes_changed(request: Request) -> Response:
    return await run_in_threadpool(changed, request, await form_of(request))


def changed(request: Request, sent: dict[str, str]) -> Response:
    """Make codes, take in the shop's, or withdraw free ones."""
    project, (by, _) = project_of(request), actor_of(request)
    pool, do = sent.get("pool", ""), sent.get("do")
    codes.pool_of(project.journey(), pool)
    try:
        if do == "make":
            codes.make(project, pool, read_number("count", sent.get("count", ""), 1, 100_000), by)
        elif do == "take":
            given = [(line.strip(), None) for line in io.StringIO(sent.get("codes", ""))]
            codes.take_in(project, pool, given, by)
        elif do == "withdraw":
            codes.withdraw(project, pool, None, sent.get("reason", "").strip()[:500], by)
        elif do == "release":
            codes.release(project, pool, by)
        else:
            raise UsageError(N_("The form does not say what to do."))
    except UsageError as error:
        return codes_of(request, 400, error.text(read_language(request)), pool)
    return RedirectResponse(href("/offers/codes", pool=pool), 303)


# -- referrals ---------------------------------------------------------------------------------------------------------


@router.get("/offers/referrals")
@needs("see")
def referrals_page(request: Request) -> Response:
    """Who came by whose recommendation, and what became of it."""
    query = own_query(request)
    refuse_unknown(query, ("state", "limit"))
    project = project_of(request)
    limit = read_number("limit", query.get("limit") or str(SHOWN), 1, 1000)
    found = referral.listed(project, query.get("state") or None, None, limit)
    people = {who for one in found for who in (one.referrer, one.friend) if who is not None}
    return drawn(
        request, "offer_referrals.html", room="/offers", found=found, counts=referral.counts(project), limit=limit,
        words=referral.STATE_WORDS, reasons=referral.REASONS, names=names_of(project, people, project.subject()),
        state=query.get("state"), may_edit=may(request, "edit"), definition=project.journey().offers.referral,
        moment=moment, href=href,
    )  # fmt: skip


@router.post("/offers/referrals")
@needs("edit")
async def referral_decided(request: Request) -> Response:
    return await run_in_threadpool(decided, request, await form_of(request))


def decided(request: Request, sent: dict[str, str]) -> Response:
    number = read_number("number", sent.get("number", ""), 1, 2**62)
    if sent.get("do") not in ("accept", "refuse"):
        raise UsageError(N_("The form does not say what to do."))
    referral.decide(project_of(request), number, sent["do"] == "accept", actor_of(request)[0])
    return RedirectResponse("/offers/referrals", 303)


# -- points ------------------------------------------------------------------------------------------------------------


@router.get("/offers/points")
@needs("see")
def points_page(request: Request) -> Response:
    """The programme in numbers, and its customers."""
    query = own_query(request)
    refuse_unknown(query, ("level", "limit"))
    project = project_of(request)
    limit = read_number("limit", query.get("limit") or str(SHOWN), 1, 1000)
    offers = project.journey().offers
    byhand.programme_of(project)
    found = byhand.members(project, limit, query.get("level") or None)
    names = names_of(project, {one.customer for one in found}, project.subject())
    return drawn(
        request, "offer_points.html", room="/offers", programme=offers.loyalty, totals=byhand.totals(project),
        found=found, names=names, level=query.get("level"), levels=levels_of(offers), limit=limit, moment=moment,
        href=href,
    )  # fmt: skip


@router.get("/offers/points/customer")
@needs("see")
def ledger_page(request: Request) -> Response:
    return ledger_of(request, own_query(request))


def ledger_of(request: Request, query: dict[str, str], status: int = 200, message: str | None = None) -> Response:
    """The ledger of one customer: every entry with its reason."""
    from polku.content.preview import customer_meant

    refuse_unknown(query, ("id",))
    project = project_of(request)
    customer = customer_meant(project, query.get("id", ""))
    standing, entries = byhand.standing_of(project, customer)
    programme = byhand.programme_of(project)
    return drawn(
        request, "offer_ledger.html", status, room="/offers", standing=standing, entries=entries[::-1],
        words=ledger.KIND_WORDS, programme=programme, levels=dict(programme.levels), moment=moment, message=message,
        name=names_of(project, [customer], project.subject())[customer], customer=customer,
        may_edit=may(request, "edit"),
    )  # fmt: skip


@router.post("/offers/points/customer")
@needs("edit")
async def points_changed(request: Request) -> Response:
    return await run_in_threadpool(by_hand, request, await form_of(request))


def by_hand(request: Request, sent: dict[str, str]) -> Response:
    """Give or take points by hand."""
    project, (by, address) = project_of(request), actor_of(request)
    customer = read_number("customer", sent.get("customer", ""), 1, 2**62)
    sign = -1 if sent.get("do") == "take" else 1
    try:
        points = sign * read_number("points", sent.get("points", ""), 1, ledger.MOST)
        key = sent.get("key", "")[:40]
        byhand.change(project, customer, points, sent.get("reason", ""), by, key=key, address=address)
    except PolkuError as error:
        return ledger_of(request, {"id": f"#{customer}"}, 400, error.text(read_language(request)))
    return RedirectResponse(href("/offers/points/customer", id=f"#{customer}"), 303)


# -- as data -----------------------------------------------------------------------------------------------------------


@api.get("/api/offers", description=N_("Pools of codes, referrals and points in numbers, and how feeds stand."))
@needs("see")
def offers_data(request: Request) -> dict[str, Any]:
    project = project_of(request)
    loyalty = project.journey().offers.loyalty
    return {
        "codes": [pool.to_dict() for pool in codes.pools(project)], "referrals": referral.counts(project),
        "points": byhand.totals(project) if loyalty is not None else None, "products": catalogue.counts(project),
        "feeds": [look.to_dict() for look in fetching.looks(project)],
    }  # fmt: skip


@api.get("/api/products", description=N_("Products of the catalogue, those that sell most first."))
@needs("see")
def products_data(
    request: Request,
    search: Annotated[Given, Query(description=N_("words that the product has"))] = None,
    availability: Annotated[
        Given, Query(description=N_("in_stock, out_of_stock, preorder, backorder, unknown or gone"))
    ] = None,
    category: Annotated[Given, Query(description=N_("of this category alone"))] = None,
    limit: Annotated[Given, Query(description=N_("1 to 1000, default 50"))] = None,
) -> dict[str, Any]:
    project = project_of(request)
    asked = catalogue.Search.read(search, availability, category)
    found = catalogue.search(project, asked, read_number("limit", limit or "50", 1, 1000), read_language(request))
    return {"counts": catalogue.counts(project, asked), "products": [one.to_dict() for one in found]}


@api.get("/api/points", description=N_("A customer's points, level and ledger, for the shop's own pages."))
@needs("see")
def points_data(
    request: Request, customer: Annotated[str, Query(description=N_("an id, an e-mail address or a phone number"))]
) -> dict[str, Any]:
    from polku.content.preview import customer_meant

    project = project_of(request)
    standing, entries = byhand.standing_of(project, customer_meant(project, customer))
    return {**standing.to_dict(), "entries": [entry.to_dict() for entry in entries]}


class Spent(msgspec.Struct, forbid_unknown_fields=True):
    """Points that a customer spends, as the shop's checkout tells it. ``key``: the same one spends once."""

    customer: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    points: Annotated[int, msgspec.Meta(ge=1, le=ledger.MOST)]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=byhand.LONGEST)]
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    order_id: Annotated[str, msgspec.Meta(max_length=300)] | None = None


#: The body of the request, in the description of the API.
BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": msgspec.json.schema(Spent)["$defs"][
        "Spent"]}}},
    "responses": {"409": {"description": "There are too few points.", "content": {"application/json": {"schema": {
        "$ref": "#/components/schemas/Error"}}}}},
}  # fmt: skip


@api.post(
    "/api/points",
    description=N_(
        "Spend a customer's points; 409 where there are too few. Takes an editor, or a key that reads and writes."
    ),
    openapi_extra=BODY,
)
@needs("tell")
async def api_spend(request: Request) -> Response:
    return await run_in_threadpool(spent, request, await body_of(request))


def spent(request: Request, body: bytes) -> Response:
    """``spent``: whether it was done now; False: the key was used before, and nothing changed."""
    from polku.content.preview import customer_meant

    try:
        told = msgspec.json.decode(body, type=Spent)
    except UNREADABLE as fault:
        raise UsageError(
            N_("The body spends no points: {fault}. Send for example {example}."), fault=str(fault),
            example='{"customer": "anna", "points": 100, "reason": "order 1001", "key": "order-1001"}',
        ) from fault  # fmt: skip
    project, (by, address) = project_of(request), actor_of(request)
    customer = customer_meant(project, told.customer)
    try:
        standing, done = byhand.spend(
            project, customer, told.points, told.reason, told.key, by, order_id=told.order_id, address=address
        )
    except ledger.PointsShort as short:
        return JSONResponse(short.to_dict(read_language(request)), 409)
    return JSONResponse({"spent": done, **standing.to_dict()})
