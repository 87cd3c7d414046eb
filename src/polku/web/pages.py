"""The pages: each reads its options from the URL, asks ``Answers``, and draws a template."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from babel.dates import format_time
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from polku.errors import MapError
from polku.journey.campaigns import title_of
from polku.journey.fault import FaultyMapError
from polku.journey.in_words import expect_words, stage_rules
from polku.journey.model import Journey, Text, segment_title, titled
from polku.language import N_, Reader, translate
from polku.record.naming import addresses_of, meant
from polku.web import words
from polku.web.answers import Answers, StageChange, Story, StoryEvent
from polku.web.csvfile import customers_csv
from polku.web.feeling import curve
from polku.web.guard import may, needs, note, token_of, who_of
from polku.web.mapview import counted, draw
from polku.web.options import (
    COMMON,
    COMPARES,
    DEFAULT_GROUP,
    GROUPS,
    PERIODS,
    VIEWS,
    MapOptions,
    known,
    read_number,
    refuse_unknown,
)
from polku.web.reading import href, language_of, reader_of, render
from polku.web.review import review_due
from polku.web.rooms import shelf, tabs
from polku.web.saving import may_edit
from polku.web.timezone import Zone, zone_of

if TYPE_CHECKING:
    from polku.access.entrance import Entrance

router = APIRouter(include_in_schema=False)

#: An open page asks for news this often while events keep coming, in seconds; otherwise the settings say.
LIVE_REFRESH = 2
PAGE_SIZE = 50
ORDERS: dict[str, str] = {
    "last_seen": N_("Last seen first"),
    "since": N_("Latest in the stage first"),
    "events": N_("Most events first"),
    "value": N_("Most valuable first"),
    "name": N_("By id"),
}
ID_KINDS: dict[str, str] = {
    "user": N_("Customer number"),
    "user_id": N_("Customer number"),
    "anonymous": N_("Anonymous id"),
    "anonymous_id": N_("Anonymous id"),
    "account": N_("Account"),
    "account_id": N_("Account"),
    "email": N_("E-mail"),
}


def answers_of(request: Request) -> Answers:
    answers: Answers = request.app.state.answers
    return answers


def read_language(request: Request) -> str:
    return language_of(request, answers_of(request).language)


@dataclasses.dataclass(frozen=True, slots=True)
class Visit:
    """Who asks, and what they are answered from."""

    answers: Answers
    journey: Journey
    reader: Reader
    zone: Zone

    @property
    def language(self) -> str:
        return self.reader.language

    @classmethod
    def of(cls, request: Request) -> Visit:
        """Of a request; raises MapError when the map does not read, and UsageError for a language or zone unknown."""
        answers = answers_of(request)
        language = read_language(request)
        journey = answers.journey()
        zone = zone_of(request, answers.timezone, journey.timezone)
        return cls(answers, journey, reader_of(language, journey, zone), zone)


def frame_of(request: Request, reader: Reader, room: str, version: str, zone: Zone | None = None) -> dict[str, Any]:
    """What the frame around every page needs; ``zone`` on pages that may show times."""
    other = "en" if reader.language == "fi" else "fi"
    pairs = [(k, v) for k, v in request.query_params.multi_items() if k != "lang"]
    live = bool(request.app.state.live)
    return {
        "room": room,
        "rooms": [each for each in shelf("main") if may(request, each.needs)],
        "tabs": [each for each in tabs(room) if may(request, each.needs)],
        "setting_rooms": [each for each in shelf("settings") if may(request, each.needs)],
        "who": who_of(request),
        "token": token_of(request),
        "edits_map": may_edit(request, answers_of(request)),
        "zone": zone,
        "at": request.url.path,
        "live": live,
        "poll": 1000 * (LIVE_REFRESH if live else answers_of(request).refresh),
        "version": version,
        "assets": request.app.state.assets,
        "other_language": f"{request.url.path}?{urlencode([*pairs, ('lang', other)])}",
    }


def titles_of(journey: Journey, reader: Reader) -> dict[str, Any]:
    """Functions that templates name stages and touchpoints with."""
    stages = {s.id: reader.said(titled(s)) for s in journey.stages}
    touchpoints = {t.id: reader.said(titled(t)) for _, _, t in journey.touchpoints()}

    def change_words(change: StageChange) -> str:
        to = stages.get(change.to_stage or "", change.to_stage or "")
        if change.kind == "lapsed":
            return reader(N_("Lapsed from {stage}"), stage=stages.get(change.from_stage or "", to) or to)
        if change.kind == "won_back":
            return reader(N_("Won back to {stage}"), stage=to)
        return reader(N_("Entered {stage}"), stage=to)

    def clock(when: dt.datetime) -> str:
        pattern = "H.mm.ss" if reader.language == "fi" else "HH:mm:ss"
        return str(format_time(when, format=pattern, tzinfo=reader.zone, locale=reader.locale))

    return {
        "stage_title": lambda id: stages.get(id, id),
        "touchpoint_title": lambda id: touchpoints.get(id, id),
        "change_words": change_words,
        "clock": clock,
        "titled": titled,
        "segment_title": segment_title,
        "id_kinds": ID_KINDS,
    }


def signed(reader: Reader, value: float) -> str:
    """A feeling with its sign: +0.2, −1.1, 0.0 (a real minus, so that it is read as one)."""
    text = reader.number(abs(value), 1)
    if round(value, 1) == 0:
        return text
    return ("+" if value > 0 else "−") + text


def answer(request: Request, body: str, *, language: str, status: int = 200) -> Response:
    return HTMLResponse(
        body,
        status,
        {"Cache-Control": "private, no-cache", "Vary": "Accept-Language, Cookie", "Content-Language": language},
    )


@router.get("/")
@needs("see")
def map_page(request: Request) -> Response:
    """The living map; kept rendered as long as nothing that it shows has changed."""
    visit = Visit.of(request)
    options = MapOptions.read(own_query(request), visit.journey)
    version = visit.answers.version()
    key = ("/", version, options, visit.language, visit.zone, bool(request.app.state.live), who_of(request))
    page = request.app.state.cache.get(key, lambda: map_html(request, visit, options, version))
    headers = {
        "ETag": page.etag,
        "Last-Modified": page.last_modified,
        "Cache-Control": "private, no-cache",
        "Vary": "Accept-Language, Cookie",
        "Content-Language": visit.language,
    }
    if page.matches(request.headers.get("if-none-match"), request.headers.get("if-modified-since")):
        return Response(status_code=304, headers=headers)
    return HTMLResponse(page.body, headers=headers)


def map_html(request: Request, visit: Visit, options: MapOptions, version: str) -> bytes:
    answers, journey, reader = visit.answers, visit.journey, visit.reader
    living, goals, personas = answers.map(options, visit.language)
    found = None if options.persona or options.segment else answers.obstacles()  # they are everyone's
    view = draw(journey, living, options, answers.lines(), personas, found.found if found else ())
    today = dt.datetime.now(reader.zone).date()
    review = review_due(journey)

    def said_all(texts: tuple[Text, ...]) -> str:
        return "; ".join(reader.said(t) for t in texts)

    body = render(
        "map.html",
        reader,
        journey=journey,
        living=living,
        view=view,
        options=options,
        curve=curve(view.columns, options.view != "actual"),
        goals=goals if options.view != "plan" else (),
        views=VIEWS,
        periods=PERIODS,
        compares=COMPARES,
        groups=GROUPS,
        review=review,
        review_late=review is not None and review < today,
        today=today,
        counted=counted,
        obstacles_as_of=dt.datetime.fromisoformat(found.as_of) if found else None,
        stage_rules=lambda stage: stage_rules(stage, journey, reader),
        expect_words=lambda touchpoint: expect_words(touchpoint.expect, journey.window, reader),
        said_all=said_all,
        signed=lambda value: signed(reader, value),
        goal_query=goal_query(options),
        **titles_of(journey, reader),
        **frame_of(request, reader, "/", version, visit.zone),
    )
    return body.encode()


def goal_query(options: MapOptions) -> dict[str, str]:
    """The choices of the map that a measure's page has as well, so that its numbers are the same."""
    # the map opens with the last 30 days, a measure's page with all time, so the period is always said
    return {"period": options.period, **dict(parse_qsl(options.query(view="both", group=DEFAULT_GROUP)))}


