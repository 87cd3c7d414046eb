"""Rules about ``guidance:``: what sets it off, what must hold, what is done; every key known, every name there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from polku.errors import ExpressionError, nearest
from polku.journey import values
from polku.journey.fault import Path
from polku.journey.names import Faults, keys, named, no_place, no_stage, no_touchpoint
from polku.journey.sketch import Sketch, Spot
from polku.journey.where import parse_where
from polku.language import N_

#: What the parts of a rule may say.
WHEN = (
    "reached", "without", "for", "entered", "left", "lapsed", "won_back", "failed", "segment", "event", "where", "date",
    "before", "after", "yearly", "every", "on", "at", "score", "above", "below", "per", "again", "meanwhile", "within",
)  # fmt: skip
CONDITION = ("consent", "persona", "segment", "role", "stage", "where", "happened", "not")
LIMIT = ("times", "every", "capped")
WAIT = ("for", "until", "hours", "at")
#: One of these begins a run.
TRIGGERS = (
    "reached", "entered", "left", "lapsed", "won_back", "failed", "segment", "event", "date", "every", "score",
)  # fmt: skip
#: What a step is, by its key.
STEPS = ("send", "task", "wait", "if", "stop")
#: Keys of ``send`` that Polku itself reads; a channel may read more.
SEND = ("channel", "content", "variants", "choose", "floor")
#: Keys that channels of Polku's own read besides.
OF_CHANNEL: Mapping[str, tuple[str, ...]] = {"audience": ("audience", "do", "for")}
#: What one of the ``variants`` may say, where it is more than a piece of content.
VARIANT = ("content", "weight")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "again": ("always", "once"),
    "meanwhile": ("ignore", "restart"),
    "every": ("day", "week", "month"),
    "capped": ("drop", "wait"),
    "choose": ("fixed", "bandit"),
}
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
#: Names of variants stand in the keys of messages.
NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,59}")
CLOCK = re.compile(r"\s*([01]?\d|2[0-3])[:.][0-5]\d\s*")
HOURS = re.compile(r"\s*\d{1,2}([:.]\d{2})?\s*(-|–|to)\s*\d{1,2}([:.]\d{2})?\s*")


def keys_are_known(map: Sketch) -> Faults:
    """A misspelt condition would be no condition at all."""
    for rule in map.root.parts("guidance"):
        for part, known in (("when", WHEN), ("only_if", CONDITION), ("limit", LIMIT)):
            yield from _keys(map, (*rule.path, part), rule.data.get(part), known)
        yield from _near_keys(map, (*rule.path, "send"), rule.data.get("send"))
        for path, step in steps_of(rule):
            if "if" in step:
                yield from _keys(map, (*path, "if"), step["if"], CONDITION)
                yield from _keys(map, path, step, ("if", "then", "else"))
            elif "wait" in step:
                yield from _keys(map, (*path, "wait"), step["wait"], WAIT)
                yield from _keys(map, path, step, ("wait",))
            elif "send" in step:
                yield from _near_keys(map, (*path, "send"), step["send"])
                yield from _keys(map, path, step, ("send",))


def _keys(map: Sketch, path: Path, found: Any, known: Sequence[str]) -> Faults:
    for key in found if isinstance(found, dict) else ():
        if key not in known:
            near = nearest(str(key), known)
            message = (
                N_("there is no key {key!r} here; did you mean {nearest!r}?")
                if near
                else N_("there is no key {key!r} here; there are {known}")
            )
            facts: dict[str, Any] = {"key": str(key), "nearest": near, "known": ", ".join(known)}
            yield map.fault("shape.unknown_key", message, (*path, key), key_of=True, **facts)


def _near_keys(map: Sketch, path: Path, found: Any) -> Faults:
    """A channel may read keys of its own, so only what looks like a slip is one."""
    for key in found if isinstance(found, dict) else ():
        own = OF_CHANNEL.get(str(found.get("channel")), ())
        if key not in SEND and key not in own and (near := nearest(str(key), SEND)):
            message = N_("there is no key {key!r} here; did you mean {nearest!r}?")
            yield map.fault("shape.unknown_key", message, (*path, key), key_of=True, key=str(key), nearest=near)


def steps_of(rule: Spot) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every step of a rule's ``do``, those inside branches too, with its place."""
    yield from _steps((*rule.path, "do"), rule.data.get("do"))


