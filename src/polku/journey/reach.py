"""Rules against what can never be: a matcher that is never met, a stage that no one enters, a goal that no measure
reaches.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import itertools
from collections.abc import Iterator
from typing import Any

from polku.errors import ExpressionError
from polku.journey import values
from polku.journey.condition import atoms, parse_condition
from polku.journey.fault import Fault, Path
from polku.journey.kinds import asked, has_one_rate, kinds
from polku.journey.sketch import PlacedTouchpoint, Sketch, Spot
from polku.journey.where import parse_where
from polku.journey.where_tree import And, Predicate
from polku.language import N_

Faults = Iterator[Fault]


@dataclasses.dataclass(frozen=True)
class Matcher:
    """A matcher as sets: an event fits when it is of ``events``, its page of ``paths``, and all of ``wheres`` hold."""

    events: frozenset[str]
    paths: tuple[str, ...]
    wheres: frozenset[Predicate]

    def covers(self, other: Matcher) -> bool:
        """Whether every event that fits ``other`` fits this one too (as far as can be seen)."""
        if self.events and not (other.events and other.events <= self.events):
            return False
        if self.paths and not (other.paths and all(any(_within(p, q) for q in self.paths) for p in other.paths)):
            return False
        return self.wheres <= other.wheres


def _within(path: str, pattern: str) -> bool:
    """Whether every page that ``path`` names is one of ``pattern``'s; both may have ``*``."""
    return path == pattern or ("?" not in pattern and "[" not in pattern and fnmatch.fnmatchcase(path, pattern))


def matcher(spot: Spot) -> Matcher | None:
    """What a ``match`` says; None when its where cannot be read."""
    wheres: frozenset[Predicate] = frozenset()
    text = spot.text("where")
    if text is not None:
        try:
            root = parse_where(text).root
        except ExpressionError:
            return None
        wheres = frozenset(root.parts) if isinstance(root, And) else frozenset([root])
    events = frozenset(name for _, name in spot.texts("event"))
    paths = tuple(name for _, name in spot.texts("path"))
    if paths and not events:  # a path alone means page views
        events = frozenset(["page"])
    return Matcher(events, paths, wheres) if events or wheres else None


def matchers_can_be_met(map: Sketch) -> Faults:
    """An event is the first touchpoint that it fits, so a matcher that an earlier one covers is never met."""
    earlier: list[tuple[PlacedTouchpoint, Matcher]] = []
    for touchpoint in map.touchpoints:
        own: list[tuple[PlacedTouchpoint, Matcher]] = []
        covered: list[tuple[Spot, PlacedTouchpoint]] = []
        for spot in touchpoint.matches:
            found = matcher(spot)
            if found is None:
                continue
            own.append((touchpoint, found))
            first = next((t for t, m in earlier if m.covers(found)), None)
            if first is not None:
                covered.append((spot, first))
        earlier += own
        for spot, first in covered:
            facts: dict[str, Any] = {"first": first.id or "", "line": map.tree.place(first.path).line}
            if len(covered) < len(touchpoint.matches):
                message = N_(
                    "this matcher is never met: its events are all {first!r} already, which stands before it, "
                    "on line {line}"
                )
                yield map.fault("match.covered", message, spot.path, severity="warning", **facts)
            else:
                message = N_(
                    "it can never be met: all its events are {first!r} already, which stands before it, on line {line}"
                )
                yield map.fault("match.never", message, spot.path, **facts)


def stages_can_be_entered(map: Sketch) -> Faults:
    """A stage is entered by a touchpoint that has events, or by its condition."""
    for stage in map.stages:
        matched = any(t.matches for t in map.touchpoints if t.stage == stage.path[1])
        if not matched and stage.text("enter") is None:
            message = N_("nobody can enter this stage: none of its touchpoints has a match, and it has no enter")
            yield map.fault("reach.stage", message, (*stage.path, "id"))


def shares_have_a_later_stage(map: Sketch) -> Faults:
    """``expect.share`` is the share that goes on to a later stage."""
    spots = [s for s in map.stages if s.path[1] == map.last_stage]
    for spot in [*spots, *(t for t in map.touchpoints if t.stage == map.last_stage)]:
        if isinstance(spot.data.get("expect"), dict) and spot.data["expect"].get("share") is not None:
            message = N_("no one can go on from the last stage, so this share can never be reached")
            yield map.fault("reach.last", message, (*spot.path, "expect", "share"))


