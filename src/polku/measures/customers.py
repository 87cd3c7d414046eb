"""Who stands behind a number: selectors turned into lists of customers."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from polku.journey.model import Journey, duration
from polku.kernels import fold
from polku.kernels import living as kernel
from polku.kernels.columns import Columns, frozen
from polku.kernels.presence import met, valued
from polku.language import N_
from polku.measures.catalogue import CATALOGUE
from polku.measures.conversion import conversion_members, visit_members
from polku.measures.definition import loaded
from polku.measures.feeling.answers import felt_members
from polku.measures.latest import here_members
from polku.measures.living import ask_of
from polku.measures.pages import place_members
from polku.measures.result import to_dict
from polku.measures.selectors import KINDS, Selector, period_of
from polku.measures.sources import source_members
from polku.measures.steps import chain_of, goal_of
from polku.measures.timeline import name_of
from polku.measures.value.buying import no_sums
from polku.measures.view import Mask, View, known, view_of
from polku.trails.layout import Trails, moment

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from polku.record.project import Project

ORDERS = ("last_seen", "first_seen", "since", "events", "value", "customer")
STAGE_WHATS = {
    "now": kernel.S_NOW, "lapsed": kernel.S_LAPSED, "reached": kernel.S_REACHED, "entered": kernel.S_ENTERED,
    "went_on": kernel.S_WENT_ON, "dropped": kernel.S_DROPPED, "pending": kernel.S_PENDING,
    "had_time": kernel.S_HAD_TIME, "lapsed_in": kernel.S_LAPSED_IN, "won_back": kernel.S_WON_BACK,
    "skipped": kernel.S_SKIPPED,
}  # fmt: skip
TOUCH_WHATS = {
    "reached": kernel.T_REACHED, "entered": kernel.T_ENTERED, "went_on": kernel.T_WENT_ON, "dropped": kernel.T_DROPPED,
    "pending": kernel.T_PENDING, "out_of_sequence": kernel.T_LATE, "failed": kernel.T_FAILED, "tried": kernel.T_TRIED,
    "passed": kernel.T_PASSED, "missing": kernel.T_MISSING, "had_time": kernel.T_HAD_TIME,
}  # fmt: skip
MAP_WHATS = {"customers": kernel.ON_MAP, "outside": kernel.OUTSIDE}


@dataclasses.dataclass(frozen=True, slots=True)
class CustomerLine:
    """One customer of a list."""

    customer: int  # the integer key
    name: str | None  # of trails made without a project
    stage: str | None  # None: outside the map
    lapsed: bool
    since: dt.datetime | None  # of the last change of stage
    events: int
    first_seen: dt.datetime
    last_seen: dt.datetime
    value: float | None  # money of the map's touchpoints; None where it is in several currencies


@dataclasses.dataclass(frozen=True, slots=True)
class CustomerList:
    """A page of customers: ``total`` behind the number, of whom ``lines`` from ``offset`` on are shown."""

    selector: str
    total: int
    offset: int
    lines: tuple[CustomerLine, ...]

    def to_dict(self) -> Any:
        return to_dict(self)

    def to_frame(self) -> pd.DataFrame:
        """The lines as a pandas DataFrame. Raises MissingExtraError without pandas."""
        from polku.measures.notebook import frame_of_list

        return frame_of_list(self)

    def _repr_html_(self) -> str:
        from polku.measures.notebook import html_of_list

        return html_of_list(self)


def customers_behind(
    source: Project | Trails,
    journey: Journey | None = None,
    selector: str | Selector | None = None,
    *,
    limit: int = 50,
    offset: int = 0,
    order: str = "last_seen",
    descending: bool = True,
    profiles: pa.Table | None = None,
    answers: pa.Table | None = None,
    project: Project | None = None,
) -> CustomerList:
    """The customers behind ``selector`` (None: everyone), a page of them.

    ``order``: last_seen, first_seen, since, events, value or customer. Give ``project`` beside trails of it that are
    already open: its traits and surveys are asked where a selector needs them. Raises MeasureError for a selector
    that says nothing that this map or these trails know.
    """
    asked = Selector.parse(selector) if isinstance(selector, str) else selector
    journey = journey or (None if isinstance(source, Trails) else source.journey())
    view = selected_view(source, journey, asked, profiles, answers, project)
    return customers_view(view, asked, limit, offset, order, descending)


def selected_view(
    source: Project | Trails,
    journey: Journey | None,
    selector: Selector | None,
    profiles: pa.Table | None = None,
    answers: pa.Table | None = None,
    project: Project | None = None,
) -> View:
    """The view in which the selector's number was counted: its period, filters and moment."""
    if selector is None or journey is None:
        return view_of(source, journey, profiles=profiles, answers=answers, project=project)
    base = view_of(source, journey, as_of=_as_of(selector), persona=selector.option("persona"),
                   segment=selector.option("segment"), profiles=profiles, answers=answers, project=project)  # fmt: skip
    return base.during(period_of(selector.period, base.zone))


def _as_of(selector: Selector) -> dt.datetime | None:
    text = selector.option("as_of")
    return dt.datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC) if text else None


