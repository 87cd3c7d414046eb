"""The JSON API: the same answers as the pages, with the same options in the URL."""

import dataclasses
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.requests import Request

from polku.errors import PolkuError
from polku.language import N_
from polku.measures.result import to_dict
from polku.web.guard import needs
from polku.web.options import MapOptions, known, refuse_unknown
from polku.web.pages import Visit, answers_of, own_query, read_customers

router = APIRouter()


# The options in the URL: texts that may be missing. The pages' own readers check them, so that page and API agree.
Given = str | None
Period = Annotated[Given, Query(description=N_("7d, 30d (default), 90d, 365d, all or custom"))]
First = Annotated[Given, Query(alias="since", description=N_("first day of a custom period, 2026-05-01"))]
Last = Annotated[Given, Query(alias="until", description=N_("last day of a custom period, 2026-05-31"))]
Persona = Annotated[Given, Query(description=N_("a persona's id"))]
Segment = Annotated[Given, Query(description=N_("a segment's id"))]
Compare = Annotated[Given, Query(description=N_("none (default), previous or year"))]
Language = Annotated[Given, Query(description=N_("fi or en, for the texts"))]
Timezone = Annotated[Given, Query(description=N_("a time zone for the texts; times as data are UTC"))]
Behind = Annotated[Given, Query(description=N_("a selector, as the map gives it: who is behind a number"))]
Stage = Annotated[Given, Query(description=N_("a stage's id: customers there now"))]
Touchpoint = Annotated[Given, Query(description=N_("a touchpoint's id: customers who have met it"))]
Search = Annotated[Given, Query(description=N_("a part of a customer's id"))]
Order = Annotated[Given, Query(description=N_("last_seen (default), since, events, value or name"))]
Limit = Annotated[Given, Query(description=N_("1 to 1000, default 50"))]
Offset = Annotated[Given, Query(description=N_("how many to skip"))]
CustomerId = Annotated[str, Path(description=N_("any id of the customer"))]
MeasureName = Annotated[str, Path(description=N_("a measure of the catalogue, or one that the map names"))]
Events = Annotated[int, Query(ge=1, le=5000, description=N_("how many of the latest events"))]


@router.get(
    "/health",
    description=N_(
        "That the server is alive. map: ok, or the code of what is wrong with the map. Whether events can be stored "
        "tells /ready."
    ),
)
@needs("open")
def health(request: Request) -> dict[str, str]:
    try:
        answers_of(request).journey()
        found = "ok"
    except PolkuError as fault:  # told, and no reason to restart a server that takes events
        found = fault.code
    return {"status": "ok", "map": found}


@router.get(
    "/api/version",
    description=N_("A text that changes whenever anything that the pages show may have changed; cheap to ask often."),
)
@needs("see")
def version(request: Request) -> dict[str, str]:
    return {"version": answers_of(request).version()}


@router.get(
    "/api/map",
    description=N_(
        "The living map: every stage and touchpoint with figures, deviations, and the selectors of who is behind."
    ),
)
@needs("see")
def living_map(
    request: Request,
    period: Period = None,
    first: First = None,
    last: Last = None,
    persona: Persona = None,
    segment: Segment = None,
    compare: Compare = None,
    lang: Language = None,
    tz: Timezone = None,
) -> dict[str, Any]:
    visit = Visit.of(request)
    options = MapOptions.read(own_query(request), visit.journey)
    living, goals, personas = visit.answers.map(options, visit.language)
    return {**to_dict(living), "goals": to_dict(goals), "personas": to_dict(personas)}


@router.get("/api/journey", description=N_("The map as it is planned: journey.yaml as data."))
@needs("see")
def journey(request: Request) -> dict[str, Any]:
    refuse_unknown(own_query(request), ())
    return answers_of(request).journey().model_dump(mode="json", by_alias=True, exclude_defaults=True)


@router.get(
    "/api/customers",
    description=N_(
        "Customers: all, or those behind a number, at a stage, at a touchpoint, or with an id that holds a text."
    ),
)
@needs("see")
def customers(
    request: Request,
    behind: Behind = None,
    stage: Stage = None,
    touchpoint: Touchpoint = None,
    search: Search = None,
    order: Order = None,
    limit: Limit = None,
    offset: Offset = None,
    lang: Language = None,
    tz: Timezone = None,
) -> dict[str, Any]:
    visit = Visit.of(request)
    asked = read_customers(own_query(request), visit.journey)
    wanted = {k: asked[k] for k in ("behind", "stage", "touchpoint", "search", "order", "limit", "offset")}
    found: dict[str, Any] = to_dict(visit.answers.customers(visit.reader, **wanted))
    return found


@router.get(
    "/api/customers/{key:path}",
    description=N_("One customer: ids, traits, stage history with the reason for each change, sessions and events."),
)
@needs("see")
def customer(
    request: Request,
    key: CustomerId,
    events: Events = 500,
    lang: Language = None,
    tz: Timezone = None,
) -> dict[str, Any]:
    visit = Visit.of(request)
    refuse_unknown(own_query(request), ("events",))
    story = visit.answers.customer(key, visit.reader, limit=events)
    return {**to_dict(story), "ids": pairs(story.ids), "traits": dict(story.traits)}


@router.get("/api/openapi.json", include_in_schema=False)
@needs("see")
def openapi(request: Request) -> dict[str, Any]:
    """The description of this API (OpenAPI 3.1)."""
    described: dict[str, Any] = request.app.openapi()
    return described


def pairs(ids: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"kind": kind, "value": value} for kind, value in ids]


@router.get("/api/measures", description=N_("The measures that there are."))
@needs("see")
def measures(request: Request, lang: Language = None, tz: Timezone = None) -> list[dict[str, Any]]:
    visit = Visit.of(request)
    refuse_unknown(own_query(request), ())
    return [dataclasses.asdict(info) for info in visit.answers.measures(visit.reader)]


@router.get("/api/measures/{name}", description=N_("One measure; its options are those of polku measure, in the URL."))
@needs("see")
def measure(request: Request, name: MeasureName, lang: Language = None, tz: Timezone = None) -> Any:
    visit = Visit.of(request)
    known("measure", name, [info.name for info in visit.answers.measures(visit.reader)])
    return visit.answers.measure(name, own_query(request), visit.reader).data
