"""Pieces that every visitor is shown: those that the map names under ``site:``, filled with the shop's constants alone.

Nothing about the visitor is asked for or told: the browser gets all of them and looks itself which belong to its page.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from babel.dates import format_datetime

from polku.content.facts import constants, filled
from polku.content.piece import Piece, in_language, read_piece
from polku.content.render import render
from polku.errors import ContentError, MapError, UsageError
from polku.guidance.preparing import sender_of
from polku.language import N_
from polku.onsite.fields import SiteFields
from polku.surveys.asking import form_of

if TYPE_CHECKING:
    from polku.journey.model import Journey
    from polku.record.project import Project

log = logging.getLogger("polku.onsite")

#: How the messages of such pieces are called: ``site:<name>``.
MARK: Final = "site:"


def pieces(project: Project, language: str | None = None, now: dt.datetime | None = None) -> list[dict[str, Any]]:
    """The pieces for all visitors that are on now, each as a browser draws it, in ``language`` where there is such a
    version. One that cannot be filled in is left out, and the log says why (``polku content check`` does, too)."""
    if not project.map_file.exists():
        return []
    journey = project.journey()
    moment = (now or dt.datetime.now(dt.UTC)).astimezone(ZoneInfo(journey.timezone))
    found = []
    for name, shown in journey.site.items():
        if shown.state != "on" or (shown.from_ and moment.date() < shown.from_):
            continue
        if shown.until and moment.date() > shown.until:
            continue
        try:
            drawn = drawn_piece(project, shown.content, language, moment)
        except (ContentError, UsageError) as error:
            log.warning("the piece %s is not shown on the site: %s", name, error)
            continue
        pages = list(shown.pages) or drawn.get("pages", [])
        found.append({**drawn, "pages": pages, "message": MARK + name, "priority": shown.priority})
    return sorted(found, key=lambda one: -one["priority"])


def has_pieces(project: Project) -> bool:
    """Whether the map has a piece for all visitors that is on; a map with faults has none."""
    try:
        return project.map_file.exists() and any(one.state == "on" for one in project.journey().site.values())
    except MapError:
        return False


def drawn_piece(project: Project, path: str, language: str | None, moment: dt.datetime | None = None) -> dict[str, Any]:
    """A piece as a browser draws it for somebody of whom nothing is known. Raises ContentError, UsageError."""
    piece = read_piece(project.folder, in_language(project.folder, path, language))
    mail = project.settings.mail
    facts = filled(
        constants(project.folder, piece.language), {}, {}, sender=sender_of(piece.sender or mail.sender),
        postal_address=mail.postal_address, language=piece.language, currency=project.journey().currency,
    )  # fmt: skip
    drawn = render(project.folder, piece, facts).site
    if drawn is None:
        raise not_for_site(piece)
    return completed(project.journey(), piece, dict(drawn), moment)


def not_for_site(piece: Piece) -> ContentError:
    """The error for a piece of another channel."""
    return ContentError(
        N_("{file} is no piece for the site; write channel: site into its front matter."), file=piece.path
    )


def completed(
    journey: Journey, piece: Piece, drawn: dict[str, Any], moment: dt.datetime | None = None
) -> dict[str, Any]:
    """A drawn piece with what only the map knows: the questions of its survey, whether a chat is open now.

    Raises UsageError for a survey that the map has not.
    """
    fields = piece.site
    assert fields is not None
    if fields.shows == "survey" and fields.survey:
        drawn["form_of"] = form_of(journey, fields.survey, piece.language)
    if fields.shows == "calculator":
        drawn["currency"] = journey.currency
    if fields.shows == "chat":
        zone = ZoneInfo(journey.timezone)
        drawn |= opened(fields, (moment or dt.datetime.now(dt.UTC)).astimezone(zone), piece.language)
    return drawn


def opened(fields: SiteFields, moment: dt.datetime, language: str) -> dict[str, Any]:
    """Whether somebody is there (``open``), and when somebody is next (``opens``), as people say it."""
    if fields.hours is None:
        return {"open": True, "opens": ""}
    if fields.hours.open_at(moment, fields.closed):
        return {"open": True, "opens": ""}
    following = fields.hours.next_open(moment, fields.closed)
    spoken = language if language in ("fi", "en") else "en"
    pattern = "EEEE d.M. 'klo' H.mm" if spoken == "fi" else "EEEE d MMMM, HH:mm"
    return {"open": False, "opens": format_datetime(following, pattern, locale=spoken) if following else ""}
