"""What changed between two versions of a map: parts added, removed, changed, moved."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel

from polku.journey.model import Journey, Match, Stage, Target, Touchpoint
from polku.journey.shape import keys_of
from polku.language import N_, Reader, said, translate

What = Literal[
    "map", "stage", "touchpoint", "persona", "role", "segment", "measure", "guidance", "survey", "site", "task",
    "competitor",
]  # fmt: skip
Kind = Literal["added", "removed", "changed", "moved", "reordered"]

THINGS: dict[What, str] = {
    "map": N_("The map"),
    "stage": N_("The stage {id}"),
    "touchpoint": N_("The touchpoint {id}"),
    "persona": N_("The persona {id}"),
    "role": N_("The role {id}"),
    "segment": N_("The segment {id}"),
    "measure": N_("The measure {id}"),
    "guidance": N_("The guidance {id}"),
    "survey": N_("The survey {id}"),
    "site": N_("The piece {id} on the site"),
    "task": N_("The task {id}"),
    "competitor": N_("The competitor {id}"),
}
SENTENCES: dict[tuple[Kind, bool], str] = {
    ("added", False): N_("{thing} is new"),
    ("removed", False): N_("{thing} is gone"),
    ("moved", False): N_("{thing} moved from {old} to {new}"),
    ("reordered", False): N_("{thing}: the order is now {new}"),
    ("added", True): N_("{thing}: {key} is new: {new}"),
    ("removed", True): N_("{thing}: {key} is gone: {old}"),
    ("changed", True): N_("{thing}: {key} was {old}, is now {new}"),
    ("reordered", True): N_("{thing}: {key}: the order is now {new}"),
}
#: Keys of the whole map that hold parts, each compared with its like.
LISTED = ("personas", "roles", "segments", "stages", "measures", "guidance", "surveys", "site", "plan", "competitors")
DURATIONS = ("within", "lapses_after", "window", "session_gap")


@dataclasses.dataclass(frozen=True)
class Change:
    """One difference. ``key`` is the place inside the thing (``expect.share``), empty when it is about the thing."""

    kind: Kind
    what: What
    id: str
    key: str = ""
    old: Any = dataclasses.field(default=None, hash=False)
    new: Any = dataclasses.field(default=None, hash=False)

    def text(self, language: str = "en") -> str:
        """The difference in ``language``."""
        reader = Reader(language)
        last = self.key.rpartition(".")[2]
        return translate(
            language,
            SENTENCES[self.kind, bool(self.key)],
            thing=translate(language, THINGS[self.what], id=self.id),
            key=self.key,
            old=told(self.old, reader, last),
            new=told(self.new, reader, last),
        )

    def to_dict(self, language: str = "en") -> dict[str, Any]:
        """Plain data for ``--json`` and the API."""
        return {
            "kind": self.kind,
            "what": self.what,
            "id": self.id,
            "key": self.key or None,
            "old": _data(self.old),
            "new": _data(self.new),
            "text": self.text(language),
        }


def compare(old: Journey, new: Journey) -> list[Change]:
    """Every difference from ``old`` to ``new``, in the order of the format; none when the maps say the same.

    Stages, touchpoints and guidance are known by their id, tasks by their text, the rest by its name; a touchpoint that
    stands in another stage has moved.
    """
    return [
        *_fields("map", "", old, new, skip=LISTED),
        *_named("persona", old.personas, new.personas),
        *_named("role", old.roles, new.roles),
        *_named("segment", old.segments, new.segments),
        *_stages(old, new),
        *_named("measure", old.measures, new.measures),
        *_named("guidance", {g.id: g for g in old.guidance}, {g.id: g for g in new.guidance}),
        *_named("survey", old.surveys, new.surveys),
        *_named("site", old.site, new.site),
        *_named("task", {_plain(t.task): t for t in old.plan}, {_plain(t.task): t for t in new.plan}),
        *_named("competitor", {c.name: c for c in old.competitors}, {c.name: c for c in new.competitors}),
    ]  # fmt: skip


def _plain(text: Any) -> str:
    return said(text, "en")


def _stages(old: Journey, new: Journey) -> Iterator[Change]:
    yield from _ordered("map", "stages", old.stage_ids, new.stage_ids)
    yield from _named("stage", {s.id: s for s in old.stages}, {s.id: s for s in new.stages}, skip=("id", "touchpoints"))
    before: dict[str, tuple[Stage, Touchpoint]] = {t.id: (s, t) for _, s, t in old.touchpoints()}
    after: dict[str, tuple[Stage, Touchpoint]] = {t.id: (s, t) for _, s, t in new.touchpoints()}
    for id in [*before, *(i for i in after if i not in before)]:
        if id not in after:
            yield Change("removed", "touchpoint", id)
        elif id not in before:
            yield Change("added", "touchpoint", id)
        else:
            (was_in, was), (is_in, now) = before[id], after[id]
            if was_in.id != is_in.id:
                yield Change("moved", "touchpoint", id, old=was_in.id, new=is_in.id)
            yield from _fields("touchpoint", id, was, now)
    for stage in new.stages:
        if stage.id in old.stage_ids:
            ids = [[t.id for t in s.touchpoints] for s in (old.stage(stage.id), stage)]
            yield from _ordered("stage", stage.id, *ids)


def _ordered(what: What, id: str, old: Sequence[str], new: Sequence[str]) -> Iterator[Change]:
    """Those that stand in both, in another order: it matters, since an event is the first touchpoint it fits."""
    stayed, stay = [i for i in old if i in new], [i for i in new if i in old]
    if stayed != stay:
        yield Change("reordered", what, "" if what == "map" else id, old=tuple(old), new=tuple(new))


def _named(
    what: What, old: Mapping[str, Any], new: Mapping[str, Any], skip: Sequence[str] = ("id",)
) -> Iterator[Change]:
    for name in [*old, *(n for n in new if n not in old)]:
        if name not in new:
            yield Change("removed", what, name)
        elif name not in old:
            yield Change("added", what, name)
        else:
            yield from _fields(what, name, old[name], new[name], skip=skip)


def _fields(
    what: What, id: str, old: BaseModel, new: BaseModel, within: str = "", skip: Sequence[str] = ("id",)
) -> Iterator[Change]:
    for name, key in zip(type(old).model_fields, keys_of(type(old)), strict=True):
        if key in skip:
            continue
        place = f"{within}.{key}" if within else key
        was, now = getattr(old, name), getattr(new, name)
        if was == now:
            continue
        if isinstance(was, BaseModel) and isinstance(now, BaseModel) and not isinstance(was, Target):
            yield from _fields(what, id, was, now, place)
        elif isinstance(was, tuple) and isinstance(now, tuple) and key != "scale":
            yield from _items(what, id, place, was, now)
        elif was is None or now is None:
            kind: Kind = "added" if was is None else "removed"
            yield Change(kind, what, id, place, was, now)
        else:
            yield Change("changed", what, id, place, was, now)


def _items(what: What, id: str, key: str, old: tuple[Any, ...], new: tuple[Any, ...]) -> Iterator[Change]:
    gone = [item for item in old if item not in new]
    come = [item for item in new if item not in old]
    if len(gone) == len(come) == 1:
        yield Change("changed", what, id, key, gone[0], come[0])
        return
    yield from (Change("removed", what, id, key, old=item) for item in gone)
    yield from (Change("added", what, id, key, new=item) for item in come)
    if not gone and not come:
        yield Change("reordered", what, id, key, old, new)


def told(value: Any, reader: Reader, key: str = "") -> str:
    """A value of the map as a reader wants it written."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return reader(N_("yes") if value else N_("no"))
    if isinstance(value, Target):
        sign = "≥" if value.at_least else "≤"
        return f"{sign} {reader.percent(value.value) if value.percent else reader.number(value.value)}"
    if isinstance(value, Match):
        parts = [("event", ", ".join(value.event)), ("path", ", ".join(value.path)), ("where", value.where)]
        return "; ".join(f"{name} {text}" for name, text in parts if text)
    if isinstance(value, BaseModel):
        keys = zip(type(value).model_fields, keys_of(type(value)), strict=True)
        held = [(key, getattr(value, name)) for name, key in keys]
        return ", ".join(f"{key} {told(one, reader, key)}" for key, one in held if one is not None)
    if isinstance(value, (int, float)):
        if key == "holdout":
            return reader.percent(value)
        return reader.duration(value) if key in DURATIONS else reader.number(value)
    if isinstance(value, dt.date):
        return reader.date(value)
    if isinstance(value, tuple):
        return ", ".join(told(item, reader) for item in value) or "–"
    if isinstance(value, Mapping):
        if all(isinstance(v, str) and len(k) <= 3 for k, v in value.items()):  # a text, by language
            return f"”{reader.said(value)}”"
        return ", ".join(f"{k} {told(v, reader, k)}" for k, v in value.items()) or "–"
    return f"”{value}”" if " " in str(value) else str(value)


def _data(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(value, (tuple, list)):
        return [_data(v) for v in value]
    if isinstance(value, Mapping):
        return {k: _data(v) for k, v in value.items()}
    return value.isoformat() if isinstance(value, dt.date) else value
