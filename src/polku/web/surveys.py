"""/surveys: what customers answered; one survey's results, its QR code; what people wrote; reviews and replies."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from polku.errors import UsageError
from polku.journey.model import Journey, titled
from polku.journey.surveys import SCALES, Survey
from polku.language import N_, Reader
from polku.measures.charts import Bars, Chart, Lines, Series
from polku.measures.drawing import figure
from polku.measures.periods import named_period
from polku.measures.result import Period
from polku.record.clock import moment, now
from polku.record.naming import names_of
from polku.surveys import qr, reviews
from polku.surveys.asking import ASKS, choices_of, title_of
from polku.surveys.results import VIAS, Answered, Results, names, results
from polku.surveys.telling import KIND_NAMES, scored
from polku.surveys.texts import Filters, facets, readable, tag, tag_counts, texts
from polku.web.guard import actor_of, form_of, may, needs
from polku.web.live import project_of
from polku.web.notfound import NotFoundError
from polku.web.options import known, read_number, refuse_unknown
from polku.web.pages import own_query, read_language
from polku.web.reading import href
from polku.web.signin import drawn

router = APIRouter(include_in_schema=False)
api = APIRouter(tags=["surveys"])

ROOM: Final = "/surveys"
PERIODS: Final = ("30d", "90d", "365d", "all")
SHOWN: Final = 100
Given = str | None


def period_of(query: dict[str, str], journey: Journey) -> tuple[str, Period]:
    """The period that a page was asked for, all time where none; raises MeasureError."""
    name = query.get("period") or "all"
    zone = Reader("en", journey.timezone).zone
    return name, named_period(name, moment(now()), zone)


# -- surveys ----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """A survey of the list."""

    name: str
    title: str
    touchpoint: str
    found: Results
    score: str
    interval: str


@router.get("/surveys")
@needs("see")
def surveys_page(request: Request) -> Response:
    """Every survey with how many answered and its score."""
    query = own_query(request)
    refuse_unknown(query, ("period",))
    project, journey = project_of(request), project_of(request).journey()
    name, period = period_of(query, journey)
    reader = Reader(read_language(request))
    lines = [line_of(journey, results(project, journey, each, period), reader) for each in names(project, journey)]
    return drawn(
        request, "surveys.html", room=ROOM, lines=lines, period=name, periods=PERIODS, vias=VIAS,
        may_edit=may(request, "edit"), defined=journey.surveys,
    )  # fmt: skip


def line_of(journey: Journey, found: Results, reader: Reader) -> Line:
    survey = journey.surveys.get(found.survey)
    title = reader.said(survey.title) if isinstance(survey, Survey) else found.survey
    touchpoint = survey.touchpoint or "" if isinstance(survey, Survey) else ""
    score, interval = scored(found.score, reader)
    return Line(found.survey, title, place_title(journey, touchpoint, reader), found, score, interval)


def place_title(journey: Journey, touchpoint: str, reader: Reader) -> str:
    """What people read of a touchpoint; its id where the map has it no more."""
    if touchpoint in journey.touchpoint_ids:
        return reader.said(titled(journey.touchpoint(touchpoint)))
    return touchpoint


@router.get("/survey/{name}")
@needs("see")
def survey_page(request: Request, name: str) -> Response:
    """One survey: where it is answered, every question's answers, over time and by touchpoint."""
    query = own_query(request)
    refuse_unknown(query, ("period",))
    project, journey = project_of(request), project_of(request).journey()
    if name not in names(project, journey):
        raise NotFoundError(N_("There is no survey {name!r} here, and nobody has answered one."), name=name)
    chosen, period = period_of(query, journey)
    reader = Reader(read_language(request), journey.timezone)
    survey = journey.surveys.get(name)
    found = results(project, journey, name, period)
    asked = [question_of(journey, survey if isinstance(survey, Survey) else None, a, reader) for a in found.questions]
    latest, whole = texts(project, Filters(survey=name, period=period), 8)
    return drawn(
        request, "survey.html", room=ROOM, line=line_of(journey, found, reader), found=found, asked=asked,
        survey=survey, latest=latest, whole=whole, period=chosen, periods=PERIODS, vias=VIAS, readable=readable,
        address=address_of(request, name), names=who(request, [w.customer for w in latest]),
    )  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """A question as its page shows it."""

    id: str
    ask: str
    answered: Answered
    score: str
    interval: str
    figures: list[Any]
    touchpoints: list[tuple[str, int, str, str]]


