"""Edits of a map's text that touch nothing else: comments, order, quotes and empty lines stay as they were written.

Each edit changes only the signs of the part that it is about, found by the part's span in the text, and is then read
back: when the new text does not say exactly what was asked for (an alias, a part that is written in a way that cannot
be cut apart), the edit is refused and the text stays.
"""

from __future__ import annotations

import copy
import datetime as dt
import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from polku.errors import MapError, nearest
from polku.journey.fault import Path
from polku.journey.tree import Span, Tree, read_text
from polku.language import N_

#: A mapping or list of plain values no longer than this is written on one line.
SHORT = 90
#: A comment behind a part, up to the end of its line.
COMMENT = re.compile(r"[ \t]+#[^\r\n]*")


def set_value(tree: Tree, path: Path, value: Any) -> Tree:
    """``value`` at ``path``: in place of what stands there, or as a new key of the mapping around it."""
    parent = _parent(tree, path)
    value = plain(value)
    if isinstance(parent, list):
        _item(tree, path)
        return _edited(
            tree, _replace(tree, path, value), lambda data: _at(data, path[:-1]).__setitem__(path[-1], value)
        )
    text = _replace(tree, path, value) if path[-1] in parent else _add_key(tree, path, value)
    return _edited(tree, text, lambda data: _at(data, path[:-1]).__setitem__(path[-1], value))


def insert(tree: Tree, path: Path, value: Any) -> Tree:
    """``value`` as an item of the list ``path[:-1]``, before the item ``path[-1]`` (its length: at the end)."""
    around, index = path[:-1], path[-1]
    value = plain(value)
    if not isinstance(index, int):
        raise MapError(N_("{part} is no place in a list."), part=_said(path))
    listed = _at_or_none(tree.data, around)
    if listed is None:  # no list yet
        return set_value(tree, around, [value])
    if not isinstance(listed, list):
        raise MapError(N_("{part} is no list."), part=_said(around))
    if not 0 <= index <= len(listed):
        raise MapError(
            N_("{part} has {count} items; there is no place {index}."),
            part=_said(around),
            count=len(listed),
            index=index,
        )
    span = tree.spans[around]
    if not listed:
        return set_value(tree, around, [value])
    text = _insert_block(tree, around, index, value) if span.block else _insert_flow(tree, around, index, value)
    return _edited(tree, text, lambda data: _at(data, around).insert(index, value))


def move(tree: Tree, path: Path, to: Path) -> Tree:
    """The item ``path`` of a list to before the place ``to`` of another list (its place before the move), as written.

    Between lists that are written in lines the item keeps its comments and its writing; else it is written anew.
    """
    value, span, listed = _at(tree.data, path), tree.spans[path], tree.spans.get(to[:-1])
    behind = COMMENT.match(tree.text, span.end)  # on its last line
    end = behind.end() if behind and tree.spans[path[:-1]].block else span.end
    cut = remove(tree, path)
    if to[:-1] == path[:-1] and int(to[-1]) > int(path[-1]):
        to = (*to[:-1], int(to[-1]) - 1)
    if not (listed and listed.block and tree.spans[path[:-1]].block and _at_or_none(cut.data, to[:-1])):
        return insert(cut, to, value)
    step = _column(cut.text, cut.spans[to[:-1]].start) - _column(tree.text, tree.spans[path[:-1]].start)
    lines = tree.text[span.start : end].split("\n")
    if any(line.strip() and line[:-step].strip() for line in lines[1:] if step < 0):
        return insert(cut, to, value)
    moved = [
        lines[0],
        *(" " * step + line if step > 0 and line.strip() else line[-step if step < 0 else 0 :] for line in lines[1:]),
    ]
    text = _insert_block(cut, to[:-1], int(to[-1]), "\n".join(moved), written=True)
    return _edited(cut, text, lambda data: _at(data, to[:-1]).insert(to[-1], value))


def remove(tree: Tree, path: Path) -> Tree:
    """Without the part at ``path``, with the comment on its own lines; comments above it stay."""
    parent = _parent(tree, path)
    _item(tree, path)
    block = tree.spans[path[:-1]].block
    text = _cut_block(tree, path, len(parent)) if block else _cut_flow(tree, path, parent)

    def change(data: Any) -> None:
        del _at(data, path[:-1])[path[-1]]
        if len(parent) == 1 and block and len(path) > 1:  # the key stays, with nothing behind it
            _at(data, path[:-2])[path[-2]] = None

    return _edited(tree, text, change)