def customers_view(
    view: View, selector: Selector | None, limit: int, offset: int, order: str, descending: bool
) -> CustomerList:
    """A page of the customers that the selector lists in this view."""
    known(order, ORDERS, N_("Customers cannot be ordered by {name!r}.{meant} There are: {known}."))
    chosen = view if selector is None else view.only(masks(view, selector))
    parts = chosen.map(functools.partial(_current, view))
    key = np.concatenate([b.customer for b in view.buckets] or [np.empty(0, np.int64)])
    rows = np.concatenate(parts or [np.empty((0, fold.CURRENT), np.int64)])
    there = rows[:, fold.C_EVENTS] > 0
    key, rows = key[there], rows[there]
    column = {
        "last_seen": rows[:, fold.C_LAST], "first_seen": rows[:, fold.C_FIRST], "since": rows[:, fold.C_SINCE],
        "events": rows[:, fold.C_EVENTS], "value": rows[:, fold.C_VALUE], "customer": key,
    }[order]  # fmt: skip
    places = np.lexsort((key, -column if descending else column))[offset : offset + limit]
    lines = tuple(_line(view, int(key[p]), rows[p]) for p in places)
    return CustomerList("" if selector is None else str(selector), len(key), offset, lines)


def keys_behind(view: View, selector: Selector) -> npt.NDArray[np.int64]:
    """int64[n]: the keys of everyone behind the selector, ascending."""
    found = masks(view, selector)
    pairs = zip(view.buckets, view.columns, found, strict=True)
    keys = [b.customer[m & ~c.skip] for b, c, m in pairs]
    return np.sort(np.concatenate(keys or [np.empty(0, np.int64)]))


def _current(view: View, bucket: Columns) -> npt.NDArray[np.int64]:
    return np.asarray(fold.current(bucket, view.rules, view.paying(), view.as_of))


def _line(view: View, customer: int, row: npt.NDArray[np.int64]) -> CustomerLine:
    stage, since = int(row[fold.C_STAGE]), int(row[fold.C_SINCE])
    return CustomerLine(
        customer,
        name_of(view.trails, customer),
        view.journey.stages[stage].id if stage >= 0 else None,
        bool(row[fold.C_LAPSED]),
        moment(since) if since >= 0 else None,
        int(row[fold.C_EVENTS]),
        moment(int(row[fold.C_FIRST])),
        moment(int(row[fold.C_LAST])),
        int(row[fold.C_VALUE]) / fold.UNIT if no_sums(view) is None else None,
    )


def masks(view: View, selector: Selector) -> Sequence[Mask]:
    """bool[C] a bucket: who stands behind the selector, in the view that it was made in."""
    name, what = selector.name, selector.what
    match selector.kind:
        case "map":
            return _living(view, kernel.OF_MAP, 0, MAP_WHATS[what])
        case "stage" if what == "paid":
            return paid_members(view, view.in_stage(view.stage(name)))
        case "stage":
            return _living(view, kernel.OF_STAGE, view.stage(name), STAGE_WHATS[what])
        case "touchpoint" if what == "now":
            return here_members(view, view.touchpoint(name))
        case "touchpoint" if what == "paid":
            return paid_members(view, [view.touchpoint(name)])
        case "touchpoint" if what == "answered":
            return felt_members(view, view.touchpoint(name))
        case "touchpoint":
            return _living(view, kernel.OF_TOUCHPOINT, view.touchpoint(name), TOUCH_WHATS[what])
        case "event":
            return view.map(functools.partial(_met, view, _off(view, codes_of_event(view, name)), 0))
        case "page":
            page = known(name, view.trails.tables.pages, N_("The page {name!r} has never been seen.{meant}"))
            return view.map(functools.partial(_met, view, _off(view, None), page))
        case "conversion":
            start, to = (*chain_of(name), "")[:2] if ">" in name else ("", name)
            return conversion_members(view, (start, to), _within(selector), selector.option("by") or "customer", what)
        case "visits":
            return visit_members(view, name, selector.option("by") or "session", what)
        case "source":
            by, to = selector.option("by") or "all", selector.option("to") or goal_of(view.journey)
            return source_members(view, name, by, to, _within(selector) or view.journey.window, what)
        case kind if kind not in KINDS:
            measure = next(m for m in CATALOGUE.values() if kind in m.selects)
            found: Sequence[Mask] = loaded(measure.members)(view, selector)
            return found
        case _:
            return place_members(view, selector.kind, name, selector.option("by") or "page", what)


def paid_members(view: View, touchpoints: Sequence[int]) -> list[Mask]:
    """bool[C] a bucket: whose money at these touchpoints is the value of the view's period."""
    paying = [t for t in touchpoints if view.paying()[t]]
    codes = frozen(np.isin(view.rules.code_touchpoint, paying), np.bool_)
    return view.map(functools.partial(_valued, codes, view.start, view.end))


def _valued(codes: Mask, start: int, end: int, bucket: Columns) -> Mask:
    return np.asarray(valued(bucket, codes, start, end))


def codes_of_event(view: View, name: str) -> Mask:
    """bool[codes]: the codes of an event's name."""
    events = view.trails.tables.code_event
    known(name, sorted(set(events)), N_("There is no event {name!r}.{meant} There are: {known}."))
    return np.array([event == name for event in events], np.bool_)


def _off(view: View, codes: Mask | None) -> Mask:
    """Of these codes (None: all) those that the map lacks, as the list of what is off the map counts them."""
    from polku.measures.deviations import codes_off

    off = codes_off(view)
    return np.asarray(frozen(off if codes is None else codes & off if (codes & off).any() else codes, np.bool_))


def _living(view: View, kind: int, index: int, what: int) -> list[Mask]:
    ask = ask_of(view)
    return view.map(lambda bucket: np.asarray(kernel.members(bucket, view.rules, ask, kind, index, what)))


def _met(view: View, codes: Mask, page: int, bucket: Columns) -> Mask:
    return np.asarray(met(bucket, codes, page, view.start, view.end))


def _within(selector: Selector) -> int | None:
    text = selector.option("within")
    return None if text is None else duration(int(text) if text.isdigit() else text)
