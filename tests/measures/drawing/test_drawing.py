"""Charts as SVG: valid, named, within their room, every figure to be found, nothing drawn that is not known."""

from __future__ import annotations

import dataclasses
import itertools
import re
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polku.language import Reader
from polku.measures.charts import Bars, Chart, Flow, Forest, Graph, Heat, Lines, Link, Node, Series
from polku.measures.drawing import NOTHING, figure, in_notebook, standalone
from polku.measures.drawing.graph import layered
from polku.measures.drawing.order import columns_of, crossings, ordered
from polku.measures.drawing.svg import log_ticks, text_width, ticks

EN = Reader("en")
SVG = "{http://www.w3.org/2000/svg}"
NASTY = 'a "quoted" <b> & more'
LONG = "A touchpoint whose name goes on and on, as names given by people do"
SERIES = Series(
    "all", (0.5, None, 0.25), (0.4, None, 0.1), (0.6, None, 0.4), (True, True, False), ("stage:a:now", None, None)
)
NODES = (Node("a", "start", 30), Node("b", NASTY, 20, behind="x:b:y"), Node("c", LONG, 10), Node("d", "end", 5))
LINKS = (
    Link("a", "b", 20, "median 3 d", "x:ab:y"), Link("b", "c", 10), Link("c", "b", 4), Link("b", "b", 3),
    Link("c", "d", 5),
)  # fmt: skip
CHARTS: dict[str, Chart] = {
    "bars": Bars("Bars", (NASTY, "b", "c"), (SERIES,), "share"),
    "across": Bars("Across", (LONG, "b", "c"), (SERIES, Series("other", (-1.0, 2, 0))), "money", across=True),
    "stacked": Bars("Stacked", ("a", "b"), (Series("up", (3, 4)), Series("down", (-2, None)))  , stacked=True),
    "lines": Lines("Lines", ("a", "b", "c"), (SERIES, Series(LONG, (1.0, 0.9, None))), at=(0, 1, 10)),
    "steps": Lines("Steps", ("a", "b", "c"), (SERIES,), steps=True, x_title="time", y_title="share"),
    "heat": Heat(
        "Heat", (LONG, "b"), tuple(f"a long column {i}" for i in range(20)),
        (tuple(i / 20 for i in range(20)), (None,) * 20), behind=(("stage:a:now",) * 20, (None,) * 20),
    ),
    "flow": Flow(
        "Flow", tuple(dataclasses.replace(n, level=i) for i, n in enumerate(NODES)), LINKS[:2] + LINKS[4:]
    ),
    "graph": Graph("Graph", NODES, LINKS),
    "forest": Forest("Forest", ("a", LONG, "c"), SERIES, 1.0, logarithmic=True),
}  # fmt: skip


def link(selector: str) -> str:
    return f"/customers?behind={selector}&x=1"


def marks(root: ElementTree.Element) -> list[ElementTree.Element]:
    return [e for e in root.iter() if "mark" in e.get("class", "").split()]


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_is_named_valid_and_holds_no_style(name: str) -> None:
    made = figure(CHARTS[name], EN, "one", link)
    for markup, id in ((made.wide, "one-wide"), (made.phone, "one-phone")):
        if markup is None:
            continue
        root = ElementTree.fromstring(markup)
        assert root.get("aria-labelledby") == f"{id}-title"
        texts = {e.get("id"): e.text for e in root if e.tag in (f"{SVG}title", f"{SVG}desc")}
        assert texts[f"{id}-title"] == CHARTS[name].title
        assert texts[f"{id}-desc"]
        assert not any("style" in e.attrib or any(k.startswith("on") for k in e.attrib) for e in root.iter())
        assert root.get("role") == ("group" if list(root.iter(f"{SVG}a")) else "img")
        assert "nan" not in markup
        assert "inf" not in re.sub(r">[^<]*<", "", markup)
    assert made.wide is not None
    drawn = ElementTree.fromstring(made.wide)
    for anchor in drawn.iter(f"{SVG}a"):
        assert anchor.get("href", "").startswith("/customers?behind=")
        assert anchor.get("aria-label")
    assert all(m.get("data-label") for m in marks(drawn))


@pytest.mark.parametrize("name", CHARTS)
def test_what_is_known_is_drawn_and_stands_in_the_table(name: str) -> None:
    chart = CHARTS[name]
    made = figure(chart, EN, "one", link)
    assert made.wide is not None
    said = {m.get("data-label", "").split(",")[0] for m in marks(ElementTree.fromstring(made.wide))}
    assert said
    if isinstance(chart, Bars | Lines):
        known = sum(v is not None for s in chart.series for v in s.values)
        assert len(marks(ElementTree.fromstring(made.wide))) == known
        assert [[c.raw for c in row[1:]] for row in made.table.rows] == [
            list(values) for values in zip(*(s.values for s in chart.series), strict=True)
        ]
    if isinstance(chart, Heat):
        assert len(marks(ElementTree.fromstring(made.wide))) == 20
        assert [tuple(c.raw for c in row[1:]) for row in made.table.rows] == list(chart.values)
    if isinstance(chart, Flow | Graph):
        assert len(marks(ElementTree.fromstring(made.wide))) == len(chart.nodes) + len(chart.links)
        assert sorted(row[2].raw for row in made.table.rows) == sorted(li.n for li in chart.links)