def plain(value: Any) -> Any:
    """Plain data that YAML can hold, of what an edit brings."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if value is None or isinstance(value, (str, bool, int, float, dt.date)):
        return value
    raise MapError(N_("A {kind} cannot be written into a map."), kind=type(value).__name__)


def _edited(tree: Tree, text: str, change: Callable[[Any], Any]) -> Tree:
    """The tree of ``text``, when it says what the old data say after ``change``; raises MapError when not."""
    expected = copy.deepcopy(tree.data)
    change(expected)
    found = read_text(text)
    if found.faults or found.data != expected:
        raise MapError(
            N_("This part is written in a way that cannot be changed from here; please edit the file by hand.")
        )
    return found


def _said(path: Path) -> str:
    return ".".join(str(step) for step in path)


def _at(data: Any, path: Path) -> Any:
    for step in path:
        data = data[step]
    return data


def _at_or_none(data: Any, path: Path) -> Any:
    for step in path:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _parent(tree: Tree, path: Path) -> Any:
    """The mapping or list around ``path``; raises MapError where there is none."""
    parent = _at_or_none(tree.data, path[:-1]) if path else None
    if not isinstance(parent, (dict, list)) or isinstance(parent, list) is not isinstance(path[-1], int):
        raise MapError(N_("There is no {part} in this map."), part=_said(path[:-1]) or "-")
    return parent


def _item(tree: Tree, path: Path) -> None:
    parent = _at(tree.data, path[:-1])
    missing = path[-1] not in parent if isinstance(parent, dict) else not 0 <= int(path[-1]) < len(parent)
    if missing:
        near = nearest(str(path[-1]), parent) if isinstance(parent, dict) else None
        message = (
            N_("There is no {part} in this map; did you mean {nearest!r}?")
            if near
            else N_("There is no {part} in this map.")
        )
        raise MapError(message, part=_said(path), nearest=near)


def _newline(tree: Tree) -> str:
    return "\r\n" if "\r\n" in tree.text else "\n"


def _column(text: str, offset: int) -> int:
    return offset - (text.rfind("\n", 0, offset) + 1)


def _line_end(text: str, offset: int) -> int:
    """The offset behind the line of ``offset``, its line break included."""
    found = text.find("\n", offset)
    return len(text) if found < 0 else found + 1


def _commented(value: Any, flow: bool) -> Any:
    """ruamel's own mappings and lists, the short ones on one line."""
    if not isinstance(value, (dict, list)) or not value:
        return value
    simple = all(
        not isinstance(v, (dict, list)) and "\n" not in str(v)
        for v in (value.values() if isinstance(value, dict) else value)
    )
    found: Any
    if isinstance(value, dict):
        found = CommentedMap((k, _commented(v, flow)) for k, v in value.items())
    else:
        found = CommentedSeq([_commented(v, flow) for v in value])
    if flow or (simple and len(str(value)) <= SHORT):
        found.fa.set_flow_style()
    return found


def _written(tree: Tree, value: Any, column: int, flow: bool = False) -> str:
    """``value`` as YAML, its further lines indented to ``column``; without a line break at the end."""
    yaml = YAML(typ="rt", pure=True)
    yaml.width = 1_000_000
    dash = _dash(tree)
    yaml.indent(mapping=2, sequence=2 + dash, offset=dash)
    out = io.StringIO()
    yaml.dump(_commented(value, flow), out)
    lines = out.getvalue().removesuffix("...\n").rstrip("\n").split("\n")
    return (_newline(tree) + " " * column).join(lines) if len(lines) > 1 else lines[0]


def _dash(tree: Tree) -> int:
    """How far the dashes of this map's lists are indented from their key: 0 or more."""
    for path, span in tree.spans.items():
        if span.block and path and isinstance(path[-1], str) and (*path, 0) in tree.spans:
            return max(_column(tree.text, span.start) - _column(tree.text, span.begin), 0)
    return 2


def _inside_flow(tree: Tree, path: Path) -> bool:
    return any(not tree.spans[path[:n]].block for n in range(len(path)))


def _scalar_like(tree: Tree, value: Any, flow: bool) -> bool:
    """Whether ``value`` is written on one line."""
    return not isinstance(value, (dict, list)) or not value or flow or _written(tree, value, 0)[0] in "[{"


