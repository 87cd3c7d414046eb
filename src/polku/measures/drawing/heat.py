"""A matrix: the darker, the more; every cell with its figure."""

from __future__ import annotations

from typing import Any

from polku.measures.charts import Heat
from polku.measures.drawing.svg import Drawing, Pen, el, extent, fit, label, text_width

ROW, LEVELS, LEAN = 27, 10, 0.64


def draw(chart: Heat, pen: Pen) -> Drawing | None:
    found = extent(v for row in chart.values for v in row)
    if found is None or not chart.columns:
        return None
    low, high = min(0.0, found[0]), found[1]
    figures = [[pen.say(v, chart.unit) if v is not None else "" for v in row] for row in chart.values]
    least = max((text_width(f) for row in figures for f in row), default=0) + 10
    names = min(max(map(text_width, chart.rows)) + 14, 130 if pen.narrow else 220)
    column = max(least, min(110.0, (pen.width - names - 4) / len(chart.columns)))
    longest = max(map(text_width, chart.columns))
    leaning = longest > column - 6  # long names of columns stand at an angle
    head = min(longest * LEAN + 20, 130) if leaning else 22
    top = head + (18 if chart.x_title else 0)
    parts = []
    if chart.x_title:
        parts.append(el("text", fit(chart.x_title, pen.width - names), x=names, y=12, class_="axis"))
    if chart.y_title:
        parts.append(el("text", fit(chart.y_title, names - 8), x=0, y=top - 8, class_="axis"))
    for c, name in enumerate(chart.columns):
        x = names + column * (c + 0.5)
        if leaning:
            shown = fit(name, (head - 16) / LEAN)
            parts.append(
                el("text", shown, raw=el("title", name) if shown != name else "", x=x, y=top - 8, class_="tick",
                   transform=f"rotate(-40 {x:.1f} {top - 8:.1f})")
            )  # fmt: skip
        else:
            parts.append(el("text", name, x=x, y=top - 8, class_="tick", text_anchor="middle"))
    for r, name in enumerate(chart.rows):
        y = top + ROW * r
        parts.append(label(name, names - 8, y + ROW / 2 + 4, names - 12, class_="name", anchor="end"))
        for c, value in enumerate(chart.values[r]):
            x = names + column * c
            field: dict[str, Any] = {"x": x + 1, "y": y + 1, "width": column - 2, "height": ROW - 2, "rx": 2}
            if value is None:
                parts.append(el("rect", class_="unknown", **field))
                continue
            level = round((value - low) / (high - low) * LEVELS) if high > low else LEVELS
            shape = el("rect", class_="field", **field)
            shape += el(
                "text", figures[r][c], x=x + column / 2, y=y + ROW / 2 + 4, class_="value", text_anchor="middle"
            )
            note = chart.notes[r][c] if chart.notes else ""
            said = f"{name}, {chart.columns[c]}: {figures[r][c]}" + (f" ({note})" if note else "")
            behind = chart.behind[r][c] if chart.behind else None
            parts.append(pen.mark(shape, said, behind, (r, c), f"heat h{level}"))
    spill = longest * 0.77 - column / 2 if leaning else 0
    width = names + column * len(chart.columns) + 4 + max(0, min(spill, 90))
    wide = width > pen.width + 1
    return Drawing("".join(parts), max(width, pen.width), top + ROW * len(chart.rows) + 4, wide)
