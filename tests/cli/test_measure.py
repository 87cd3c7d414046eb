"""``polku measure``: each measure's own options, pictures, CSV, and what is told when something is amiss."""

from __future__ import annotations

import csv
import inspect
import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.web import world

from polku.cli import main
from polku.cli.measure import command_of, flag_of, measure, parameter
from polku.language import Reader
from polku.measures.catalogue import CATALOGUE, FAMILIES
from polku.measures.families import TITLES

FUNNEL = ("funnel", "--steps", "product,cart,order", "--within", "7d")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("measure") / "shop"
    with world.make(folder):
        pass
    return folder


@pytest.fixture
def polku(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("POLKU_LANGUAGE", "en")
    monkeypatch.setenv("COLUMNS", "140")

    def run(*words: str | Path) -> SimpleNamespace:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([*map(str, words), "--language", "en"])
        out = capsys.readouterr()
        return SimpleNamespace(code=int(stop.value.code or 0), out=out.out, err=out.err)

    return run


def test_every_family_has_a_title() -> None:
    assert set(FAMILIES) <= set(TITLES)


def test_no_option_of_a_measure_hides_one_of_every_measure() -> None:
    shared = {p.name for p in inspect.signature(measure).parameters.values()} | {"json", "list", "help"}
    for definition in CATALOGUE.values():
        assert not shared & {o.name for o in definition.options}, definition.name


@pytest.mark.parametrize("language", ["en", "fi"])
@pytest.mark.parametrize("name", CATALOGUE)
def test_a_measure_has_a_command_of_its_own(name: str, language: str) -> None:
    definition = CATALOGUE[name]
    made = command_of(name, definition, language)
    flags = {f for p in made.params for f in (*p.opts, *p.secondary_opts)}
    assert {f for o in definition.options for f in flag_of(o).split("/")} <= flags
    if language == "fi":
        said = {p.help for p in made.params}
        assert {parameter(o, Reader("fi")).annotation.__metadata__[0].help for o in definition.options} <= said


def test_help_tells_the_options_of_the_measure_alone(polku: Callable[..., Any], shop: Path) -> None:
    told = polku("measure", shop, "sequences", "--help").out
    assert "--gaps" in told
    assert "--length" in told
    assert "--steps" not in told
    assert "--steps" in polku("measure", "funnel", "--help").out  # without a folder as well


def test_an_unknown_option_is_told_with_the_nearest(polku: Callable[..., Any], shop: Path) -> None:
    found = polku("measure", shop, "funnel", "--stps", "product,cart")
    assert found.code == 2
    assert found.err.strip() == "There is no option --stps. Did you mean --steps?"
    assert polku("measure", shop, "stages", "--steps", "product,cart").code == 2  # an option of another measure
    assert "→ funnel?" in polku("measure", shop, "funel", "--steps", "product,cart").err
    assert "--list" in polku("measure", shop).err


def test_a_value_that_does_not_fit_is_told(polku: Callable[..., Any], shop: Path) -> None:
    found = polku("measure", shop, "funnel", "--steps", "product,crt")
    assert found.code == 1
    assert "→ cart?" in found.err
    assert "7d, 4h or 30min" in polku("measure", shop, *FUNNEL[:3], "--within", "soon").err


def test_the_list(polku: Callable[..., Any], shop: Path) -> None:
    told = polku("measure", shop, "--list", "--json").out
    found = json.loads(told)
    assert [m["name"] for m in found["measures"]] == list(CATALOGUE)
    assert [m["name"] for m in found["map"]] == ["first_order"]
    text = polku("measure", shop, "--list").out
    assert "Funnels" in text
    assert "first_order" in text


def test_a_measure_of_the_map_takes_the_options_of_its_kind(polku: Callable[..., Any], shop: Path) -> None:
    usual = json.loads(polku("measure", shop, "first_order", "--json").out)
    visits = json.loads(polku("measure", shop, "first_order", "--by", "session", "--json").out)
    assert usual["measure"] == visits["measure"] == "conversion"
    assert usual["by"] == "customer"
    assert visits["by"] == "session"


def test_csv_of_one_table_and_of_all(polku: Callable[..., Any], shop: Path, tmp_path: Path) -> None:
    rows = list(csv.reader(io.StringIO(polku("measure", shop, *FUNNEL, "--csv", "-").out)))
    assert [row[:2] for row in rows[:4]] == [["step", "reached"], ["product", "41"], ["cart", "20"], ["order", "10"]]
    file = tmp_path / "funnel.csv"
    assert polku("measure", shop, *FUNNEL, "--csv", file, "--table", "1").code == 0
    written = list(csv.reader(io.StringIO(file.read_text(encoding="utf-8-sig"))))
    assert written == rows[:4]
    assert "--table counts them from 1" in polku("measure", shop, *FUNNEL, "--table", "9").err
    assert polku("measure", shop, *FUNNEL, "--csv", "-", "--json").code == 2
    assert polku("measure", shop, *FUNNEL, "--csv", tmp_path / "none" / "x.csv").code == 2


@pytest.mark.parametrize(
    ("words", "sign"),
    [
        (FUNNEL, "█"),
        (("transitions",), "→"),
        (("retention",), "░▒▓█"),
        (("active",), "▁"),
        (("onward", "--from", "product"), "●"),
    ],
)
def test_pictures_are_drawn_when_asked_for(
    polku: Callable[..., Any], shop: Path, words: tuple[str, ...], sign: str
) -> None:
    plain, drawn = polku("measure", shop, *words).out, polku("measure", shop, *words, "--charts").out
    assert drawn.startswith(plain.rstrip("\n"))  # not a terminal: no pictures unless asked for
    assert sign in drawn[len(plain) :]
    assert all(len(line) <= 140 for line in drawn[len(plain) :].splitlines())


def test_the_compared_period_stands_below(polku: Callable[..., Any], shop: Path) -> None:
    told = polku("measure", shop, *FUNNEL, "--period", "7d", "--compare", "previous").out
    assert told.count("1. Product page") == 2
    assert "(before)" in told
