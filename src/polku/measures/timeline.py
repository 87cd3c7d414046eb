"""One customer's story: the changes of stage with their reasons, and the events of the trail."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np

from polku.errors import MeasureError
from polku.journey.model import Journey, Text, titled
from polku.kernels import fold
from polku.kernels.sessions import sessions
from polku.language import N_, Reader
from polku.measures.result import to_dict
from polku.measures.value.buying import currency_of, no_sums
from polku.measures.view import View, columns_of, view_of
from polku.trails.layout import Bucket, Trails, moment

if TYPE_CHECKING:
    from polku.record.project import Project

KINDS = {fold.ENTERED: "entered", fold.LAPSED_KIND: "lapsed", fold.WON_BACK: "won_back"}
BY = {
    fold.BY_TOUCHPOINT: "touchpoint",
    fold.BY_CONDITION: "condition",
    fold.BY_SILENCE: "silence",
    fold.BY_ACTIVITY: "activity",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """One change of stage. ``by``: touchpoint, condition, silence or activity; ``event`` is its number in the trail."""

    time: dt.datetime
    kind: str  # entered, lapsed, won_back
    from_stage: str | None  # None: outside the map
    to_stage: str
    by: str
    event: int | None  # place in `events`, None when time alone did it
    touchpoint: str | None = None
    condition: str | None = None
    silence: int | None = None  # seconds
    titles: tuple[Text | None, Text, Text | None] = (None, "", None)  # of from_stage, to_stage, touchpoint

    def reason(self, reader: Reader) -> str:
        """Why, in the reader's words."""
        touchpoint = reader.said(self.titles[2]) if self.titles[2] is not None else ""
        if self.by == "silence":
            return reader("nothing happened for {time}", time=reader.duration(self.silence or 0))
        if self.by == "activity":
            return reader("active again: {touchpoint}", touchpoint=touchpoint)
        if self.by == "touchpoint":
            return reader("met {touchpoint}", touchpoint=touchpoint)
        if self.event is None:
            return reader("with time it became true that {condition}", condition=self.condition)
        return reader(
            "it became true that {condition}, on {touchpoint}", condition=self.condition, touchpoint=touchpoint
        )

    def text(self, reader: Reader) -> str:
        """The change and its reason as one line."""
        stage = reader.said(self.titles[1])
        told = {
            "entered": N_("entered {stage}"),
            "lapsed": N_("lapsed from {stage}"),
            "won_back": N_("won back to {stage}"),
        }[self.kind]
        return f"{reader.time(self.time)}  {reader(told, stage=stage)}: {self.reason(reader)}"


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One event as the trail knows it."""

    time: dt.datetime
    event: str
    touchpoint: str | None
    stage: str | None  # of the touchpoint
    failed: str | None  # the touchpoint that it says has failed
    channel: str | None
    page: str | None
    source: str | None
    medium: str | None
    campaign: str | None
    value: float | None
    session: int  # 1, 2, ...


@dataclasses.dataclass(frozen=True, slots=True)
class Timeline:
    customer: int
    name: str | None
    stage: str | None
    lapsed: bool
    since: dt.datetime | None  # of the last change
    changes: tuple[Change, ...]
    events: tuple[Step, ...]
    value: float | None  # None where amounts are in several currencies
    currency: str

    def to_dict(self) -> Any:
        return to_dict(self)

    def text(self, reader: Reader) -> list[str]:
        """The stage history, a line a change."""
        return [change.text(reader) for change in self.changes]


def timeline(
    source: Project | Trails, customer: int, journey: Journey | None = None, *, as_of: dt.datetime | None = None
) -> Timeline:
    """The story of ``customer`` (the integer key) up to the moment. Raises MeasureError when they have no event."""
    return timeline_view(view_of(source, journey, as_of=as_of), customer)


def timeline_view(view: View, customer: int) -> Timeline:
    """The same of a view; its period and filters do not matter."""
    found = view.trails.find(customer)
    if found is None:
        raise MeasureError(
            N_("Customer {customer} has no event; they may have been merged into another."), customer=customer
        )
    bucket, row = found
    alone = one_customer(bucket, row, view.as_of)
    columns = columns_of(alone)
    moves = fold.transitions(columns, view.rules, np.zeros(1, np.int64), view.as_of)
    changes = tuple(_change(view, alone, move[1:], moves[m + 1 :, 1 + fold.TO]) for m, move in enumerate(moves))
    last = moves[-1] if len(moves) else None
    paying = view.paying()
    touchpoints = view.rules.code_touchpoint[alone.code]
    value = 0.0
    if alone.value is not None:
        counts = (touchpoints >= 0) & paying[touchpoints] & ~np.isnan(alone.value)
        value = int(np.rint(alone.value[counts] * fold.UNIT).sum()) / fold.UNIT
    stage = None if last is None else view.journey.stages[int(last[1 + fold.TO])].id
    return Timeline(
        customer,
        name_of(view.trails, customer),
        stage,
        last is not None and int(last[1 + fold.KIND]) == fold.LAPSED_KIND,
        None if last is None else moment(int(last[1 + fold.TIME])),
        changes,
        _events(view, alone),
        value if no_sums(view) is None else None,
        currency_of(view),
    )


def name_of(trails: Trails, customer: int) -> str | None:
    """The name of a customer of trails made without a project."""
    return None if trails.names is None else str(trails.names[customer - 1].as_py())


def one_customer(bucket: Bucket, row: int, as_of: int) -> Bucket:
    """A bucket of this customer alone, with the events up to the moment."""
    start, end = int(bucket.offsets[row]), int(bucket.offsets[row + 1])
    end = start + int(np.searchsorted(bucket.time[start:end], as_of, side="right"))
    part = slice(start, end)
    return Bucket(
        bucket.customer[row : row + 1],
        np.array([0, end - start], np.int64),
        bucket.time[part],
        None if bucket.micros is None else bucket.micros[part],
        bucket.code[part],
        bucket.day[part],
        bucket.page[part],
        bucket.origin[part],
        bucket.session[part],
        None if bucket.value is None else bucket.value[part],
    )


def _change(view: View, alone: Bucket, move: Any, following: Any) -> Change:
    journey, ids = view.journey, view.journey.touchpoint_ids
    time, position, before, after, kind, reason = (int(n) for n in move)
    touchpoint = int(view.rules.code_touchpoint[alone.code[position]]) if position >= 0 else -1
    to_stage = journey.stages[after]
    from_stage = journey.stages[before] if before >= 0 else None
    by = BY[reason]
    if kind == fold.WON_BACK and by != "condition":
        by = "activity"
    condition = None
    if by == "condition":
        # who is won back by a condition is so on the way into the stage that it opens: the next change
        condition = journey.stages[int(following[0]) if kind == fold.WON_BACK else after].enter
    return Change(
        moment(time),
        KINDS[kind],
        from_stage.id if from_stage else None,
        to_stage.id,
        by,
        position if position >= 0 else None,
        ids[touchpoint] if touchpoint >= 0 else None,
        condition,
        to_stage.lapses_after if by == "silence" else None,
        (
            titled(from_stage) if from_stage else None,
            titled(to_stage),
            titled(journey.touchpoint(ids[touchpoint])) if touchpoint >= 0 else None,
        ),
    )


def _events(view: View, alone: Bucket) -> tuple[Step, ...]:
    tables, ids = view.trails.tables, view.journey.touchpoint_ids
    stage_of = {t.id: s.id for _, s, t in view.journey.touchpoints()}
    order, starts, ends, _ = sessions(columns_of(alone), view.journey.session_gap, view.as_of)
    number = np.zeros(alone.events, np.int64)
    for s, (start, end) in enumerate(zip(starts, ends, strict=True), 1):
        number[order[start:end] if len(order) else slice(start, end)] = s
    steps = []
    for i in range(alone.events):
        code = int(alone.code[i])
        touchpoint, fails = int(view.rules.code_touchpoint[code]), int(tables.code_fails[code])
        source, medium, campaign = tables.origins[int(alone.origin[i])]
        at = moment(int(alone.time[i]))
        if alone.micros is not None:
            at += dt.timedelta(microseconds=int(alone.micros[i]))
        id = ids[touchpoint] if touchpoint >= 0 else None
        value = None if alone.value is None or np.isnan(alone.value[i]) else float(alone.value[i])
        steps.append(
            Step(
                at,
                tables.code_event[code],
                id,
                stage_of[id] if id else None,
                tables.touchpoints[fails] if fails >= 0 else None,
                tables.code_channel[code],
                tables.pages[int(alone.page[i])] if alone.page[i] else None,
                source,
                medium,
                campaign,
                value,
                int(number[i]),
            )
        )
    return tuple(steps)
