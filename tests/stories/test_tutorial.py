"""The tutorial's commands run as they stand, in both languages, and its pieces of map are good ones."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from ruamel.yaml import YAML

from polku.cli import main
from polku.journey.model import Stage, Touchpoint
from polku.language import LANGUAGES

DOCS = Path(__file__).parents[2] / "docs"
PO = Path(__file__).parents[2] / "src" / "polku" / "locale" / "fi"

#: What the commands must say, since the tutorial claims it.
SAYS = {
    "fi": {
        "customer juhla sara": ["Uskollisuus", "Instagram-mainos", "a-sara-puhelin"],
        "customer juhla siiri": ["epäonnistui: Koko-opas"],
        "customers juhla --behind touchpoint:size_guide:failed": ["siiri"],
        "customer jooga outi": ["Yhteisö"],
        "customers jooga --behind touchpoint:sample_video:failed": ["oona"],
        "customer kengat jari": ["Oston jälkeen"],
        "customers kengat --behind touchpoint:phone_call:failed": ["juha"],
        "check kauppa": ["ei virheitä"],
    },
    "en": {
        "customer party sara": ["Loyalty", "Instagram ad", "a-sara-puhelin"],
        "customer party siiri": ["failed: Size guide"],
        "customers party --behind touchpoint:size_guide:failed": ["siiri"],
        "customer yoga outi": ["Community"],
        "customers yoga --behind touchpoint:sample_video:failed": ["oona"],
        "customer shoes jari": ["After the purchase"],
        "customers shoes --behind touchpoint:phone_call:failed": ["juha"],
        "check shop": ["no faults"],
    },
}


def text(language: str) -> str:
    return (DOCS / f"tutorial.{language}.md").read_text("utf-8")


def blocks(language: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", text(language), re.M | re.S)


def commands(language: str) -> list[str]:
    return [line for block in blocks(language, "sh") for line in block.splitlines() if line.startswith("polku ")]


@pytest.mark.parametrize("language", LANGUAGES)
def test_commands_run(language, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # the program sets its own
    claims = dict(SAYS[language])
    for command in commands(language):
        words = shlex.split(command)[1:]
        if words[0] == "serve":
            continue
        assert run(words) == 0, command
        out = capsys.readouterr().out
        for claim in claims.pop(" ".join(words), []):
            assert claim in out, (command, out)
    assert not claims, "commands that the tutorial no longer has"


def run(words: list[str]) -> int:
    try:
        main(words)
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_both_tutorials_run_the_same_commands():
    def plain(language: str) -> list[str]:
        names = {"juhla": "party", "jooga": "yoga", "kengat": "shoes", "kauppa": "shop", "fi": "en"}
        return [" ".join(names.get(w.split("/")[0], w.split("/")[0]) for w in c.split()) for c in commands(language)]

    assert plain("fi") == plain("en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_pieces_of_map_are_good(language):
    pieces = [part for block in blocks(language, "yaml") for part in YAML(typ="safe", pure=True).load(block)]
    assert [part["id"] for part in pieces] == ["size_guide", "community", "phone_call"]
    for part in pieces:
        (Stage if "enter" in part else Touchpoint).model_validate(part)


def terms() -> list[tuple[str, str]]:
    """(English, Finnish) of every row of the glossary, notes in brackets left out."""
    rows = [line.split("|")[1:3] for line in (DOCS / "glossary.md").read_text("utf-8").splitlines() if line[:2] == "| "]
    plain = [tuple(re.sub(r"\s*\(.*?\)", "", cell).strip() for cell in row) for row in rows]
    return [(en, fi) for en, fi in plain if en != "English"]


#: Terms that must be the same wherever the program says them by themselves.
CORE = {
    "stage", "touchpoint", "customer", "event", "channel", "source", "session", "conversion", "role", "consent",
    "rule", "variant", "capped",
    "lapsed", "went on", "behind", "on target", "too few to say", "no data", "failed", "hypothesis", "moment of truth",
}  # fmt: skip


def test_one_concept_has_one_name():
    """Where the program says a core term of the glossary, its Finnish is the glossary's."""
    glossary = terms()
    words = dict(glossary)
    assert len(words) == len(glossary)
    assert set(words) >= CORE
    for file in sorted(PO.glob("*.po")):
        with file.open("rb") as f:
            said = {str(m.id): str(m.string) for m in read_po(f, locale="fi") if m.id}
        assert {term: said[term] for term in CORE & set(said)} == {term: words[term] for term in CORE & set(said)}