def _replace(tree: Tree, path: Path, value: Any) -> str:
    text, span = tree.text, tree.spans[path]
    flow = _inside_flow(tree, path)
    gap = " " if text[span.start - 1 : span.start] in (":", "-") else ""
    if _scalar_like(tree, value, flow):
        # Inside [] or {} a text with , or ] in it needs quotes, which it gets when it is written inside a list.
        new = (
            _written(tree, [value], 0, flow=True)[1:-1]
            if flow
            else _written(tree, value, _column(text, span.begin) + 2)
        )
        if span.block:  # lines give way to one value behind the key
            colon = text.rfind(":", span.begin, span.start) + 1
            return text[:colon] + " " + new + text[span.end :]
        return text[: span.start] + gap + new + text[span.end :]
    if isinstance(path[-1], int):
        return text[: span.start] + gap + _written(tree, value, _column(text, span.start)) + text[span.end :]
    colon = text.index(":", span.begin + len(str(path[-1]))) + 1
    return text[:colon] + _below(tree, value, _column(text, span.begin)) + text[span.end :]


def _below(tree: Tree, value: Any, column: int) -> str:
    """``value`` on the lines below a key that stands at ``column``."""
    if isinstance(value, list):  # ruamel indents the list's dashes by itself
        return _newline(tree) + " " * column + _written(tree, value, column)
    return _newline(tree) + " " * (column + 2) + _written(tree, value, column + 2)


def _add_key(tree: Tree, path: Path, value: Any) -> str:
    text, around = tree.text, tree.spans[path[:-1]]
    key = str(path[-1])
    if not around.block:
        close = around.end - 1
        inside = text[around.start + 1 : close].strip()
        new = _written(tree, {key: value}, 0, flow=True)[1:-1]
        body = text[:close].rstrip()
        body += " " if body.endswith(":") else ""
        return body + (", " if inside and not inside.endswith(",") else "") + new + text[close:]
    column = _column(text, around.start)
    if _scalar_like(tree, value, False):
        new = _written(tree, key, 0) + ": " + _written(tree, value, column + 2)
    else:
        new = _written(tree, key, 0) + ":" + _below(tree, value, column)
    at = _line_end(text, around.end)
    head = text[:at] + ("" if text[:at].endswith("\n") else _newline(tree))
    return head + " " * column + new + _newline(tree) + text[at:]


def _insert_block(tree: Tree, around: Path, index: int, value: Any, written: bool = False) -> str:
    text, listed = tree.text, tree.spans[around]
    column = _column(text, listed.start)
    new = " " * column + "- " + (value if written else _written(tree, value, column + 2)) + _newline(tree)
    if (*around, index) in tree.spans:
        at = text.rfind("\n", 0, tree.spans[(*around, index)].begin) + 1
        if column and text[at:][:column].strip():  # the list's first dash stands behind another dash
            raise MapError(
                N_("This part is written in a way that cannot be changed from here; please edit the file by hand.")
            )
    else:
        at = _line_end(text, listed.end)
    head = text[:at] + ("" if not at or text[:at].endswith("\n") else _newline(tree))
    return head + new + text[at:]


def _insert_flow(tree: Tree, around: Path, index: int, value: Any) -> str:
    text = tree.text
    new = _written(tree, [value], 0, flow=True)[1:-1]
    if (*around, index) in tree.spans:
        at = tree.spans[(*around, index)].start
        return text[:at] + new + ", " + text[at:]
    at = tree.spans[(*around, index - 1)].end
    return text[:at] + ", " + new + text[at:]


def _cut_block(tree: Tree, path: Path, count: int) -> str:
    text, span = tree.text, tree.spans[path]
    start, end = text.rfind("\n", 0, span.begin) + 1, _line_end(text, span.end)
    before = text[start : span.begin]
    if before.strip(" ") not in ("", "-"):
        raise MapError(
            N_("This part is written in a way that cannot be changed from here; please edit the file by hand.")
        )
    if before.strip(" ") == "-" and isinstance(path[-1], str):  # the first key of an item: the next one takes its place
        if count == 1:
            return text[: span.begin] + text[end - 1 :]
        following = min(s.begin for p, s in tree.spans.items() if p[:-1] == path[:-1] and s.begin > span.begin)
        return text[: span.begin] + text[following:]
    return text[:start] + text[end:]


def _cut_flow(tree: Tree, path: Path, parent: Mapping[str, Any] | Sequence[Any]) -> str:
    text, span = tree.text, tree.spans[path]
    siblings = sorted(
        (s for p, s in tree.spans.items() if len(p) == len(path) and p[:-1] == path[:-1]), key=lambda s: s.begin
    )
    place = siblings.index(span)
    if place + 1 < len(siblings):
        return text[: span.begin] + text[siblings[place + 1].begin :]
    if place:
        return text[: siblings[place - 1].end] + text[span.end :]
    around: Span = tree.spans[path[:-1]]
    return text[: around.start + 1] + text[around.end - 1 :]
