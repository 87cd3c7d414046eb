"""Every template is whole in both languages, has no fault, and both languages are one map."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from polku import stories
from polku.errors import ProjectError, UsageError
from polku.journey import templates
from polku.journey.check import check
from polku.journey.load import load_journey
from polku.journey.model import Journey
from polku.language import LANGUAGES
from polku.record.settings import load_settings
from polku.sources.names import CANONICAL

STAGES = {
    "shop-5": ("awareness", "consideration", "purchase", "customer", "loyalty"),
    "funnel-5": ("awareness", "consideration", "decision", "retention", "advocacy"),
    "digital-4": ("awareness", "evaluation", "purchase", "loyalty"),
    "search-4": ("research", "comparison", "decision", "after"),
    "buying-path": ("awareness", "consideration", "decision", "commitment"),
    "subscription": ("awareness", "interest", "trial", "member", "community"),
    "b2b": ("awareness", "interest", "evaluation", "decision", "customer", "partnership"),
}
FINNISH = {
    "shop-5": ("Tietoisuus", "Harkinta", "Osto", "Asiakkuus", "Uskollisuus"),
    "digital-4": ("Tietoisuus", "Arviointi", "Ostopäätös", "Uskollisuus"),
    "search-4": ("Tiedonhaku", "Vertailu", "Ostopäätös", "Oston jälkeen"),
    "buying-path": ("Tietoisuus", "Harkinta", "Päätös", "Sitoutuminen"),
}
#: The map of each template and each story, by name.
MAPS = dict.fromkeys(templates.names(), templates.text) | dict.fromkeys(stories.names(), stories.text)
#: What a person reads; all else is the same in both languages.
TEXTS = {
    "title", "description", "who", "trigger", "goal", "first_met", "know_before", "questions", "obstacles", "benefits",
    "platforms", "why_bought", "brings_back", "actions", "content", "tools", "owner", "task", "afterwards", "name",
    "better", "worse",
}  # fmt: skip

every_map = pytest.mark.parametrize("name", list(MAPS))
every_language = pytest.mark.parametrize("language", LANGUAGES)


def data(name: str, language: str) -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load(MAPS[name](name, language))


def write(folder, name: str, language: str) -> Journey:
    (stories if name in stories.names() else templates).write(folder, name, language)
    return load_journey(folder / "journey.yaml")


@every_map
def test_matchers_are_on_canonical_names(name: str) -> None:
    def names(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            found = part.get("event", [])
            yield from [found] if isinstance(found, str) else found
            for inner in part.values():
                yield from names(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from names(inner)

    found = set(names(data(name, "en")["stages"]))
    assert found
    assert found <= set(CANONICAL)


@every_language
@every_map
def test_a_new_project_has_no_fault_and_no_warning(name, language, tmp_path):
    write(tmp_path / "project", name, language)
    assert [f.text("en") for f in check(tmp_path / "project" / "journey.yaml")] == []


@every_language
@pytest.mark.parametrize("name", templates.names())
def test_stages_are_those_of_the_method(name, language, tmp_path):
    journey = write(tmp_path, name, language)
    assert journey.stage_ids == STAGES[name]
    if language == "fi" and name in FINNISH:
        assert tuple(s.title for s in journey.stages) == FINNISH[name]
    assert journey.subject == ("account" if name == "b2b" else "person")
    assert set(journey.roles) == ({"user", "champion", "economic_buyer", "legal"} if name == "b2b" else set())


def skeleton(value: Any, key: str = "") -> Any:
    """The map without what a person reads: a text becomes its key, a list of texts its length."""
    if isinstance(value, dict):
        if key == "":
            return {k: skeleton(v, str(k)) for k, v in value.items()}
        return {k: skeleton(v, key="." if k not in TEXTS else str(k)) for k, v in value.items()}
    if isinstance(value, list) and key not in TEXTS:
        return [skeleton(v, ".") for v in value]
    if key == "content" and isinstance(value, str):  # a file: the same piece in another language
        return re.sub(r"\.(fi|en)\.md$", "", value)
    if key in TEXTS:
        return len(value) if isinstance(value, list) else key
    return value


def texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """(key, text) of everything that a person reads, in order."""
    if isinstance(value, dict):
        for k, v in value.items():
            yield from texts(v, str(k))
    elif isinstance(value, list):
        for v in value:
            yield from texts(v, key)
    elif key in TEXTS and isinstance(value, str):
        yield key, value


@every_map
def test_both_languages_are_one_map(name):
    fi, en = data(name, "fi"), data(name, "en")
    assert skeleton(fi) == skeleton(en)
    assert [k for k, _ in texts(fi)] == [k for k, _ in texts(en)]


@every_map
def test_both_languages_have_the_same_notes_in_the_same_places(name):
    def shape(language: str) -> list[tuple[int, bool, str]]:
        lines = MAPS[name](name, language).split("\n")
        keys = (re.match(r"\s*(?:- )?(?:\{?)([a-z_0-9]+):", line) for line in lines)
        return [
            (len(line) - len(line.lstrip()), "#" in line, key[1] if key else "")
            for line, key in zip(lines, keys, strict=True)
        ]

    assert shape("fi") == shape("en")


#: Texts that are the same in both languages: names.
SAME = re.compile(r"[A-Z]\w*( [A-Z]\w*)*(, \d+)?|studio")


@every_map
def test_finnish_is_finnish_and_english_is_english(name):
    for (key, fi), (_, en) in zip(texts(data(name, "fi")), texts(data(name, "en")), strict=True):
        if fi == en:
            assert key in ("tools", "platforms", "first_met", "owner", "afterwards"), fi
            assert SAME.fullmatch(fi), fi
        if key not in ("tools", "platforms", "first_met", "name", "content"):
            assert not re.search(r"[äöÄÖ]", en), en
            assert not re.search(r"\b(the|and|of|with|which)\b", fi), fi
        assert "  " not in fi + en
        if key == "questions":
            assert fi.endswith("?")
            assert en.endswith("?")


@every_map
def test_texts_are_complete(name, tmp_path):
    journey = write(tmp_path, name, "fi")
    example = name in stories.names()
    assert journey.title
    assert journey.description
    for persona in journey.personas.values():
        for field in ("who", "trigger", "goal", "first_met", "know_before", "questions", "obstacles", "benefits",
                      "platforms", "why_bought", "brings_back", "where"):  # fmt: skip
            assert getattr(persona, field), field
        assert persona.evidence is None, "what nobody has asked customers about is a hypothesis"
    for place, stage in enumerate(journey.stages):
        for field in ("title", "goal", "questions", "obstacles", "owner"):
            assert getattr(stage, field), (stage.id, field)
        assert stage.feeling is not None
        last = place == len(journey.stages) - 1
        assert (stage.expect is None) == last, stage.id
        if stage.expect is not None:
            assert stage.expect.share is not None
            assert stage.expect.within is not None
        if stage.enter is not None and not example:
            assert stage.lapses_after is not None
    for _, _, touchpoint in journey.touchpoints():
        for field in ("title", "actions", "questions"):
            assert getattr(touchpoint, field), (touchpoint.id, field)
        assert touchpoint.feeling is not None
        if touchpoint.match:
            assert touchpoint.channel
            assert touchpoint.owner
        if not example:
            assert touchpoint.obstacles, touchpoint.id
            assert touchpoint.match, touchpoint.id
    for measure in journey.measures.values():
        assert measure.title
        assert measure.target is not None or measure.kind == "sources"
    assert journey.measures
    assert all(rule.title and rule.state == "draft" for rule in journey.guidance)
    assert journey.guidance
    assert [task.order for task in journey.plan] == list(range(1, len(journey.plan) + 1))
    assert journey.review


@every_language
@every_map
def test_what_is_written(name, language, tmp_path):
    journey = write(tmp_path / "new" / "shop", name, language)
    folder = tmp_path / "new" / "shop"
    assert (folder / "journey.yaml").read_text("utf-8") == MAPS[name](name, language)
    assert load_settings(folder).language == language
    sent = {str(rule.send["content"]) for rule in journey.guidance if rule.send}
    pieces = {p.relative_to(folder).as_posix() for p in (folder / "content").iterdir()}
    facts = folder / "content" / "facts.yaml"  # what only the shop knows, where a piece asks for it: to be filled in
    asks = any("{{ shop." in (folder / piece).read_text("utf-8") for piece in sent)
    assert facts.exists() == asks
    assert not asks or all(line.startswith("#") for line in facts.read_text("utf-8").splitlines())
    pieces.discard("content/facts.yaml")
    assert sent == pieces
    for piece in pieces:
        subject = re.match(r"---\nsubject: (.+)\npreheader: (.+)\n---\n", (folder / piece).read_text("utf-8"))
        assert subject, piece


def test_content_has_both_languages_with_the_same_placeholders(tmp_path):
    for name in templates.names():
        fi, en = templates.content(name, "fi"), templates.content(name, "en")
        for (_, in_finnish), (_, in_english) in zip(fi.items(), en.items(), strict=True):
            placeholders = [re.findall(r"\{[{%] *([\w. ]+)", text) for text in (in_finnish, in_english)]
            assert placeholders[0] == placeholders[1]
            campaigns = [re.findall(r'utm_campaign=\w+|utm: "\w+"', text) for text in (in_finnish, in_english)]
            assert campaigns[0] == campaigns[1]


@pytest.mark.parametrize("there", ["journey.yaml", "polku.toml", ".polku/state.db", "content/thank_you.fi.md"])
def test_nothing_is_overwritten(there, tmp_path):
    file = tmp_path / there
    file.parent.mkdir(exist_ok=True)
    file.write_text("mine", "utf-8")
    with pytest.raises(ProjectError) as caught:
        templates.write(tmp_path, "shop-5", "fi")
    assert there.split("/")[0] in caught.value.text("en")
    assert "kirjoiteta päälle" in caught.value.text("fi")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [file]
    assert file.read_text("utf-8") == "mine"


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "shop").write_text("", "utf-8")
    with pytest.raises(ProjectError, match="is a file"):
        templates.write(tmp_path / "shop" / "inside", "shop-5", "en")


def test_names_and_errors():
    assert templates.names() == tuple(STAGES)
    assert templates.title("b2b", "en") == "The journey of a business customer"
    with pytest.raises(UsageError, match=r"no template 'funnel5'.*Did you mean funnel-5\?") as caught:
        templates.text("funnel5", "fi")
    assert caught.value.text("fi").startswith("Mallia 'funnel5' ei ole")
    with pytest.raises(UsageError, match="not in 'sv'"):
        templates.text("shop-5", "sv")


@every_map
@every_language
def test_every_segment_has_a_title(name: str, language: str) -> None:
    assert all(segment.get("title") for segment in (data(name, language).get("segments") or {}).values())
