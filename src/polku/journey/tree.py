"""From the text of a map to plain data and the place of everything in it.

ruamel.yaml composes the text to nodes (YAML 1.2: ``on:`` and ``no:`` are strings), and the nodes become plain Python
values here, so that the faults that YAML libraries let pass, or stop at one by one, are all found with their places:
keys written twice, keys that are no texts, tags, and aliases that blow up.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Iterable, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from polku.journey.fault import Fault, Path, Place
from polku.journey.values import shown
from polku.language import N_

MOST_BYTES = 2_000_000
MOST_NODES = 100_000
MOST_NESTED = 30
MOST_BRACKETS = 200
TAG = "tag:yaml.org,2002:"


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """Offsets in the text: where a part begins (its key, or itself in a list), and its value from ``start`` to ``end``.

    Comments and empty lines behind a value are not part of it. ``block``: a mapping or list that is written in lines.
    """

    begin: int
    start: int
    end: int
    block: bool = False


@dataclasses.dataclass
class Tree:
    """``data`` is the map as plain values; ``places`` where each part begins (a key, or an item of a list), by path."""

    text: str
    data: Any = None
    places: dict[Path, Place] = dataclasses.field(default_factory=dict)
    values: dict[Path, Place] = dataclasses.field(default_factory=dict)
    quotes: dict[Path, str | None] = dataclasses.field(default_factory=dict)
    spans: dict[Path, Span] = dataclasses.field(default_factory=dict)
    faults: list[Fault] = dataclasses.field(default_factory=list)

    def real(self, path: Sequence[str | int]) -> Path:
        """``path`` without the steps that the file does not have (the 0 of an item that stands without a list)."""
        found: Path = ()
        for step in path:
            if (*found, step) in self.places:
                found = (*found, step)
            elif not isinstance(step, int):
                break
        return found

    def place(self, path: Sequence[str | int], value: bool = False) -> Place:
        """Where the part at ``path`` begins, or its value; of the nearest part around it where the file has no such."""
        real = self.real(path)
        return (self.values if value else self.places).get(real, Place())

    def inside(self, path: Sequence[str | int], column: int) -> Place:
        """The place of the ``column``-th sign (from 1) of the text at ``path``."""
        real = self.real(path)
        start, quote = self.values.get(real, Place()), self.quotes.get(real, "|")
        if quote not in (None, "'", '"'):  # a block or several lines: where it begins must do
            return start
        before = str(self.at(real))[: column - 1]
        escaped = before.count("'") if quote == "'" else before.count('"') + before.count("\\") if quote == '"' else 0
        return Place(start.line, start.column + (1 if quote else 0) + column - 1 + escaped)

    def at(self, path: Path) -> Any:
        found = self.data
        for step in path:
            found = found[step]
        return found

    def part(self, path: Sequence[str | int]) -> str:
        """``path`` in words: list items by their id, where they have one."""
        words: list[str] = []
        found = self.data
        for step in self.real(path):
            found = found[step]
            if not isinstance(step, int):
                words.append(step)
            elif isinstance(found, dict) and isinstance(found.get("id"), str):
                words.append(found["id"])
            else:
                words.append(str(step + 1))
        return ".".join(words)


def read_bytes(content: bytes) -> Tree:
    """The tree of a file's content; what is wrong stands in ``faults``."""
    if len(content) > MOST_BYTES:
        facts = {"size": len(content), "most": MOST_BYTES}
        return Tree("", faults=[Fault("yaml.large", N_("the file has {size} bytes; a map has at most {most}"), facts)])
    try:
        return read_text(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig")
        fault = Fault(
            "yaml.encoding",
            N_("byte {byte} is not UTF-8; save the file as UTF-8"),
            {"byte": f"0x{content[error.start]:02X}"},
            line=before.count("\n") + 1,
            column=len(before) - before.rfind("\n"),
        )
        return Tree("", faults=[fault])


def read_text(text: str) -> Tree:
    """The tree of a map's text; what is wrong stands in ``faults``."""
    tree = Tree(text.removeprefix("\ufeff"))
    deep = _too_deep(tree.text)
    if deep is not None:
        tree.faults.append(deep)
        return tree
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False  # an anchor may be used anew: the last one counts
    try:
        node = yaml.compose(tree.text)
    except MarkedYAMLError as error:
        tree.faults.append(_broken(tree.text, error))
    except ReaderError as error:
        before = tree.text[: error.position]
        tree.faults.append(
            Fault(
                "yaml.sign",
                N_("an invisible sign ({sign}) stands here; remove it"),
                {"sign": f"U+{ord(tree.text[error.position]):04X}"},
                line=before.count("\n") + 1,
                column=len(before) - before.rfind("\n"),
            )
        )
    except RecursionError:
        tree.faults.append(Fault("yaml.deep", N_("it is nested too deep")))
    except (YAMLError, ValueError):  # ValueError: an escape such as \U00110000 that is no sign
        tree.faults.append(Fault("yaml.broken", N_("this is not YAML")))
    else:
        if node is None:
            tree.faults.append(Fault("yaml.empty", N_("the file is empty; a map begins with polku: 1 and a title")))
        else:
            tree.data = _Maker(tree).make(node, (), node.start_mark.index)
    return tree


def _too_deep(text: str) -> Fault | None:
    """A fault where brackets open without end: the reader would take time that grows with their square."""
    depth = 0
    for found in re.finditer(r"[\[{\]}]", text):
        depth = depth + 1 if found[0] in "[{" else max(depth - 1, 0)
        if depth > MOST_BRACKETS:
            before = text[: found.start()]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            return Fault("yaml.deep", N_("it is nested too deep"), line=line, column=column)
    return None


#: What the YAML reader says, and what we say: (part of its problem or context, code, message). The first that fits.
PROBLEMS: tuple[tuple[str, str, str], ...] = (
    (r"'\t'", "yaml.tab", N_("a tab stands where spaces are needed; indent with spaces")),
    ("cannot start any token", "yaml.sign", N_("a text cannot begin with {sign!r}; put it in quotes")),
    ("quoted scalar", "yaml.quote", N_("a quotation mark is opened here and not closed rightly")),
    ("undefined alias", "yaml.alias", N_("no & goes with this *; a text that begins with * goes in quotes")),
    (
        "mapping values are not allowed",
        "yaml.colon",
        N_("a colon too many, or an indentation that does not fit; a text with ': ' in it goes in quotes"),
    ),
    (
        "expected ':'",
        "yaml.colon",
        N_("a line that is neither 'key: value' nor '- item'; a colon or an indentation is missing"),
    ),
    ("flow sequence", "yaml.bracket", N_("the list that opens with [ on line {opened} is not closed rightly")),
    ("flow mapping", "yaml.bracket", N_("the mapping that opens with {{ on line {opened} is not closed rightly")),
    ("block end", "yaml.indent", N_("the indentation does not fit that of line {opened}")),
    (
        "sequence entries are not allowed",
        "yaml.indent",
        N_("a list begins on a line of its own, with - before each item"),
    ),
    ("another document", "yaml.documents", N_("a second document begins here (---); a map is one document")),
)


def _broken(text: str, error: MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    place = Place(mark.line + 1, mark.column + 1) if mark else Place()
    said = f"{error.problem} {error.context}"
    opened = (error.context_mark or mark).line + 1 if mark else 1
    lines = text.split("\n")
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    facts = {"sign": line[place.column - 1 : place.column], "opened": opened}
    for part, code, message in PROBLEMS:
        if part in said:
            if code == "yaml.quote" and error.context_mark:
                place = Place(error.context_mark.line + 1, error.context_mark.column + 1)
            return Fault(code, message, facts, line=place.line, column=place.column)
    return Fault("yaml.broken", N_("this is not YAML here"), facts, line=place.line, column=place.column)


class _Maker:
    """Plain values from nodes, depth first, with places and faults kept in the tree."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.nodes = 0

    def fault(self, code: str, message: str, node: Node, path: Path, **facts: Any) -> None:
        mark = node.start_mark
        self.tree.faults.append(Fault(code, message, facts, line=mark.line + 1, column=mark.column + 1, path=path))

    def make(self, node: Node, path: Path, begin: int, colon: int | None = None) -> Any:
        """The value of ``node``; ``begin``: offset of its key or itself, ``colon``: of what follows its key's colon."""
        self.nodes += 1
        start, end = node.start_mark.index, node.end_mark.index
        if colon is not None and start == end:  # nothing stands there: the reader places it at the next word
            start = end = colon
        end = start + len(self.tree.text[start:end].rstrip())
        block = isinstance(node, (MappingNode, SequenceNode)) and not node.flow_style
        self.tree.spans[path] = Span(begin, start, end, block)
        value = self.value(node, path)
        if block:
            steps: Iterable[str | int] = value if isinstance(value, dict) else range(len(value or ()))
            ends = [self.tree.spans[(*path, step)].end for step in steps if (*path, step) in self.tree.spans]
            last = max((e for e in ends if start <= e <= end), default=end)  # an alias ends elsewhere
            self.tree.spans[path] = Span(begin, start, last, block)
        return value

    def value(self, node: Node, path: Path) -> Any:
        place = Place(node.start_mark.line + 1, node.start_mark.column + 1)
        self.tree.values[path] = place
        self.tree.places.setdefault(path, place)
        if len(path) > MOST_NESTED or self.nodes > MOST_NODES:
            if self.nodes <= MOST_NODES or self.nodes == MOST_NODES + 1:
                self.fault("yaml.deep", N_("anchors or nesting make this too large for a map"), node, path)
            return None
        if isinstance(node, MappingNode):
            return self.mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.make(child, (*path, i), child.start_mark.index) for i, child in enumerate(node.value)]
        assert isinstance(node, ScalarNode)
        one_line = node.start_mark.line == node.end_mark.line
        self.tree.quotes[path] = node.style if one_line else "|"
        return self.scalar(node, path)

    def mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: list[tuple[Node, Node]] = []
        for key_node, value_node in node.value:
            if key_node.tag == TAG + "merge":
                merged.extend(self.merge(value_node, path))
                continue
            self.entry(found, key_node, value_node, path, written=True)
        for key_node, value_node in merged:
            self.entry(found, key_node, value_node, path, written=False)
        return found

    def entry(self, found: dict[str, Any], key_node: Node, value_node: Node, path: Path, written: bool) -> None:
        if not isinstance(key_node, ScalarNode):
            self.fault("yaml.key", N_("a key must be a word, not a list or a mapping"), key_node, path)
            return
        key = str(key_node.value)
        if key in found:
            if written:
                first = self.tree.places[(*path, key)].line
                self.fault(
                    "yaml.key_twice",
                    N_("{key!r} is written twice; the first is on line {first}"),
                    key_node,
                    path,
                    key=key,
                    first=first,
                )
            return
        self.tree.places[(*path, key)] = Place(key_node.start_mark.line + 1, key_node.start_mark.column + 1)
        colon = self.tree.text.find(":", key_node.end_mark.index) + 1
        found[key] = self.make(value_node, (*path, key), key_node.start_mark.index, colon)

    def merge(self, node: Node, path: Path) -> list[tuple[Node, Node]]:
        """The entries that ``<<`` brings; what is written out stands before them, and earlier mappings before later."""
        sources = node.value if isinstance(node, SequenceNode) else [node]
        entries: list[tuple[Node, Node]] = []
        for source in sources:
            if isinstance(source, MappingNode):
                entries.extend(pair for pair in source.value if pair[0].tag != TAG + "merge")
            else:
                self.fault("yaml.merge", N_("<< takes in a mapping, and this is none"), source, path)
        return entries

    def scalar(self, node: ScalarNode, path: Path) -> Any:
        kind, text = str(node.tag).removeprefix(TAG), str(node.value)
        if kind == "null":
            return None
        if kind == "bool" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if kind == "int":
            return _integer(text)
        if kind == "float":
            return _float(text)
        if kind == "timestamp":
            return _date(text)
        if kind not in ("str", "bool", "!", "value"):
            self.fault(
                "yaml.tag", N_("the tag {tag!r} has no meaning in a map; remove it"), node, path, tag=shown(node.tag)
            )
        return text


def _integer(text: str) -> int | str:
    try:
        return int(text.replace("_", ""), 0) if re.match(r"[+-]?0[xob]", text) else int(text.replace("_", ""))
    except ValueError:
        return text


def _float(text: str) -> float | str:
    try:
        return float(re.sub(r"(?i)^([+-]?)\.(inf|nan)$", r"\1\2", text.replace("_", "")))
    except ValueError:
        return text


def _date(text: str) -> dt.date | str:
    try:
        return dt.date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else text
    except ValueError:
        return text