def plain_of(request: Request, names: Iterable[str | None]) -> dict[str, str]:
    """The addresses of customers who are called by the hash of one, for readers who may see them: who may write notes.

    Nothing for others, and nothing goes into the API's data or into files from here.
    """
    entrance: Entrance | None = request.app.state.entrance
    if entrance is None or not may(request, "edit"):
        return {}
    return addresses_of(entrance.project, [name for name in names if name])


def own_query(request: Request) -> dict[str, str]:
    """The options of the URL without those that every page has, which say only who reads."""
    return {k: v for k, v in request.query_params.items() if k not in COMMON}


@router.get("/customers")
@needs("see")
def customers_page(request: Request) -> Response:
    """The customers behind a number, at a stage, at a touchpoint, or found by id."""
    visit = Visit.of(request)
    answers, journey, reader = visit.answers, visit.journey, visit.reader
    query = own_query(request)
    asked = read_customers(query, journey)
    wanted = {k: asked[k] for k in ("behind", "stage", "touchpoint", "search", "order")}
    if asked["format"] == "csv":
        # what was searched for may be an id or an address, and the log outlives who is forgotten
        told = {name: value for name, value in wanted.items() if value and name != "search"}
        note(request, "data.exported", "customers", told | ({"search": True} if wanted["search"] else {}))
        return customers_csv(answers, reader, wanted)
    offset = asked["offset"]
    page = answers.customers(reader, **wanted, limit=PAGE_SIZE, offset=offset)
    kept = {k: v for k, v in query.items() if k != "offset" and v}
    body = render(
        "customers.html",
        reader,
        page=page,
        asked=asked,
        journey=journey,
        orders=ORDERS,
        limit=PAGE_SIZE,
        plain=plain_of(request, [row.name for row in page.rows]),
        link=lambda at: href("/customers", **kept, offset=at or None),
        csv_link=href("/customers", **{**kept, "format": "csv"}),
        json_link=href("/api/customers", **kept),
        **titles_of(journey, reader),
        **frame_of(request, reader, "/customers", "", visit.zone),
    )
    return answer(request, body, language=visit.language)


