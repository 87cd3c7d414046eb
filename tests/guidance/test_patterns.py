"""Every pattern, in both languages, fits a shop's map and the map's own check has nothing against it."""

from __future__ import annotations

import io

import pytest
from ruamel.yaml import YAML

from polku.content.piece import read_piece
from polku.content.render import templates as templates_of
from polku.errors import UsageError
from polku.guidance import patterns
from polku.guidance.rules import Send, compile_rules
from polku.journey import templates
from polku.journey.document import Document
from polku.journey.model import Journey
from polku.language import LANGUAGES

SHOP = [n for n in patterns.names() if n not in ("lead_handover", "meeting_follow_up", "free_trial")]
MAPS = {"shop-5": SHOP, "b2b": ["lead_handover", "meeting_follow_up"], "subscription": ["free_trial"]}


def started(folder, name: str, language: str) -> Document:
    templates.write(folder, name, language)
    file = folder / "journey.yaml"
    return Document(file.read_bytes(), file)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", MAPS)
def test_patterns_fit_a_map_that_the_check_has_nothing_against(tmp_path, name, language):
    templates.write(tmp_path, name, language)
    file = tmp_path / "journey.yaml"
    data = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    journey = Journey.model_validate(data)
    made, segments, surveys, content = [], {}, {}, {}
    for pattern in MAPS[name]:
        found = patterns.adopt(pattern, journey, language)
        made += found.rules
        segments |= found.segments
        surveys |= found.surveys
        content |= found.content
    for path, text in content.items():
        (tmp_path / path).write_text(text, encoding="utf-8")
    data["guidance"] = [*(data.get("guidance") or []), *made]
    data["segments"] = {**(data.get("segments") or {}), **segments}
    data["surveys"] = surveys
    out = io.StringIO()
    YAML(typ="safe", pure=True).dump(data, out)
    document = Document(out.getvalue(), file)
    assert [f.text("en") for f in document.faults] == []
    ids = {r["id"] for r in made}
    rules = [r for r in compile_rules(document.journey, ("draft",)) if r.id in ids]
    assert len(rules) == len(ids) == len(made)
    for rule in rules:
        sends = [step for step in rule.steps if isinstance(step, Send)]
        assert sends
        assert all((tmp_path / s.content).is_file() and f".{language}." in s.content for s in sends if s.content)
    for path in content:
        templates_of(read_piece(tmp_path, path))


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    return started(folder, "shop-5", "en"), folder


def test_places_are_the_maps_own_touchpoints_or_events(shop):
    journey = shop[0].journey
    found = patterns.adopt("thank_you", journey, "en")
    assert found.places == {"order": "order"}
    assert found.rules[0]["when"]["reached"] == "order"
    bare = journey.model_copy(update={"stages": journey.stages[:1], "measures": {}})
    found = patterns.adopt("thank_you", bare, "en")
    assert found.places == {"order": None}
    assert found.rules[0]["when"]["reached"] == {"event": "Order Completed"}


def test_it_is_written_into_the_map_whose_comments_stay_and_texts_that_exist_too(shop):
    document, folder = shop
    mine = folder / "content" / "cart_last.en.md"
    mine.write_text("mine", encoding="utf-8")
    before = document.text
    found = patterns.adopt("abandoned_cart", document.journey, "en")
    assert patterns.add(document, folder, found) == ("content/cart_waiting.en.md",)
    kept = iter((folder / "journey.yaml").read_text(encoding="utf-8").splitlines())
    assert all(line in kept for line in before.splitlines())
    assert patterns.adopt("abandoned_cart", document.journey, "en").rules[0]["id"] == "abandoned_cart_2"
    assert mine.read_text(encoding="utf-8") == "mine"


def test_what_does_not_fit_is_said(shop):
    journey = shop[0].journey
    with pytest.raises(UsageError, match="abandoned_cart"):
        patterns.adopt("abandonned_cart", journey, "en")
    with pytest.raises(UsageError, match="no place"):
        patterns.adopt("thank_you", journey, "en", {"basket": "cart"})
    with pytest.raises(UsageError, match="Nearest: order"):
        patterns.adopt("thank_you", journey, "en", {"order": "ordr"})
    never = tuple(s.model_copy(update={"lapses_after": None}) for s in journey.stages)
    with pytest.raises(UsageError, match="lapses_after"):
        patterns.adopt("win_back", journey.model_copy(update={"stages": never}), "en")
