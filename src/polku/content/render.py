"""A piece filled in: subject, HTML and plain text, in the steps Liquid, Markdown, frame, MJML.

>>> from polku.content.piece import Piece
>>> piece = Piece("content/hi.en.md", "hi", "en", "md", "Hello **{{ customer.first_name }}**", 1, subject="Hi")
>>> made = render(Path("."), piece, {"customer": {"first_name": "Anna"}})
>>> made.subject, made.text.splitlines()[0]
('Hi', 'Hello Anna')
"""

from __future__ import annotations

import dataclasses
import functools
import re
import secrets
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final

from liquid.template import BoundTemplate
from markdown_it import MarkdownIt
from markupsafe import Markup
from mjml import mjml2html

from polku.content import liquid
from polku.content.buttons import as_buttons
from polku.content.piece import FOLDER, Piece
from polku.content.plain import plain
from polku.errors import ContentError
from polku.language import LANGUAGES, N_, translate
from polku.onsite.drawing import asking, draw

#: The frame that a project has of its own, where it has one.
FRAME: Final = f"{FOLDER}/frame.mjml"
NONE: Final = "none"
UNSUBSCRIBE: Final = N_("Unsubscribe from these letters")
#: What every piece may ask for besides the customer's facts.
ALWAYS: Final = ("unsubscribe_url", "language", "sender", "postal_address", "subject", "preheader")


@dataclasses.dataclass(frozen=True, slots=True)
class Rendered:
    """A piece filled in for one customer; ``html`` is a whole document, but of a piece for the site its text alone.
    ``site``: what a browser draws such a piece from (``polku.onsite.drawing``)."""

    subject: str
    html: str
    text: str
    preheader: str = ""
    site: Mapping[str, Any] | None = None


def markdown() -> MarkdownIt:
    """Markdown as pieces are written in it: CommonMark with tables, and no HTML of one's own."""
    return MarkdownIt("commonmark", {"html": False, "xhtmlOut": True}).enable("table").enable("strikethrough")


_markdown: Final = markdown()
#: What differs from letter to letter in a frame, and what does not.
SLOTS: Final = ("body", "subject", "preheader", "unsubscribe_url")
SAME: Final = ("language", "sender", "postal_address", "unsubscribe_text")
#: The sign that stands in a slot until a letter is made: nobody who is written to can know it.
_SIGN: Final = f"slot{secrets.token_hex(8)}n"
_SLOT: Final = re.compile(rf"{_SIGN}(\d)z")
_APART: Final = re.compile(r"\n{3,}")


@functools.lru_cache(maxsize=512)
def _template(kind: str, source: str, where: str, first_line: int) -> BoundTemplate:
    environment = {"md": liquid.MARKDOWN, "mjml": liquid.HTML, "line": liquid.PLAIN}[kind]
    return liquid.parse(environment, source, where, first_line)


def templates(piece: Piece) -> dict[str, BoundTemplate]:
    """The Liquid templates of a piece: ``subject``, ``preheader``, ``body``, and of a piece for the site those in
    its front matter. Raises ContentError."""
    return {
        **{f"site.{n}": _template("line", text, piece.path, 1) for n, text in enumerate(asking(piece.site))},
        "subject": _template("line", piece.subject, piece.path, 1),
        "preheader": _template("line", piece.preheader, piece.path, 1),
        "body": _template(piece.format, piece.body, piece.path, piece.first_line),
    }


def render(folder: Path, piece: Piece, facts: Mapping[str, Any]) -> Rendered:
    """Fill a piece in. ``facts``: by name, see :mod:`polku.content.facts`; ``unsubscribe_url``, ``sender`` and
    ``postal_address`` are the frame's.

    Raises ContentError: MissingFact for a value that the piece asks for and the customer has not, else what does not
    parse, with file and line.
    """
    made = templates(piece)
    facts = {"language": piece.language, **facts}
    subject = liquid.render(made["subject"], facts, piece.path).strip()
    preheader = liquid.render(made["preheader"], facts, piece.path).strip()
    body = liquid.render(made["body"], facts, piece.path, piece.first_line)
    if piece.site is not None:
        inner = _markdown.render(body)
        drawn = draw(piece, piece.site, facts, subject, inner, _markdown.render)
        return Rendered(subject, inner, plain(inner), preheader, drawn)
    if piece.format == "mjml":
        html = from_mjml(body, piece.path)
    else:
        inner = as_buttons(_markdown.render(body))
        frame = frame_of(folder, piece)
        if frame is None:
            html = f'<!doctype html><html lang="{piece.language}"><body>{inner}</body></html>'
        else:
            spoken = piece.language if piece.language in LANGUAGES else "en"
            given = {
                "sender": None, "postal_address": None, "unsubscribe_url": None, **facts,
                "body": Markup(inner), "subject": subject, "preheader": preheader,
                "unsubscribe_text": translate(spoken, UNSUBSCRIBE),
            }  # fmt: skip
            if not piece.unsubscribe:
                given["unsubscribe_url"] = None
            if _has_slots(frame[1]):
                return Rendered(subject, *_framed(frame, given), preheader)
            html = from_mjml(liquid.render(frame[1], given, frame[0]), frame[0])
    return Rendered(subject, html, plain(html), preheader)


