"""Customers as rows of a table as of a moment: what they had done by then. Scores and clusters are made of these."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.kernels import features as kernel
from polku.kernels.columns import Columns, frozen
from polku.language import N_, Reader
from polku.measures.sources import NONE
from polku.measures.steps import title_of
from polku.measures.view import View
from polku.statistics.scoring import Column
from polku.trails.properties import Property, numbers_of

I64 = npt.NDArray[np.int64]
F32 = npt.NDArray[np.float32]
#: The features that every map has, in the kernel's order.
TITLES = {
    "events": N_("events"),
    "days": N_("active days"),
    "age": N_("days since the first event"),
    "silence": N_("days since the last event"),
    "sessions": N_("session count"),
    "pages": N_("page view count"),
    "money": N_("money paid"),
    "lately": N_("events of the last 7 days"),
}
#: Where a customer came from, first and last.
ORIGINS = {
    "first_source": (N_("first source"), 0, 0),
    "last_source": (N_("last source"), 1, 0),
    "last_medium": (N_("last medium"), 1, 1),
    "last_campaign": (N_("last campaign"), 1, 2),
}
#: Properties taken of themselves, and how many words one may have to be taken so.
MOST_TRAITS, MOST_WORDS = 12, 200
#: A property of which this share of what was given is numbers is a number.
NUMBERS = 0.9


def column_title(view: View | None, name: str, reader: Reader) -> str:
    """What people read of a column of :func:`columns_of_rows`."""
    kind, _, what = name.partition(":")
    if kind == "touchpoint" and view is not None:
        return reader("{touchpoint}, times", touchpoint=reader.said(title_of(view.journey, what)))
    if kind == "channel":
        return reader("channel {channel}, events", channel=what)
    if kind in ORIGINS:
        return reader(ORIGINS[kind][0])
    return reader(TITLES[kind]) if kind in TITLES else what or kind


@dataclasses.dataclass(frozen=True, eq=False)
class Groups:
    """What the kernel counts by: ``names`` of the groups and the two of each code; ``paying`` bool[codes]."""

    names: tuple[str, ...]
    of_code: npt.NDArray[np.int16]
    paying: npt.NDArray[np.bool_]


def groups_of(view: View) -> Groups:
    """A group for each touchpoint that has events, and for each channel where there are several."""
    tables = view.trails.tables
    touchpoints = np.asarray(view.rules.code_touchpoint, np.int64)
    names = [f"touchpoint:{view.journey.touchpoint_ids[t]}" for t in np.unique(touchpoints[touchpoints >= 0])]
    place = {name: i for i, name in enumerate(names)}
    channels = sorted({c for c in tables.code_channel if c})
    if len(channels) > 1:
        place |= {f"channel:{c}": len(names) + i for i, c in enumerate(channels)}
    group = np.full((tables.codes, 2), -1, np.int16)
    for code in range(tables.codes):
        t, channel = int(touchpoints[code]), tables.code_channel[code]
        if t >= 0:
            group[code, 0] = place[f"touchpoint:{view.journey.touchpoint_ids[t]}"]
        group[code, 1] = place.get(f"channel:{channel}", -1)
    paying = view.paying()
    money = np.array([t >= 0 and bool(paying[t]) for t in touchpoints], np.bool_)
    return Groups(tuple(place), frozen(group, np.int16), frozen(money, np.bool_))


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """Customers at a moment: ``bucket`` int64[n] and ``place`` int64[n] say where each stands in the view's columns,
    ``customer`` int64[n] is the key, ``features`` float32[n, ...] those of the kernel, ``known`` uint32[n, properties]
    the last word of each property.
    """

    bucket: I64
    place: I64
    customer: I64
    features: F32
    known: npt.NDArray[np.uint32]

    def take(self, rows: npt.NDArray[np.bool_]) -> Rows:
        return Rows(*(getattr(self, f.name)[rows] for f in dataclasses.fields(self)))


def rows_at(
    view: View, groups: Groups, properties: Sequence[Property], at: int, wanted: Sequence[npt.NDArray[np.bool_]],
    since: int = 0,
) -> Rows:  # fmt: skip
    """Those of ``wanted`` (bool[C] a bucket) who have an event from ``since`` up to ``at`` (seconds, both inclusive),
    by what they did in that time.
    """
    parts = view.map_with(functools.partial(_rows, groups, since, at), list(wanted), *(p.codes for p in properties))
    keys = [b.customer for b in view.buckets]
    width = kernel.FIXED + len(groups.names) + 2
    empty = Rows(
        np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, width), np.float32),
        np.empty((0, len(properties)), np.uint32),
    )  # fmt: skip
    made = [
        Rows(np.full(len(place), b, np.int64), place, np.asarray(keys[b][place], np.int64), features, known)
        for b, (place, features, known) in enumerate(parts)
    ]
    return Rows(
        *(np.concatenate([getattr(m, f.name) for m in (*made, empty)]) for f in dataclasses.fields(Rows))
    )  # fmt: skip


def _rows(
    groups: Groups, since: int, at: int, bucket: Columns, wanted: npt.NDArray[np.bool_], *codes: npt.NDArray[np.uint32]
) -> tuple[I64, F32, npt.NDArray[np.uint32]]:
    moment = np.where(wanted, at, -1).astype(np.int64)
    features = np.asarray(kernel.features(bucket, since, moment, groups.of_code, len(groups.names), groups.paying))
    there = np.flatnonzero(~np.isnan(features[:, kernel.EVENTS]))
    known = np.zeros((len(there), len(codes)), np.uint32)
    for k in range(len(codes)):
        known[:, k] = np.asarray(kernel.last_known(bucket, frozen(codes[k], np.uint32), moment))[there]
    # half the memory, for as long as rows of several moments are kept; seven digits are more than a model tells apart
    return there.astype(np.int64), features[there].astype(np.float32), known


def columns_of_rows(
    view: View, groups: Groups, properties: Sequence[Property], rows: Rows, money: bool
) -> tuple[Column, ...]:  # fmt: skip
    """The rows as columns of a table, always the same ones in the same order. ``money``: whether to take payments."""
    f = rows.features
    found = []
    for k, name in enumerate(TITLES):
        if name != "money" or money:
            found.append(Column(name, numbers=f[:, k], counts=True))
    found += [Column(n, numbers=f[:, kernel.FIXED + i], counts=True) for i, n in enumerate(groups.names)]
    table = view.trails.tables.origins
    for name, (_, which, level) in ORIGINS.items():
        words = sorted({o[level] or NONE for o in table[1:]})
        of = {w: i for i, w in enumerate(words)}
        code = np.array([-1, *(of[o[level] or NONE] for o in table[1:])], np.int64)
        if words:
            origin = f[:, kernel.FIXED + len(groups.names) + which].astype(np.int64)
            found.append(Column(name, codes=code[origin], words=tuple(words)))
    for k, one in enumerate(properties):
        found.append(_property_column(one, rows.known[:, k].astype(np.int64)))
    return tuple(found)


def _property_column(given: Property, code: I64) -> Column:
    if is_number(given):
        return Column(given.name, numbers=numbers_of(given.words.array)[code])
    # only the words that matter are kept as text: a property may have a million
    counts = given.counts()
    counts[0] = 0
    common = np.argsort(-counts, kind="stable")[:MOST_WORDS]
    common = common[counts[common] > 0]
    of = np.full(len(counts), len(common), np.int64)
    of[0] = -1
    of[common] = np.arange(len(common))
    words = tuple(str(given.words[int(w)]) for w in common)
    return Column(given.name, codes=of[code], words=(*words, "…"))


def is_number(given: Property) -> bool:
    """Whether what was given of a property is mostly numbers."""
    counts = given.counts().astype(np.float64)
    counts[0] = 0.0
    numeric = ~np.isnan(numbers_of(given.words.array))
    return bool(counts.sum() > 0 and counts[numeric].sum() >= NUMBERS * counts.sum())


def properties_for(view: View, names: Sequence[str] | None) -> list[Property]:
    """The properties asked for; by default traits that the events carry, those of a few words or of numbers.

    The customers' profiles are not asked: they say what is known today, not what was known then. Raises MeasureError
    for a name that no event has.
    """
    if names is not None and tuple(names) == ("none",):
        return []
    if names:
        return view.properties(list(names))
    if view.facts() is None:
        return []
    told = [p.name for p in view.property_names() if p.name.startswith("traits.")][:MOST_TRAITS]
    found = []
    for name in told:
        try:
            given = view.property(name)
        except MeasureError:  # a list or an object: named, but never a word
            continue
        if len(given.words) <= MOST_WORDS or is_number(given):
            found.append(given)
    return found
