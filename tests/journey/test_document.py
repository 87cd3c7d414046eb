"""Documents: edits that change what they are about and nothing else, and a save that is all or nothing."""

# ruff: noqa: E501  (rows of the tables of cases stay on one line)

import difflib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polku.errors import MapError
from polku.journey import templates
from polku.journey.document import Document, replace_file
from polku.journey.edit import plain
from polku.journey.fault import FaultyMapError
from polku.journey.load import load, load_journey

TEXT = """\
# Our shop's map
polku: 1
title: {fi: Kauppa, en: Shop}   # both languages

window: 30d
stages:
  # People who do not know us yet
  - id: awareness
    title: Awareness  # first
    actions: [see an ad, "click, perhaps"]
    touchpoints:
      - id: ad
        match: {event: page, where: "context.campaign.source = 'instagram'"}
        questions:
          - Is this for me?
          # the one we hear most
          - What does it cost?

      # to be written
      - {id: poster, owner: mikko}
  - id: decision
    touchpoints:
      - id: cart
        match: {event: Product Added}
        obstacles: Delivery is dear
    goal: >-
      Buy
      it

measures:
  first: {kind: conversion, from: ad, to: cart}
review:
# the end
"""


def changed(old: str, new: str) -> list[str]:
    """The lines that differ, as a diff shows them."""
    return [
        line
        for line in difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm="")
        if not line.startswith(("---", "+++", "@@"))
    ]


SET: list[tuple[tuple[str | int, ...], Any, list[str]]] = [
    (("window",), "60d", ["-window: 30d", "+window: 60d"]),
    (("stages", 0, "title"), "Tietoisuus: alku", ["-    title: Awareness  # first", "+    title: 'Tietoisuus: alku'  # first"]),
    (("title", "en"), "Shop, ours", ["-title: {fi: Kauppa, en: Shop}   # both languages", "+title: {fi: Kauppa, en: 'Shop, ours'}   # both languages"]),
    (("title", "sv"), "Butik", ["-title: {fi: Kauppa, en: Shop}   # both languages", "+title: {fi: Kauppa, en: Shop, sv: Butik}   # both languages"]),
    (("title",), "Shop", ["-title: {fi: Kauppa, en: Shop}   # both languages", "+title: Shop   # both languages"]),
    (("review",), "every 3 months", ["-review:", "+review: every 3 months"]),
    (("currency",), "SEK", ["+currency: SEK"]),
    (("stages", 0, "lapses_after"), "30d", ["+    lapses_after: 30d"]),
    (("stages", 0, "actions", 0), "see", ['-    actions: [see an ad, "click, perhaps"]', '+    actions: [see, "click, perhaps"]']),
    (("stages", 1, "goal"), "Buy it", ["-    goal: >-", "-      Buy", "-      it", "+    goal: Buy it"]),
    (("stages", 0, "touchpoints", 0, "questions"), "One?", ["-        questions:", "-          - Is this for me?", "-          # the one we hear most", "-          - What does it cost?", "+        questions: One?"]),
    (("stages", 0, "touchpoints", 1, "match"), {"event": "Poster Seen"}, ["-      - {id: poster, owner: mikko}", "+      - {id: poster, owner: mikko, match: {event: Poster Seen}}"]),
    (("stages", 1, "touchpoints", 0, "expect"), {"share": "12 %", "within": "3d"}, ["+        expect: {share: 12 %, within: 3d}"]),
    (("measures", "second"), {"kind": "funnel", "steps": ["ad", "cart"], "title": {"fi": "Ostopolku alusta loppuun", "en": "The path to the cart from its start"}, "target": ">= 3 %"}, ["+  second:", "+    kind: funnel", "+    steps: [ad, cart]", "+    title: {fi: Ostopolku alusta loppuun, en: The path to the cart from its start}", "+    target: '>= 3 %'"]),
    (("stages", 1, "touchpoints", 0, "obstacles"), ["Delivery is dear", {"fi": "Maksu", "en": "Payment"}], ["-        obstacles: Delivery is dear", "+        obstacles:", "+          - Delivery is dear", "+          - {fi: Maksu, en: Payment}"]),
    (("stages", 0, "touchpoints", 0, "moment_of_truth"), True, ["+        moment_of_truth: true"]),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "expected"), SET)
def test_set_changes_what_it_is_about(path: tuple[str | int, ...], value: Any, expected: list[str]) -> None:
    document = Document(TEXT)
    document.set(path, value)
    assert changed(TEXT, document.text) == expected


def test_set_is_undone_by_setting_it_back() -> None:
    document = Document(TEXT)
    document.set(("window",), "60d")
    document.set(("window",), "30d")
    assert document.text == TEXT


