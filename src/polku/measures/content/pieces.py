"""What a piece of content is, and the counts of every piece from all buckets."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.journey.model import Text, titled
from polku.kernels import content as kernel
from polku.kernels.after import stage_after
from polku.kernels.columns import Columns, frozen
from polku.kernels.fold import Rules
from polku.kernels.spread import BINS
from polku.language import N_
from polku.measures.definition import known
from polku.measures.sources import groups
from polku.measures.steps import codes_of
from polku.measures.view import Mask, View

I64 = npt.NDArray[np.int64]
U32 = npt.NDArray[np.uint32]
KINDS = ("page", "campaign", "video", "content", "touchpoint")
#: Properties by which a video and a piece are known, the first that was seen.
VIDEO = ("video_id", "video", "title", "content_id", "product_id", "name")
CONTENT = ("content_id", "content", "article", "asset")
NO_PIECE = N_("There is no piece {name!r} here.{meant} There are: {known}.")
STARTED, COMPLETED = "Video Started", ("Video Finished", "Content Finished", "Content Read")


@dataclasses.dataclass(frozen=True, eq=False)
class Pieces:
    """The pieces of one kind, ready for kernels. The label of an event comes from ``beside`` where a property tells it,
    else from its page, origin or code (``column``); ``piece`` int64[labels] is its piece, 0 none. ``only`` bool[codes]:
    events that can be a meeting.
    """

    kind: str
    column: str
    property: str | None
    only: Mask
    piece: I64
    names: tuple[str, ...]  # of piece 1, 2, ...
    titles: tuple[Text, ...]
    left_out: int  # further pieces that were met, beyond the limit
    met_before: frozenset[str]  # names of all that were ever met, those left out too
    asked: kernel.Asked
    rules: Rules

    def label(self, bucket: Columns, beside: U32 | None = None) -> I64:
        if beside is not None:
            found = self.piece[beside]
        elif self.column == "code":
            found = self.piece[bucket.code]
        else:
            found = self.piece[bucket.page if self.column == "page" else bucket.origin]
        return np.where(self.only[bucket.code], found, 0)


@dataclasses.dataclass(frozen=True, eq=False)
class Counts:
    """What :func:`polku.kernels.content.pieces` counts, of some buckets."""

    met: I64
    everyone: I64
    had: I64
    counts: I64
    dwell: I64
    seen: I64

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.met + other.met, self.everyone + other.everyone, self.had + other.had, self.counts + other.counts,
            self.dwell + other.dwell, _earliest_and_latest(self.seen, other.seen),
        )  # fmt: skip


def _earliest_and_latest(a: I64, b: I64) -> I64:
    far = np.iinfo(np.int64).max
    first = np.minimum(np.where(a[:, 0] < 0, far, a[:, 0]), np.where(b[:, 0] < 0, far, b[:, 0]))
    return np.stack([np.where(first == far, -1, first), np.maximum(a[:, 1], b[:, 1])], axis=1)


def kinds_here(view: View) -> tuple[str, ...]:
    """The kinds of pieces that the view's events and map know."""
    tables = view.trails.tables
    found = []
    if len(tables.pages) > 1:
        found.append("page")
    if any(campaign is not None for _, _, campaign in tables.origins):
        found.append("campaign")
    if STARTED in tables.code_event and _property(view, VIDEO, STARTED):
        found.append("video")
    if _property(view, CONTENT, None):
        found.append("content")
    if any(t.content for _, _, t in view.journey.touchpoints()):
        found.append("touchpoint")
    return tuple(found)


def _property(view: View, names: Sequence[str], event: str | None) -> str | None:
    """The first of the properties that was seen (on ``event``)."""
    here = {p.name: p.events for p in view.property_names()}
    for name in names:
        events = here.get(f"properties.{name}")
        if events is not None and (event is None or event in events):
            return f"properties.{name}"
    return None


