"""What all charts are drawn with: elements, scales, round ticks, texts cut to the room that there is.

SVG holds no style: classes say what a thing is, charts.css how it looks, so that a page's security policy is kept, dark
mode and print follow, and one file serves page, download and notebook.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

from polku.language import N_, Reader
from polku.measures.charts import Unit, value_text

#: Size of letters, in pixels, and their mean width in parts of the size (Inter and its kin).
SIZE, WIDE_LETTER, LETTER, THIN_LETTER = 12, 0.86, 0.56, 0.3
PALETTE = 8
#: Below this width a drawing is one for a phone.
NARROW = 520


@dataclasses.dataclass(frozen=True, slots=True)
class Pen:
    """Who it is drawn for: ``link`` gives the address of the customers behind a selector, None: nothing is a link."""

    reader: Reader
    link: Callable[[str], str] | None = None
    width: float = 920

    @property
    def narrow(self) -> bool:
        return self.width < NARROW

    def say(self, value: float | None, unit: Unit) -> str:
        return "–" if value is None else value_text(value, unit, self.reader)

    def ticks(self, values: Sequence[float], unit: Unit) -> list[str]:
        """The values of an axis, shares without digits where they are whole: 0 %, 20 %, 40 %."""
        if unit == "share" and all(abs(v * 100 - round(v * 100)) < 1e-6 for v in values):
            return [self.reader.percent(v, 0) for v in values]
        return [self.say(v, unit) for v in values]

    def mark(
        self, shape: str, label: str, behind: str | None = None, at: tuple[int, int] = (0, 0), kind: str = ""
    ) -> str:
        """A part that stands for a figure: its words are read and shown; a link where somebody stands behind it.

        ``at`` is its row and column, by which arrow keys find the next.
        """
        inside = el("title", label) + shape
        place: dict[str, Any] = {"data_row": at[0], "data_column": at[1], "data_label": label}
        if behind is None or self.link is None:
            return el("g", raw=inside, class_=f"mark {kind}".strip(), **place)
        return el("a", raw=inside, class_=f"mark {kind}".strip(), href=self.link(behind), aria_label=label, **place)


@dataclasses.dataclass(frozen=True, slots=True)
class Drawing:
    """The inside of an SVG and its size; ``wide`` when it is wider than it was asked to be and has to be scrolled."""

    body: str
    width: float
    height: float
    wide: bool = False


def number(value: float) -> str:
    """A coordinate, short.

    >>> number(12.0), number(1 / 3)
    ('12', '0.33')
    """
    return f"{value:.2f}".rstrip("0").rstrip(".")


def curve(*points: tuple[float, float]) -> str:
    """The ``d`` of a cubic curve: where it begins, its two handles, where it ends."""
    at = [f"{number(x)} {number(y)}" for x, y in points]
    return f"M{at[0]}C{' '.join(at[1:])}"


def el(name: str, text: str = "", /, *, raw: str = "", **attributes: str | float | int | None) -> str:
    """An element; texts and values are escaped, ``raw`` is markup already.

    >>> el("text", "a < b", x=1.5, class_="tick")
    '<text x="1.5" class="tick">a &lt; b</text>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value) if isinstance(value, str) else number(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = escape(text, quote=False) + raw
    return f"<{name}{given}>{inside}</{name}>" if inside else f"<{name}{given}/>"


def text_width(text: str, size: float = SIZE) -> float:
    """About how many pixels wide ``text`` is; letters are not measured on a server, so it is a little generous."""
    wide = sum(WIDE_LETTER if c in "MWmw%@—…" else THIN_LETTER if c in "iljtf.,:;'| " else LETTER for c in text)
    return (wide + 0.08 * sum(c.isupper() for c in text)) * size


def fit(text: str, room: float, size: float = SIZE) -> str:
    """``text``, cut with … where it does not fit the room.

    >>> fit("Order Completed", 60)
    'Order Co…'
    """
    if text_width(text, size) <= room:
        return text
    while text and text_width(text + "…", size) > room:
        text = text[:-1]
    return text.rstrip() + "…" if text else ""