def read_customers(query: dict[str, str], journey: Journey) -> dict[str, Any]:
    """The options of a list of customers, checked."""
    refuse_unknown(query, ("behind", "stage", "touchpoint", "search", "order", "offset", "format", "limit"))
    given = {k: v.strip() for k, v in query.items() if v.strip()}
    stage, touchpoint = given.get("stage"), given.get("touchpoint")
    return {
        "behind": given.get("behind"),
        "stage": known("stage", stage, journey.stage_ids) if stage else None,
        "touchpoint": known("touchpoint", touchpoint, journey.touchpoint_ids) if touchpoint else None,
        "search": given.get("search"),
        "order": known("order", given.get("order", "last_seen"), ORDERS),
        "offset": read_number("offset", given.get("offset", "0"), 0, 2**40),
        "limit": read_number("limit", given.get("limit", str(PAGE_SIZE)), 1, 1000),
        "format": known("format", given.get("format", "html"), ("html", "csv")),
    }


def people_of(story: Story) -> list[str]:
    """Who of an account did what is told."""
    entries = [entry for session in story.sessions for entry in session.entries]
    return [entry.person for entry in entries if isinstance(entry, StoryEvent) and entry.person]


@router.get("/customers/{key:path}")
@needs("see")
def customer_page(request: Request, key: str) -> Response:
    """One customer's story."""
    visit = Visit.of(request)
    answers, journey, reader = visit.answers, visit.journey, visit.reader
    query = own_query(request)
    refuse_unknown(query, ("events",))
    limit = read_number("events", query.get("events", "500"), 1, 5000)
    story = answers.customer(key, reader, limit=limit)
    body = render(
        "customer.html",
        reader,
        story=story,
        guidance=guidance_of(answers, key, reader),
        offers=offers_of(answers, key),
        plain=plain_of(request, [story.name, *(value for _, value in story.ids), *people_of(story)]),
        journey=journey,
        **titles_of(journey, reader),
        **frame_of(request, reader, "/customers", answers.version(), visit.zone),
    )
    return answer(request, body, language=visit.language)


def offers_of(answers: Answers, key: str) -> dict[str, Any] | None:
    """A customer's points, codes and recommendations; None where there are none of them."""
    from polku.offers import byhand, codes, referral

    project = getattr(answers, "project", None)
    customer = meant(project.identities.find(key), answers.journey().subject) if project is not None else None
    if project is None or customer is None:
        return None
    programme = answers.journey().offers.loyalty
    standing, entries = byhand.standing_of(project, customer) if programme is not None else (None, [])
    told = {
        "customer": customer, "programme": programme, "standing": standing if entries else None,
        "codes": codes.listed(project, customer=customer, limit=20), "code_words": codes.STATE_WORDS,
        "referrals": referral.listed(project, customer=customer, limit=20), "referral_words": referral.STATE_WORDS,
    }  # fmt: skip
    return told if told["standing"] or told["codes"] or told["referrals"] else None