def shares_are_at_most_all(map: Sketch) -> Faults:
    """A share is at most 100 %; ``12`` without the sign of percent is a slip."""
    for path, written in _shares(map):
        try:
            goal = values.target(written)
        except values.UnreadableError:
            continue
        value = goal.get("value")
        if isinstance(value, (int, float)) and value > 1:
            if goal.get("percent", True) or value > 100:
                message = N_("{found!r} is more than all; a share is at most 100 %")
            else:
                message = N_("{found!r} is more than all; did you mean {found} %?")
            yield map.fault("reach.share", message, path, found=values.shown(written))


def _shares(map: Sketch) -> Iterator[tuple[Path, object]]:
    for spot in [*map.stages, *map.touchpoints]:
        expect = spot.data.get("expect")
        if isinstance(expect, dict) and expect.get("share") is not None:
            yield (*spot.path, "expect", "share"), expect["share"]
    for measure in map.named("measures").values():
        if has_one_rate(measure.data.get("kind")) and measure.data.get("target") is not None:
            yield (*measure.path, "target"), measure.data["target"]


def measures_are_whole(map: Sketch) -> Faults:
    """A conversion needs an end, a funnel its steps, and a target a measure that gives one number."""
    for measure in map.named("measures").values():
        kind, data = measure.data.get("kind"), measure.data
        if kind == "conversion" and asked(measure, "to") is None:
            yield map.fault(
                "measure.to", N_("a conversion needs 'to', the touchpoint that counts as converted"), measure.path
            )
        steps = [*measure.texts("steps"), *measure.texts("options", "steps")]
        if kind == "funnel" and len(steps) < 2:
            yield map.fault("measure.steps", N_("a funnel needs at least two steps"), measure.path)
        if kind in kinds() and not has_one_rate(kind) and data.get("target") is not None:
            message = N_(
                "this kind of measure gives many numbers, so no target can be reached; use conversion or funnel"
            )
            yield map.fault("measure.target", message, (*measure.path, "target"))


def measures_run_forward(map: Sketch) -> Faults:
    """A measure that ends in an earlier stage than it starts in measures nothing."""
    for measure in map.named("measures").values():
        steps = [*measure.texts("from"), *measure.texts("steps"), *measure.texts("to")]
        placed = [(path, map.touchpoint[id]) for path, id in steps if id in map.touchpoint]
        for (_, before), (path, after) in itertools.pairwise(placed):
            facts: dict[str, Any] = {"from_": before.id or "", "to": after.id or ""}
            if after.stage < before.stage:
                message = N_("{to!r} lies in an earlier stage than {from_!r}, so this can never be reached")
                yield map.fault("reach.backward", message, path, **facts)
            elif after.id == before.id and measure.data.get("kind") == "conversion":
                message = N_("{to!r} is both the start and the end, so everyone has converted")
                yield map.fault("reach.same", message, path, **facts)


def what_is_measured_has_events(map: Sketch) -> Faults:
    """A touchpoint without ``match`` is only planned: no measure, condition or goal can rest on it."""
    for path, id, column in _measured(map):
        touchpoint = map.touchpoint.get(id)
        if touchpoint is not None and not touchpoint.data.get("match"):
            message = N_("the touchpoint {id!r} has no match, so no event can ever be it")
            yield map.fault("reach.planned", message, path, column=column, id=id)
    for touchpoint in map.touchpoints:
        expect = touchpoint.data.get("expect")
        if not touchpoint.data.get("match") and isinstance(expect, dict) and expect.get("share") is not None:
            message = N_("the touchpoint {id!r} has no match, so no event can ever be it")
            yield map.fault("reach.planned", message, (*touchpoint.path, "expect", "share"), id=touchpoint.id or "")


def _measured(map: Sketch) -> Iterator[tuple[Path, str, int | None]]:
    for measure in map.named("measures").values():
        for key in ("from", "to", "steps"):
            yield from ((path, id, None) for path, id in measure.texts(key))
    for stage in map.stages:
        yield from ((path, id, None) for path, id in stage.texts("active_on"))
    spots = [((*s.path, "enter"), s.text("enter")) for s in map.stages]
    spots += map.segment_conditions
    for path, text in spots:
        try:
            found = list(atoms(parse_condition(text))) if text else []
        except ExpressionError:
            continue
        for atom in found:
            yield from ((path, id, column) for id, column in zip(atom.touchpoints, atom.columns, strict=True))


def scales_rise(map: Sketch) -> Faults:
    """The scale of a survey runs from the worst to the best number."""
    for touchpoint in map.touchpoints:
        for felt in touchpoint.parts("felt"):
            scale = felt.data.get("scale")
            if isinstance(scale, list) and len(scale) == 2 and scale[0] == scale[1]:
                yield map.fault("felt.scale", N_("the worst and the best number are the same"), (*felt.path, "scale"))
