"""Pages of consent and privacy: who agreed to what, the record of processing, keeping times, receipts, the notice."""

from __future__ import annotations

import datetime as dt

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from polku.language import LANGUAGES, N_, Reader
from polku.record import processing, receipts, retention
from polku.record.clock import moment, now
from polku.web.guard import needs
from polku.web.options import refuse_unknown
from polku.web.pages import own_query, read_language
from polku.web.rights import project_of
from polku.web.signin import drawn

router = APIRouter(include_in_schema=False)

#: Days that the growth of consents is drawn over.
DAYS = 90


@router.get("/consent")
@needs("see")
def consent_page(request: Request) -> Response:
    """How many have given what, how it has grown, and the texts that were shown."""
    refuse_unknown(own_query(request), ())
    project = project_of(request)
    today = moment(now()).date()
    days = [today - dt.timedelta(days=n) for n in range(DAYS - 1, -1, -1)]
    return drawn(
        request,
        "consent.html",
        room="/consent",
        counts=project.consents.overview(),
        lines={
            purpose: line([found.get(day, (0, 0)) for day in days])
            for purpose, found in project.consents.by_day(DAYS).items()
        },
        versions=project.consents.versions(),
        recent=project.consents.recent(20),
        moment=moment,
        days=DAYS,
    )


def line(counts: list[tuple[int, int]], width: int = 240, height: int = 40) -> dict[str, object]:
    """Decisions by day as the points of a line: those given less those taken back, added up from the first day."""
    total, totals = 0, []
    for given, taken in counts:
        total += given - taken
        totals.append(total)
    low, high = min(0, *totals), max(1, *totals)
    step = width / max(1, len(totals) - 1)
    points = " ".join(
        f"{n * step:.1f},{height - (value - low) / (high - low) * height:.1f}" for n, value in enumerate(totals)
    )
    return {"points": points, "width": width, "height": height, "change": total}


@router.get("/settings/privacy")
@needs("own")
def privacy_page(request: Request) -> Response:
    """The record of processing, keeping times with what is due, receipts of erasures."""
    refuse_unknown(own_query(request), ())
    project = project_of(request)
    reader = Reader(read_language(request))
    return drawn(
        request,
        "privacy.html",
        room="/settings/privacy",
        parts=processing.processing(project, reader),
        kept=retention.preview(project),
        rules=retention.RULES,
        days=processing.days,
        runs=retention.runs(project, 20),
        receipts=receipts.receipts(project, 50),
        moment=moment,
    )


@router.get("/settings/privacy/processing.md")
@needs("own")
def processing_file(request: Request) -> Response:
    """The record of processing as a file."""
    refuse_unknown(own_query(request), ())
    reader = Reader(read_language(request))
    title = reader(N_("Record of processing activities"))
    text = processing.markdown(title, processing.processing(project_of(request), reader))
    headers = {"content-disposition": 'attachment; filename="processing.md"'}
    return Response(text, media_type="text/markdown; charset=utf-8", headers=headers)


@router.get("/privacy-notice")
@needs("see")
def notice_page(request: Request) -> Response:
    """The privacy notice for the shop's own site, in both languages, to be copied."""
    refuse_unknown(own_query(request), ())
    project = project_of(request)
    readers = {language: Reader(language) for language in LANGUAGES}
    return drawn(
        request,
        "privacy_notice.html",
        room="/settings/privacy",
        notices={language: processing.notice(project, reader) for language, reader in readers.items()},
        readers=readers,
    )
