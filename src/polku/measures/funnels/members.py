"""Who stands behind a funnel's numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from polku.errors import MeasureError
from polku.language import N_
from polku.measures.funnels.asked import Asked, asked_again, asked_of
from polku.measures.funnels.grouping import Grouping, How, grouping_of, groups_of
from polku.measures.funnels.intervals import Span, span_of
from polku.measures.funnels.rows import Rows, whose
from polku.measures.funnels.times import in_time, spread_of
from polku.measures.selectors import Selector
from polku.measures.view import Mask, View

WHATS = ("reached", "converted", "dropped", "lost", "pending")


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: who ``reached`` a step, ``converted`` (reached it, and the window has closed), ``dropped``
    before it (having reached the one before), was ``lost`` anywhere between the first step and it, or is ``pending``
    (reached it with an open window); of one group, one interval of a trend or one bar of times where the selector says
    so.
    """
    asked = asked_again(view, selector)
    grouping, group = _group(view, selector)
    span = span_of(view, selector.option("interval"), selector.option("on"))
    step = number(selector, "step") - 1
    if step >= len(asked.steps):
        raise MeasureError(N_("{selector} names a step that this funnel does not have."), selector=str(selector))
    how = grouping.how if grouping else None
    choose = functools.partial(_choose, asked, selector.what, step, how, group, span, view.as_of)
    bar = spread_of((selector.option("least"), selector.option("most")))
    if bar is not None:
        choose = functools.partial(_in_bar, asked, bar, choose)
    events = grouping.events if grouping else ()
    return whose(view, asked, choose, events, grouping.customers if grouping else ())


def funnel_members(view: View, steps: tuple[str, ...], within: int | None, by: str, step: int, what: str) -> list[Mask]:
    """The same of a funnel in order without refinements; ``step`` from 1."""
    asked = asked_of(view, steps, within, by)
    return whose(view, asked, functools.partial(_choose, asked, what, step - 1, None, 0, None, view.as_of))


def number(selector: Selector, name: str) -> int:
    text = selector.option(name) or ""
    if not text.isdigit() or int(text) < 1:
        raise MeasureError(N_("{selector} does not say which step; add ,step=2."), selector=str(selector))
    return int(text)


def _group(view: View, selector: Selector) -> tuple[Grouping | None, int]:
    by, name = selector.option("breakdown"), selector.option("group")
    if by is None or name is None:
        return None, 0
    grouping = grouping_of(view, by, selector.option("at") or "first")
    return grouping, grouping.place(name)


def _in_bar(asked: Asked, bar: tuple[int, int | None], choose: Callable[..., Mask], rows: Rows, *beside: Any) -> Mask:
    return np.asarray(choose(rows, *beside) & in_time(rows, asked, *bar))


def _choose(
    asked: Asked,
    what: str,
    step: int,
    how: How | None,
    group: int,
    span: Span | None,
    as_of: int,
    rows: Rows,
    *beside: Any,
) -> Mask:
    met, before = rows.met[:, step], rows.met[:, asked.before(step)]
    is_open = rows.open if span is None else rows.own_open(asked, as_of)
    chosen = {
        "reached": met,
        "converted": met & ~is_open,
        "pending": met & is_open,
        "dropped": before & ~met & ~is_open,
        "lost": rows.met[:, 0] & ~met & ~is_open,
    }[what]
    if how is not None:
        row, of = groups_of(how, rows, beside)
        inside = np.zeros(len(met), np.bool_)
        inside[row[of == group]] = True
        chosen = chosen & inside
    if span is not None:
        begun = rows.begun()
        chosen = chosen & (begun >= span.start) & (begun < span.end)
    return np.asarray(chosen)
