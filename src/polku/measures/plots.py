"""Charts drawn by plotly, for notebooks."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from polku.language import Reader
from polku.measures.charts import Bars, Chart, Lines

FORMATS = {"share": ".1%", "count": ",d", "seconds": ",d", "money": ",.2f", "number": ",.3g"}


def figure(chart: Chart, reader: Reader) -> Any:
    """A plotly figure of the chart."""
    made = go.Figure(layout={"title": chart.title})
    if isinstance(chart, Bars | Lines):
        for series in chart.series:
            draw = go.Bar if isinstance(chart, Bars) else go.Scatter
            made.add_trace(draw(name=series.name, x=list(chart.labels), y=list(series.values)))
    return made