def test_append_and_insert() -> None:
    document = Document(TEXT)
    document.append(("stages", 0, "touchpoints", 0, "questions"), "Who are you?")
    document.insert(("stages", 0, "actions"), 1, "read: it")
    document.append(("plan",), {"task": "Mend it"})
    document.append(("plan",), {"task": "And this"})
    document.insert(("stages", 0, "touchpoints"), 0, {"id": "search"})
    assert changed(TEXT, document.text) == [
        '-    actions: [see an ad, "click, perhaps"]',
        "+    actions: [see an ad, 'read: it', \"click, perhaps\"]",
        "+      - {id: search}",
        "+          - Who are you?",
        "+plan:",
        "+  - {task: Mend it}",
        "+  - {task: And this}",
    ]


def test_remove_keeps_the_comments_above() -> None:
    document = Document(TEXT)
    document.remove(("stages", 0, "touchpoints", 1))
    document.remove(("stages", 0, "actions", 1))
    document.remove(("title", "fi"))
    document.remove(("window",))
    document.remove(("stages", 1, "touchpoints", 0, "obstacles"))
    assert changed(TEXT, document.text) == [
        "-title: {fi: Kauppa, en: Shop}   # both languages",
        "+title: {en: Shop}   # both languages",
        "-window: 30d",
        '-    actions: [see an ad, "click, perhaps"]',
        "+    actions: [see an ad]",
        "-      - {id: poster, owner: mikko}",
        "-        obstacles: Delivery is dear",
    ]


def test_removing_the_only_item_leaves_an_empty_list() -> None:
    document = Document(TEXT)
    document.remove(("stages", 1, "touchpoints", 0))
    assert document.data["stages"][1]["touchpoints"] is None
    document.append(("stages", 1, "touchpoints"), {"id": "order", "match": {"event": "Order Completed"}})
    assert "touchpoints: [{id: order" in document.text or "      - id: order" in document.text


def test_a_touchpoint_moves_as_it_is_written() -> None:
    document = Document(TEXT)
    document.move_touchpoint("ad", "decision", before="cart")
    assert [t["id"] for t in document.data["stages"][1]["touchpoints"]] == ["ad", "cart"]
    assert "          # the one we hear most\n" in document.text
    assert "# to be written" in document.text
    document.move_touchpoint("ad", "awareness", before="poster")
    assert [t["id"] for t in document.data["stages"][0]["touchpoints"]] == ["ad", "poster"]
    document.move_touchpoint("ad", "awareness")
    assert [t["id"] for t in document.data["stages"][0]["touchpoints"]] == ["poster", "ad"]


def test_a_new_touchpoint() -> None:
    document = Document(TEXT)
    document.add_touchpoint(
        "decision", {"id": "order", "title": {"fi": "Tilaus", "en": "Order"}, "match": {"event": "Order Completed"}}
    )
    assert changed(TEXT, document.text) == [
        "+      - id: order",
        "+        title: {fi: Tilaus, en: Order}",
        "+        match: {event: Order Completed}",
    ]
    document.add_touchpoint("awareness", {"id": "search"}, before="poster")
    assert document.journey.touchpoint_ids == ("ad", "search", "poster", "cart", "order")


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda d: d.remove(("windw",)), "'window'"),
        (lambda d: d.remove(("stages", 9)), "stages.9"),
        (lambda d: d.set(("stages", 9, "title"), "x"), "stages.9"),
        (lambda d: d.set(("stages", "title"), "x"), "stages"),
        (lambda d: d.set((), "x"), "-"),
        (lambda d: d.insert(("stages",), 7, {"id": "x"}), "2 items"),
        (lambda d: d.append(("window",), "x"), "no list"),
        (lambda d: d.set(("window",), object()), "object"),
        (lambda d: d.add_touchpoint("decison", {"id": "x"}), "decision"),
        (lambda d: d.add_touchpoint("decision", {"id": "x"}, before="ad"), "not in the stage"),
        (lambda d: d.move_touchpoint("crt", "decision"), "cart"),
    ],
)
def test_an_edit_that_cannot_be_says_why_and_changes_nothing(edit: Any, said: str) -> None:
    document = Document(TEXT)
    with pytest.raises(MapError) as caught:
        edit(document)
    assert said in str(caught.value)
    assert caught.value.text("fi") != str(caught.value)
    assert document.text == TEXT


def test_what_an_alias_stands_for_is_not_changed_behind_its_back() -> None:
    text = "title: &t Shop\ndescription: *t\nstages: [{id: a, touchpoints: [{id: b, match: {event: page}}]}]\n"
    document = Document(text)
    for edit in (lambda: document.set(("title",), "New"), lambda: document.remove(("description",))):
        with pytest.raises(MapError, match="by hand"):
            edit()
    assert document.text == text


def test_windows_lines_and_a_byte_order_mark_stay(tmp_path: Path) -> None:
    file = tmp_path / "journey.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    document = load(file)
    document.set(("currency",), "SEK")
    document.append(("stages", 0, "touchpoints", 0, "questions"), "Who?")
    document.save()
    content = file.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf# Our")
    assert content.count(b"\r\n") == content.count(b"\n")
    assert load_journey(file).currency == "SEK"


