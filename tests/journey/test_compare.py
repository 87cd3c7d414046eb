"""What changed between two maps, told in both languages."""

# ruff: noqa: E501  (rows of the tables of cases stay on one line)

import pytest

from polku.journey import templates
from polku.journey.compare import compare
from polku.journey.model import Journey
from polku.journey.tree import read_text

OLD = """\
title: {fi: Kauppa, en: Shop}
window: 30d
personas: {sara: {title: Sara, questions: [Mikä koko?]}}
segments: {vip: count(order) > 3}
stages:
  - id: awareness
    touchpoints:
      - {id: ad, match: {event: page, path: /ad}}
      - {id: guide, match: {event: page, path: /guide}}
  - id: decision
    lapses_after: 30d
    touchpoints:
      - {id: cart, match: {event: Product Added}, expect: {share: 12 %, within: 3d}, obstacles: [A, B]}
      - {id: order, match: {event: Order Completed}}
  - id: loyalty
    enter: count(order) >= 2
measures: {first: {kind: conversion, from: ad, to: order}}
guidance: [{id: remind, when: {reached: cart}, holdout: 10 %}]
plan: [{task: Mend it, due: 2026-12-15}]
competitors: [{name: Other, better: [Price]}]
"""

CASES = [
    ("window: 30d", "window: 720h", [], []),
    ("title: {fi: Kauppa, en: Shop}", "title: {en: Shop, fi: Kauppa}", [], []),
    ("window: 30d", "window: 60d", ["The map: window was 30 d, is now 60 d"], ["Kartta: window oli 30 pv, nyt 60 pv"]),
    ("share: 12 %", 'share: ">= 15 %"', ["The touchpoint cart: expect.share was ≥ 12.0%, is now ≥ 15.0%"], ["Kosketuspiste cart: expect.share oli ≥ 12,0\xa0%, nyt ≥ 15,0\xa0%"]),
    ("    lapses_after: 30d\n", "", ["The stage decision: lapses_after is gone: 30 d"], ["Vaihe decision: poistettu lapses_after: 30 pv"]),
    ("obstacles: [A, B]", "obstacles: [B, A]", ["The touchpoint cart: obstacles: the order is now B, A"], ["Kosketuspiste cart: obstacles: järjestys on nyt B, A"]),
    ("obstacles: [A, B]", "obstacles: [B]", ["The touchpoint cart: obstacles is gone: A"], ["Kosketuspiste cart: poistettu obstacles: A"]),
    ("obstacles: [A, B]", "obstacles: [A, C]", ["The touchpoint cart: obstacles was B, is now C"], ["Kosketuspiste cart: obstacles oli B, nyt C"]),
    ("path: /ad", "path: /ads*", ["The touchpoint ad: match was event page; path /ad, is now event page; path /ads*"], ["Kosketuspiste ad: match oli event page; path /ad, nyt event page; path /ads*"]),
    ("      - {id: order, match: {event: Order Completed}}\n  - id: loyalty\n", "  - id: loyalty\n    touchpoints:\n      - {id: order, match: {event: Order Completed}}\n", ["The touchpoint order moved from decision to loyalty"], ["Kosketuspiste order siirtyi: decision → loyalty"]),
    ("      - {id: ad, match: {event: page, path: /ad}}\n      - {id: guide, match: {event: page, path: /guide}}\n", "      - {id: guide, match: {event: page, path: /guide}}\n      - {id: ad, match: {event: page, path: /ad}}\n", ["The stage awareness: the order is now guide, ad"], ["Vaihe awareness: järjestys on nyt guide, ad"]),
    ("  - id: loyalty\n    enter: count(order) >= 2\n", "", ["The stage loyalty is gone"], ["Vaihe loyalty on poistettu"]),
    ("      - {id: guide, match: {event: page, path: /guide}}\n", "      - {id: reviews}\n", ["The touchpoint guide is gone", "The touchpoint reviews is new"], ["Kosketuspiste guide on poistettu", "Kosketuspiste reviews on uusi"]),
    ("vip: count(order) > 3", "vip: count(order) > 4", ["The segment vip: condition was ”count(order) > 3”, is now ”count(order) > 4”"], ["Segmentti vip: condition oli ”count(order) > 3”, nyt ”count(order) > 4”"]),
    ("vip: count(order) > 3", "vip: {condition: count(order) > 3}", [], []),
    ("vip: count(order) > 3", "vip: {condition: count(order) > 3, title: VIP}", ["The segment vip: title is new: VIP"], ["Segmentti vip: lisätty title: VIP"]),
    ("personas: {sara: {title: Sara, questions: [Mikä koko?]}}", "personas: {}", ["The persona sara is gone"], ["Persoona sara on poistettu"]),
    ("title: Sara", "title: Sara, evidence: 12 interviews", ["The persona sara: evidence is new: ”12 interviews”"], ["Persoona sara: lisätty evidence: ”12 interviews”"]),
    ("holdout: 10 %", "holdout: 5 %, state: on", ["The guidance remind: holdout was 10.0%, is now 5.0%", "The guidance remind: state was draft, is now on"], ["Ohjaus remind: holdout oli 10,0\xa0%, nyt 5,0\xa0%", "Ohjaus remind: state oli draft, nyt on"]),
    ("when: {reached: cart}", "when: {reached: order}", ["The guidance remind: when was reached cart, is now reached order"], ["Ohjaus remind: when oli reached cart, nyt reached order"]),
    ("due: 2026-12-15", "due: 2027-01-15", ["The task Mend it: due was 15 Dec 2026, is now 15 Jan 2027"], ["Tehtävä Mend it: due oli 15.12.2026, nyt 15.1.2027"]),
    ("better: [Price]", "better: [Price], seen: 2026-01-02", ["The competitor Other: seen is new: 2 Jan 2026"], ["Kilpailija Other: lisätty seen: 2.1.2026"]),
    ("from: ad, to: order", "from: guide, to: order, within: 7d", ["The measure first: from was ad, is now guide", "The measure first: within is new: 7 d"], ["Mittari first: from oli ad, nyt guide", "Mittari first: lisätty within: 7 pv"]),
    ("id: order, match", "id: order, moment_of_truth: true, match", ["The touchpoint order: moment_of_truth was no, is now yes"], ["Kosketuspiste order: moment_of_truth oli ei, nyt kyllä"]),
]  # fmt: skip


