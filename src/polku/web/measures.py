"""The pages of measures: all by family, and one a measure with its form, pictures, tables and files to take away."""

from __future__ import annotations

import dataclasses
from urllib.parse import quote

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from polku.errors import MeasureError, UsageError
from polku.journey.kinds import has_one_rate
from polku.language import N_, Reader
from polku.measures.drawing import figure, standalone
from polku.measures.families import TITLES
from polku.web import docs
from polku.web.answers import MeasureInfo, MeasurePage
from polku.web.csvfile import tables_csv
from polku.web.guard import actor_of, form_of, needs, note, token_of
from polku.web.options import known, read_number, refuse_unknown
from polku.web.pages import Visit, answer, frame_of, own_query
from polku.web.reading import href, render
from polku.web.saving import may_edit, save

router = APIRouter(include_in_schema=False)
#: Letters of a form that is read, at most.
LONGEST = 64_000
FORMATS = ("html", "csv", "svg")
#: Options of a measure's page that say what of it is wanted, not what is measured.
OF_PAGE = ("format", "table", "chart", "saved")


@dataclasses.dataclass(frozen=True, slots=True)
class Shelf:
    """A family of measures in the navigation; those that the map names stand first."""

    title: str
    infos: tuple[MeasureInfo, ...]


def shelves(infos: tuple[MeasureInfo, ...], reader: Reader, wanted: str = "") -> tuple[Shelf, ...]:
    """The measures by family, only those with every word of ``wanted`` in their name, title or summary."""
    words = wanted.lower().split()
    kept = [i for i in infos if all(w in f"{i.name} {i.title} {i.text}".lower() for w in words)]
    found = [Shelf(reader(N_("Of this map")), tuple(i for i in kept if not i.family))]
    for family, told in TITLES.items():
        found.append(Shelf(reader(told.title), tuple(i for i in kept if i.family == family)))
    return tuple(shelf for shelf in found if shelf.infos)


@router.get("/measures")
@needs("see")
def measures_page(request: Request) -> Response:
    """Every measure by family; ``q`` finds by words."""
    visit = Visit.of(request)
    query = own_query(request)
    refuse_unknown(query, ("q",))
    wanted = query.get("q", "").strip()
    body = render(
        "measures.html",
        visit.reader,
        shelves=shelves(visit.answers.measures(visit.reader), visit.reader, wanted),
        wanted=wanted,
        **frame_of(request, visit.reader, "/measures", "", visit.zone),
    )
    return answer(request, body, language=visit.language)


@router.get("/measures/{name}")
@needs("see")
def measure_page(request: Request, name: str) -> Response:
    """One measure: its options, pictures, tables and definition; its tables as CSV, its pictures as SVG."""
    visit = Visit.of(request)
    answers, reader = visit.answers, visit.reader
    infos = answers.measures(reader)
    known("measure", name, [info.name for info in infos])
    query = own_query(request)
    taken = {key: query.pop(key) for key in OF_PAGE if key in query}
    wanted = known("format", taken.get("format", "html"), FORMATS)
    return drawn(request, visit, name, query, taken, wanted)


@dataclasses.dataclass(frozen=True, slots=True)
class SaveForm:
    """The form that saves a view to the map, and what was amiss with it when it was sent."""

    action: str
    token: str
    mark: str
    one_rate: bool
    title: str = ""
    target: str = ""
    message: str = ""