def pieces_of(
    view: View, kind: str, to: str | None, within: int | None, completed: Sequence[str] | None, limit: int
) -> tuple[Pieces, tuple[U32, ...] | None]:
    """The pieces of a kind, the most met first, and the labels of events a bucket where a property tells them.

    Raises MeasureError for unknown words.
    """
    tables, journey = view.trails.tables, view.journey
    only = np.ones(tables.codes, np.bool_)
    beside, property, titles = None, None, None
    if kind == "page":
        column, names = "page", [str(p) for p in tables.pages.array.to_pylist()][1:]
        piece = np.arange(len(names) + 1)
    elif kind == "campaign":
        column = "origin"
        group, told = groups(view, "campaign")
        names = [str(c) for _, _, c in told if c is not None]
        number = np.cumsum([c is not None for _, _, c in told]) * [c is not None for _, _, c in told]
        piece = np.asarray(number, np.int64)[group]
    elif kind == "touchpoint":
        column = "code"
        with_content = [(i, t) for i, (_, _, t) in enumerate(journey.touchpoints()) if t.content]
        names, titles = [t.id for _, t in with_content], [titled(t) for _, t in with_content]
        of = np.zeros(len(journey.touchpoint_ids) + 1, np.int64)  # the last is touchpoint -1, none
        for place, (i, _) in enumerate(with_content):
            of[i] = place + 1
        piece = of[np.asarray(view.rules.code_touchpoint, np.int64)]
    else:
        column, property = "property", kind
        if kind == "video":
            property = _property(view, VIDEO, STARTED)
        elif kind == "content":
            property = _property(view, CONTENT, None)
        elif "." not in kind:
            known(kind, KINDS, N_("Pieces cannot be told by {name!r}.{meant} There are: {known}, and properties.x."))
        if property is None:
            raise MeasureError(N_("No event says which {kind} it is about."), kind=kind)
        if kind == "video":
            only = np.array([e == STARTED or e in COMPLETED for e in tables.code_event], np.bool_)
        found = view.property(property)
        beside, names = found.codes, [str(w) for w in found.words.array.to_pylist()][1:]
        piece = np.arange(len(names) + 1)
    if titles is None:
        titles = list(names)
    done = [name for name in completed or COMPLETED if completed or name in tables.code_event]
    completes = np.zeros(tables.codes, np.bool_)
    for name in done:
        completes |= codes_of(view, name)
    goal = np.zeros(tables.codes, np.bool_) if to is None else codes_of(view, to)
    asked = kernel.Asked(
        len(names), len(journey.stages), within or journey.window, journey.session_gap, view.start, view.end,
        view.as_of, to is not None, frozen(goal, np.bool_), frozen(completes, np.bool_),
    )  # fmt: skip
    made = Pieces(
        kind, column, property, frozen(only, np.bool_), frozen(piece, np.int64), tuple(names), tuple(titles), 0,
        frozenset(), asked, view.rules,
    )  # fmt: skip
    return _the_most_met(view, made, beside, limit), beside


def _the_most_met(view: View, pieces: Pieces, beside: tuple[U32, ...] | None, limit: int) -> Pieces:
    work, zero = functools.partial(_meetings, pieces), np.zeros(len(pieces.names) + 1, np.int64)
    met = (view.sum(work, zero) if beside is None else view.sum_with(work, zero, beside))[1:]
    order = np.argsort(-met, kind="stable")
    order = order[met[order] > 0]
    kept = order[:limit]
    new = np.zeros(len(met) + 1, np.int64)
    new[order + 1] = len(kept) + 1  # the others are one piece, so that first and last are right
    new[kept + 1] = np.arange(len(kept)) + 1
    return dataclasses.replace(
        pieces, piece=frozen(new[pieces.piece], np.int64), names=tuple(pieces.names[i] for i in kept),
        titles=tuple(pieces.titles[i] for i in kept), left_out=len(order) - len(kept),
        met_before=frozenset(pieces.names[i] for i in order), asked=pieces.asked._replace(pieces=len(kept) + 1),
    )  # fmt: skip


def _meetings(pieces: Pieces, bucket: Columns, beside: U32 | None = None) -> I64:
    asked = pieces.asked
    label = pieces.label(bucket, beside)
    there = (bucket.time >= asked.start) & (bucket.time < asked.end) & ~asked.completes[bucket.code]
    there &= ~np.repeat(bucket.skip, np.diff(bucket.offsets))
    return np.bincount(label[there], minlength=len(pieces.names) + 1)