def _steps(path: Path, found: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    listed = found if isinstance(found, list) else [found]
    for number, step in enumerate(listed):
        if isinstance(step, dict):
            at = (*path, number) if isinstance(found, list) else path
            yield at, step
            for branch in ("then", "else"):
                yield from _steps((*at, branch), step.get(branch))


def steps_are_steps(map: Sketch) -> Faults:
    """Each step is one thing, and a rule does something."""
    for rule in map.root.parts("guidance"):
        for path, step in steps_of(rule):
            kinds = [key for key in STEPS if key in step]
            if not kinds:
                message = N_("a step is one of {known}, and here is {found}")
                told = ", ".join(str(key) for key in step) or "-"
                yield map.fault("guidance.step", message, path, known=", ".join(STEPS), found=told)
            elif len(kinds) > 1 and "task" not in kinds:
                message = N_("a step is one thing, and here are {found}; write each as a step of its own")
                yield map.fault("guidance.step", message, path, found=", ".join(kinds))
            wait = step.get("wait")
            if isinstance(wait, dict):
                if "until" in wait and "for" not in wait:
                    message = N_("a wait until something happens needs the longest time: for")
                    yield map.fault("guidance.wait", message, (*path, "wait"))
                elif not wait:
                    yield map.fault("guidance.wait", N_("say what is waited for"), (*path, "wait"))
        if rule.data.get("state") == "on" and not rule.data.get("send") and not rule.data.get("do"):
            message = N_("this rule is on and does nothing; add send or do")
            yield map.fault("guidance.nothing", message, rule.path, severity="warning")


def triggers_are_whole(map: Sketch) -> Faults:
    """Something begins a run, and what goes with it is there."""
    for rule in map.root.parts("guidance"):
        when = rule.data.get("when")
        if not isinstance(when, dict):
            continue
        path = (*rule.path, "when")
        if not any(when.get(key) for key in TRIGGERS):
            yield map.fault("guidance.trigger", N_("nothing begins this rule; name one of {known}"), path,
                            known=", ".join(TRIGGERS))  # fmt: skip
        if when.get("without") and not when.get("for") and not when.get("date"):
            message = N_("without says what must not happen for a time; add for, such as for: 4h")
            yield map.fault("guidance.without", message, (*path, "without"))
        if when.get("score") and (when.get("above") is None) == (when.get("below") is None):
            message = N_("a score crosses a bound: give either above or below")
            yield map.fault("guidance.score", message, (*path, "score"))
        yield from _lead(map, path, when)
        for key in ("above", "below"):
            if when.get(key) is not None and (isinstance(when[key], bool) or not isinstance(when[key], (int, float))):
                yield map.fault("shape.number", N_("a number is needed here, and this is {found!r}"), (*path, key),
                                found=values.shown(when[key]))  # fmt: skip
        yield from _calendar(map, path, when)


def _lead(map: Sketch, path: Path, when: Mapping[str, Any]) -> Faults:
    root, _, goal = str(when.get("score") or "").partition(".")
    if root != "leads":
        return
    places = [*map.touchpoint, *map.stage_ids]
    if goal and goal not in places:
        yield no_place(map, (*path, "score"), goal)
    for key in ("above", "below"):
        bound = when.get(key)
        if isinstance(bound, (int, float)) and not isinstance(bound, bool) and not 0 <= bound <= 1:
            message = N_("a lead score is a chance of 0 to 1, and this is {found!r}")
            yield map.fault("guidance.score", message, (*path, key), found=values.shown(bound))
    for key in ("where", "per"):
        if when.get(key) is not None:
            message = N_("a lead score is of the customer, not of an event: {key} says nothing here")
            yield map.fault("guidance.score", message, (*path, key), key_of=True, key=key)


def _calendar(map: Sketch, path: Path, when: Mapping[str, Any]) -> Faults:
    every, on = when.get("every"), when.get("on")
    for key in ("again", "meanwhile", "every"):
        yield from _choice(map, (*path, key), when.get(key), CHOICES[key])
    if every == "week" and on is not None:
        yield from _choice(map, (*path, "on"), on, WEEKDAYS)
    if every == "month" and on is not None and (isinstance(on, bool) or not isinstance(on, int) or not 1 <= on <= 31):
        message = N_("{found!r} is no day of the month; write 1 to 31 (the last day, where a month is shorter)")
        yield map.fault("value.unreadable", message, (*path, "on"), found=values.shown(on))
    if when.get("at") is not None:
        yield from _clock(map, (*path, "at"), when["at"])


def _choice(map: Sketch, path: Path, found: Any, known: Sequence[str]) -> Faults:
    if found is None or found in known:
        return
    near = nearest(str(found), known)
    message = (
        N_("{found!r} is not known here; did you mean {nearest!r}? There are {known}")
        if near
        else N_("{found!r} is not known here; there are {known}")
    )
    yield map.fault("value.choice", message, path, found=values.shown(found), nearest=near, known=", ".join(known))


def _clock(map: Sketch, path: Path, found: Any) -> Faults:
    if not CLOCK.fullmatch(str(found)):
        message = N_("{found!r} is not a time of day; write it as 09:00")
        yield map.fault("value.unreadable", message, path, found=values.shown(found))


def _hours(map: Sketch, path: Path, found: Any) -> Faults:
    if not HOURS.fullmatch(str(found)):
        message = N_("{found!r} is no span of hours; write it as 09:00-20:00")
        yield map.fault("value.unreadable", message, path, found=values.shown(found))


def values_can_be_read(map: Sketch) -> Faults:
    """Durations, times of day and conditions on events."""
    durations: list[tuple[Path, Any]] = []
    wheres: list[tuple[Path, Any]] = []
    for rule in map.root.parts("guidance"):
        for part, key in (("when", "for"), ("when", "within"), ("when", "before"), ("when", "after"),
                          ("limit", "every")):  # fmt: skip
            durations += rule.texts(part, key)
        wheres += [(p, t) for part in ("when", "only_if") for p, t in rule.texts(part, "where")]
        yield from _choice(map, (*rule.path, "limit", "capped"), _get(rule.data, "limit", "capped"), CHOICES["capped"])
        for path, step in steps_of(rule):
            wait = step.get("wait")
            if isinstance(wait, str):
                durations.append(((*path, "wait"), wait))
            elif isinstance(wait, dict):
                if isinstance(wait.get("for"), str):
                    durations.append(((*path, "wait", "for"), wait["for"]))
                if wait.get("at") is not None:
                    yield from _clock(map, (*path, "wait", "at"), wait["at"])
                if wait.get("hours") is not None:
                    yield from _hours(map, (*path, "wait", "hours"), wait["hours"])
            where = _get(step, "if", "where")
            if isinstance(where, str):
                wheres.append(((*path, "if", "where"), where))
    for path, quiet in map.root.texts("contact_policy", "quiet_hours"):
        yield from _hours(map, path, quiet)
    for path, text in durations:
        try:
            values.duration(text)
        except values.UnreadableError as reason:
            yield map.fault("value.unreadable", reason.message, path, **reason.facts)
    for path, text in wheres:
        try:
            parse_where(text)
        except ExpressionError as error:
            facts = {k: v for k, v in error.facts.items() if k not in ("column", "text")}
            yield map.fault("where.syntax", error.message, path, column=error.facts["column"], **facts)


def _get(data: Mapping[str, Any], *at: str) -> Any:
    found: Any = data
    for key in at:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def names_exist(map: Sketch) -> Faults:
    """Touchpoints, stages, segments, personas, roles and measures that guidance names are in the map."""
    places = [*map.touchpoint, *map.stage_ids]
    for rule in map.root.parts("guidance"):
        for path, name in rule.texts("when", "failed"):
            if name not in map.touchpoint:
                yield no_touchpoint(map, path, name)
            elif not list(map.touchpoint[name].parts("fails")):
                message = N_("the touchpoint {id!r} has no fails, so that nothing tells of its failing")
                yield map.fault("reach.fails", message, path, id=name)
        for key in ("entered", "lapsed", "won_back"):
            yield from named(map, rule.texts("when", key), map.stage_ids, no_stage)
        for key in ("reached", "without", "left"):
            yield from named(map, rule.texts("when", key), places, no_place)
        yield from named(map, rule.texts("until"), places, no_place)
        spots = [rule]
        spots += [Spot(path, step) for path, step in steps_of(rule)]
        for spot in spots[1:]:
            yield from named(map, spot.texts("wait", "until"), places, no_place)
        yield from _all(map, spots, "segment", "segments", "name.segment", NO_SEGMENT,
                        [*rule.texts("when", "segment")])  # fmt: skip
        yield from _all(map, spots[1:], "persona", "personas", "name.persona", _persona)
        yield from _all(map, spots, "role", "roles", "name.role", _role)
        for spot in spots:
            for part in ("only_if", "if"):
                yield from named(map, spot.texts(part, "stage"), map.stage_ids, no_stage)
        for path, name in rule.texts("judge_by"):
            if name not in keys(map, "measures"):
                yield map.unknown(
                    "name.measure",
                    N_("there is no measure {found!r} in this map; did you mean {nearest!r}?"),
                    N_("there is no measure {found!r} in this map; there are {known}"),
                    path,
                    name,
                    keys(map, "measures"),
                )


NO_SEGMENT = (
    N_("there is no segment {found!r} in this map; did you mean {nearest!r}?"),
    N_("there is no segment {found!r} in this map; there are {known}"),
)
_persona = (
    N_("there is no persona {found!r} in this map; did you mean {nearest!r}?"),
    N_("there is no persona {found!r} in this map; there are {known}"),
)
_role = (
    N_("there is no role {found!r} in this map; did you mean {nearest!r}?"),
    N_("there is no role {found!r} in this map; there are {known}"),
)


def _all(
    map: Sketch, spots: Sequence[Spot], key: str, group: str, code: str, said: tuple[str, str],
    more: Sequence[tuple[Path, str]] = (),
) -> Faults:  # fmt: skip
    known = keys(map, group)
    found = [*more, *(each for spot in spots for part in ("only_if", "if") for each in spot.texts(part, key))]
    for path, name in found:
        if name not in known:
            yield map.unknown(code, *said, path, name, known)


def variants_are_whole(map: Sketch) -> Faults:
    """Variants have content and weights above 0; a bandit's floor leaves room for learning."""
    for rule in map.root.parts("guidance"):
        sends = [((*rule.path, "send"), rule.data.get("send"))]
        sends += [((*path, "send"), step.get("send")) for path, step in steps_of(rule)]
        for path, send in sends:
            if isinstance(send, dict):
                yield from _variants(map, path, send)


def _variants(map: Sketch, path: Path, send: Mapping[str, Any]) -> Faults:
    variants = send.get("variants")
    yield from _choice(map, (*path, "choose"), send.get("choose"), CHOICES["choose"])
    if variants is None:
        for key in ("choose", "floor"):
            if send.get(key) is not None:
                message = N_("{key} says how variants are chosen, and there are no variants")
                yield map.fault("guidance.variants", message, (*path, key), key_of=True, key=key)
        return
    if not isinstance(variants, dict) or not variants:
        message = N_("variants are pieces of content by name, such as a: content/letter_a.en.md")
        yield map.fault("guidance.variants", message, (*path, "variants"))
        return
    for name, one in variants.items():
        at = (*path, "variants", name)
        if not isinstance(name, str) or not NAME.fullmatch(name):
            message = N_("{found!r} is no name of a variant: small letters, digits and _, at most 60")
            yield map.fault("guidance.variants", message, at, key_of=True, found=str(name))
        if isinstance(one, dict):
            yield from _keys(map, at, one, VARIANT)
            weight = one.get("weight")
            if weight is not None and not _above_zero(weight):
                message = N_("a weight is a number above 0, and this is {found!r}")
                yield map.fault("shape.number", message, (*at, "weight"), found=values.shown(weight))
        content = one.get("content") if isinstance(one, dict) else one
        if not isinstance(content, str) or not content:
            yield map.fault("guidance.variants", N_("the variant {name!r} names no content"), at, name=str(name))
    yield from _floor(map, path, send, len(variants))


def _above_zero(found: Any) -> bool:
    return isinstance(found, (int, float)) and not isinstance(found, bool) and 0 < found < float("inf")


def _floor(map: Sketch, path: Path, send: Mapping[str, Any], many: int) -> Faults:
    floor = send.get("floor")
    if floor is None:
        return
    try:
        share = values.share(floor)
    except values.UnreadableError as reason:
        yield map.fault("value.unreadable", reason.message, (*path, "floor"), **reason.facts)
        return
    if send.get("choose") != "bandit":
        message = N_("a floor belongs to choose: bandit; fixed variants have weights")
        yield map.fault("guidance.variants", message, (*path, "floor"), key_of=True)
    elif share * many > 1:
        message = N_("{many} variants cannot have a share of {share} each; give a smaller floor")
        yield map.fault("guidance.variants", message, (*path, "floor"), many=many, share=f"{share:g}")


RULES: tuple[Callable[[Sketch], Faults], ...] = (
    keys_are_known,
    steps_are_steps,
    triggers_are_whole,
    variants_are_whole,
    values_can_be_read,
    names_exist,
)
