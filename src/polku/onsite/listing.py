"""The pieces that the map names for every visitor: their state, what became of them, turning them on and off."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from polku.errors import ContentError, UsageError, nearest
from polku.journey.document import Document
from polku.journey.onsite import SitePiece
from polku.language import N_, said
from polku.onsite.everyone import MARK, drawn_piece
from polku.onsite.fields import SHOWS

if TYPE_CHECKING:
    from polku.record.project import Project

STATES: Final = ("on", "off", "draft")
#: Figures are those of the last so many days.
DAYS: Final = 30
#: What each kind is called.
KINDS: Final[Mapping[str, str]] = {
    "banner": N_("banner"), "popup": N_("pop-up"), "inline": N_("block in the page"), "survey": N_("survey"),
    "quiz": N_("quiz"), "calculator": N_("calculator"), "chat": N_("hand-over to people"),
}  # fmt: skip
assert set(KINDS) == set(SHOWS)
#: Events that figures are made of, by what they tell.
EVENTS: Final[Mapping[str, str]] = {
    "shown": "Message Shown",
    "clicked": "Message Clicked",
    "closed": "Message Closed",
    "submitted": "Message Submitted",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Listed:
    """A piece of the map's ``site``. ``shows``: its kind, None where it cannot be drawn; then ``fault`` says why.
    ``figures``: how many visitors were shown it, clicked, closed and submitted in the last DAYS days."""

    name: str
    title: str
    content: str
    pages: tuple[str, ...]
    state: str
    shows: str | None
    fault: ContentError | UsageError | None
    figures: Mapping[str, int]

    def to_dict(self, language: str) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.name, "title": self.title, "content": self.content, "pages": list(self.pages),
            "state": self.state, "shows": self.shows, "fault": self.fault.text(language) if self.fault else None,
            "days": DAYS, "visitors": dict(self.figures),
        }  # fmt: skip


def listed(project: Project, language: str) -> list[Listed]:
    """Every piece of the map's ``site``, in its order; titles in ``language``."""
    pieces = project.journey().site
    figures = _figures(project) if pieces else {}
    return [_listed(project, name, piece, language, figures.get(name, {})) for name, piece in pieces.items()]


def _listed(project: Project, name: str, piece: SitePiece, language: str, figures: Mapping[str, int]) -> Listed:
    title = (said(piece.title, language) if piece.title else None) or name.replace("_", " ").capitalize()
    shows, fault, pages = None, None, tuple(piece.pages)
    try:
        drawn = drawn_piece(project, piece.content, language)
    except (ContentError, UsageError) as error:
        fault = error
    else:
        shows, pages = drawn["shows"], pages or tuple(drawn.get("pages", ()))
    return Listed(
        name, title, piece.content, pages, piece.state, shows, fault, dict.fromkeys(EVENTS, 0) | dict(figures)
    )


def _figures(project: Project) -> dict[str, dict[str, int]]:
    """Visitors by piece and by what they did. Whoever is not known counts by event."""
    names = ", ".join(f"'{event}'" for event in EVENTS.values())
    rows = project.sql(
        f"select properties, event, customer, event_id from events where event in ({names})"
        f" and day >= current_date - {DAYS}"
    ).to_pylist()
    words = {event: word for word, event in EVENTS.items()}
    seen: dict[str, dict[str, set[Any]]] = {}
    for row in rows:
        message = json.loads(row["properties"] or "{}").get("message")
        if isinstance(message, str) and message.startswith(MARK):
            kinds = seen.setdefault(message.removeprefix(MARK), {})
            kinds.setdefault(words[row["event"]], set()).add(row["customer"] or row["event_id"])
    return {name: {word: len(who) for word, who in kinds.items()} for name, kinds in seen.items()}


def turn(project: Project, name: str, state: str, author: str) -> bool:
    """Give a piece the ``state`` in the project's map, comments and order kept; False where it has it already.

    Raises UsageError for an unknown piece or state, and ContentError or UsageError for one that cannot be drawn and is
    to be turned on; FaultyMapError when the map would have errors.
    """
    if state not in STATES:
        raise UsageError(N_("{state!r} is no state of a piece; there are on, off and draft."), state=state)
    document = Document(project.map_file.read_bytes(), project.map_file)
    pieces = document.data.get("site") if isinstance(document.data, dict) else None
    if not isinstance(pieces, dict) or name not in pieces:
        known = [str(key) for key in pieces or ()]
        near = nearest(name, known)
        raise UsageError(
            N_("There is no piece {id!r} under site: in the map.{meant} It has: {known}."),
            id=name, known=", ".join(known) or "-", nearest=near, meant=f" → {near}?" if near else "",
        )  # fmt: skip
    if pieces[name].get("state", "draft") == state:
        return False
    if state == "on":
        drawn_piece(project, str(pieces[name].get("content", "")), None)
    document.set(("site", name, "state"), state)
    document.save()
    project.map_saved(author)
    project.audit.note(author, f"site.{state}", name)
    return True