def drawn(
    request: Request, visit: Visit, name: str, query: dict[str, str], taken: dict[str, str], wanted: str = "html",
    said: SaveForm | None = None,
) -> Response:  # fmt: skip
    """The page of a measure; ``said`` is its form for saving when that was sent and did not fit."""
    answers, reader = visit.answers, visit.reader
    message = ""
    try:
        page = answers.measure(name, query, reader)
    except MeasureError as error:
        # the reader sees what does not fit, or what is still to be chosen, above the form that mends it
        page, message = answers.measure(name, query, reader, run=False), error.text(visit.language)
    if wanted != "html" and not message:
        return file_of(page, name, wanted, taken, reader)
    path = f"/measures/{quote(name)}"

    def people(selector: str) -> str:
        return href("/customers", behind=selector)

    told = ""
    if "saved" in taken and not message:
        line = read_number("saved", taken["saved"], 1, 10**7)
        told = reader(N_("Saved to journey.yaml, on line {line}."), line=line)
    body = render(
        "measure.html",
        reader,
        page=page,
        shelves=shelves(answers.measures(reader), reader),
        message=message,
        told=told,
        save=said or save_form(request, visit, page, query),
        figures=[figure(chart, reader, f"chart-{place}", people) for place, chart in enumerate(page.charts)],
        docs=docs.has(page.docs),
        link=lambda **more: href(path, **{**query, **more}),
        csv_link=href(path, **{**query, "format": "csv"}),
        json_link=href(f"/api{path}", **query),
        **frame_of(request, reader, "/measures", "", visit.zone),
    )
    status = 400 if said is not None or (message and query) else 200
    return answer(request, body, language=visit.language, status=status)


def save_form(request: Request, visit: Visit, page: MeasurePage, query: dict[str, str]) -> SaveForm | None:
    """None where this reader may not save."""
    if not may_edit(request, visit.answers):
        return None
    state = request.app.state
    return SaveForm(
        href(f"/measures/{quote(page.info.name)}/save", **query),
        token_of(request),
        state.seen.note(visit.answers.map_file),
        has_one_rate(page.info.kind),
    )


@router.post("/measures/{name}/save")
@needs("edit")
async def save_page(request: Request, name: str) -> Response:
    """Save the view to the map: only from a form of this site, and only who may edit."""
    return await run_in_threadpool(saved, request, name, await form_of(request))


def saved(request: Request, name: str, sent: dict[str, str]) -> Response:
    visit = Visit.of(request)
    answers, reader = visit.answers, visit.reader
    known("measure", name, [info.name for info in answers.measures(reader)])
    if not may_edit(request, answers):
        raise HTTPException(403, reader(N_("Saving from here is not allowed; see `edits` in polku.toml.")))
    query = own_query(request)
    title, target = sent.get("title", "").strip()[:120], sent.get("target", "").strip()[:60]
    entry = answers.as_written(name, query)
    state = request.app.state
    try:
        outcome = save(answers.map_file, state.seen, sent.get("mark", ""), entry, title, target, visit.language)
    except UsageError as error:
        kept = save_form(request, visit, answers.measure(name, query, reader, run=False), query)
        assert kept is not None  # who may not edit was told above
        said = dataclasses.replace(kept, title=title, target=target, message=error.text(visit.language))
        return drawn(request, visit, name, query, {}, said=said)
    if outcome.saved:
        note(request, "map.saved", f"measures.{outcome.id}", {"line": outcome.line})
        answers.saved(actor_of(request)[0])
        return RedirectResponse(href(f"/measures/{quote(outcome.id)}", saved=outcome.line), 303)
    path = f"/measures/{quote(name)}"
    body = render(
        "saving.html",
        reader,
        outcome=outcome,
        title=title,
        target=target,
        action=href(f"{path}/save", **query),
        back=href(path, **query),
        **frame_of(request, reader, "/measures", "", visit.zone),
    )
    return answer(request, body, language=visit.language, status=400 if outcome.faults else 409)


def file_of(page: MeasurePage, name: str, wanted: str, taken: dict[str, str], reader: Reader) -> Response:
    """A table or all of them as CSV, or a picture as SVG."""
    if wanted == "csv":
        tables = page.tables
        if "table" in taken:
            number = read_number("table", taken["table"], 1, max(1, len(tables)))
            return tables_csv(tables[number - 1 : number], f"{name}-{number}")
        return tables_csv(tables, name)
    number = read_number("chart", taken.get("chart", "1"), 1, max(1, len(page.charts)))
    made = standalone(page.charts[number - 1], reader) if page.charts else None
    if made is None:
        raise MeasureError(N_("There is no picture to take away: no figure is known."))
    headers = {
        "Content-Disposition": f'attachment; filename="{name}-{number}.svg"', "Cache-Control": "private, no-cache",
    }  # fmt: skip
    return Response('<?xml version="1.0" encoding="UTF-8"?>\n' + made, headers=headers, media_type="image/svg+xml")
