"""What a touch is, which channel it is of, and the paths that touches make: the question of one attribution."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.kernels import sessions as stretches
from polku.kernels.attribution import paths as kernel
from polku.kernels.columns import Columns, frozen
from polku.language import N_, Reader
from polku.measures.steps import codes_of, title_of
from polku.measures.value.buying import ORIGINS, Buying, Group, buying, origin_groups
from polku.measures.view import Mask, View, known
from polku.measures.visits import ONLINE

I64 = npt.NDArray[np.int64]
U32 = npt.NDArray[np.uint32]
F64 = npt.NDArray[np.float64]
#: The rest of the channels, when there are more than are told apart.
OTHERS = "(others)"
#: Channels are bits of a 64-bit number in the Shapley model.
MOST_CHANNELS = 60
#: Channels of events by which nobody came: what customers answered, and what Polku tells of its own offers.
NO_TOUCH = frozenset({"survey", "offers"})
#: What channels may be told by, besides any property.
BY = (*ORIGINS, "channel", "touchpoint", "event")


@dataclasses.dataclass(frozen=True, eq=False)
class Question:
    """One attribution's touches and conversions, ready for kernels; the same on every machine.

    Touches are sessions (``sessions``: of those that count, see ``online``) or events of ``touching`` bool[codes]. The
    label of an event is that of ``beside`` where given, else of its origin or its code; ``channel`` int64[labels] is
    its channel, -1 none.
    """

    by: str
    given: tuple[str | None, str | None]  # by, touches, as asked
    sessions: bool
    from_origin: bool
    any_session: bool  # not only visits on the web
    online: Mask
    touching: Mask
    code_label: U32
    channel: I64
    names: tuple[str, ...]
    direct: int
    buying: Buying
    gap: int
    within: int
    start: int
    end: int
    as_of: int

    @property
    def channels(self) -> int:
        return len(self.names)

    def title(self, channel: int, view: View, reader: Reader) -> str:
        return channel_title(self.by, self.names[channel], view, reader)

    def touched(self, bucket: Columns, labels: U32 | None = None) -> tuple[I64, I64]:
        """The places of a bucket's touches and their labels, int64[T] each, ascending by place; up to the moment."""
        if labels is None:
            labels = bucket.origin if self.from_origin else self.code_label[bucket.code]
        if self.sessions:
            counts = (
                np.ones(len(bucket.code), np.bool_)
                if self.any_session
                else (bucket.page > 0) | self.online[bucket.code]
            )
            found = stretches.Segments(*stretches.sessions(bucket, self.gap, self.as_of))
            place, label = kernel.first_labels(
                bucket, found, frozen(labels, np.uint32), frozen(counts, np.bool_)
            )  # fmt: skip
        else:
            there = self.touching[bucket.code]
            if not self._whole(bucket):
                there &= (bucket.time <= self.as_of) & ~np.repeat(bucket.skip, np.diff(bucket.offsets))
            place = np.flatnonzero(there)
            label = labels[place].astype(np.int64)
        kept = self.channel[label] >= 0
        return place[kept], label[kept]

    def _whole(self, bucket: Columns) -> bool:
        """Whether every event of the bucket has happened and counts."""
        return not bucket.skip.any() and (not len(bucket.time) or int(bucket.time.max()) <= self.as_of)

    def met(self, bucket: Columns, labels: U32 | None = None) -> I64:
        """int64[channels]: the touches of each channel."""
        if not self.sessions and not self.from_origin and labels is None and self._whole(bucket):
            by_code = np.bincount(bucket.code, minlength=len(self.code_label)) * self.touching
            channel = self.channel[self.code_label]
            found = np.zeros(self.channels + 1, np.int64)  # the last is channel -1, none
            np.add.at(found, channel, by_code)
            return found[:-1]
        _, label = self.touched(bucket, labels)
        return np.bincount(self.channel[label], minlength=self.channels)

    def paths(self, bucket: Columns, labels: U32 | None = None) -> Paths:
        """The paths of a bucket; ``labels`` uint32[N] where a property tells channels."""
        place, label = self.touched(bucket, labels)
        table, worth = kernel.paths(
            bucket, frozen(place, np.int64), self.buying.buys, self.buying.gives_back, self.within,
            self.gap if self.sessions else 0, self.start, self.end, self.as_of,
        )  # fmt: skip
        return Paths(table, worth, self.channel[label], bucket.time[place].astype(np.int64))


@dataclasses.dataclass(frozen=True, eq=False)
class Paths:
    """The paths of one bucket: ``table`` int64[P, PATH], ``worth`` float64[P]; ``channel`` and ``time`` (seconds)
    int64[T] of all its touches.
    """

    table: I64
    worth: F64
    channel: I64
    time: I64


