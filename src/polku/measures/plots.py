"""Charts drawn by plotly, for notebooks: the same values, signs and colours as the SVG of the pages.

What is not yet final is hollow, hatched or dashed; what is not known is a gap; intervals are whiskers or bands. What is
read at a part is what the page says there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from polku.language import N_, Reader
from polku.measures.charts import Bars, Chart, Flow, Forest, Graph, Heat, Lines, Series, Unit, value_text
from polku.measures.drawing.graph import layered
from polku.measures.drawing.order import ordered

COLOURS = ("#14634a", "#b0601b", "#3b6db5", "#97407a", "#6b7d1e", "#7457b8", "#2b8590", "#a8423f")
INK, SOFT, RULE = "#16211d", "#4c5b54", "#dfe6e1"
TICKS: dict[Unit, dict[str, Any]] = {
    "share": {"tickformat": ".0%"}, "count": {"tickformat": ",d"}, "money": {"tickformat": ",.0f"},
    "number": {}, "seconds": {},
}  # fmt: skip


def figure(chart: Chart, reader: Reader) -> Any:
    """A plotly figure of the chart, its texts in the reader's language."""
    drawn = go.Figure(layout=_layout(chart.title))
    if isinstance(chart, Bars):
        _bars(drawn, chart, reader)
    elif isinstance(chart, Lines):
        _lines(drawn, chart, reader)
    elif isinstance(chart, Heat):
        _heat(drawn, chart, reader)
    elif isinstance(chart, Forest):
        _forest(drawn, chart, reader)
    elif isinstance(chart, Flow):
        _flow(drawn, chart, reader)
    else:
        _graph(drawn, chart, reader)
    return drawn


def _layout(title: str) -> dict[str, Any]:
    return {
        "title": {"text": title, "x": 0, "xanchor": "left"},
        "colorway": list(COLOURS),
        "plot_bgcolor": "#ffffff",
        "paper_bgcolor": "#ffffff",
        "font": {"family": "Inter, Segoe UI, system-ui, sans-serif", "size": 13, "color": INK},
        "margin": {"l": 60, "r": 24, "t": 56, "b": 48},
        "hovermode": "closest",
        "bargap": 0.25,
    }


def _axis(unit: Unit, values: Sequence[float | None], reader: Reader, title: str = "") -> dict[str, Any]:
    """An axis of values; lengths of time get ticks in days, hours and minutes."""
    from polku.measures.drawing.svg import extent, ticks

    axis: dict[str, Any] = {"gridcolor": RULE, "zerolinecolor": SOFT, "title": {"text": title}, **TICKS[unit]}
    found = extent(values)
    if unit == "seconds" and found is not None:
        at = ticks(min(0.0, found[0]), found[1], 5, unit)
        axis |= {"tickvals": at, "ticktext": [value_text(v, unit, reader) for v in at]}
    return axis


def _said(name: str, series: Series, place: int, unit: Unit, reader: Reader) -> str:
    value = series.values[place]
    if value is None:
        return f"{name}: –"
    words = f"{name}: {value_text(value, unit, reader)}"
    low = series.low[place] if series.low else None
    high = series.high[place] if series.high else None
    if low is not None and high is not None:
        span = reader(N_("{low} to {high}"), low=value_text(low, unit, reader), high=value_text(high, unit, reader))
        words += f" ({span})"
    if not _final(series, place):
        words += f", {reader(N_('not yet final'))}"
    return words


def _final(series: Series, place: int) -> bool:
    return not series.solid or series.solid[place]


def _whiskers(series: Series) -> dict[str, Any] | None:
    """Distances from the value to the ends of its interval, as plotly wants them; None where there are none."""
    if not series.low or not series.high:
        return None
    up, down = [], []
    for value, low, high in zip(series.values, series.low, series.high, strict=True):
        known = value is not None and low is not None and high is not None
        up.append(high - value if known and value is not None and high is not None else 0.0)
        down.append(value - low if known and value is not None and low is not None else 0.0)
    return {
        "type": "data", "array": up, "arrayminus": down, "symmetric": False, "color": INK, "thickness": 1.2, "width": 4,
    }  # fmt: skip