def journey(text: str) -> Journey:
    return Journey.model_validate(read_text(text).data)


@pytest.mark.parametrize(("old", "new", "english", "finnish"), CASES)
def test_a_difference_is_told(old: str, new: str, english: list[str], finnish: list[str]) -> None:
    assert old in OLD
    changes = compare(journey(OLD), journey(OLD.replace(old, new)))
    assert [c.text("en") for c in changes] == english
    assert [c.text("fi") for c in changes] == finnish
    for change in changes:
        told = change.to_dict("en")
        assert told["text"] == change.text("en")
        assert told["kind"] in ("added", "removed", "changed", "moved", "reordered")


def test_stages_in_another_order() -> None:
    swapped = journey(OLD).model_copy(update={"stages": journey(OLD).stages[::-1]})
    (first, *_) = compare(journey(OLD), swapped)
    assert (first.kind, first.new) == ("reordered", ("loyalty", "decision", "awareness"))
    assert first.text("fi") == "Kartta: järjestys on nyt loyalty, decision, awareness"


def test_comparing_the_other_way_round_tells_the_opposite() -> None:
    opposite = {"added": "removed", "removed": "added"}
    for old, new, *_ in CASES:
        there = compare(journey(OLD), journey(OLD.replace(old, new)))
        back = compare(journey(OLD.replace(old, new)), journey(OLD))
        assert sorted((opposite.get(c.kind, c.kind), c.what, c.id, c.key) for c in there) == sorted(
            (c.kind, c.what, c.id, c.key) for c in back
        )


def test_any_two_templates_compare() -> None:
    maps = [journey(templates.text(name, "en")) for name in templates.names()]
    for one in maps:
        assert compare(one, one) == []
        for other in maps:
            changes = compare(one, other)
            assert all(c.text("fi") and c.text("en") for c in changes)
            assert (changes == []) == (one == other)
