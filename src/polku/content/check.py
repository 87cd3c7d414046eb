"""The check of a project's content: every fault of every piece at once, with file and line.

Unknown variables and filters, what does not parse, missing translations, a missing unsubscribe link, a missing subject,
pieces that the map names and the folder has not.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from liquid.template import BoundTemplate

from polku.content.facts import FILE as FACTS
from polku.content.facts import NAMES, constants, person
from polku.content.piece import FOLDER, Piece, named, paths, piece_of, read_piece
from polku.content.render import ALWAYS, NONE, frame_of, templates
from polku.errors import ContentError, nearest
from polku.language import N_, Reader
from polku.onsite.checking import site_faults
from polku.record import tables

if TYPE_CHECKING:
    from polku.record.project import Project

_LINK: Final = re.compile(r"\bunsubscribe_url\b")
#: Names whose members anybody's events and traits decide: only their own members can be known to the check.
_OPEN: Final = frozenset({"event", "cart", "order"})
_PEOPLE: Final = frozenset({"customer", "contact", "account"})


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One fault: where (``line`` from 1, 0: the file as a whole), its stable ``code``, what is wrong."""

    file: str
    line: int
    code: str
    message: str
    facts: Mapping[str, Any]

    def text(self, reader: Reader) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        said = reader(self.message, **self.facts)
        return said if said.startswith(self.file) else f"{where}: {said}"

    def to_dict(self, reader: Reader) -> dict[str, Any]:
        return {"file": self.file, "line": self.line, "code": self.code, "message": reader(self.message, **self.facts)}


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """What pieces may ask for. ``shared``: the constants; ``traits``: names that events have told of customers."""

    shared: Mapping[str, Any]
    traits: frozenset[str]
    rules: frozenset[str] = frozenset()


def check_content(project: Project) -> tuple[Fault, ...]:
    """Every fault of the project's content, by file and line."""
    known, faults = known_of(project)
    there = paths(project.folder)
    for path in there:
        try:
            piece = read_piece(project.folder, path)
        except ContentError as error:
            faults.append(_told(path, 1, "unreadable", error))
            continue
        for rule in RULES:
            faults += rule(project, piece, known)
    faults += _translations(there)
    faults += _missing(project, there)
    return tuple(sorted(faults, key=lambda f: (f.file, f.line, f.code)))


def check_piece(project: Project, path: str, text: str) -> tuple[Fault, ...]:
    """Every fault of the piece ``path`` when ``text`` stands in it, by line; those of its other language apart."""
    known, _ = known_of(project)
    try:
        piece = piece_of(path, text)
    except ContentError as error:
        return (_told(path, 1, "unreadable", error),)
    found = [fault for rule in RULES for fault in rule(project, piece, known)]
    return tuple(sorted(found, key=lambda f: (f.line, f.code)))


def known_of(project: Project) -> tuple[Known, list[Fault]]:
    """What pieces of the project may ask for, and the faults of the constants."""
    faults: list[Fault] = []
    try:
        shared = constants(project.folder)
    except ContentError as error:
        shared = {}
        faults.append(_told(FACTS, 0, "facts", error))
    with project.state.read() as connection:
        names = connection.execute(sa.select(tables.traits.c.name).distinct()).scalars().all()
    return Known(shared, frozenset(person(dict.fromkeys(names, "x x")))), faults


def _told(file: str, line: int, code: str, error: ContentError) -> Fault:
    return Fault(file, int(error.facts.get("line", line)), code, error.message, error.facts)


def parses(project: Project, piece: Piece, known: Known) -> Iterator[Fault]:
    """Liquid, the layout."""
    try:
        templates(piece)
        if piece.format == "md":
            frame_of(project.folder, piece)
    except ContentError as error:
        yield _told(piece.path, 1, "syntax", error)


def subject(project: Project, piece: Piece, known: Known) -> Iterator[Fault]:
    if piece.channel == "email" and not piece.subject:
        yield Fault(piece.path, 1, "subject", N_("An e-mail needs a subject in its front matter."), {})


