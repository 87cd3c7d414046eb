"""The rules of a map: what its words must mean, beyond its shape. One small function a rule, all in ``RULES``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from babel.numbers import list_currencies

from polku.errors import ExpressionError, nearest
from polku.journey import campaigning, guiding, kinds, offering, reach, surveying, values, words
from polku.journey.condition import atoms, parse_condition
from polku.journey.fault import Fault, Path
from polku.journey.names import keys, named, no_stage, no_touchpoint
from polku.journey.sketch import Sketch, Spot
from polku.journey.where import parse_where
from polku.journey.where_tree import fields_of
from polku.language import N_

Faults = Iterator[Fault]
#: Currencies that are more likely meant than the others that there are.
COMMON = ("EUR", "USD", "GBP", "SEK", "NOK", "DKK", "CHF", "PLN", "CZK", "CAD", "AUD", "JPY")


def ids_are_unique(map: Sketch) -> Faults:
    """A touchpoint belongs to one stage, and an id names one thing of its kind."""
    seen: dict[str, Spot] = {}
    for touchpoint in map.touchpoints:
        id = touchpoint.id
        if id is None:
            continue
        if id in seen:
            first = seen[id]
            stage = map.tree.part(first.path[:2]).removeprefix("stages.")
            message = N_("the touchpoint {id!r} is claimed by the stage {stage!r} already, on line {line}")
            line = map.tree.place(first.path).line
            yield map.fault("id.touchpoint_twice", message, (*touchpoint.path, "id"), id=id, stage=stage, line=line)
        seen.setdefault(id, touchpoint)
    yield from _twice(map, map.stages, "id.stage_twice", N_("a stage {id!r} stands already on line {line}"))
    guidance = list(map.root.parts("guidance"))
    yield from _twice(map, guidance, "id.guidance_twice", N_("a rule {id!r} stands already on line {line}"))


def _twice(map: Sketch, spots: list[Spot], code: str, message: str) -> Faults:
    seen: dict[str, Spot] = {}
    for spot in spots:
        id = spot.text("id")
        if id is not None and id in seen:
            yield map.fault(code, message, (*spot.path, "id"), id=id, line=map.tree.place(seen[id].path).line)
        elif id is not None:
            seen[id] = spot


def touchpoints_exist(map: Sketch) -> Faults:
    """Where the map names a touchpoint, there is one."""
    for path, id in touchpoint_names(map):
        if id not in map.touchpoint:
            yield no_touchpoint(map, path, id)


def touchpoint_names(map: Sketch) -> Iterator[tuple[Path, str]]:
    """Every place that names a touchpoint and nothing else (conditions have a rule of their own)."""
    for stage in map.stages:
        yield from stage.texts("active_on")
    for measure in map.named("measures").values():
        for key in ("from", "to", "steps"):
            yield from measure.texts(key)
    for task in map.root.parts("plan"):
        yield from task.texts("touchpoint")


def stages_exist(map: Sketch) -> Faults:
    """Where the map names a stage, there is one."""
    for task in map.root.parts("plan"):
        yield from named(map, task.texts("stage"), map.stage_ids, no_stage)


def personas_exist(map: Sketch) -> Faults:
    """Where the map names a persona, there is one."""
    known = keys(map, "personas")
    spots: list[tuple[Spot, tuple[str, ...]]] = [(touchpoint, ("personas",)) for touchpoint in map.touchpoints]
    spots += [(rule, ("only_if", "persona")) for rule in map.root.parts("guidance")]
    spots += [(measure, ("persona",)) for measure in map.named("measures").values()]
    for spot, at in spots:
        for path, name in spot.texts(*at):
            if name not in known:
                yield map.unknown(
                    "name.persona",
                    N_("there is no persona {found!r} in this map; did you mean {nearest!r}?"),
                    N_("there is no persona {found!r} in this map; there are {known}"),
                    path,
                    name,
                    known,
                )


def segments_exist(map: Sketch) -> Faults:
    """Where a measure of the map names a segment, there is one (guidance has a rule of its own)."""
    known = keys(map, "segments")
    for measure in map.named("measures").values():
        for path, name in measure.texts("segment"):
            if name not in known:
                yield map.unknown("name.segment", *guiding.NO_SEGMENT, path, name, known)


def channels_are_known(map: Sketch) -> Faults:
    """A channel of one's own is allowed, and more often it is a slip: a warning."""
    spots: list[tuple[Spot, tuple[str, ...]]] = [(touchpoint, ("channel",)) for touchpoint in map.touchpoints]
    spots += [(rule, ("send", "channel")) for rule in map.root.parts("guidance")]
    spots += [(campaign, ("send", "channel")) for campaign in map.named("campaigns").values()]
    for spot, at in spots:
        for path, name in spot.texts(*at):
            if name not in words.CHANNELS and (spot.path[0] not in ("guidance", "campaigns") or name not in words.WAYS):
                yield map.unknown(
                    "name.channel",
                    N_("Polku knows no channel {found!r}; did you mean {nearest!r}?"),
                    N_("Polku knows no channel {found!r} and shows it as it is written; it knows {known}"),
                    path,
                    name,
                    words.CHANNELS,
                ).milder()


