"""Pictures of answers as frozen values: what is shown, not how. The page draws them as SVG, a notebook by plotly.

Every chart has a ``title`` and says its unit; its texts are in the reader's language already. Whatever is None is not
known and is drawn as a gap, never as 0.
"""

from __future__ import annotations

import dataclasses
from typing import Literal, TypeAlias

from polku.language import Reader

Unit = Literal["count", "share", "seconds", "money", "number"]


@dataclasses.dataclass(frozen=True, slots=True)
class Series:
    """One row of values, as long as its chart's labels; ``low`` and ``high`` are the ends of the intervals.

    ``solid`` is False where a value is not yet final (its time is not up, or it is a forecast): drawn hollow or dashed.
    ``behind`` are the selectors of the customers behind each value.
    """

    name: str
    values: tuple[float | None, ...]
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()
    solid: tuple[bool, ...] = ()
    behind: tuple[str | None, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Bars:
    """Bars side by side, or one upon the other with ``stacked``; ``across`` lays them down, for long labels."""

    title: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    unit: Unit = "count"
    across: bool = False
    stacked: bool = False
    x_title: str = ""
    y_title: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Lines:
    """Lines over ``labels`` that have an order (days, weeks, months, periods since the start).

    ``at`` gives the labels' places on the axis where they are not evenly spaced.
    """

    title: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    unit: Unit = "share"
    at: tuple[float, ...] = ()
    steps: bool = False  # a step function, such as a survival curve
    x_title: str = ""
    y_title: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Heat:
    """A matrix, rows by columns; darker is more. ``behind`` has the same shape."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    unit: Unit = "share"
    notes: tuple[tuple[str, ...], ...] = ()  # "n of N", read beside the value
    behind: tuple[tuple[str | None, ...], ...] = ()
    x_title: str = ""
    y_title: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """One place of a flow or a graph. ``level`` is its column from the left, from 0."""

    id: str
    title: str
    n: float
    level: int = 0
    behind: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """From one node to another, by their ids; ``note`` is read beside it (the median time)."""

    source: str
    target: str
    n: float
    note: str = ""
    behind: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Flow:
    """A Sankey diagram: nodes in columns, links as wide as their number."""

    title: str
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    unit: Unit = "count"


@dataclasses.dataclass(frozen=True, slots=True)
class Graph:
    """A directly-follows graph: arrows between places, thicker for more."""

    title: str
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    unit: Unit = "count"


@dataclasses.dataclass(frozen=True, slots=True)
class Forest:
    """Estimates with their intervals, one a line, beside the value that would mean no difference."""

    title: str
    labels: tuple[str, ...]
    series: Series
    reference: float | None = 0.0
    unit: Unit = "number"
    logarithmic: bool = False  # odds ratios
    x_title: str = ""


Chart: TypeAlias = Bars | Lines | Heat | Flow | Graph | Forest


def value_text(value: float, unit: Unit, reader: Reader) -> str:
    """A chart's value as a reader reads it.

    >>> value_text(0.312, "share", Reader("en")), value_text(7200, "seconds", Reader("en"))
    ('31.2%', '2 h')
    """
    if unit == "share":
        return reader.percent(value)
    if unit == "seconds":
        return ("−" if value < 0 else "") + reader.duration(abs(value))
    if unit == "money":
        return reader.money(value, digits=0 if abs(value) >= 100 else None)
    if float(value).is_integer() or abs(value) >= 1000:
        return reader.number(value, 0)
    return reader.number(value, 2 if abs(value) < 10 else 1)