def count(view: View, pieces: Pieces, beside: tuple[U32, ...] | None) -> Counts:
    """The counts of everyone in the view."""
    n, stages = pieces.asked.pieces + 1, pieces.asked.stages + 1
    shape = (stages, kernel.DEPTHS, kernel.OUTCOMES)
    zero = Counts(
        np.zeros((n, *shape), np.int64), np.zeros(shape, np.int64), np.zeros((n, *shape), np.int64),
        np.zeros((n, kernel.COUNTS), np.int64), np.zeros((n, BINS), np.int64), np.full((n, 2), -1, np.int64),
    )  # fmt: skip
    work = functools.partial(_count, pieces)
    return view.sum(work, zero) if beside is None else view.sum_with(work, zero, beside)


def _count(pieces: Pieces, bucket: Columns, beside: U32 | None = None) -> Counts:
    return Counts(*kernel.pieces(bucket, _level(pieces, bucket), _label(pieces, bucket, beside), pieces.asked))


def _level(pieces: Pieces, bucket: Columns) -> npt.NDArray[np.int16]:
    return np.asarray(frozen(stage_after(bucket, pieces.rules, pieces.asked.as_of), np.int16))


def _label(pieces: Pieces, bucket: Columns, beside: U32 | None) -> I64:
    return np.asarray(frozen(pieces.label(bucket, beside), np.int64))


def members_of(
    view: View, pieces: Pieces, beside: tuple[U32, ...] | None, name: str, column: int, values: tuple[int, ...]
) -> list[Mask]:
    """bool[C] a bucket: who met a piece; ``values`` of a column of :func:`polku.kernels.content.fates`."""
    piece = 1 + known(name, pieces.names, NO_PIECE)
    work = functools.partial(_members, pieces, piece, column, values)
    return view.map(work) if beside is None else view.map_with(work, beside)


def _members(
    pieces: Pieces, piece: int, column: int, values: tuple[int, ...], bucket: Columns, beside: U32 | None = None
) -> Mask:
    return np.isin(_fates(pieces, piece, bucket, beside)[:, column], values)


def _fates(pieces: Pieces, piece: int, bucket: Columns, beside: U32 | None) -> npt.NDArray[np.int8]:
    found = kernel.fates(bucket, _level(pieces, bucket), _label(pieces, bucket, beside), pieces.asked, piece)
    return np.asarray(found)


def alone(pieces: Pieces, name: str) -> Pieces:
    """The same with only one piece told apart, which is then piece 1. Raises MeasureError for an unknown name."""
    kept = 1 + known(name, pieces.names, NO_PIECE)
    piece = np.where(pieces.piece == kept, 1, np.where(pieces.piece > 0, 2, 0))
    return dataclasses.replace(
        pieces, piece=frozen(piece, np.int64), names=(name,), titles=(pieces.titles[kept - 1],),
        asked=pieces.asked._replace(pieces=2),
    )  # fmt: skip


def met_at(view: View, pieces: Pieces, beside: tuple[U32, ...] | None, places: Mask) -> list[Mask]:
    """bool[C] a bucket: who met piece 1 for the first time at one of ``places`` bool[stages + 1, DEPTHS], in a stage
    that one can go on from, and has had their time.
    """
    work = functools.partial(_met_at, pieces, places)
    return view.map(work) if beside is None else view.map_with(work, beside)


def _met_at(pieces: Pieces, places: Mask, bucket: Columns, beside: U32 | None = None) -> Mask:
    found = _fates(pieces, 1, bucket, beside)
    there = np.isin(found[:, kernel.OUTCOME], (kernel.NOT, kernel.WENT_ON))
    return np.asarray(there & places[found[:, kernel.STAGE], found[:, kernel.DEPTH]])


def stood_at(view: View, pieces: Pieces, beside: tuple[U32, ...] | None, places: Mask) -> list[Mask]:
    """bool[C] a bucket: who stood at one of ``places`` without having met piece 1, and has had their time."""
    work = functools.partial(_stood_at, pieces, frozen(places, np.bool_))
    return view.map(work) if beside is None else view.map_with(work, beside)


def _stood_at(pieces: Pieces, places: Mask, bucket: Columns, beside: U32 | None = None) -> Mask:
    label = _label(pieces, bucket, beside)
    return np.asarray(kernel.stood(bucket, _level(pieces, bucket), label, pieces.asked, 1, places))
