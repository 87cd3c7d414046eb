"""Rules about ``campaigns:`` and ``audiences:``: names that exist, conditions that parse, times in their order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from polku.errors import ExpressionError, nearest
from polku.journey import guiding, values
from polku.journey.campaigns import EVERYONE, local_moment
from polku.journey.fault import Path
from polku.journey.names import Faults, keys, named, no_stage
from polku.journey.sketch import Sketch, Spot
from polku.journey.where import parse_where
from polku.language import N_

#: What must hold of a customer without an event: roles and what was waited for belong to rules.
CONDITION = ("consent", "persona", "segment", "stage", "where", "not")
SECTIONS = ("campaigns", "audiences")
ID = re.compile(r"[a-z][a-z0-9_]{0,59}")
#: What a rule's ``send: {channel: audience}`` may do.
DEEDS = ("add", "remove")

NO_PERSONA = (
    N_("there is no persona {found!r} in this map; did you mean {nearest!r}?"),
    N_("there is no persona {found!r} in this map; there are {known}"),
)
NO_AUDIENCE = (
    N_("there is no audience {found!r} in this map; did you mean {nearest!r}?"),
    N_("there is no audience {found!r} in this map; there are {known}"),
)


def _parts(map: Sketch) -> Iterator[Spot]:
    for section in SECTIONS:
        yield from map.named(section).values()


def _conditions(spot: Spot) -> Iterator[Spot]:
    """``only_if`` of a part, and those inside its ``not``."""
    waiting = list(spot.parts("only_if"))
    while waiting:
        one = waiting.pop()
        yield one
        waiting += one.parts("not")


def names_are_ids(map: Sketch) -> Faults:
    """Their names stand in keys of messages, in addresses and in file names."""
    for section in SECTIONS:
        for name in keys(map, section):
            if not ID.fullmatch(str(name)):
                message = N_("{found!r} cannot be an id; use small letters, digits and _, beginning with a letter")
                yield map.fault("value.id", message, (section, name), key_of=True, found=str(name))


def conditions_are_whole(map: Sketch) -> Faults:
    """Every key of a condition known, every name there, every ``where`` readable."""
    segments, personas = keys(map, "segments"), keys(map, "personas")
    for part in _parts(map):
        for key in ("to", "of"):
            for path, name in part.texts(key):
                if name != EVERYONE and name not in segments:
                    yield map.unknown("name.segment", *guiding.NO_SEGMENT, path, name, [*segments, EVERYONE])
        for spot in _conditions(part):
            for key in spot.data:
                if key not in CONDITION:
                    yield _unknown_key(map, (*spot.path, key), str(key))
            for path, name in spot.texts("segment"):
                if name not in segments:
                    yield map.unknown("name.segment", *guiding.NO_SEGMENT, path, name, segments)
            for path, name in spot.texts("persona"):
                if name not in personas:
                    yield map.unknown("name.persona", *NO_PERSONA, path, name, personas)
            yield from named(map, spot.texts("stage"), map.stage_ids, no_stage)
            yield from _where(map, spot)


def _unknown_key(map: Sketch, path: Path, key: str) -> Any:
    if key in ("role", "happened"):
        message = N_("{key} asks for the event that began a rule, and nothing but a time begins this")
        return map.fault("campaign.no_event", message, path, key_of=True, key=key)
    near = nearest(key, CONDITION)
    message = (
        N_("there is no key {key!r} here; did you mean {nearest!r}?")
        if near
        else N_("there is no key {key!r} here; there are {known}")
    )
    facts: dict[str, Any] = {"key": key, "nearest": near, "known": ", ".join(CONDITION)}
    return map.fault("shape.unknown_key", message, path, key_of=True, **facts)


def _where(map: Sketch, spot: Spot) -> Faults:
    text = spot.text("where")
    if text is None:
        return
    try:
        parse_where(text)
    except ExpressionError as error:
        facts = {k: v for k, v in error.facts.items() if k not in ("column", "text")}
        path = (*spot.path, "where")
        yield map.fault("where.syntax", error.message, path, column=error.facts["column"], **facts)


def campaigns_are_whole(map: Sketch) -> Faults:
    """Something is sent, the measure that judges is there, and answers can still be given when people get it."""
    for part in map.named("campaigns").values():
        send = part.data.get("send")
        if isinstance(send, dict):
            if not send.get("channel"):
                yield map.fault("shape.missing", N_("{key!r} is missing"), (*part.path, "send"), key="channel")
            elif send.get("channel") == "email" and not send.get("content") and not send.get("variants"):
                yield map.fault("shape.missing", N_("{key!r} is missing"), (*part.path, "send"), key="content")
        for path, name in part.texts("judge_by"):
            if name not in keys(map, "measures"):
                yield map.unknown(
                    "name.measure",
                    N_("there is no measure {found!r} in this map; did you mean {nearest!r}?"),
                    N_("there is no measure {found!r} in this map; there are {known}"),
                    path,
                    name,
                    keys(map, "measures"),
                )
        yield from _invitation(map, part)


def _invitation(map: Sketch, part: Spot) -> Faults:
    found = part.data.get("invitation")
    if not isinstance(found, dict):
        return
    path = (*part.path, "invitation")
    sent, until, starts = (_read(v) for v in (part.data.get("at"), found.get("until"), found.get("starts")))
    if until is not None and starts is not None and until > starts:
        message = N_("answers are taken until {until}, which is after it begins ({starts})")
        yield map.fault("campaign.order", message, (*path, "until"), severity="warning", until=until, starts=starts)
    last = until or starts
    if sent is not None and last is not None and last <= sent:
        message = N_("it is sent {sent}, and answers are taken until {until}: nobody can answer")
        yield map.fault("campaign.order", message, (*part.path, "at"), sent=sent, until=last)


def _read(value: Any) -> Any:
    try:
        return None if value is None else local_moment(value)
    except values.UnreadableError:
        return None  # told by its shape


def audiences_are_whole(map: Sketch) -> Faults:
    """Its times can be read, it has somebody on it, and rules that add to a list name one of the map."""
    fed: set[str] = set()
    known = keys(map, "audiences")
    for rule in map.root.parts("guidance"):
        for path, send in _sends(rule):
            if send.get("channel") != "audience":
                continue
            name = send.get("audience")
            if not isinstance(name, str):
                yield map.fault("shape.missing", N_("{key!r} is missing"), path, key="audience")
            elif name not in known:
                yield map.unknown("name.audience", *NO_AUDIENCE, (*path, "audience"), name, known)
            else:
                fed.add(name)
            deed = send.get("do", "add")
            if deed not in DEEDS:
                message = N_("{found!r} is not known here; there are {known}")
                facts: dict[str, Any] = {"found": values.shown(deed), "known": ", ".join(DEEDS)}
                yield map.fault("value.choice", message, (*path, "do"), **facts)
            if send.get("for") is not None:
                try:
                    values.duration(send["for"])
                except values.UnreadableError as reason:
                    yield map.fault("value.unreadable", reason.message, (*path, "for"), **reason.facts)
    for name, part in map.named("audiences").items():
        for path, text in part.texts("at"):
            if not guiding.CLOCK.fullmatch(text):
                message = N_("{found!r} is not a time of day; write it as 09:00")
                yield map.fault("value.unreadable", message, path, found=values.shown(text))
        if not part.data.get("of") and name not in fed:
            message = N_("nobody comes onto this list: it follows no segment, and no rule adds to it")
            yield map.fault("audience.empty", message, part.path, severity="warning")


def _sends(rule: Spot) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every ``send`` of a rule, with its place."""
    found = rule.data.get("send")
    if isinstance(found, dict):
        yield (*rule.path, "send"), found
    for path, step in guiding.steps_of(rule):
        if isinstance(step.get("send"), dict):
            yield (*path, "send"), step["send"]


RULES: tuple[Callable[[Sketch], Faults], ...] = (
    names_are_ids,
    conditions_are_whole,
    campaigns_are_whole,
    audiences_are_whole,
)