def _bars(drawn: Any, chart: Bars, reader: Reader) -> None:
    several = len(chart.series) > 1
    everything = [v for s in chart.series for v in s.values]
    for s, series in enumerate(chart.series):
        colour = COLOURS[s % len(COLOURS)]
        open_ones = [not _final(series, i) for i in range(len(series.values))]
        said = [
            _said(f"{label}, {series.name}" if several else label, series, i, chart.unit, reader)
            for i, label in enumerate(chart.labels)
        ]
        along: dict[str, Any] = {"x": list(chart.labels), "y": list(series.values), "error_y": _whiskers(series)}
        if chart.across:
            along = {
                "y": list(chart.labels), "x": list(series.values), "error_x": _whiskers(series), "orientation": "h",
            }  # fmt: skip
        labelled = not several and not series.low  # a whisker would run through its figure
        figures = ["" if v is None else value_text(v, chart.unit, reader) for v in series.values]
        drawn.add_trace(
            go.Bar(
                name=series.name,
                hovertext=said,
                hoverinfo="text",
                marker={
                    "color": ["#ffffff" if o else colour for o in open_ones],
                    "line": {"color": colour, "width": 1.5},
                    "pattern": {"shape": ["/" if o else "" for o in open_ones], "fgcolor": colour, "size": 6},
                },
                text=figures if labelled else None,
                textposition="outside" if labelled else "none",
                cliponaxis=False,
                **along,
            )
        )
    value_axis = _axis(chart.unit, everything, reader, chart.y_title if not chart.across else chart.x_title)
    label_axis = {"type": "category", "title": {"text": chart.x_title if not chart.across else chart.y_title}}
    layout: dict[str, Any] = {"barmode": "relative" if chart.stacked else "group", "showlegend": several}
    if chart.across:
        layout |= {"xaxis": value_axis, "yaxis": {**label_axis, "autorange": "reversed", "automargin": True}}
        layout["height"] = 140 + 26 * len(chart.labels) * (1 if chart.stacked else max(1, len(chart.series) * 0.7))
    else:
        layout |= {"yaxis": value_axis, "xaxis": {**label_axis, "automargin": True}}
    drawn.update_layout(**layout)


def _lines(drawn: Any, chart: Lines, reader: Reader) -> None:
    at: list[Any] = list(chart.at) if chart.at else list(range(len(chart.labels)))
    shape = "hv" if chart.steps else "linear"
    several = len(chart.series) > 1
    for s, series in enumerate(chart.series):
        colour = COLOURS[s % len(COLOURS)]
        if series.low and series.high:
            for ends, fill in ((series.high, None), (series.low, "tonexty")):
                drawn.add_trace(
                    go.Scatter(
                        x=at, y=list(ends), mode="lines", line={"width": 0, "shape": shape, "color": colour}, fill=fill,
                        fillcolor=_faint(colour), hoverinfo="skip", showlegend=False, legendgroup=str(s),
                    )
                )  # fmt: skip
        final = [v if _final(series, i) else None for i, v in enumerate(series.values)]
        # the dashed part begins where the solid one ends
        opened = [
            v if not _final(series, i) or (i + 1 < len(series.values) and not _final(series, i + 1)) else None
            for i, v in enumerate(series.values)
        ]
        said = [
            _said(f"{series.name}, {label}" if several else label, series, i, chart.unit, reader)
            for i, label in enumerate(chart.labels)
        ]
        for values, dash, hollow in ((final, "solid", False), (opened, "dash", True)):
            if hollow and not any(not solid for solid in series.solid):
                continue
            drawn.add_trace(
                go.Scatter(
                    x=at, y=values, name=series.name, mode="lines+markers" if len(at) <= 70 else "lines",
                    line={"color": colour, "dash": dash, "shape": shape},
                    marker={
                        "color": "#ffffff" if hollow else colour, "line": {"color": colour, "width": 1.5}, "size": 7,
                        "symbol": ("circle", "square", "diamond", "triangle-up")[s % 4],
                    },
                    hovertext=said, hoverinfo="text", legendgroup=str(s), showlegend=several and not hollow,
                    connectgaps=False,
                )
            )  # fmt: skip
    step = max(1, math.ceil(len(at) / 12))
    drawn.update_layout(
        xaxis={
            "tickvals": at[::step], "ticktext": list(chart.labels)[::step], "title": {"text": chart.x_title},
            "gridcolor": RULE,
        },
        yaxis={
            **_axis(chart.unit, [v for s in chart.series for v in s.values], reader, chart.y_title),
            "rangemode": "tozero",
        },
        showlegend=several,
    )  # fmt: skip


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.14)"