def test_save_writes_what_was_read_when_nothing_changed(tmp_path: Path) -> None:
    for name in templates.names():
        for language in ("fi", "en"):
            content = templates.text(name, language).encode()
            file = tmp_path / "journey.yaml"
            file.write_bytes(content)
            load(file).save()
            assert file.read_bytes() == content


def test_save_refuses_when_the_file_changed_meanwhile(tmp_path: Path) -> None:
    file = tmp_path / "journey.yaml"
    file.write_text(TEXT, encoding="utf-8")
    document = load(tmp_path)
    document.set(("window",), "60d")
    file.write_text(TEXT + "# mine\n", encoding="utf-8")
    with pytest.raises(MapError, match="changed by someone else"):
        document.save()
    assert file.read_text(encoding="utf-8") == TEXT + "# mine\n"
    file.unlink()
    with pytest.raises(MapError, match="changed by someone else"):
        document.save()


def test_save_refuses_a_faulty_map(tmp_path: Path) -> None:
    file = tmp_path / "journey.yaml"
    file.write_text(TEXT, encoding="utf-8")
    document = load(file)
    document.set(("window",), "soon")
    with pytest.raises(FaultyMapError) as caught:
        document.save()
    assert caught.value.faults[0].line == 5
    assert file.read_text(encoding="utf-8") == TEXT
    document.save(faulty=True)
    assert "window: soon" in file.read_text(encoding="utf-8")


def test_a_document_can_be_saved_twice_and_elsewhere(tmp_path: Path) -> None:
    document = Document(TEXT)
    with pytest.raises(MapError, match="no file"):
        document.save()
    document.save(tmp_path / "a.yaml")
    document.set(("window",), "60d")
    document.save()
    assert load_journey(tmp_path / "a.yaml").window == 60 * 86400
    assert [p.name for p in tmp_path.iterdir()] == ["a.yaml"]


def test_a_save_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "journey.yaml"
    file.write_text(TEXT, encoding="utf-8")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(file, b"new")
    assert file.read_text(encoding="utf-8") == TEXT
    assert list(tmp_path.iterdir()) == [file]


def test_lines_of_parts() -> None:
    document = Document(TEXT)
    for path, line, column in [
        (("title",), 3, 1),
        (("stages", 0), 8, 5),
        (("stages", 0, "touchpoints", 0, "match", "where"), 13, 30),
        (("stages", 0, "touchpoints", 1), 20, 9),
        (("measures", "first", "to"), 31, 39),
    ]:
        assert (document.lines[path].line, document.lines[path].column) == (line, column), path
    assert document.place(("stages", 0, "touchpoints", 0, "match", 0, "event")).line == 13


def test_a_map_that_cannot_be_read_tells_all_its_faults(tmp_path: Path) -> None:
    file = tmp_path / "journey.yaml"
    with pytest.raises(FaultyMapError, match="no such file"):
        load_journey(file)
    file.write_text("title: x\nwindow: soon\nstages: []\n", encoding="utf-8")
    with pytest.raises(FaultyMapError) as caught:
        load_journey(tmp_path)
    assert [f.line for f in caught.value.faults] == [2, 3]
    assert f"{file}:2:9: window:" in str(caught.value)
    assert "on virheitä (2)" in caught.value.text("fi")
    assert len(caught.value.to_dict("fi")["error"]["faults"]) == 2
    file.write_text("title: [", encoding="utf-8")
    with pytest.raises(FaultyMapError):
        load(file)


paths = st.sampled_from([p for p, _, _ in SET] + [("stages", 0, "touchpoints", 0, "questions", 1), ("measures", "first"), ("stages", 1, "goal")])  # fmt: skip
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=12)
simple = st.one_of(texts, st.integers(-99, 99), st.booleans(), st.none(), st.dates(), st.floats(-1e6, 1e6))
values = st.one_of(
    simple,
    st.lists(st.one_of(simple, st.dictionaries(st.sampled_from(["fi", "en"]), texts, max_size=2)), max_size=3),
    st.dictionaries(st.sampled_from(["a", "b", "c"]), st.one_of(simple, st.lists(simple, max_size=2)), max_size=3),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(["set", "append", "remove"]), paths, values), max_size=4))
def test_any_edit_does_what_it_says_or_nothing(edits: list[tuple[str, tuple[str | int, ...], Any]]) -> None:
    document = Document(TEXT)
    for kind, path, value in edits:
        before = document.text
        try:
            if kind == "set":
                document.set(path, value)
            elif kind == "append":
                document.append(path, value)
            else:
                document.remove(path)
        except MapError:
            assert document.text == before
            continue
        again = Document(document.content)
        assert again.data == document.data
        if kind == "set":
            assert _at(again.data, path) == plain(value)
        for comment in ("# Our shop's map", "# People who", "# the end"):
            assert comment in document.text


def _at(data: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        data = data[step]
    return data