def consents_are_known(map: Sketch) -> Faults:
    """A consent that no event gives would keep everyone from the message: a warning."""
    spots: list[tuple[Spot, tuple[str, ...]]] = [(rule, ("only_if", "consent")) for rule in map.root.parts("guidance")]
    spots += [(part, ("only_if", "consent")) for key in campaigning.SECTIONS for part in map.named(key).values()]
    spots += [(audience, ("consent",)) for audience in map.named("audiences").values()]
    for spot, at in spots:
        for path, name in spot.texts(*at):
            if name not in words.CONSENTS:
                yield map.unknown(
                    "name.consent",
                    N_("Polku knows no consent {found!r}; did you mean {nearest!r}?"),
                    N_("Polku knows no consent {found!r}; it holds only where events name it; it knows {known}"),
                    path,
                    name,
                    words.CONSENTS,
                ).milder()


def content_is_there(map: Sketch) -> Faults:
    """A content file that does not exist yet is a warning: the map may be written first."""
    spots: list[tuple[Spot, tuple[str, ...]]] = [(rule, ("send", "content")) for rule in map.root.parts("guidance")]
    spots += [(campaign, ("send", "content")) for campaign in map.named("campaigns").values()]
    spots += [(piece, ("content",)) for piece in map.named("site").values()]
    for spot, at in spots:
        for path, name in spot.texts(*at):
            if map.folder is None:
                continue
            file = (map.folder / name).resolve()
            if not file.is_relative_to(map.folder.resolve()):
                message = N_("the content {name!r} lies outside the project's folder")
                yield map.fault("file.outside", message, path, severity="warning", name=name)
            elif not file.is_file():
                known = [
                    p.relative_to(map.folder).as_posix() for p in sorted(map.folder.glob("content/**/*")) if p.is_file()
                ]
                yield map.unknown(
                    "file.content",
                    N_("there is no file {found!r} yet; did you mean {nearest!r}?"),
                    N_("there is no file {found!r} yet"),
                    path,
                    name,
                    known,
                ).milder()


def site_days_are_in_order(map: Sketch) -> Faults:
    """A piece for the site whose last day lies before its first is never shown."""
    for piece in map.named("site").values():
        first, last = piece.data.get("from"), piece.data.get("until")
        if first is not None and last is not None and str(last) < str(first):
            message = N_("the last day lies before the first, {first}")
            yield map.fault("site.days", message, (*piece.path, "until"), first=str(first))


