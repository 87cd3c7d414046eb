"""One item of a list of the map as a text by itself, and that text, edited, put back: comments inside it are kept, and
nothing outside of it changes.

The text of an item that stands in lines is what stands behind its dash, moved to the left edge, with the comment lines
below it that are indented with it.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

from polku.errors import MapError
from polku.journey import edit
from polku.journey.fault import Path
from polku.journey.tree import Span, Tree, read_text
from polku.language import N_

CANNOT = N_("This part is written in a way that cannot be changed from here; please edit the file by hand.")


@dataclasses.dataclass(frozen=True, slots=True)
class Excerpt:
    """``text`` (its lines end in \\n) of the item at ``path``; ``line`` of the map on which it begins, from 1."""

    path: Path
    text: str
    line: int


def excerpt(tree: Tree, path: Path) -> Excerpt:
    """The text of the item at ``path``.

    >>> from polku.journey.tree import read_text
    >>> excerpt(read_text("rules:\\n  - id: a  # ours\\n    on: true\\n"), ("rules", 0)).text
    'id: a  # ours\\non: true\\n'
    """
    start, end, column = _bounds(tree, path)
    first, *others = tree.text[start:end].replace("\r\n", "\n").rstrip("\n").split("\n")
    lines = [first, *(line[min(column, len(line) - len(line.lstrip(" "))) :] for line in others)]
    return Excerpt(path, "\n".join(lines) + "\n", tree.text.count("\n", 0, start) + 1)


def replaced(tree: Tree, path: Path, text: str) -> Tree:
    """The map with ``text`` as the item at ``path``.

    Raises MapError where the text is not one mapping, or does not stand there as it reads by itself.
    """
    item = read_text(plain(text))
    if item.faults or not isinstance(item.data, dict):
        raise MapError(N_("The text is no part of a map: lines such as 'id: ...' are needed."))
    around = path[:-1]
    if not tree.spans[around].block:  # a list on one line becomes lines, so that there is room for comments
        tree = edit.set_value(tree, around, edit.plain(tree.at(around)))
    if not tree.spans[around].block:
        raise MapError(CANNOT)
    start, end, column = _bounds(tree, path)
    newline = "\r\n" if "\r\n" in tree.text else "\n"
    first, *others = plain(text).rstrip("\n").split("\n")
    written = newline.join([first, *(" " * column + line if line.strip() else "" for line in others)])
    tail = tree.text[end:]
    new = tree.text[:start] + written + (newline if tail and not tail.startswith(("\n", "\r")) else "") + tail
    return _as_meant(tree, new, path, item.data)


def appended(tree: Tree, around: Path, text: str) -> Tree:
    """The map with ``text`` as a new last item of the list ``around`` (made where there is none)."""
    item = read_text(plain(text))
    if item.faults or not isinstance(item.data, dict):
        raise MapError(N_("The text is no part of a map: lines such as 'id: ...' are needed."))
    listed = tree.data.get(around[-1]) if isinstance(tree.data, dict) and len(around) == 1 else tree.at(around)
    count = len(listed) if isinstance(listed, list) else 0
    if not count or not tree.spans[around].block:
        tree = edit.insert(tree, (*around, count), item.data) if count else edit.set_value(tree, around, [item.data])
        return replaced(tree, (*around, count), text)
    start = tree.spans[around].start
    column = start - (tree.text.rfind("\n", 0, start) + 1)
    end = _line_end(tree.text, _bounds(tree, (*around, count - 1))[1])  # after the last one's own comments
    newline = "\r\n" if "\r\n" in tree.text else "\n"
    head = tree.text[:end] + ("" if tree.text[:end].endswith("\n") else newline)
    lines = [
        " " * (column + (2 if n else 0)) + ("" if n else "- ") + line if line.strip() else ""
        for n, line in enumerate(plain(text).rstrip("\n").split("\n"))
    ]
    return _as_meant(tree, head + newline.join(lines) + newline + tree.text[end:], (*around, count), item.data)


def plain(text: str) -> str:
    """A text as a form sends it, with the line ends of Unix and one at its end."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip("\n") + "\n"


def _bounds(tree: Tree, path: Path) -> tuple[int, int, int]:
    """Where the item begins and ends in the text, and the column of its lines."""
    span: Span = tree.spans[path]
    text = tree.text
    column = span.start - (text.rfind("\n", 0, span.start) + 1)
    if not span.block:  # in one line, with the comment behind it
        behind = edit.COMMENT.match(text, span.end)
        return span.start, behind.end() if behind else span.end, column
    end = _line_end(text, span.end)
    last, at = end, end
    while at < len(text):  # comments that are indented with the item are its own
        after = _line_end(text, at)
        line = text[at:after].rstrip("\r\n")
        if line.strip() and not (line.lstrip(" ").startswith("#") and len(line) - len(line.lstrip(" ")) >= column):
            break
        at = after
        last = at if line.strip() else last
    return span.start, len(text[:last].rstrip("\r\n")), column


def _line_end(text: str, offset: int) -> int:
    found = text.find("\n", offset)
    return len(text) if found < 0 else found + 1


def _as_meant(tree: Tree, text: str, path: Path, value: Any) -> Tree:
    expected = copy.deepcopy(tree.data)
    around = expected
    for step in path[:-1]:
        around = around[step]
    if isinstance(around, list) and path[-1] == len(around):
        around.append(value)
    else:
        around[path[-1]] = value
    found = read_text(text)
    if found.faults or found.data != expected:
        raise MapError(CANNOT)
    return found
