"""The notebook's methods are those of the catalogue, and answer with what a notebook wants."""

from __future__ import annotations

import runpy
from pathlib import Path

import pyarrow as pa
import pytest

import polku
from polku.errors import MeasureError
from polku.language import Reader

ROOT = Path(__file__).parents[1]
ROWS = {
    "who": ["anna", "bertta", "anna", "anna", "bertta"],
    "at": [10, 20, 30, 40, 50],
    "what": ["view", "view", "cart", "buy", "cart"],
}


@pytest.fixture(scope="module")
def trails() -> polku.Trails:
    return polku.Trails.from_table(pa.table(ROWS), customer="who", time="at", event="what")


def test_the_methods_are_written_from_the_catalogue():
    written = runpy.run_path(str(ROOT / "scripts" / "write_asking.py"))["text"]()
    assert (ROOT / "src" / "polku" / "asking.py").read_text(encoding="utf-8") == written, (
        "run python scripts/write_asking.py"
    )


def test_a_funnel_of_a_plain_table(trails):
    answer = trails.funnel(["view", "cart", "buy"], within="1min")
    assert answer.reached == [2, 2, 1]
    frame = answer.to_frame()
    assert frame["reached"].tolist() == [2, 2, 1]
    noted = answer.to_frame(notes=True)
    assert noted["of the first step: note"].tolist()[-1] == answer.tables(Reader())[0].rows[-1][3].note
    assert noted.drop(columns=[c for c in noted if c.endswith(": note")]).equals(frame)
    shown = trails.funnel(["view", "cart", "buy"])._repr_html_()
    assert shown.startswith('<div class="polku">')
    assert shown.count("<svg ") == 1
    assert "<caption>Funnel by customer" in shown
    assert "<script" not in shown
    assert answer.to_dict()["steps"][2]["reached"]["n"] == 1


def test_who_is_behind_a_number(trails):
    answer = trails.funnel("view,cart,buy")
    found = answer.customers(answer.steps[2].reached.behind)
    assert [line.name for line in found.lines] == ["anna"]
    frame = found.to_frame()
    assert (frame["name"].tolist(), frame["events"].tolist()) == (["anna"], [3])
    assert "<caption>1 of 1 customers" in found._repr_html_()


def test_a_table_that_is_not_there(trails):
    with pytest.raises(MeasureError, match="1 tables"):
        trails.funnel(["view", "buy"]).to_frame(3)


def test_an_unknown_event_is_told_with_the_nearest(trails):
    with pytest.raises(MeasureError, match="cart"):
        trails.funnel(["view", "crt"])