def question_of(journey: Journey, survey: Survey | None, found: Answered, reader: Reader) -> Shown:
    question = survey.question(found.question) if survey is not None else None
    ask = reader.said(question.ask) if question is not None else ""
    ask = ask or reader(ASKS.get(found.kind, ASKS["text"]))
    titles = {c.id: title_of(question, c, reader.language) for c in choices_of(question)} if question else {}
    charts: list[Chart] = []
    if found.counts and found.n:
        labels = tuple(titles.get(name, name) for name, _ in found.counts)
        counts = Series(reader("answers"), tuple(float(n) for _, n in found.counts))
        charts.append(Bars(ask, labels, (counts,), across=found.kind not in SCALES))
    if len(found.months) > 1:
        values = [part.score for part in found.months]
        charts.append(
            Lines(
                reader("By month"), tuple(part.name for part in found.months),
                (Series(KIND_NAMES[found.kind], tuple(v.value for v in values), tuple(v.low for v in values),
                        tuple(v.high for v in values)),),
                unit="number" if found.kind == "nps" else "share",
            )
        )  # fmt: skip
    figures = [figure(chart, reader, f"{found.question}-{at}") for at, chart in enumerate(charts)]
    parts = []
    for part in found.touchpoints if len(found.touchpoints) > 1 else ():
        score, interval = scored(dataclasses.replace(found, score=part.score), reader)
        parts.append((place_title(journey, part.name, reader) or "–", part.n, score, interval))
    score, interval = scored(found, reader)
    return Shown(found.question, ask, found, score, interval, figures, parts)


def address_of(request: Request, name: str, via: str = "") -> str:
    """Where a survey is answered: by the address that letters' links have, else by the one of this server."""
    base = project_of(request).settings.mail.links.rstrip("/") or str(request.base_url).rstrip("/")
    return f"{base}/s/{name}" + (f"?via={via}" if via else "")


def who(request: Request, customers: Sequence[int | None]) -> dict[int, str]:
    """What the customers of a page are called."""
    project = project_of(request)
    return names_of(project, {c for c in customers if c is not None}, project.subject())


@router.get("/survey/{name}/qr.{kind}")
@needs("see")
def qr_code(request: Request, name: str, kind: str) -> Response:
    """The QR code of a survey's own page, as SVG or PNG."""
    query = own_query(request)
    refuse_unknown(query, ("place",))
    known("format", kind, ("svg", "png"))
    survey_here(request, name)
    address = qr.address(address_of(request, name), query.get("place", ""))
    media = "image/svg+xml" if kind == "svg" else "image/png"
    return Response(qr.svg(address) if kind == "svg" else qr.png(address), media_type=media)


def survey_here(request: Request, name: str) -> Survey:
    found = project_of(request).journey().surveys.get(name)
    if not isinstance(found, Survey):
        raise NotFoundError(N_("There is no survey {name!r} in the map."), name=name)
    return found


@router.get("/survey/{name}/poster")
@needs("see")
def poster(request: Request, name: str) -> Response:
    """A page to print for the counter: the question, the QR code, the address."""
    query = own_query(request)
    refuse_unknown(query, ("place",))
    survey = survey_here(request, name)
    place = query.get("place", "")
    return drawn(
        request, "survey_poster.html", room=ROOM, name=name, survey=survey, place=place,
        address=address_of(request, name), code=href(f"/survey/{name}/qr.svg", place=place),
    )  # fmt: skip


# -- what people wrote ------------------------------------------------------------------------------------------------

ASKED = ("survey", "question", "kind", "touchpoint", "tag", "q", "period", "limit")


def filters_of(query: dict[str, str], journey: Journey) -> tuple[str, Filters]:
    refuse_unknown(query, ASKED)
    name, period = period_of(query, journey)
    told = {key: query.get(key) or None for key in ("survey", "question", "kind", "touchpoint", "tag")}
    return name, Filters(**told, words=query.get("q") or None, period=period)


@router.get("/surveys/answers")
@needs("see")
def answers_page(request: Request) -> Response:
    return answers(request)


def answers(request: Request, status: int = 200, message: str | None = None) -> Response:
    """What people wrote, by touchpoint, survey, tag and word; each with its tags."""
    project, journey = project_of(request), project_of(request).journey()
    query = own_query(request)
    name, wanted = filters_of(query, journey)
    limit = read_number("limit", query.get("limit") or str(SHOWN), 1, 2000)
    found, whole = texts(project, wanted, limit)
    there = facets(project)
    reader = Reader(read_language(request))
    return drawn(
        request, "survey_answers.html", status, room=ROOM, found=found, whole=whole, wanted=wanted, period=name,
        periods=PERIODS, message=message, surveys=there.surveys, asked=asks_of(journey, reader),
        touchpoints={id: place_title(journey, id, reader) for id in there.touchpoints},
        kinds=there.kinds, tags=tag_counts(project), readable=readable, asks=ASKS,
        names=who(request, [w.customer for w in found]), may_edit=may(request, "edit"),
        here="/surveys/answers" + (f"?{urlencode(query)}" if query else ""), kind_names=KIND_NAMES, limit=limit,
    )  # fmt: skip


def asks_of(journey: Journey, reader: Reader) -> dict[tuple[str, str], str]:
    """The wording of each question, by survey and question."""
    return {
        (name, question.id): reader.said(question.ask) or reader(ASKS[question.kind])
        for name, survey in journey.surveys.items()
        for question in survey.questions
    }


@router.post("/surveys/answers")
@needs("edit")
async def tag_answer(request: Request) -> Response:
    return await run_in_threadpool(tagged, request, await form_of(request))


