"""Turning a rule on and off, and adopting a variant: edits of ``journey.yaml`` that keep comments and order.

What is turned on begins with what happens from now on; nobody is written to for what was before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from polku.errors import UsageError, nearest
from polku.guidance.rules import Send, compile_rule
from polku.journey.document import Document
from polku.journey.guiding import steps_of
from polku.journey.sketch import Spot
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
    """Give ``rule`` the ``state`` in the project's map; the version is kept, and published where servers share it.

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
    project.map_saved(author)
    project.audit.note(author, f"rule.{state}", rule)
    return Turned(True, line)


def adopt(
    project: Project, rule: str, variant: str, author: str, *, step: int | None = None, content: bytes | None = None
) -> Turned:
    """Let everybody get ``variant`` of a message of ``rule``: its content takes the place of the variants in the map.

    ``step``: number of the message among the steps, where more than one has that variant; ``content``: the map as
    the person saw it. Raises MapError when the file is another by now, UsageError for an unknown rule or variant, or
    where it is not clear which message is meant.
    """
    document = Document(project.map_file.read_bytes() if content is None else content, project.map_file)
    place = place_of(document, rule)
    at, send = _with_variants(document, place, variant, step, project)
    written = send["variants"][variant]
    chosen = written.get("content") if isinstance(written, Mapping) else written
    document.set((*at, "content"), str(chosen))
    for key in ("variants", "choose", "floor"):
        if key in send:
            document.remove((*at, key))
    document.save()
    project.map_saved(author)
    project.audit.note(author, "rule.adopted", f"{rule}: {variant}")
    return Turned(True, document.place(("guidance", place)).line)


def _with_variants(
    document: Document, place: int, variant: str, step: int | None, project: Project
) -> tuple[tuple[str | int, ...], Mapping[str, Any]]:
    """Where in the map the message stands that has ``variant``, and what is written there."""
    told = document.data["guidance"][place]
    sends: list[tuple[tuple[str | int, ...], Mapping[str, Any]]] = []
    if isinstance(told.get("send"), Mapping):
        sends.append((("guidance", place, "send"), told["send"]))
    for path, one in steps_of(Spot(("guidance", place), told)):
        if isinstance(one.get("send"), Mapping):
            sends.append(((*path, "send"), one["send"]))
    sends = [(at, send) for at, send in sends if isinstance(send.get("variants"), Mapping)]
    compiled = compile_rule(next(g for g in project.journey().guidance if g.id == told["id"]), project.journey())
    numbers = [n for n, one in enumerate(compiled.steps) if isinstance(one, Send) and one.variants]
    found = [
        (at, send) for number, (at, send) in zip(numbers, sends, strict=False)
        if variant in send["variants"] and step in (None, number)
    ]  # fmt: skip
    if len(found) > 1:
        raise UsageError(
            N_("Several messages of {id!r} have a variant {variant!r}: say which, by its step ({steps})."),
            id=told["id"], variant=variant, steps=", ".join(map(str, numbers)),
        )  # fmt: skip
    if not found:
        known = sorted({str(name) for _, send in sends for name in send["variants"]})
        raise UsageError(
            N_("The rule {id!r} has no variant {variant!r}; it has: {known}."), id=told["id"], variant=variant,
            known=", ".join(known) or "-", nearest=nearest(variant, known), value=variant,
        )  # fmt: skip
    return found[0]