def unsubscribing(project: Project, piece: Piece, known: Known) -> Iterator[Fault]:
    """An e-mail that is not due to the customer says how to get no more of them."""
    if piece.channel != "email" or not piece.unsubscribe or _LINK.search(piece.body):
        return
    if piece.format == "md" and piece.layout != NONE:
        try:
            found = frame_of(project.folder, piece)
        except ContentError:
            return  # told by `parses`
        if found is None or _LINK.search(str(found[1])):
            return
    yield Fault(
        piece.path, 0, "unsubscribe",
        N_(
            "There is no unsubscribe link. Write [Unsubscribe]({link}), or unsubscribe: no in the front matter where "
            "it is no advertising."
        ),
        {"link": "{{ unsubscribe_url }}"},
    )  # fmt: skip


def variables(project: Project, piece: Piece, known: Known) -> Iterator[Fault]:
    """Names that nothing gives a value to."""
    try:
        made = templates(piece)
    except ContentError:
        return
    for part, template in made.items():
        first = piece.first_line if part == "body" else 1
        for segments, start, source in _asked(template):
            line = first + source.count("\n", 0, start) if part == "body" else 1
            yield from _unknown(piece, known, segments, line, _has_default(source, start))


def _asked(template: BoundTemplate) -> Iterator[tuple[list[Any], int, str]]:
    for found in template.analyze().globals.values():
        for variable in found:
            yield list(variable.segments), variable.span.index, _source_of(template)


def _source_of(template: BoundTemplate) -> str:
    nodes = template.nodes
    return nodes[0].token.source if nodes else ""


def _has_default(source: str, start: int) -> bool:
    return bool(re.match(r"[^}%|]*\|\s*default\b", source[start : start + 300]))


def _unknown(piece: Piece, known: Known, segments: list[Any], line: int, default: bool) -> Iterator[Fault]:
    root, members = str(segments[0]), [str(s) for s in segments[1:] if isinstance(s, str)]
    path = ".".join([root, *members])
    if root in _OPEN or (root in NAMES and root not in _PEOPLE) or root in ALWAYS:
        return
    if root in _PEOPLE:
        if not members or members[0] in known.traits or members[0] == "first_name" or default:
            return
        close = nearest(members[0], known.traits)
        message = (
            N_("No customer has {name}; did you mean {nearest}?") if close
            else N_("No customer has {name} yet. Write what stands instead: | default: ...")
        )  # fmt: skip
        yield Fault(piece.path, line, "trait", message, {"name": path, "nearest": f"{root}.{close}" if close else ""})
        return
    value: Any = known.shared
    for name in (root, *members):
        if not isinstance(value, Mapping) or name not in value:
            break
        value = value[name]
        if not isinstance(value, Mapping) or piece.language in value:
            return
    else:
        return
    if default:
        return
    # a name that is only a little like another is none: coupon is not meant to be account
    close = next(iter(difflib.get_close_matches(root, [*NAMES, *known.shared], n=1, cutoff=0.75)), None)
    if close and root not in known.shared:
        yield Fault(piece.path, line, "variable", N_("There is no {name}; did you mean {nearest}?"),
                    {"name": path, "nearest": close})  # fmt: skip
    else:
        said = N_("Nothing gives {name} a value. Put it into {file}, or into the rule.")
        yield Fault(piece.path, line, "variable", said, {"name": path, "file": FACTS})


def offers(project: Project, piece: Piece, known: Known) -> Iterator[Fault]:
    """Codes of pools that there are; a referral link and points only where the map has a programme."""
    try:
        made = templates(piece)
    except ContentError:
        return
    defined = project.journey().offers if project.map_file.exists() else None
    for part, template in made.items():
        for segments, start, source in _asked(template):
            line = piece.first_line + source.count("\n", 0, start) if part == "body" else 1
            root = str(segments[0])
            if root in known.shared or defined is None:
                continue
            if root == "code":
                name = str(segments[1]) if len(segments) > 1 else ""
                if name not in defined.codes:
                    said = N_("There is no pool of codes {name!r} in the map; it has: {known}.")
                    listed = ", ".join(defined.codes) or "-"
                    yield Fault(piece.path, line, "pool", said, {"name": name, "known": listed})
            elif root == "referral_link" and defined.referral is None:
                said = N_("The map has no offers.referral, so nobody has a link to recommend by.")
                yield Fault(piece.path, line, "referral", said, {})
            elif root == "points" and defined.loyalty is None:
                said = N_("The map has no offers.loyalty, so there are no points.")
                yield Fault(piece.path, line, "points", said, {})


