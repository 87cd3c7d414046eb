"""Two people's changes to one text brought together, line by line, where they do not touch each other."""

from __future__ import annotations

import difflib
from typing import NamedTuple


class Change(NamedTuple):
    """Lines ``start`` up to ``end`` of the text that both began with, and what stands in their place."""

    start: int
    end: int
    lines: tuple[str, ...]


def merged(base: str, theirs: str, mine: str) -> str | None:
    """``base`` with the changes of both, None where both changed the same lines, or wrote at the same place.

    A change that both made alike is made once.

    >>> merged("a: 1\\nb: 2\\nc: 3\\n", "a: 9\\nb: 2\\nc: 3\\n", "a: 1\\nb: 2\\nc: 4\\n")
    'a: 9\\nb: 2\\nc: 4\\n'
    >>> merged("a: 1\\n", "a: 2\\n", "a: 3\\n") is None
    True
    """
    lines = base.splitlines(keepends=True)
    changes = sorted({*_changes(lines, theirs), *_changes(lines, mine)})
    made: list[str] = []
    at = 0
    before: Change | None = None
    for change in changes:
        if before is not None and _touch(before, change):
            return None
        made += [*lines[at : change.start], *change.lines]
        at, before = change.end, change
    return "".join([*made, *lines[at:]])


def _changes(lines: list[str], text: str) -> set[Change]:
    other = text.splitlines(keepends=True)
    found = difflib.SequenceMatcher(None, lines, other, autojunk=False).get_opcodes()
    return {Change(i1, i2, tuple(other[j1:j2])) for tag, i1, i2, j1, j2 in found if tag != "equal"}


def _touch(first: Change, second: Change) -> bool:
    """Whether two changes, the first not after the second, meet: in a line, or where either puts lines in between."""
    if second.start < first.end:
        return True
    return second.start == first.end and (first.start == first.end or second.start == second.end)
