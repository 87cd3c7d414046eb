"""The map's rules in the words of its readers: conditions, and what a stage expects and forgets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measures.strategies import conditions
from polku.journey import templates
from polku.journey.in_words import condition_words, expect_words, stage_rules
from polku.journey.load import load_journey
from polku.journey.model import Expect, Journey
from polku.language import Reader

SHOP = Journey.model_validate(
    {
        "title": "Shop",
        "window": "30d",
        "stages": [
            {
                "id": "buy",
                "expect": {"share": "12,5 %", "within": "3d"},
                "touchpoints": [
                    {"id": "order", "title": {"fi": "Tilaus", "en": "Order"}},
                    {"id": "cart", "title": {"fi": "Ostoskori", "en": "Cart"}},
                ],
            },
            {
                "id": "loyal",
                "enter": "count(order) >= 2 within 365d",
                "lapses_after": "180d",
                "active_on": ["order", "cart"],
            },
        ],
    }
)
CASES = [
    ("count(order) >= 2 within 365d", "Order: at least 2 times within 365 d",
     "Tilaus: vähintään 2 kertaa, aikaa 365 pv"),
    ("count(order) >= 1", "Order: at least once", "Tilaus: vähintään kerran"),
    ("count(order, cart) = 3", "Order or Cart: exactly 3 times", "Tilaus tai Ostoskori: tasan 3 kertaa"),
    ("count(*) > 4", "any touchpoint: more than 4 times", "mikä tahansa kosketuspiste: yli 4 kertaa"),
    ("sum(order.value) > 500 within 365d", "Order: more than €500 in all within 365 d",
     "Tilaus: yhteensä yli 500\xa0€, aikaa 365 pv"),
    ("sum(order.value) <= 9.9", "Order: at most €9.90 in all", "Tilaus: yhteensä enintään 9,90\xa0€"),
    ("days_since(order) >= 90", "Order: last at least 90 days ago", "Tilaus: edellisestä vähintään 90 päivää"),
    ("count(order) > 1 and (count(cart) < 2 or not days_since(order) < 5)",
     "Order: more than once; and (Cart: fewer than 2 times; or not (Order: last less than 5 days ago))",
     "Tilaus: useammin kuin kerran; ja (Ostoskori: alle 2 kertaa; tai ei pidä paikkaansa, että "
     "(Tilaus: edellisestä alle 5 päivää))"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "english", "finnish"), CASES)
def test_a_condition_in_words(text: str, english: str, finnish: str) -> None:
    assert condition_words(text, SHOP, Reader("en")) == english
    assert condition_words(text, SHOP, Reader("fi")) == finnish


@given(conditions, st.sampled_from(["fi", "en"]))
def test_every_condition_has_words(text: str, language: str) -> None:
    told = condition_words(text, SHOP, Reader(language))
    assert told
    assert "{" not in told


def test_the_rules_of_a_stage() -> None:
    first, second = (stage_rules(s, SHOP, Reader("en")) for s in SHOP.stages)
    assert [(r.title, r.text) for r in first] == [("Target", "at least 12.5% go on within 3 d")]
    assert [(r.title, r.text) for r in second] == [
        ("Entered when", "Order: at least 2 times within 365 d"),
        ("Lapses after", "180 d without activity"),
        ("Counts as activity", "Order, Cart"),
    ]
    assert [r.title for r in stage_rules(SHOP.stages[1], SHOP, Reader("fi"))] == [
        "Vaiheeseen pääsee, kun", "Hiipuu, kun on kulunut", "Toiminnaksi lasketaan",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        (None, ""),
        ({}, ""),
        ({"share": "30 %"}, "at least 30% go on within 30 d"),
        ({"share": "<= 40 %", "within": "1d"}, "at most 40% go on within 1 d"),
        ({"within": "3d"}, "time to go on: 3 d"),
    ],
)
def test_what_is_expected(expect: dict[str, str] | None, said: str) -> None:
    part = None if expect is None else Expect.model_validate(expect)
    assert expect_words(part, SHOP.window, Reader("en")) == said


@pytest.mark.parametrize("language", ["fi", "en"])
@pytest.mark.parametrize("name", templates.names())
def test_the_rules_of_every_template(tmp_path, name: str, language: str) -> None:
    files = templates.write(tmp_path / name, name, language)
    journey = load_journey(next(f for f in files if f.name == "journey.yaml"))
    for stage in journey.stages:
        rules = stage_rules(stage, journey, Reader(language))
        assert bool(rules) == bool(stage.expect or stage.enter or stage.lapses_after or stage.active_on)
