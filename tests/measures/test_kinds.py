"""The kinds of measures that a map may name are the catalogue's, and any of them is asked as the map says."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from polku.journey.check import check_text
from polku.journey.kinds import FILE
from polku.journey.load import load_journey
from polku.journey.model import Journey
from polku.measures.ask import goals, measure_view
from polku.measures.catalogue import CATALOGUE
from polku.measures.view import view_of
from polku.trails.people import trails_of

ROOT = Path(__file__).parents[2]
MAP = """title: Shop
stages:
  - {id: a, touchpoints: [{id: one, match: {event: page}}]}
  - {id: b, touchpoints: [{id: two, match: {event: Bought}}]}
measures:
"""
PEOPLE = {"anna": [("2026-01-01 10:00", "page"), ("2026-01-02 10:00", "Bought")], "bertta": [("2026-01-01", "page")]}


def test_the_kinds_are_those_of_the_catalogue() -> None:
    written = runpy.run_path(str(ROOT / "scripts" / "write_measure_kinds.py"))["text"]()
    assert FILE.read_text(encoding="utf-8") == written, (
        "run python scripts/write_measure_kinds.py and python -m polku.journey.schema"
    )


def journey_of(tmp_path: Path, text: str) -> Journey:
    file = tmp_path / "journey.yaml"
    file.write_text(MAP + text, encoding="utf-8")
    return load_journey(file)


def test_options_of_any_measure_reach_it(tmp_path: Path) -> None:
    journey = journey_of(tmp_path, "  back: {kind: retention, options: {kind: unbounded, unit: day, intervals: 3}}\n")
    view = view_of(trails_of(journey, PEOPLE), journey)
    answer = measure_view(view, "back", {}).to_dict()
    assert (answer["kind"], answer["unit"]) == ("unbounded", "day")
    assert measure_view(view, "back", {"unit": "week"}).to_dict()["unit"] == "week"  # who asks has the last word


def test_only_what_gives_one_rate_is_asked_for_the_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journey = journey_of(
        tmp_path,
        "  back: {kind: retention}\n  buys: {kind: conversion, from: one, to: two, target: 40 %}\n"
        "  lost: {kind: funnel, options: {steps: [one, Never Seen]}}\n",
    )
    view = view_of(trails_of(journey, PEOPLE), journey)
    found = {figure.id: figure for figure in goals(view)}
    assert list(found) == ["buys", "lost"]
    assert (found["buys"].rate.numerator, found["buys"].rate.denominator) == (1, 2)
    assert found["lost"].rate.value is None  # the map is shown nevertheless
    assert found["lost"].rate.reason == "it cannot be measured; its page tells why"


@pytest.mark.parametrize("kind", CATALOGUE)
def test_every_measure_may_be_named_with_all_its_options(kind: str) -> None:
    values = {
        "step": "one", "goal": "two", "steps": "[one, two]", "duration": "7d", "number": "2", "real": "1.5",
        "share": "10 %", "flag": "true", "text": "word", "texts": "[a, b]", "property": "properties.x",
        "day": "2026-01-01",
    }  # fmt: skip
    options = ", ".join(f"{o.name}: {o.choices[0] if o.choices else values[o.kind]}" for o in CATALOGUE[kind].options)
    assert [str(f) for f in check_text(f"{MAP}  own: {{kind: {kind}, options: {{{options}}}}}\n")] == []