# -- a frame that is drawn once for many letters -----------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def _has_slots(template: BoundTemplate) -> bool:
    """Whether a frame asks for nothing but SLOTS and SAME, and of SLOTS only writes them or asks whether there are any:
    then their places are known, and the rest of it is the same for many letters."""
    found = template.analyze()
    if found.filters or set(map(str, found.globals)) - {*SLOTS, *SAME}:
        return False
    source = template.nodes[0].token.source if template.nodes else ""
    names = "|".join(SLOTS)
    plainly = re.findall(rf"{{{{-?\s*(?:{names})\s*-?}}}}|{{%-?\s*(?:if|elsif|unless)\s+(?:{names})\s*-?%}}", source)
    return len(plainly) == sum(len(found.globals.get(name, ())) for name in SLOTS)


def _framed(frame: tuple[str, BoundTemplate], given: Mapping[str, Any]) -> tuple[str, str]:
    """(HTML, plain text) of a letter in a frame with slots."""
    there = tuple(name for name in SLOTS if given[name])
    same = tuple((name, given[name]) for name in SAME)
    html, text = _drawn(frame, there, same)
    shown = [liquid.as_html(given[name]) for name in there]
    read = [
        f"\n\n{plain(str(given[name]))}\n\n" if name == "body" else " ".join(str(given[name]).split()) for name in there
    ]
    written = _SLOT.sub(lambda m: read[int(m[1])], text)
    return _SLOT.sub(lambda m: shown[int(m[1])], html), _APART.sub("\n\n", written).strip()


@functools.lru_cache(maxsize=128)
def _drawn(
    frame: tuple[str, BoundTemplate], there: tuple[str, ...], same: tuple[tuple[str, Any], ...]
) -> tuple[str, str]:
    """(HTML, plain text) of a frame with signs in its slots. ``there``: the slots that are filled."""
    given = {**dict.fromkeys(SLOTS), **dict(same), **{name: f"{_SIGN}{n}z" for n, name in enumerate(there)}}
    html = from_mjml(liquid.render(frame[1], given, frame[0]), frame[0])
    return html, plain(html)


def frame_of(folder: Path, piece: Piece) -> tuple[str, BoundTemplate] | None:
    """The frame around a Markdown piece, with its name; None where the piece wants none. Raises ContentError."""
    if piece.layout == NONE:
        return None
    name = FRAME if piece.layout is None else f"{FOLDER}/{piece.layout.removeprefix(FOLDER + '/')}"
    file = folder / name
    if piece.layout is not None and (folder / FOLDER).resolve() not in file.resolve().parents:
        raise ContentError(N_("{file}: the layout must be a file under content/."), file=piece.path)
    try:
        source = file.read_text(encoding="utf-8")
    except FileNotFoundError as fault:
        if piece.layout is not None:
            raise ContentError(N_("There is no {file}, which {piece} names."), file=name, piece=piece.path) from fault
        source = own_frame()
    return name, _template("mjml", source, name, 1)


@functools.cache
def own_frame() -> str:
    """The frame that comes with Polku."""
    return (resources.files("polku.content") / "frame.mjml").read_text(encoding="utf-8")


def from_mjml(source: str, where: str) -> str:
    """HTML of MJML. Raises ContentError where it does not parse."""
    try:
        return mjml2html(source, fonts={})  # no mail of ours asks another server for letters
    except ValueError as fault:
        raise ContentError(N_("{file} does not read as MJML: {fault}."), file=where, fault=str(fault)) from fault
