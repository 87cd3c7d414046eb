"""What a funnel is broken down by: a property, persona, segment, or where its customers first came from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.journey.model import Text
from polku.kernels.columns import Columns
from polku.kernels.funnels.around import first_origin
from polku.language import N_
from polku.measures.definition import known
from polku.measures.funnels.rows import Rows
from polku.measures.sources import LEVELS, NONE
from polku.measures.view import Mask, View, persona_masks, segment_masks

I64 = npt.NDArray[np.int64]
AT = ("first", "last")
#: Where customers first came from.
ORIGINS = (*LEVELS, "origin")
#: Nothing was said.
ABSENT = "(none)"


@dataclasses.dataclass(frozen=True, eq=False)
class Grouping:
    """How rows fall into groups. ``events`` or ``customers`` are what :func:`polku.measures.funnels.rows.over` gives to
    the work: group numbers, or with ``several`` one bool column a group.
    """

    by: str
    names: Sequence[str]
    events: tuple[Sequence[Any], ...] = ()
    customers: tuple[Sequence[Any], ...] = ()
    several: bool = False
    at: str = "first"
    titles: tuple[Text, ...] | None = None  # None: as their names

    def place(self, name: str) -> int:
        """The number of the group called ``name``. Raises MeasureError with the nearest."""
        shown = [ABSENT if n == "" else n for n in self.names]
        return known(name, shown, N_("There is no group {name!r} here.{meant} There are: {known}."))

    def name(self, place: int) -> str:
        return self.names[place] or ABSENT

    def title(self, place: int) -> Text:
        return self.name(place) if self.titles is None else self.titles[place]

    @property
    def how(self) -> How:
        """What a bucket's work needs to know; small."""
        return How(bool(self.events), self.several, self.at)


@dataclasses.dataclass(frozen=True, slots=True)
class How:
    by_event: bool
    several: bool
    at: str


def grouping_of(view: View, by: str, at: str = "first") -> Grouping:
    """``by``: ``persona``, ``segment``, ``source``, ``medium``, ``campaign`` or ``origin`` (of the customer's first
    session), ``traits.x`` (the customer's latest), or a property of the event of the first or the last step taken.

    Raises MeasureError for what nobody said.
    """
    if by == "persona":
        known_ids = [id for id, p in view.journey.personas.items() if p.where is not None]
        masks = [persona_masks(view, id) for id in known_ids]
        titles: list[Text] = [titled_of(view.journey.personas[id].title, id) for id in known_ids]
        return _of_masks(by, known_ids, masks, titles, N_("No persona of this map has a `where` that tells it."))
    if by == "segment":
        ids = list(view.journey.segments)
        return _of_masks(by, ids, [segment_masks(view, id) for id in ids], [*ids], N_("This map has no segments."))
    if by in ORIGINS:
        return _of_origins(view, by)
    if by.startswith("traits."):
        trait = view.trait(by)
        return Grouping(by, trait.words, customers=(trait.codes,))
    found = view.property(by)
    return Grouping(by, found.words, events=(found.codes,), at=at)


def titled_of(title: Text | None, id: str) -> Text:
    return id if title is None else title


def _of_masks(by: str, ids: list[str], masks: list[list[Mask]], titles: list[Text], nobody: str) -> Grouping:
    if not ids:
        raise MeasureError(nobody)
    return Grouping(by, ids, customers=tuple(masks), several=True, titles=tuple(titles))


def _of_origins(view: View, by: str) -> Grouping:
    numbers: dict[str, int] = {NONE: 0}
    of = np.zeros(len(view.trails.tables.origins), np.int64)
    for i, origin in enumerate(view.trails.tables.origins):
        parts = origin if by == "origin" else (origin[LEVELS.index(by)],)
        name = " / ".join(p or NONE for p in parts) if any(parts) else NONE
        of[i] = numbers.setdefault(name, len(numbers))
    found = [of[_first(view, bucket)] for bucket in view.columns]
    return Grouping(by, list(numbers), customers=(found,))


def _first(view: View, bucket: Columns) -> I64:
    return np.asarray(first_origin(bucket, view.journey.session_gap, view.as_of))


def groups_of(how: How, rows: Rows, beside: Sequence[npt.NDArray[Any]]) -> tuple[I64, I64]:
    """Pairs of a row and a group that it is in: row int64[n], group int64[n]."""
    count = len(rows.level)
    if how.several:
        pairs = [np.flatnonzero(mask[rows.customer]) for mask in beside]
        return (
            np.concatenate(pairs) if pairs else np.empty(0, np.int64),
            np.repeat(np.arange(len(pairs)), [len(p) for p in pairs]),
        )
    every = np.arange(count)
    if not how.by_event:
        return every, beside[0][rows.customer].astype(np.int64)
    place = rows.places[:, 0] if how.at == "first" else rows.places.max(axis=1, initial=-1)
    return every, beside[0][place].astype(np.int64)