def _heat(drawn: Any, chart: Heat, reader: Reader) -> None:
    texts = [["" if v is None else value_text(v, chart.unit, reader) for v in row] for row in chart.values]
    said = [
        [
            f"{name}, {column}: {texts[r][c] or '–'}" + (f" ({chart.notes[r][c]})" if chart.notes else "")
            for c, column in enumerate(chart.columns)
        ]
        for r, name in enumerate(chart.rows)
    ]
    drawn.add_trace(
        go.Heatmap(
            x=list(chart.columns), y=list(chart.rows), z=[list(row) for row in chart.values], text=texts,
            texttemplate="%{text}", hovertext=said, hoverinfo="text", xgap=2, ygap=2, hoverongaps=False,
            colorscale=[[0, "#ffffff"], [1, COLOURS[0]]], zmin=0 if _least(chart) >= 0 else None,
            colorbar=TICKS[chart.unit] | {"thickness": 12},
        )
    )  # fmt: skip
    drawn.update_layout(
        xaxis={"type": "category", "side": "top", "title": {"text": chart.x_title}, "automargin": True},
        yaxis={"type": "category", "autorange": "reversed", "title": {"text": chart.y_title}, "automargin": True},
        height=180 + 28 * len(chart.rows),
        margin={"t": 130},
    )


def _least(chart: Heat) -> float:
    return min((v for row in chart.values for v in row if v is not None), default=0.0)


def _forest(drawn: Any, chart: Forest, reader: Reader) -> None:
    series = chart.series
    places = list(range(len(chart.labels)))
    open_ones = [not _final(series, i) for i in places]
    said = [_said(label, series, i, chart.unit, reader) for i, label in enumerate(chart.labels)]
    drawn.add_trace(
        go.Scatter(
            x=list(series.values), y=places, mode="markers", error_x=_whiskers(series), hovertext=said,
            hoverinfo="text", showlegend=False,
            marker={
                "size": 10, "color": ["#ffffff" if o else COLOURS[0] for o in open_ones],
                "line": {"color": COLOURS[0], "width": 1.5},
            },
        )
    )  # fmt: skip
    axis = _axis(chart.unit, series.values, reader, chart.x_title)
    positive = all(v is None or v > 0 for v in (*series.values, *series.low))
    if chart.logarithmic and positive:
        axis |= {"type": "log"}
    drawn.update_layout(
        xaxis=axis,
        yaxis={"tickvals": places, "ticktext": list(chart.labels), "autorange": "reversed", "automargin": True},
        height=140 + 28 * len(places),
    )
    if chart.reference is not None:
        drawn.add_vline(x=chart.reference, line={"color": SOFT, "dash": "dash", "width": 1})


