"""The same charts by plotly: valid figures whose values and words are those of the chart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from polku.language import Reader
from polku.measures.charts import Bars, Chart, Flow, Forest, Graph, Heat, Lines, Series
from polku.measures.plots import figure

from .test_drawing import CHARTS, LINKS, NODES, SERIES

EN = Reader("en")


def drawn(chart: Chart) -> dict[str, Any]:
    """The figure as plotly would draw it, checked by plotly's own validators when it was made."""
    found: dict[str, Any] = json.loads(figure(chart, EN).to_json())
    assert found["layout"]["title"]["text"] == chart.title
    return found


@pytest.mark.parametrize("name", CHARTS)
def test_every_kind_is_drawn(name: str) -> None:
    assert drawn(CHARTS[name])["data"]


def test_bars_keep_values_gaps_intervals_and_what_is_open() -> None:
    trace = drawn(Bars("Bars", ("a", "b", "c"), (SERIES,), "share"))["data"][0]
    assert trace["y"] == [0.5, None, 0.25]
    assert trace["error_y"]["array"] == pytest.approx([0.1, 0, 0.15])
    assert trace["error_y"]["arrayminus"] == pytest.approx([0.1, 0, 0.15])
    assert trace["marker"]["color"] == ["#14634a", "#14634a", "#ffffff"]
    assert trace["hovertext"][2] == "c: 25.0% (10.0% to 40.0%), not yet final"


def test_lines_are_dashed_from_the_last_final_value_on() -> None:
    series = Series("all", (3.0, 2.0, 1.0, None), solid=(True, True, False, False))
    solid, dashed = drawn(Lines("Lines", ("a", "b", "c", "d"), (series,), "count"))["data"]
    assert solid["y"] == [3, 2, None, None]
    assert dashed["y"] == [None, 2, 1, None]
    assert dashed["line"]["dash"] == "dash"


def test_a_matrix_says_its_notes() -> None:
    trace = drawn(Heat("Heat", ("a",), ("b", "c"), ((0.5, None),), notes=(("5 of 10", ""),)))["data"][0]
    assert trace["z"] == [[0.5, None]]
    assert trace["hovertext"][0][0] == "a, b: 50.0% (5 of 10)"


def test_a_flow_has_every_link_between_its_nodes() -> None:
    trace = drawn(Flow("Flow", NODES, LINKS))["data"][0]
    titles = [n.title for n in NODES]
    ids = [n.id for n in NODES]
    assert [label.rsplit(" ", 1)[0] for label in trace["node"]["label"]] == titles
    found = list(zip(trace["link"]["source"], trace["link"]["target"], trace["link"]["value"], strict=True))
    assert found == [(ids.index(li.source), ids.index(li.target), li.n) for li in LINKS]
    assert trace["link"]["customdata"][0] == "20, median 3 d"


def test_a_graph_has_an_arrow_for_every_link() -> None:
    traces = drawn(Graph("Graph", NODES, LINKS))["data"]
    assert len(traces) == len(LINKS) + 1
    assert max(t["line"]["width"] for t in traces[:-1]) == pytest.approx(9)


def test_odds_are_on_a_logarithm_with_the_line_of_no_difference() -> None:
    chart = Forest("Odds", ("a", "b"), Series("odds", (2.0, 0.5), (1.0, 0.25), (4.0, 1.0)), 1.0, logarithmic=True)
    found = drawn(chart)
    assert found["layout"]["xaxis"]["type"] == "log"
    assert found["layout"]["shapes"][0]["x0"] == 1.0
    assert found["data"][0]["error_x"]["array"] == [2.0, 0.5]


def test_times_have_ticks_in_words() -> None:
    found = drawn(Bars("Times", ("a",), (Series("s", (7200.0,)),), "seconds"))
    assert "1 h" in found["layout"]["yaxis"]["ticktext"]
