"""Rules about ``surveys:``: names that are ids, touchpoints that there are, questions that somebody can answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from polku.errors import nearest
from polku.journey.names import Faults, no_touchpoint
from polku.journey.sketch import Sketch, Spot
from polku.journey.surveys import SCALES, Choice, slug
from polku.language import N_

NO_ID: Final = N_("{found!r} cannot be an id; use small letters, digits and _, beginning with a letter: {example}")
ID: Final = re.compile(r"^[a-z][a-z0-9_]{0,59}$")


def _questions(survey: Spot) -> list[Spot]:
    return list(survey.parts("questions"))


def names_are_ids(map: Sketch) -> Faults:
    """A survey's name stands in addresses and in events."""
    found = map.root.data.get("surveys")
    for name in found if isinstance(found, dict) else ():
        if not ID.match(str(name)):
            message = N_(
                "{found!r} cannot be an id; use small letters, digits and _, beginning with a letter: {example}"
            )
            yield map.fault("value.id", message, ("surveys", name), key_of=True, found=str(name),
                            example=slug(str(name)))  # fmt: skip


def touchpoints_exist(map: Sketch) -> Faults:
    """A survey is about a touchpoint of this map, which is measured by one of them only."""
    for name, survey in map.named("surveys").items():
        id = survey.text("touchpoint")
        if id is None:
            continue
        path = (*survey.path, "touchpoint")
        if id not in map.touchpoint:
            yield no_touchpoint(map, path, id)
            continue
        measures = any(question.data.get("kind") in SCALES for question in _questions(survey))
        if measures and isinstance(map.touchpoint[id].data.get("felt"), dict):
            message = N_("{id!r} has felt of its own, so the answers to {survey!r} are not its feeling; take felt away")
            yield map.fault("survey.felt", message, path, severity="warning", id=id, survey=name)


def questions_are_whole(map: Sketch) -> Faults:
    """Each question has an id of its own, and the choices that it needs."""
    for survey in map.named("surveys").values():
        seen: dict[str, Spot] = {}
        for question in _questions(survey):
            id, kind = question.text("id"), question.data.get("kind")
            if id is not None and id in seen:
                message = N_("a question {id!r} stands already on line {line}")
                line = map.tree.place(seen[id].path).line
                yield map.fault("id.question_twice", message, (*question.path, "id"), id=id, line=line)
            if id is not None:
                seen.setdefault(id, question)
            choices = question.data.get("choices")
            if kind == "choice" and not choices:
                yield map.fault("survey.choices", N_("a choice needs choices"), question.path)
            if kind in (*SCALES, "text") and choices:
                message = N_("a question of the kind {kind} has no choices")
                yield map.fault("survey.choices", message, (*question.path, "choices"), kind=kind)
            yield from _ids_twice(map, question)


def _ids_twice(map: Sketch, question: Spot) -> Faults:
    found = question.data.get("choices")
    ids = [_id_of(each) for each in found] if isinstance(found, list) else []
    for at, id in enumerate(ids):
        if id is not None and id in ids[:at]:
            message = N_("two choices have the id {id!r}; give one of them another")
            yield map.fault("id.choice_twice", message, (*question.path, "choices", at), id=id)


def _id_of(choice: Any) -> str | None:
    read = Choice.read(choice)
    return str(read["id"]) if isinstance(read, dict) and "id" in read else None


def conditions_look_back(map: Sketch) -> Faults:
    """``if`` names an earlier question, and asks of it what that question can answer."""
    for survey in map.named("surveys").values():
        before: dict[str, Spot] = {}
        for question in _questions(survey):
            asked = question.data.get("if")
            path = (*question.path, "if")
            if isinstance(asked, dict) and isinstance(asked.get("question"), str):
                yield from _looks_back(map, path, asked, before)
            if (id := question.text("id")) is not None:
                before.setdefault(id, question)


def _looks_back(map: Sketch, path: Sequence[str | int], asked: Mapping[str, Any], before: Mapping[str, Spot]) -> Faults:
    name, at = asked["question"], tuple(path)
    earlier = before.get(name)
    if earlier is None:
        near = nearest(name, before)
        message = (
            N_("no question {found!r} stands before this one; did you mean {nearest!r}?") if near
            else N_("no question {found!r} stands before this one; there are {known}")
        )  # fmt: skip
        yield map.fault("name.question", message, (*at, "question"), found=name, nearest=near or "",
                        known=", ".join(before) or "-")  # fmt: skip
        return
    bounded = asked.get("at_least") is not None or asked.get("at_most") is not None
    if not bounded and not asked.get("answer"):
        yield map.fault("survey.if", N_("say when: at_least, at_most or answer"), at)
    elif bounded and earlier.data.get("kind") not in SCALES:
        message = N_("{question!r} is answered with no number; name the answer")
        yield map.fault("survey.if", message, at, question=name)
    elif asked.get("answer") and earlier.data.get("choices"):
        known = [id for each in earlier.data["choices"] if (id := _id_of(each)) is not None]
        for where, answer in Spot(at, dict(asked)).texts("answer"):
            if answer not in known:
                yield map.unknown(
                    "name.choice",
                    N_("there is no choice {found!r} in that question; did you mean {nearest!r}?"),
                    N_("there is no choice {found!r} in that question; there are {known}"),
                    where, answer, known,
                )  # fmt: skip


RULES: tuple[Callable[[Sketch], Faults], ...] = (
    names_are_ids,
    touchpoints_exist,
    questions_are_whole,
    conditions_look_back,
)