def guidance_of(answers: Answers, key: str, reader: Reader) -> list[dict[str, Any]]:
    """What rules decided about a customer and what was sent, the latest first; [] of answers without a project."""
    from polku.guidance.messages import STATE_WORDS
    from polku.guidance.telling import lines
    from polku.guidance.why import sent_and_why
    from polku.record.clock import moment

    project = getattr(answers, "project", None)
    if project is None:
        return []
    journey = answers.journey()
    customer = meant(project.identities.find(key), journey.subject)
    titles = {g.id: g.title or g.id.replace("_", " ").capitalize() for g in journey.guidance}
    titles |= {f"campaign:{id}": title_of(id, one) for id, one in journey.campaigns.items()}
    return [
        {
            "rule": told.rule, "link": link_of(told.rule, titles),
            "title": reader.said(titles.get(told.rule, told.rule)), "entered": story.entered,
            "sent": [(one, reader(STATE_WORDS[one.state])) for one in story.sent],
            "notes": [(moment(note.time), text) for note, text in lines(story.notes, reader, journey)],
        }
        for told in (sent_and_why(project, customer) if customer is not None else ())
        for story in told.stories
    ]  # fmt: skip


def link_of(rule: str, known: Mapping[str, Any]) -> str | None:
    """The page of what sends; None for a rule that is not in the map any more."""
    if rule not in known:
        return None
    kind, _, id = rule.rpartition(":")
    return href(f"/campaigns/{id}" if kind == "campaign" else f"/guidance/{rule}")


@router.get("/definition")
@router.get("/definition/{key}")
@needs("see")
def definition_page(request: Request, key: str | None = None) -> Response:
    """What a figure means, in words; all of them without a key."""
    visit = Visit.of(request)
    answers, reader = visit.answers, visit.reader
    refuse_unknown(own_query(request), ())
    infos = {info.name: info for info in answers.measures(reader)}
    if key is not None:
        known("definition", key, [*words.DEFINITIONS, *infos])
    shown = {k: d for k, d in words.DEFINITIONS.items() if key in (None, k)}
    measures = [(info, answers.definition(name, reader)) for name, info in infos.items() if key in (None, name)]
    body = render(
        "definition.html",
        reader,
        shown=shown,
        measures=measures,
        one=key is not None,
        **frame_of(request, reader, "", "", visit.zone),
    )
    return answer(request, body, language=visit.language)


def faults_of(error: Exception, language: str) -> list[tuple[int, str]]:
    """The faults of a map that does not read: the line and the words of each."""
    return [(f.line, f.text(language)) for f in error.faults] if isinstance(error, FaultyMapError) else []


@router.get("/map/source")
@needs("see")
def source_page(request: Request) -> Response:
    """journey.yaml with a line to link to; drawn also when the map has faults, and lists them."""
    answers = answers_of(request)
    language = read_language(request)
    refuse_unknown(own_query(request), ())
    reader = Reader(language)
    faults: list[tuple[int, str]] = []
    try:
        answers.journey()
    except MapError as error:
        faults = faults_of(error, language) or [(1, error.text(language))]
    body = render(
        "source.html",
        reader,
        lines=answers.source().splitlines(),
        faults=faults,
        **frame_of(request, reader, "", ""),
    )
    return answer(request, body, language=language)


@router.get("/api")
@needs("see")
def api_page(request: Request) -> Response:
    """What the API offers, drawn from its own OpenAPI description (no script from elsewhere)."""
    language = read_language(request)
    refuse_unknown(own_query(request), ())
    reader = Reader(language)
    operations = [
        (
            path,
            {
                "summary": translate(language, operation["description"]),
                "parameters": [
                    (each["name"], translate(language, each["description"])) for each in operation.get("parameters", [])
                ],
            },
        )
        for path, methods in request.app.openapi()["paths"].items()
        for operation in methods.values()
    ]
    body = render("api.html", reader, operations=operations, **frame_of(request, reader, "", ""))
    return answer(request, body, language=language)