def channel_title(by: str, name: str, view: View, reader: Reader) -> str:
    """What people read for a channel."""
    if name == OTHERS:
        return reader("other channels")
    if by in ORIGINS:
        return Group(by, name).title(reader)
    return reader.said(title_of(view.journey, name)) if by == "touchpoint" else name


def ask(
    view: View,
    to: str | None,
    by: str | None,
    touches: Sequence[str] | None,
    within: int,
    refunds: Sequence[str] | None,
    top: int,
) -> tuple[Question, tuple[U32, ...] | None]:
    """The question, and the labels of events a bucket where a property tells channels.

    Raises MeasureError for unknown names, and where there is nothing to credit.
    """
    if not 2 <= top <= MOST_CHANNELS:
        raise MeasureError(N_("From 2 to {most} channels can be told apart."), most=MOST_CHANNELS)
    from polku.measures.steps import goal_of

    given = (by, ">".join(touches) if touches else None)
    by = by or ("touchpoint" if touches else "source")
    selling = buying(view, [to or goal_of(view.journey)], refunds)
    tables, codes = view.trails.tables, view.trails.tables.codes
    touching = np.zeros(codes, np.bool_)
    for name in touches or ():
        touching |= codes_of(view, name)
    if not touches:
        touching[:] = True
    labels: tuple[U32, ...] | None = None
    code_label = np.zeros(codes, np.uint32)
    direct = -1
    if by in ORIGINS:
        channel, groups = origin_groups(view, by)
        names = [str(g.name) for g in groups]
        direct = int(channel[0]) if len(channel) else -1
    elif by == "channel":
        names = sorted({c for c in tables.code_channel if c is not None} - NO_TOUCH)
        numbers = {name: n for n, name in enumerate(names, 1)}
        code_label = np.array([0 if c is None else numbers.get(c, 0) for c in tables.code_channel], np.uint32)
        channel = np.arange(len(names) + 1) - 1
    elif by == "touchpoint":
        ids = view.journey.touchpoint_ids
        code_label = (np.asarray(view.rules.code_touchpoint, np.int64) + 1).astype(np.uint32)
        names, channel = list(ids), np.arange(len(ids) + 1) - 1
        if not touches:  # every touchpoint is a touch, but the conversion itself is what is credited
            touching = (code_label > 0) & ~selling.buys & ~selling.gives_back
        if touches and any(t not in ids for t in touches):
            by = "event"
    elif by != "event" and "." not in by and by not in ("value",):
        known(by, BY, N_("Channels cannot be told by {name!r}.{meant} There are: {known}, and properties.x."))
    if by == "event":
        names = sorted(set(tables.code_event))
        code_label = np.array([names.index(e) + 1 for e in tables.code_event], np.uint32)
        channel = np.arange(len(names) + 1) - 1
        if not touches:
            touching &= ~selling.buys & ~selling.gives_back
    elif by not in BY:
        found = view.property(by)
        labels, names = found.codes, [str(w) for w in found.words.array.to_pylist()][1:]
        channel = np.arange(len(names) + 1) - 1
    question = Question(
        by, given, not touches and by in (*ORIGINS, "channel"), by in ORIGINS, by == "channel",
        frozen([c in ONLINE for c in tables.code_channel], np.bool_), frozen(touching, np.bool_),
        frozen(code_label, np.uint32), frozen(channel, np.int64), tuple(names), direct, selling,
        view.journey.session_gap, within, view.start, view.end, view.as_of,
    )  # fmt: skip
    return _told_apart(view, question, labels, top), labels


def _told_apart(view: View, question: Question, labels: tuple[U32, ...] | None, top: int) -> Question:
    """Only channels that were met, the most met first; beyond ``top`` they are one."""
    work = functools.partial(_met, question)
    zero = np.zeros(question.channels, np.int64)
    met = view.sum(work, zero) if labels is None else view.sum_with(work, zero, labels)
    order = np.argsort(-met, kind="stable")
    order = order[met[order] > 0]
    kept = order if len(order) <= top else order[: top - 1]
    new = np.full(question.channels + 1, -1, np.int64)  # the last is channel -1, none
    new[order] = top - 1
    new[kept] = np.arange(len(kept))
    names = tuple(question.names[c] for c in kept) + ((OTHERS,) if len(order) > top else ())
    direct = int(new[question.direct]) if question.direct >= 0 and question.direct in kept else -1
    return dataclasses.replace(
        question, channel=frozen(new[question.channel], np.int64), names=names, direct=direct
    )  # fmt: skip


def _met(question: Question, bucket: Columns, labels: U32 | None = None) -> I64:
    return question.met(bucket, labels)
