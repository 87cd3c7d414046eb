"""What the check of content finds of pieces for the site, beyond their front matter: (code, message, facts)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from polku.channels.site import SITE
from polku.content.piece import Piece, named
from polku.errors import ContentError, MapError, UsageError
from polku.language import N_
from polku.onsite.everyone import drawn_piece

if TYPE_CHECKING:
    from polku.journey.model import Journey
    from polku.record.project import Project

Found = tuple[str, str, Mapping[str, Any]]


def site_faults(project: Project, piece: Piece) -> Iterator[Found]:
    """A survey that the map has not; a piece of another channel that is to be shown on the site; a piece for everybody
    that asks for what only a customer has."""
    if not project.map_file.exists():
        return
    try:
        journey = project.journey()
    except MapError:
        return  # its faults are told by polku check
    if piece.site is not None and piece.site.survey and piece.site.survey not in journey.surveys:
        message = N_("The piece asks the survey {name!r}, and the map has no such survey under surveys:.")
        yield "survey", message, {"name": piece.site.survey}
        return
    names = {_name(path) for path in (one.content for one in journey.site.values())}
    if piece.site is None:
        message = N_(
            "The rule {rule} shows this on the site, and it is written for {channel}; write channel: site into its "
            "front matter."
        )
        for path, rule in _shown(journey):
            if _name(path) == piece.name:
                yield "channel", message, {"rule": rule, "channel": piece.channel}
    elif piece.name in names:
        try:
            drawn_piece(project, piece.path, piece.language)
        except (ContentError, UsageError) as error:
            yield "site", error.message, error.facts


def _name(path: str) -> str:
    found = named(path)
    return found["name"] if found is not None else path


def _shown(journey: Journey) -> Iterator[tuple[str, str]]:
    """Pieces that the map shows on the site, with what shows them."""
    for name, piece in journey.site.items():
        yield piece.content, f"site.{name}"
    for rule in journey.guidance:
        yield from ((path, rule.id) for path in _sent([rule.model_dump(include={"send", "do"})]))


def _sent(value: Any) -> Iterator[str]:
    """The pieces of whatever is sent by the channel site, anywhere in a rule."""
    if isinstance(value, Mapping):
        if value.get("channel") == SITE:
            yield from _pieces(value)
        for inner in value.values():
            yield from _sent(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _sent(inner)


def _pieces(value: Any) -> Iterator[str]:
    if isinstance(value, str) and named(value) is not None:
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _pieces(inner)