def filters(project: Project, piece: Piece, known: Known) -> Iterator[Fault]:
    """Filters that there are not."""
    try:
        made = templates(piece)
    except ContentError:
        return
    for part, template in made.items():
        for name, spans in template.analyze().filters.items():
            if name in template.env.filters:
                continue
            source = _source_of(template)
            line = piece.first_line + source.count("\n", 0, spans[0].index) if part == "body" else 1
            close = nearest(name, template.env.filters) or ""
            message = N_("There is no {name}; did you mean {nearest}?") if close else N_("There is no filter {name}.")
            yield Fault(piece.path, line, "syntax", message, {"name": name, "nearest": close})


def survey_links(project: Project, piece: Piece, known: Known) -> Iterator[Fault]:
    """Links to surveys that the map has, and an address of the server to lead to."""
    try:
        made = templates(piece)
    except ContentError:
        return
    surveys = project.journey().surveys if project.map_file.exists() else {}
    told = False
    for segments, start, source in _asked(made["body"]):
        root, name = str(segments[0]), str(segments[1]) if len(segments) > 1 else ""
        line = piece.first_line + source.count("\n", 0, start)
        if root == "survey_link" and name not in surveys:
            near = nearest(name, surveys) or ""
            message = (
                N_("There is no survey {name} in the map; did you mean {nearest}?") if near
                else N_("There is no survey {name} in the map. Write it under surveys.")
            )  # fmt: skip
            yield Fault(piece.path, line, "survey", message, {"name": name or "-", "nearest": near})
        elif root in ("survey_link", "review_link") and not project.settings.mail.links and not told:
            told = True
            message = N_("A link of one's own needs the server's address: set links under [mail] in polku.toml.")
            yield Fault(piece.path, line, "links", message, {})


def on_site(project: Project, piece: Piece, known: Known) -> Iterator[Fault]:
    """What is shown on the site is written for it, and has what it asks for."""
    for code, message, facts in site_faults(project, piece):
        yield Fault(piece.path, 0, code, message, facts)


RULES: tuple[Callable[[Any, Piece, Known], Iterator[Fault]], ...] = (
    parses, subject, unsubscribing, variables, offers, filters, survey_links, on_site,
)  # fmt: skip


def _translations(there: list[str]) -> Iterator[Fault]:
    """Where a project speaks several languages, every piece has all of them."""
    spoken: dict[str, set[str]] = {}
    for path in there:
        found = named(path)
        assert found is not None
        spoken.setdefault(found["name"], set()).add(found["language"])
    languages = set().union(*spoken.values()) if spoken else set()
    for path in there:
        found = named(path)
        assert found is not None
        if found["language"] != min(spoken[found["name"]]):
            continue
        for missing in sorted(languages - spoken[found["name"]]):
            yield Fault(
                path, 0, "translation", N_("There is no {file}, and other pieces are in {language}."),
                {"file": f"{FOLDER}/{found['name']}.{missing}.{found['format']}", "language": missing},
            )  # fmt: skip


def named_in(journey: Any) -> dict[str, tuple[str, ...]]:
    """Pieces that the map names: path to what names it, a rule by its id, a campaign as ``campaign:ID``, a piece for
    every visitor of the site as ``site:ID``.
    """
    found: dict[str, dict[str, None]] = {}

    def look(value: Any, by: str) -> None:
        if isinstance(value, Mapping):
            for inner in value.values():
                look(inner, by)
        elif isinstance(value, (list, tuple)):
            for inner in value:
                look(inner, by)
        elif isinstance(value, str) and value.startswith(f"{FOLDER}/"):
            found.setdefault(value, {})[by] = None

    for rule in journey.guidance:
        look(rule.model_dump(), rule.id)
    for id, campaign in journey.campaigns.items():
        look(campaign.send, f"campaign:{id}")
    for name, piece in journey.site.items():
        look(piece.content, f"site:{name}")
    return {path: tuple(by) for path, by in found.items()}


#: What is said of a piece that the map names and that is not there, by what names it.
NAMED = {
    "": N_("The rule {rule} names this file, and there is none."),
    "campaign": N_("The campaign {rule} names this file, and there is none."),
    "site": N_("The piece {rule} under site: names this file, and there is none."),
}


def _missing(project: Project, there: list[str]) -> Iterator[Fault]:
    if not project.map_file.exists():
        return
    for path, users in named_in(project.journey()).items():
        if path not in there:
            kind, _, id = users[0].rpartition(":")
            yield Fault(path, 0, "missing", NAMED[kind], {"rule": id})