def wheres_parse(map: Sketch) -> Faults:
    """Every ``where`` is of the where language."""
    for spot in _with_where(map):
        text = spot.text("where")
        if text is None:
            continue
        path = (*spot.path, "where")
        try:
            where = parse_where(text)
        except ExpressionError as error:
            yield _unparsed(map, "where.syntax", path, error)
            continue
        if spot.path[0] == "personas":
            for field in fields_of(where.root):
                if field.path[0] != "traits":
                    message = N_("a persona is known by traits.…, and {found!r} belongs to an event")
                    yield map.fault("where.persona", message, path, column=field.column, found=".".join(field.path))


def _with_where(map: Sketch) -> Iterator[Spot]:
    for touchpoint in map.touchpoints:
        for key in ("match", "fails", "felt"):
            yield from touchpoint.parts(key)
    for key in ("personas", "roles"):
        yield from map.named(key).values()


def _unparsed(map: Sketch, code: str, path: Path, error: ExpressionError) -> Fault:
    facts = {k: v for k, v in error.facts.items() if k not in ("column", "text")}
    return map.fault(code, error.message, path, column=error.facts["column"], **facts)


def conditions_parse(map: Sketch) -> Faults:
    """``enter`` and segments are of the condition language, and name touchpoints of this map."""
    for path, text in conditions(map):
        try:
            condition = parse_condition(text)
        except ExpressionError as error:
            yield _unparsed(map, "condition.syntax", path, error)
            continue
        for atom in atoms(condition):
            for id, column in zip(atom.touchpoints, atom.columns, strict=True):
                if id != "*" and id not in map.touchpoint:
                    yield no_touchpoint(map, path, id, column)


def conditions(map: Sketch) -> Iterator[tuple[Path, str]]:
    for stage in map.stages:
        if (text := stage.text("enter")) is not None:
            yield (*stage.path, "enter"), text
    yield from map.segment_conditions


def matches_say_something(map: Sketch) -> Faults:
    """A matcher without event, path and where would be every event."""
    for touchpoint in map.touchpoints:
        for spot in [*touchpoint.parts("match"), *touchpoint.parts("fails")]:
            if not any(spot.data.get(key) for key in ("event", "path", "where")):
                yield map.fault("match.empty", N_("name an event, a path or a where; this fits every event"), spot.path)


def zone_exists(map: Sketch) -> Faults:
    for path, name in map.root.texts("timezone"):
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            near = nearest(name, available_timezones()) or "Europe/Helsinki"
            message = N_("there is no time zone {found!r}; did you mean {nearest!r}?")
            yield map.fault("value.timezone", message, path, found=name, nearest=near)


def currency_exists(map: Sketch) -> Faults:
    for path, code in map.root.texts("currency"):
        known = list_currencies()
        if len(code) == 3 and code.isupper() and code not in known:
            near = nearest(code, COMMON) or nearest(code, sorted(known)) or "EUR"
            message = N_("there is no currency {found!r}; did you mean {nearest!r}?")
            yield map.fault("value.currency", message, path, found=code, nearest=near)


def review_is_interval(map: Sketch) -> Faults:
    for path, text in map.root.texts("review"):
        try:
            values.interval(text)
        except values.UnreadableError as reason:
            yield map.fault("value.unreadable", reason.message, path, **reason.facts)


RULES: tuple[Callable[[Sketch], Faults], ...] = (
    ids_are_unique,
    touchpoints_exist,
    stages_exist,
    personas_exist,
    segments_exist,
    *guiding.RULES,
    *campaigning.RULES,
    *surveying.RULES,
    *offering.RULES,
    channels_are_known,
    consents_are_known,
    content_is_there,
    site_days_are_in_order,
    wheres_parse,
    conditions_parse,
    matches_say_something,
    zone_exists,
    currency_exists,
    review_is_interval,
    reach.matchers_can_be_met,
    reach.stages_can_be_entered,
    reach.shares_have_a_later_stage,
    reach.shares_are_at_most_all,
    kinds.measures_are_known,
    reach.measures_are_whole,
    reach.measures_run_forward,
    reach.what_is_measured_has_events,
    reach.scales_rise,
)
