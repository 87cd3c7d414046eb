"""The feeling curve: where its points and lines stand in the drawing.

Planned is a hypothesis (hollow points, dashed line), measured is what a survey answered (solid, with n). The two are
never joined: a line runs only through points of its own kind.
"""

from __future__ import annotations

import dataclasses
import itertools

from polku.journey.model import Text
from polku.web.mapview import Column

WIDTH = 240  # of one stage, in the drawing's units
HEIGHT = 104
TOP, BOTTOM = 14, 82  # y of +2 and of -2


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: float
    value: float
    title: Text
    n: int = 0
    label_y: float = 0.0
    behind: str | None = None  # those who answered


@dataclasses.dataclass(frozen=True, slots=True)
class Curve:
    width: int
    height: int
    middle: float
    planned: tuple[Point, ...]
    measured: tuple[Point, ...]
    planned_path: str
    measured_path: str

    def at(self, point: Point) -> str:
        """How far right a point stands, as a share of the drawing: it widens with the page, the points stay round."""
        return f"{100 * point.x / self.width:.2f}%"


def y_of(value: float) -> float:
    """-2 to 2 as a height in the drawing; what lies outside stands on the edge.

    >>> y_of(2.0), y_of(0.0), y_of(-2.0)
    (14.0, 48.0, 82.0)
    """
    clipped = max(-2.0, min(2.0, value))
    return round(TOP + (2 - clipped) / 4 * (BOTTOM - TOP), 1)


def path(points: tuple[Point, ...]) -> str:
    """A smooth curve through the points that never overshoots them: Béziers with level handles."""
    if not points:
        return ""
    parts = [f"M{points[0].x:g} {points[0].y:g}"]
    for a, b in itertools.pairwise(points):
        middle = (a.x + b.x) / 2
        parts.append(f"C{middle:g} {a.y:g} {middle:g} {b.y:g} {b.x:g} {b.y:g}")
    return "".join(parts)


def curve(columns: tuple[Column, ...], show_plan: bool) -> Curve:
    """The curve over all stages: one point a touchpoint that has a feeling, spread over its stage.

    A stage with a feeling of its own and none at its touchpoints has one point in its middle.
    """
    planned: list[Point] = []
    measured: list[Point] = []
    for index, column in enumerate(columns):
        left = index * WIDTH
        cards = [
            c
            for c in column.cards
            if (show_plan and c.plan.feeling is not None) or (c.actual is not None and c.actual.felt is not None)
        ]
        if not cards and show_plan and column.plan.feeling is not None:
            value = column.plan.feeling
            planned.append(Point(left + WIDTH / 2, y_of(value), value, column.title))
        for place, card in enumerate(cards):
            x = round(left + WIDTH * (place + 0.5) / len(cards), 1)
            if show_plan and card.plan.feeling is not None:
                planned.append(Point(x, y_of(card.plan.feeling), card.plan.feeling, card.title))
            if card.actual is not None and card.actual.felt is not None:
                y = y_of(card.actual.felt)
                hollow = None if card.plan.feeling is None or not show_plan else y_of(card.plan.feeling)
                actual = card.actual
                measured.append(
                    Point(x, y, card.actual.felt, card.title, actual.felt_n, label_y(y, hollow), actual.felt_behind)
                )
    return Curve(
        width=WIDTH * len(columns),
        height=HEIGHT,
        middle=y_of(0),
        planned=tuple(planned),
        measured=tuple(measured),
        planned_path=path(tuple(planned)),
        measured_path=path(tuple(measured)),
    )


def label_y(y: float, hollow: float | None) -> float:
    """Where a measured point's words stand: below it, or above when the planned point of the same place is in the way.

    >>> label_y(40.0, None), label_y(40.0, 55.0), label_y(14.0, 20.0)
    (59.0, 29.0, 39.0)
    """
    if hollow is None or not y < hollow <= y + 30:
        return y + 19
    return y - 11 if y >= TOP + 8 else hollow + 19