def _flow(drawn: Any, chart: Flow, reader: Reader) -> None:
    place = {node.id: i for i, node in enumerate(chart.nodes)}
    titles = list(dict.fromkeys(n.title for n in sorted(chart.nodes, key=lambda n: -n.n)))
    colour = [COLOURS[titles.index(n.title) % len(COLOURS)] for n in chart.nodes]
    links = [li for li in chart.links if li.source in place and li.target in place]
    columns = ordered(chart.nodes, links)
    where = {id: (c, i, len(ids)) for c, ids in enumerate(columns) for i, id in enumerate(ids)}
    last = max(1, len(columns) - 1)
    drawn.add_trace(
        go.Sankey(
            arrangement="snap",
            node={
                "label": [f"{n.title} {value_text(n.n, chart.unit, reader)}" for n in chart.nodes],
                "color": colour, "pad": 14, "thickness": 12,
                # strictly above 0, for plotly; names of the last column need room at its right
                "x": [max(0.001, where[n.id][0] / last * 0.88) for n in chart.nodes],
                "y": [(where[n.id][1] + 0.5) / where[n.id][2] for n in chart.nodes],
                "hovertemplate": "%{label}<extra></extra>",
            },
            link={
                "source": [place[li.source] for li in links], "target": [place[li.target] for li in links],
                "value": [li.n for li in links], "color": [_faint(colour[place[li.source]]) for li in links],
                "customdata": [
                    value_text(li.n, chart.unit, reader) + (f", {li.note}" if li.note else "") for li in links
                ],
                "hovertemplate": "%{source.label} → %{target.label}: %{customdata}<extra></extra>",
            },
        )
    )  # fmt: skip
    drawn.update_layout(height=max(420, 30 * max((len(ids) for ids in columns), default=1)))


def _graph(drawn: Any, chart: Graph, reader: Reader) -> None:
    nodes = [n for n in chart.nodes if n.n > 0]
    if nodes and len({n.level for n in nodes}) == 1:
        nodes = layered(nodes, chart.links)
    columns = ordered(nodes, chart.links)
    spot = {id: (c, -(i - (len(ids) - 1) / 2)) for c, ids in enumerate(columns) for i, id in enumerate(ids)}
    title = {n.id: n.title for n in nodes}
    links = sorted((li for li in chart.links if li.source in spot and li.target in spot), key=lambda li: li.n)
    most = max((li.n for li in links), default=1.0)
    for link in links[-40:]:
        (x1, y1), (x2, y2) = spot[link.source], spot[link.target]
        said = f"{title[link.source]} → {title[link.target]}: {value_text(link.n, chart.unit, reader)}"
        said += f", {link.note}" if link.note else ""
        xs, ys = _bow(x1, y1, x2, y2)
        drawn.add_trace(
            go.Scatter(
                x=xs, y=ys, mode="lines+markers", hovertext=said, hoverinfo="text", showlegend=False,
                line={"color": "rgba(20,99,74,0.5)", "width": 1 + 8 * math.sqrt(link.n / most), "shape": "spline"},
                marker={
                    "symbol": "arrow", "angleref": "previous", "size": [0] * (len(xs) - 1) + [14], "color": COLOURS[0],
                    "standoff": 10,
                },
            )
        )  # fmt: skip
    drawn.add_trace(
        go.Scatter(
            x=[spot[n.id][0] for n in nodes], y=[spot[n.id][1] for n in nodes], mode="markers+text", showlegend=False,
            text=[f"<b>{n.title}</b><br>{value_text(n.n, chart.unit, reader)}" for n in nodes], hoverinfo="text",
            textposition="bottom center",
            marker={"size": 16, "color": "#ffffff", "line": {"color": COLOURS[0], "width": 2}},
        )
    )  # fmt: skip
    hidden = {"visible": False, "showgrid": False}
    drawn.update_layout(xaxis=hidden, yaxis=hidden, height=max(420, 90 * max((len(ids) for ids in columns), default=1)))


def _bow(x1: float, y1: float, x2: float, y2: float) -> tuple[list[float], list[float]]:
    """A line between two places, bent so that there and back do not lie upon each other; a loop for a place's own."""
    if (x1, y1) == (x2, y2):
        return [x1 - 0.06, x1, x1 + 0.06], [y1 + 0.2, y1 + 0.5, y1 + 0.2]
    bend = 0.14 if x2 > x1 else -0.34
    return [x1, (x1 + x2) / 2 - bend * (y2 - y1) * 0.2, x2], [y1, (y1 + y2) / 2 + bend, y2]
