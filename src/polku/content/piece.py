"""One piece of content: a file with front matter, and Markdown or MJML under it.

A piece is called ``NAME.LANGUAGE.md`` (or ``.mjml``): ``content/cart_reminder.fi.md`` and
``content/cart_reminder.en.md`` are one piece in two languages. Its front matter says::

    ---
    subject: Your cart is still waiting
    preheader: Delivery and returns made clear before you decide
    ---
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from polku.errors import ContentError, nearest
from polku.language import N_
from polku.onsite.fields import SITE_FIELDS, SiteFields, read_fields

FOLDER: Final = "content"
FILE: Final = re.compile(r"^(?P<name>[\w-]+(?:/[\w-]+)*)\.(?P<language>[a-z]{2})\.(?P<format>md|mjml)$")
#: What the front matter may say, with what it means.
FIELDS: Final[dict[str, str]] = {
    "subject": N_("The subject of an e-mail."),
    "preheader": N_("What mail programs show behind the subject."),
    "channel": N_("The channel it is written for; email where it says none."),
    "layout": N_("The frame around it: a file under content/, or none. Default: content/frame.mjml, else Polku's own."),
    "from": N_("Who it comes from, where that is not [mail] sender of polku.toml."),
    "reply_to": N_("Where answers go, where that is not [mail] reply_to of polku.toml."),
    "unsubscribe": N_("no: this is no advertising (a receipt, an answer), so the frame has no unsubscribe link."),
}
#: The channel whose pieces say more: when and where they show (``polku.onsite.fields``).
SITE: Final = "site"
_FENCE: Final = "---"


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """A piece in one language. ``path``: from the project's folder; ``first_line``: of the body, in the file. ``site``:
    what a piece for the site says besides."""

    path: str
    name: str
    language: str
    format: Literal["md", "mjml"]
    body: str
    first_line: int
    subject: str = ""
    preheader: str = ""
    channel: str = "email"
    layout: str | None = None
    sender: str | None = None
    reply_to: str | None = None
    unsubscribe: bool = True
    site: SiteFields | None = None


def named(path: str) -> re.Match[str] | None:
    """The parts of a piece's path (``content/NAME.LANGUAGE.FORMAT``): name, language, format; None when it is none.

    >>> named("content/welcome.fi.md")["name"], named("content/../secret.fi.md")
    ('welcome', None)
    """
    return FILE.match(path.removeprefix(f"{FOLDER}/"))


def read_piece(folder: Path, path: str) -> Piece:
    """The piece at ``path`` of a project's ``folder``.

    Raises ContentError where there is none, where its name is no piece's, or its front matter does not read.
    """
    path = path if path.startswith(f"{FOLDER}/") else f"{FOLDER}/{path}"
    parts_of(path)
    try:
        text = (folder / path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as fault:
        near = nearest(path, paths(folder))
        raise ContentError(
            N_("There is no {file}. Did you mean {nearest}?") if near else N_("There is no {file}."),
            file=path, nearest=near or "",
        ) from fault  # fmt: skip
    except (OSError, UnicodeDecodeError) as fault:
        raise ContentError(N_("{file} cannot be read: {fault}."), file=path, fault=str(fault)) from fault
    return piece_of(path, text)


def parts_of(path: str) -> re.Match[str]:
    """The parts of a piece's path (see :func:`named`). Raises ContentError where it is none."""
    found = named(path)
    if found is None:
        raise ContentError(
            N_("{file} is no name of a piece: write content/NAME.LANGUAGE.md, such as content/welcome.fi.md."),
            file=path,
        )
    return found


def piece_of(path: str, text: str) -> Piece:
    """The piece that the file ``path`` is when ``text`` stands in it. Raises ContentError as :func:`read_piece`."""
    found = parts_of(path)
    head, body, first = _parted(text, path)
    format: Literal["md", "mjml"] = "mjml" if found["format"] == "mjml" else "md"
    return Piece(path, found["name"], found["language"], format, body, first, **_fields(head, path))


def _parted(text: str, path: str) -> tuple[dict[str, Any], str, int]:
    """Front matter, body, and the line of the file on which the body begins."""
    lines = text.splitlines(keepends=True)
    if not lines or lines[0].strip() != _FENCE:
        return {}, text, 1
    end = next((n for n, line in enumerate(lines[1:], 1) if line.strip() == _FENCE), None)
    if end is None:
        raise ContentError(N_("{file}: the front matter has no end; write --- on a line of its own."), file=path)
    try:
        head = YAML(typ="safe", pure=True).load("".join(lines[1:end]))
    except YAMLError as fault:
        told = getattr(fault, "problem", None) or str(fault)
        raise ContentError(
            N_("{file}: the front matter does not read as YAML: {fault}"), file=path, fault=told
        ) from fault
    if head is not None and not isinstance(head, dict):
        raise ContentError(N_("{file}: the front matter is no list of name: value."), file=path)
    return head or {}, "".join(lines[end + 1 :]), end + 2


def _fields(head: dict[str, Any], path: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    site = {key: value for key, value in head.items() if key in SITE_FIELDS and head.get("channel") == SITE}
    known = [*FIELDS, *(SITE_FIELDS if head.get("channel") == SITE else ())]
    for key, value in head.items():
        if key in site:
            continue
        if key not in FIELDS:
            close = nearest(str(key), known)
            raise ContentError(
                N_("{file}: the front matter has no field {field}; did you mean {nearest}?") if close
                else N_("{file}: the front matter has no field {field}; there are {fields}."),
                file=path, field=key, nearest=close or "", fields=", ".join(known),
            )  # fmt: skip
        if key == "unsubscribe":
            if value not in (True, False, "yes", "no"):
                raise ContentError(N_("{file}: unsubscribe is yes or no."), file=path)
            values[key] = value in (True, "yes")
        elif value is not None:
            values["sender" if key == "from" else key] = str(value).strip()
    if head.get("channel") == SITE:
        values["site"] = read_fields(site, path)
    return values


def paths(folder: Path) -> list[str]:
    """The paths of all pieces of a project, in order."""
    return sorted(_paths(folder))


def _paths(folder: Path) -> Iterator[str]:
    root = folder / FOLDER
    for file in root.rglob("*"):
        path = file.relative_to(root).as_posix()
        if FILE.match(path) and file.is_file():
            yield f"{FOLDER}/{path}"


def in_language(folder: Path, path: str, language: str | None) -> str:
    """The path of the same piece in ``language``, where there is one; else ``path`` itself."""
    found = named(path)
    if found is None or language is None or found["language"] == language:
        return path
    for ending in ("md", "mjml"):
        other = f"{FOLDER}/{found['name']}.{language}.{ending}"
        if (folder / other).is_file():
            return other
    return path