def test_what_is_not_final_is_hollow_or_dashed() -> None:
    for name in ("bars", "lines", "forest"):
        made = figure(CHARTS[name], EN, "one")
        assert made.wide is not None
        assert made.open
        assert " open" in made.wide
        assert "not yet final" in made.wide
    assert figure(CHARTS["forest"], Reader("fi"), "one").table.rows[2][1].note == "0,10 – 0,40; ei vielä lopullinen"


@pytest.mark.parametrize(
    "chart",
    [
        Bars("Empty", (), ()),
        Bars("Unknown", ("a",), (Series("s", (None,)),)),
        Lines("Unknown", ("a", "b"), (Series("s", (None, None)),)),
        Heat("Unknown", ("a",), ("b",), ((None,),)),
        Flow("Empty", (), ()),
        Graph("Empty", (), ()),
        Forest("Empty", (), Series("s", ())),
    ],
)
def test_nothing_known_is_told(chart: Chart) -> None:
    made = figure(chart, EN, "one")
    assert made.wide is None
    assert made.reason == NOTHING
    assert standalone(chart, EN) is None
    assert "nothing to draw" in in_notebook(chart, EN)


@pytest.mark.parametrize("name", CHARTS)
def test_a_file_of_its_own_brings_its_style_and_no_links(name: str) -> None:
    made = standalone(CHARTS[name], EN, "as of 1 May 2026")
    assert made is not None
    root = ElementTree.fromstring(made)
    assert next(root.iter(f"{SVG}style")).text
    assert not list(root.iter(f"{SVG}a"))
    assert "as of 1 May 2026" in made
    assert CHARTS[name].title in [e.text for e in root.iter(f"{SVG}text")]


@given(st.floats(-1e4, 1e4), st.floats(1e-2, 1e6), st.sampled_from(["count", "share", "seconds", "money", "number"]))
def test_ticks_are_round_and_hold_the_span(low: float, span: float, unit: Any) -> None:
    found = ticks(low, low + span, 5, unit)
    slack = span * 1e-6 + abs(low) * 1e-9
    assert found[0] <= low + slack
    assert found[-1] >= low + span - slack
    assert 2 <= len(found) <= 13
    steps = {round((b - a) / (found[1] - found[0]), 6) for a, b in itertools.pairwise(found)}
    assert max(abs(s - 1) for s in steps) < 1e-4


@given(st.floats(1e-4, 1e4), st.floats(1.01, 1e4))
def test_logarithmic_ticks_hold_the_span(low: float, factor: float) -> None:
    found = log_ticks(low, low * factor)
    assert found[0] <= low * 1.0001
    assert found[-1] >= low * factor * 0.9999


GRAPHS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(6, 11), st.integers(1, 9)), unique_by=lambda t: t[:2], max_size=14
)


@given(GRAPHS)
def test_ordering_never_crosses_more_and_loses_nobody(found: list[tuple[int, int, int]]) -> None:
    nodes = [Node(str(i), str(i), 1, i // 6) for i in range(12)]
    links = [Link(str(a), str(b), n) for a, b, n in found]
    best = ordered(nodes, links)
    assert [sorted(ids) for ids in best] == [sorted(ids) for ids in columns_of(nodes)]
    assert crossings(best, links) <= crossings(columns_of(nodes), links)


def test_two_crossing_links_are_uncrossed() -> None:
    nodes = [Node("a", "a", 2), Node("b", "b", 1), Node("c", "c", 2, 1), Node("d", "d", 1, 1)]
    assert (
        crossings(ordered(nodes, [Link("a", "d", 1), Link("b", "c", 1)]), [Link("a", "d", 1), Link("b", "c", 1)]) == 0
    )


def test_the_way_people_mostly_go_runs_to_the_right() -> None:
    placed = {n.id: n.level for n in layered(NODES, LINKS)}
    assert placed == {"a": 0, "b": 1, "c": 2, "d": 3}


def test_a_graph_in_two_parts_and_one_in_a_ring_are_placed() -> None:
    nodes = [Node(c, c, 1) for c in "abcd"]
    assert {n.id for n in layered(nodes, [Link("a", "b", 1), Link("c", "d", 1)])} == set("abcd")
    ring = layered(nodes, [Link("a", "b", 3), Link("b", "c", 3), Link("c", "d", 3), Link("d", "a", 2)])
    assert sorted(n.level for n in ring) == [0, 1, 2, 3]


def test_long_names_stay_in_their_room() -> None:
    for name in ("across", "forest", "heat"):
        for markup in (figure(CHARTS[name], EN, "one").wide, figure(CHARTS[name], EN, "one").phone):
            if markup is None:
                continue
            root = ElementTree.fromstring(markup)
            for text in root.iter(f"{SVG}text"):
                if text.get("text-anchor") == "end":
                    assert text_width(text.text or "") <= float(text.get("x", "0")) + 6