def label(text: str, x: float, y: float, room: float, *, class_: str = "tick", anchor: str | None = None) -> str:
    """A text in its room; what was cut is read in full where the pointer rests."""
    shown = fit(text, room)
    return el(
        "text", shown, raw=el("title", text) if shown != text else "", x=x, y=y, class_=class_, text_anchor=anchor
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Scale:
    """From values to pixels, evenly or by logarithm."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        low, high, at = (
            (math.log(self.low), math.log(self.high), math.log(max(value, 1e-300)))
            if self.logarithmic
            else (self.low, self.high, value)
        )
        share = (at - low) / (high - low) if high > low else 0.0
        return self.start + min(1.05, max(-0.05, share)) * (self.end - self.start)


TIME_STEPS = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 432000, 604800,
    864000, 1728000, 2592000, 7776000, 15552000, 31536000,
]  # fmt: skip


def step_of(span: float, count: int, unit: Unit) -> float:
    """The round step that cuts ``span`` into about ``count`` parts."""
    rough = span / max(1, count)
    if unit == "seconds":
        for known in TIME_STEPS:
            if known >= rough:
                return known
    size = 10.0 ** math.floor(math.log10(rough))
    step: float = next(m * size for m in (1, 2, 5, 10) if m * size >= rough * 0.999)
    return max(step, 1.0) if unit == "count" else step


def ticks(low: float, high: float, count: int, unit: Unit) -> list[float]:
    """Round values from at or below ``low`` to at or above ``high``.

    >>> ticks(0, 41, 4, "count")
    [0, 20, 40, 60]
    """
    if not high > low:
        high = low + 1
    step = step_of(high - low, count, unit)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten around a span; only the powers where it is long.

    >>> log_ticks(0.6, 3)
    [0.5, 1, 2, 5]
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    many = [m * 10.0**p for p in powers for m in (1, 2, 5)]
    found = [10.0**p for p in powers] if len(powers) > 4 else many
    first = max((i for i, v in enumerate(found) if v <= low), default=0)
    last = min((i for i, v in enumerate(found) if v >= high), default=len(found) - 1)
    return [round(v, 12) for v in found[first : last + 1]]


def extent(values: Iterable[float | None]) -> tuple[float, float] | None:
    """The least and the most of what is known; None when nothing is."""
    known = [v for v in values if v is not None and math.isfinite(v)]
    return (min(known), max(known)) if known else None


def path(points: Sequence[tuple[float, float]], steps: bool = False) -> str:
    """The ``d`` of a line through points; ``steps`` keeps each value until the next point."""
    parts = [f"M{number(points[0][0])} {number(points[0][1])}"]
    for x, y in points[1:]:
        parts.append(f"H{number(x)}V{number(y)}" if steps else f"L{number(x)} {number(y)}")
    return "".join(parts)


def whisker(x1: float, y1: float, x2: float, y2: float, cap: float = 4) -> str:
    """An interval: a line with a cap at either end."""
    flat = abs(y2 - y1) < abs(x2 - x1)
    dx, dy = (0, cap) if flat else (cap, 0)
    d = (
        f"M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}"
        f"M{number(x1 - dx)} {number(y1 - dy)}L{number(x1 + dx)} {number(y1 + dy)}"
        f"M{number(x2 - dx)} {number(y2 - dy)}L{number(x2 + dx)} {number(y2 + dy)}"
    )
    return el("path", d=d, class_="whisker")


def colour(place: int) -> str:
    return f"c{place % PALETTE + 1}"


def interval_words(pen: Pen, low: float | None, high: float | None, unit: Unit) -> str:
    """ " (18% to 44%)", or nothing."""
    if low is None or high is None:
        return ""
    return f" ({pen.reader(N_('{low} to {high}'), low=pen.say(low, unit), high=pen.say(high, unit))})"


def thinned(labels: Sequence[str], places: Sequence[float], gap: float = 8) -> list[int]:
    """Which labels can stand below an axis without touching: the first, then each that has room."""
    found: list[int] = []
    free = -math.inf
    for i in sorted(range(len(labels)), key=lambda i: places[i]):
        half = text_width(labels[i]) / 2
        if places[i] - half >= free:
            found.append(i)
            free = places[i] + half + gap
    return found
