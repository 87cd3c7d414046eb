"""Turning a rule on and off: one line of ``journey.yaml``, with comments and order kept.

What is turned on begins with what happens from now on; nobody is written to for what was before.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

from polku.errors import UsageError, nearest
from polku.journey.document import Document
from polku.language import N_

if TYPE_CHECKING:
    from polku.record.project import Project

State = Literal["on", "off", "draft"]
STATES: tuple[State, ...] = ("on", "off", "draft")


@dataclasses.dataclass(frozen=True, slots=True)
class Turned:
    """Whether the file was changed, and the line on which the rule begins."""

    changed: bool
    line: int


def place_of(document: Document, rule: str) -> int:
    """The place of ``rule`` in the list ``guidance``. Raises UsageError with the nearest one."""
    listed = document.data.get("guidance") if isinstance(document.data, dict) else None
    ids = [g.get("id") if isinstance(g, dict) else None for g in listed or ()]
    if rule not in ids:
        known = [i for i in ids if isinstance(i, str)]
        near = nearest(rule, known)
        raise UsageError(
            N_("There is no rule {id!r} in the map.{meant} It has: {known}."),
            id=rule, known=", ".join(known) or "-", nearest=near, meant=f" → {near}?" if near else "",
        )  # fmt: skip
    return ids.index(rule)


def turn(project: Project, rule: str, state: str, author: str, *, content: bytes | None = None) -> Turned:
    """Give ``rule`` the ``state`` in the project's map, keep the version, and publish nothing.

    ``content``: the map as the person saw it; MapError is raised when the file is another by now. Raises UsageError for
    an unknown rule or state, FaultyMapError when the map would have errors.
    """
    if state not in STATES:
        raise UsageError(N_("{state!r} is no state of a rule; there are on, off and draft."), state=state)
    document = Document(project.map_file.read_bytes() if content is None else content, project.map_file)
    place = place_of(document, rule)
    line = document.place(("guidance", place)).line
    if document.data["guidance"][place].get("state", "draft") == state:
        return Turned(False, line)
    document.set(("guidance", place, "state"), state)
    document.save()
    project.keep_map(author)
    project.audit.note(author, f"rule.{state}", rule)
    return Turned(True, line)