def tagged(request: Request, sent: dict[str, str]) -> Response:
    project = project_of(request)
    by, address = actor_of(request)
    try:
        given = tag(project, sent.get("answer", ""), sent.get("tags", ""), by)
    except UsageError as error:
        return answers(request, 400, error.text(read_language(request)))
    project.audit.note(by, "answer.tagged", sent.get("answer", ""), {"tags": ", ".join(given)}, address=address)
    query = own_query(request)
    return RedirectResponse(href("/surveys/answers", **query), 303)


# -- reviews ----------------------------------------------------------------------------------------------------------


@router.get("/surveys/reviews")
@needs("see")
def reviews_page(request: Request) -> Response:
    return review_list(request)


def review_list(request: Request, status: int = 200, message: str | None = None) -> Response:
    """Every review, the latest first, with what the public sees of it."""
    query = own_query(request)
    refuse_unknown(query, ("product", "state", "stars", "open", "limit"))
    project = project_of(request)
    every = reviews.reviews_of(project)
    found = every
    if (product := query.get("product")) is not None:
        found = [r for r in found if r.product == product]
    if state := query.get("state"):
        known("state", state, tuple(reviews.STATES))
        found = [r for r in found if r.state == state]
    if stars := query.get("stars"):
        found = [r for r in found if round(r.rating) == read_number("stars", stars, 1, 5)]
    if query.get("open"):
        found = [r for r in found if any(report.decision is None for report in r.reports)]
    limit = read_number("limit", query.get("limit") or str(SHOWN), 1, 2000)
    shown = [r for r in every if r.state == "published"]
    return drawn(
        request, "reviews.html", status, room=ROOM, found=found[:limit], whole=len(found), every=len(every),
        average=sum(r.rating for r in shown) / len(shown) if shown else None, published=len(shown),
        counts={s: sum(1 for r in every if r.state == s) for s in reviews.STATES}, states=reviews.STATES,
        open_reports=sum(1 for r in every if any(p.decision is None for p in r.reports)), query=query,
        products={r.product: r.product_name or r.product for r in every}, reasons=reviews.REASONS, message=message,
        may_edit=may(request, "edit"), names=who(request, [r.customer for r in found[:limit]]),
        publish=project.settings.reviews.publish, here=f"/surveys/reviews?{urlencode(query)}",
    )  # fmt: skip


@router.post("/surveys/reviews")
@needs("edit")
async def act_on_review(request: Request) -> Response:
    return await run_in_threadpool(acted, request, await form_of(request))


def acted(request: Request, sent: dict[str, str]) -> Response:
    """Reply to a review, remove it for a reason, or decide on a report."""
    project = project_of(request)
    by, address = actor_of(request)
    what, id = sent.get("do", ""), sent.get("review", "")
    try:
        if what == "reply":
            reviews.reply(project, id, sent.get("text", ""), by, address)
        elif what == "remove":
            reviews.remove(project, id, sent.get("reason", ""), sent.get("note", ""), by, address)
        elif what in ("kept", "removed"):
            number = read_number("report", sent.get("report", ""), 1, 2**62)
            reviews.decide(project, number, what, sent.get("note", ""), by, address)
        else:
            raise UsageError(N_("The form does not say what to do."))
    except UsageError as error:
        return review_list(request, 400, error.text(read_language(request)))
    return RedirectResponse(href("/surveys/reviews", **own_query(request)), 303)


# -- as data ----------------------------------------------------------------------------------------------------------


@api.get("/api/surveys", description=N_("Every survey with its answers: each question's counts, score and interval."))
@needs("see")
def surveys_data(
    request: Request, period: Annotated[Given, Query(description=N_("30d, 90d, all, or days"))] = None
) -> dict[str, Any]:
    query = own_query(request)
    refuse_unknown(query, ("period",))
    project, journey = project_of(request), project_of(request).journey()
    _, span = period_of(query, journey)
    return {"surveys": [results(project, journey, name, span).to_dict() for name in names(project, journey)]}


@api.get("/api/surveys/answers", description=N_("What people wrote, the latest first, with tags."))
@needs("see")
def answers_data(
    request: Request,
    survey: Annotated[Given, Query(description=N_("answers to this survey only"))] = None,
    question: Annotated[Given, Query(description=N_("answers to this question only"))] = None,
    kind: Annotated[Given, Query(description=N_("answers to questions of this kind only"))] = None,
    touchpoint: Annotated[Given, Query(description=N_("answers about this touchpoint only"))] = None,
    tag: Annotated[Given, Query(description=N_("answers with this tag only"))] = None,
    q: Annotated[Given, Query(description=N_("answers that hold all of these words"))] = None,
    period: Annotated[Given, Query(description=N_("30d, 90d, all, or days"))] = None,
    limit: Annotated[Given, Query(description=N_("1 to 2000, default 100"))] = None,
) -> dict[str, Any]:
    query = own_query(request)
    project = project_of(request)
    _, wanted = filters_of(query, project.journey())
    found, whole = texts(project, wanted, read_number("limit", query.get("limit") or str(SHOWN), 1, 2000))
    return {"count": whole, "answers": [one.to_dict() for one in found]}
