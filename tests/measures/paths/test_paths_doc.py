"""The example that docs/measures/paths.md counts by hand."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from polku.measures.paths import MEASURES
from polku.trails.layout import Trails

PAGE = (Path(__file__).parents[3] / "docs" / "measures" / "paths.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def trails() -> Trails:
    rows = [(who, place, step) for who, path in enumerate(("ABBC", "BC", "A")) for place, step in enumerate(path)]
    columns = dict(zip(("who", "at", "what"), map(list, zip(*rows, strict=True)), strict=True))
    return Trails.from_table(pa.table(columns), customer="who", time="at", event="what")


@pytest.mark.parametrize("measure", MEASURES, ids=lambda m: m.name)
def test_every_measure_and_option_stands_there(measure):
    assert f"\n## {measure.name}\n" in PAGE
    part = PAGE.partition(f"\n## {measure.name}\n")[2].partition("\n## ")[0]
    told = part + (PAGE.partition("\n## step_matrix\n")[2] if measure.name == "flow" else "")
    assert all(f"`{option.name}`" in told for option in measure.options)


def test_transitions(trails):
    found = {(t.source, t.target): t for t in trails.transitions().transitions}
    assert {k: t.count.n for k, t in found.items() if "path" not in k[0]} == {
        ("A", "B"): 1, ("B", "C"): 2, ("B", "B"): 1, ("A", "path_end"): 1, ("C", "path_end"): 2,
    }  # fmt: skip
    assert (found["A", "B"].out.value, found["A", "B"].into.value) == (1 / 2, 1 / 3)


def test_positions(trails):
    shares = {(p.step, p.position): p.share.numerator for p in trails.step_matrix(after=1).places}
    assert [shares["A", 0], shares["B", 0], shares["B", 1], shares["C", 1], shares["path_end", 1]] == [2, 1, 1, 1, 1]


def test_patterns(trails):
    pair = next(s for s in trails.sequences().sequences if s.steps == ("B", "C"))
    assert (pair.support.numerator, pair.support.denominator, pair.times) == (2, 3, 2)
    assert pair.lift == pytest.approx(2 / (4 * 3 / 7 * 2 / 7))
    loop = trails.loops().loops[0]
    assert (loop.step, loop.repeated.numerator, loop.repeated.denominator) == ("B", 1, 2)
    assert (loop.right_after, loop.later) == (1, 0)
    onward = trails.onward(from_="A", to="C").onward[0]
    assert (onward.rate.value, onward.base.value, onward.lift.value) == (0.5, 2 / 3, pytest.approx(0.75))
