"""Check finds every fault at once, each with its code, its place and what to do. One table; one faulty line a row."""

# ruff: noqa: E501  (rows of the tables of cases stay on one line)

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polku.journey.check import Fault, check, check_text
from polku.journey.tree import MOST_BYTES, read_bytes

GOOD = """\
polku: 1
title: {fi: Ensimmäinen tilaus, en: First order}
timezone: Europe/Helsinki
currency: EUR
window: 30d
review: every 3 months
reviewed: 2026-05-01
personas:
  sara: {title: Sara, where: "traits.segment = 'fashion'"}
segments:
  vip: sum(order.value) > 500 within 365d
stages:
  - id: awareness
    goal: Find something for me
    touchpoints:
      - id: ad
        match: {event: page, where: "context.campaign.source = 'instagram'"}
        personas: [sara]
      - {id: guide, match: {path: /size-guide*}}
      - {id: poster}
  - id: decision
    expect: {share: 40 %, within: 7d}
    touchpoints:
      - {id: cart, match: {event: Product Added}, expect: {share: 12 %, within: 3d}}
  - id: loyalty
    enter: count(order) >= 2 within 365d
    active_on: [order]
    touchpoints:
      - id: order
        match: {event: Order Completed}
        felt: {where: "properties.survey = 'order'", scale: [0, 10]}
measures:
  first: {kind: conversion, from: cart, to: order, within: 7d, target: ">= 3 %"}
  path: {kind: funnel, steps: [ad, cart, order]}
guidance:
  - {id: reminder, when: {reached: cart, without: order, for: 4h}, judge_by: first}
plan:
  - {task: Mend it, touchpoint: cart, stage: decision, due: 2026-12-15}
"""

#: (replace this, by this, code, line, column, part of the English text)
CASES = [
    # shape
    ("polku: 1", "polku: 2", "value.version", 1, 8, "version 2"),
    ("window: 30d", "windw: 30d", "shape.unknown_key", 5, 1, "'window'"),
    ("window: 30d", "window: soon", "value.unreadable", 5, 9, "'soon' is not a duration"),
    ("window: 30d", "window: 0d", "value.unreadable", 5, 9, "too short"),
    ("window: 30d", "window: 9999999y", "value.unreadable", 5, 9, "too long"),
    ("title: {fi: Ensimmäinen tilaus, en: First order}", "title: 5", "value.unreadable", 2, 8, "put it in quotes"),
    ("title: {fi: Ensimmäinen tilaus, en: First order}", "title: ''", "value.unreadable", 2, 8, "empty"),
    ("title: {fi: Ensimmäinen tilaus, en: First order}", "title: {finnish: x}", "value.unreadable", 2, 8, "'finnish'"),
    ("title: {fi: Ensimmäinen tilaus, en: First order}", "title: {fi: }", "value.unreadable", 2, 8, "'fi' is missing"),
    ("title: {fi: Ensimmäinen tilaus, en: First order}", "description: x", "shape.missing", 1, 1, "'title' is missing"),
    ("    goal: Find something for me", "    within: 3d", "shape.unknown_key", 14, 5, "under 'expect'"),
    ("    goal: Find something for me", "    feeling: 3", "value.range", 14, 14, "-2 and 2"),
    ("    goal: Find something for me", "    feeling: good", "shape.number", 14, 14, "'good'"),
    ("id: awareness", "id: Ensi Äskel", "value.id", 13, 9, "ensi_askel"),
    ("id: awareness", f"id: {'a' * 61}", "value.long", 13, 9, "too long"),
    ("{id: poster}", "poster", "shape.mapping", 20, 9, "key: value"),
    ("{id: poster}", "{id: poster, optional: perhaps}", "shape.boolean", 20, 32, "true nor false"),
    ("{id: poster}", "{id: poster, tools: [1]}", "value.unreadable", 20, 30, "put it in quotes"),
    ("{id: poster}", "{title: A}", "shape.missing", 20, 9, "'id' is missing"),
    ("{id: poster}", "{id: poster, match: Product Viewed}", "shape.mapping", 20, 29, "key: value"),
    ("plan:\n  - {task", "plan:\n    {task", "shape.list", 38, 5, "a list is needed"),
    ("scale: [0, 10]", "scale: [1]", "shape.pair", 31, 61, "two numbers"),
    ("scale: [0, 10]", "scale: [1, 2, 3]", "shape.pair", 31, 61, "two numbers"),
    ("scale: [0, 10]", "scale: [5, 5]", "felt.scale", 31, 61, "the same"),
    ("kind: conversion", "kind: convrsion", "value.choice", 33, 17, "'conversion'"),
    ("kind: conversion", "kind: quiz", "value.choice", 33, 17, "is not known here; there are stages"),
    ("share: 12 %", "share: lots", "value.unreadable", 24, 67, "is not a target"),
    ("due: 2026-12-15", "due: 15.12.2026", "value.unreadable", 38, 61, "is no date"),
    ("due: 2026-12-15", "due: 2026-02-30", "value.unreadable", 38, 61, "no such day"),
    ("due: 2026-12-15", "due: 20261215", "value.unreadable", 38, 61, "is no date"),
    ("review: every 3 months", "review: now and then", "value.unreadable", 6, 9, "not an interval"),
    ("timezone: Europe/Helsinki", "timezone: Europe/Helsinky", "value.timezone", 3, 11, "'Europe/Helsinki'"),
    ("timezone: Europe/Helsinki", "timezone: ../../etc/passwd", "value.timezone", 3, 11, "no time zone"),
    ("currency: EUR", "currency: EUO", "value.currency", 4, 11, "'EUR'"),
    ("currency: EUR", "currency: euros", "value.currency", 4, 11, "three letters"),
    # names
    ("{id: poster}", "{id: cart}", "id.touchpoint_twice", 24, 14, "claimed by the stage 'awareness' already, on line 20"),
    ("- id: decision", "- id: awareness", "id.stage_twice", 21, 9, "on line 13"),
    ("plan:", "  - {id: reminder, when: {}}\nplan:", "id.guidance_twice", 37, 10, "on line 36"),
    ("active_on: [order]", "active_on: [ordr]", "name.touchpoint", 27, 17, "'order'"),
    ("to: order", "to: ordr", "name.touchpoint", 33, 45, "'order'"),
    ("steps: [ad, cart, order]", "steps: [ad, crt, order]", "name.touchpoint", 34, 36, "'cart'"),
    ("touchpoint: cart", "touchpoint: zzzz", "name.touchpoint", 38, 33, "there are ad, guide, poster, cart, order"),
    ("stage: decision", "stage: decison", "name.stage", 38, 46, "'decision'"),
    ("personas: [sara]", "personas: [sarah]", "name.persona", 18, 20, "'sara'"),
    ("reached: cart", "reached: crt", "name.place", 36, 36, "'cart'"),
    ("for: 4h", "for: a while", "value.unreadable", 36, 63, "not a duration"),
    ("{id: cart, match", "{id: cart, channel: wbe, match", "name.channel", 24, 29, "did you mean 'web'?"),
    ("{id: cart, match", "{id: cart, channel: kiosk, match", "name.channel", 24, 29, "it knows web, email"),
    ("reached: cart, without: order, for: 4h}", "reached: cart}, send: {channel: emial}", "name.channel", 36, 59, "'email'"),
    ("reached: cart, without: order, for: 4h}", "reached: cart}, only_if: {consent: e-mail}", "name.consent", 36, 62, "'email'"),
    ("reached: cart, without: order, for: 4h}", "reached: cart}, only_if: {consent: zzz}", "name.consent", 36, 62, "where events name it"),
    ("judge_by: first", "judge_by: frist", "name.measure", 36, 78, "'first'"),
    ("reached: cart", "entered: desision", "name.stage", 36, 36, "'decision'"),
    ("reached: cart", "failed: crt", "name.touchpoint", 36, 35, "'cart'"),
    ("reached: cart", "failed: cart", "reach.fails", 36, 35, "has no fails"),
    ("reached: cart", "reachd: cart", "shape.unknown_key", 36, 27, "'reached'"),
    ("without: order", "colour: order", "shape.unknown_key", 36, 42, "there are reached"),
    ("judge_by: first", "only_if: {consnt: email}", "shape.unknown_key", 36, 78, "'consent'"),
    ("reached: cart", "segment: vp", "name.segment", 36, 36, "'vip'"),
    # expressions
    ("\"context.campaign.source = 'instagram'\"", "\"contxt.campaign.source = 'x'\"", "where.syntax", 17, 38, "'context'"),
    ("\"context.campaign.source = 'instagram'\"", "\"event = 'x' and vlue = 3\"", "where.syntax", 17, 54, "'value'"),
    ("\"properties.survey = 'order'\"", "'properties.survey = ''order'' and x = 1'", "where.syntax", 31, 58, "properties.x"),
    ("\"traits.segment = 'fashion'\"", "\"event = 'page'\"", "where.persona", 9, 31, "known by traits"),
    ("vip: sum(order.value)", "vip: sum(ordr.value)", "name.touchpoint", 11, 12, "'order'"),
    ("enter: count(order) >= 2", "enter: count(order) > two", "condition.syntax", 26, 27, "number is missing"),
    # what can never be
    ("{path: /size-guide*}", "{event: page, where: \"context.campaign.source = 'instagram' and value > 1\"}", "match.never", 19, 28, "'ad' already, which stands before it, on line 16"),
    ("{path: /size-guide*}", "{}", "match.empty", 19, 28, "every event"),
    ("match: {event: Product Added}, expect", "expect", "reach.stage", 21, 9, "nobody can enter"),
    ("{id: poster}", "{id: poster, expect: {share: 5 %}}", "reach.planned", 20, 38, "no match"),
    ("from: cart", "from: poster", "reach.planned", 33, 35, "no match"),
    ("active_on: [order]", "active_on: [poster]", "reach.planned", 27, 17, "no match"),
    ("vip: sum(order.value) > 500", "vip: count(poster) > 500", "reach.planned", 11, 14, "no match"),
    # a segment in its long form
    ("vip: sum(order.value) > 500 within 365d", "vip: {title: VIP, condition: sum(ordr.value) > 1}", "name.touchpoint", 11, 36, "'order'"),
    ("vip: sum(order.value) > 500 within 365d", "vip: {title: VIP, condition: count(order) > two}", "condition.syntax", 11, 47, "number is missing"),
    ("vip: sum(order.value) > 500 within 365d", "vip: {title: VIP, condition: count(poster) > 5}", "reach.planned", 11, 38, "no match"),
    ("vip: sum(order.value) > 500 within 365d", "vip: {title: VIP}", "shape.missing", 11, 3, "'condition' is missing"),
    ("vip: sum(order.value) > 500 within 365d", "vip: {titel: VIP, condition: count(order) > 1}", "shape.unknown_key", 11, 9, "'title'"),
    ("vip: sum(order.value) > 500 within 365d", "vip: 5", "value.unreadable", 11, 8, "a name is needed"),
    ("    active_on: [order]", "    expect: {share: 5 %}", "reach.last", 27, 21, "last stage"),
    ("share: 12 %", "share: 120 %", "reach.share", 24, 67, "at most 100 %"),
    ("share: 12 %", "share: 12", "reach.share", 24, 67, "did you mean 12 %?"),
    ('">= 3 %"', "3", "reach.share", 33, 72, "did you mean 3 %?"),
    ("from: cart, to: order", "from: order, to: cart", "reach.backward", 33, 46, "earlier stage"),
    ("from: cart, to: order", "from: order, to: order", "reach.same", 33, 46, "both the start and the end"),
    ("from: cart, to: order,", "from: cart,", "measure.to", 33, 10, "needs 'to'"),
    ("steps: [ad, cart, order]", "steps: [ad]", "measure.steps", 34, 9, "two steps"),
    ("to: order, within: 7d", "to: order, options: {wihtin: 7d}", "measure.option", 33, 70, "'within'"),
    ("to: order, within: 7d", "to: order, options: {within: soon}", "value.unreadable", 33, 70, "soon"),
    ("to: order, within: 7d", "to: order, options: {by: nobody}", "measure.value", 33, 66, "customer"),
    ("to: order, within: 7d", "to: order, within: 7d, options: {within: 7d}", "measure.twice", 33, 82, "beside kind"),
    ("kind: conversion", "kind: sources", "measure.target", 33, 69, "no target can be reached"),
    # YAML
    ("    goal: Find", "\tgoal: Find", "yaml.tab", 14, 1, "spaces"),
    ("goal: Find something for me", "goal: Find: me", "yaml.colon", 14, 15, "quotes"),
    ("goal: Find something for me", "goal: @me", "yaml.sign", 14, 11, "'@'"),
    ("goal: Find something for me", "goal: *me", "yaml.alias", 14, 11, "quotes"),
    ("goal: Find something for me", "goal: !!python/object x", "yaml.tag", 14, 11, "tag"),
    ("personas: [sara]", "personas: [sara", "yaml.bracket", 19, 9, "on line 18"),
    ("currency: EUR", "currency: EUR\ncurrency: USD", "yaml.key_twice", 5, 1, "line 4"),
    ("currency: EUR", "currency: EUR\n? [a]\n: b", "yaml.key", 5, 3, "a word"),
    ("currency: EUR", "currency: E\x07R", "yaml.sign", 4, 12, "U+0007"),
    ("segments:", "segments:\n---", "yaml.documents", 11, 1, "second document"),
]  # fmt: skip


def test_a_good_map_has_no_fault() -> None:
    assert check_text(GOOD) == []


@pytest.mark.parametrize(("old", "new", "code", "line", "column", "said"), CASES)
def test_a_fault_is_found_where_it_stands(old: str, new: str, code: str, line: int, column: int, said: str) -> None:
    assert old in GOOD
    faults = check_text(GOOD.replace(old, new, 1))
    found = [f for f in faults if f.code == code]
    assert found, [str(f) for f in faults]
    assert said in found[0].text("en")
    assert (found[0].line, found[0].column) == (line, column), str(found[0])


def test_every_fault_can_be_told_in_finnish() -> None:
    untold = set()
    for old, new, *_ in CASES:
        for fault in check_text(GOOD.replace(old, new, 1)):
            if fault.text("fi") == fault.text("en"):
                untold.add(fault.message)
    assert not untold


def test_all_faults_are_told_at_once_in_order_of_place() -> None:
    text = GOOD
    apart = [c for c in CASES if not c[2].startswith("yaml") and len(c[0]) > 8 and c[0] in text]
    used: list[str] = []
    for old, new, code, *_ in apart:
        if text.count(old) == 1 and code in (
            "value.timezone",
            "value.unreadable",
            "name.persona",
            "reach.last",
            "name.measure",
        ):
            text = text.replace(old, new, 1)
            used.append(code)
    faults = check_text(text)
    assert {f.code for f in faults} >= set(used)
    assert len(faults) >= 8
    assert [(f.line, f.column) for f in faults] == sorted((f.line, f.column) for f in faults)


def test_a_fault_in_one_part_is_no_fault_of_what_refers_to_it() -> None:
    text = GOOD.replace("{id: cart, match", "{id: cart, surprise: 1, match")
    assert [f.code for f in check_text(text)] == ["shape.unknown_key"]


def test_a_matcher_that_is_covered_among_others_is_a_warning() -> None:
    text = GOOD.replace(
        "{path: /size-guide*}",
        "[{event: A}, {event: page, where: \"context.campaign.source = 'instagram' and value > 1\"}]",
    )
    (fault,) = check_text(text)
    assert (fault.code, fault.severity) == ("match.covered", "warning")


def test_a_missing_content_file_is_a_warning(tmp_path: Path) -> None:
    text = GOOD.replace("judge_by: first}", "send: {channel: email, content: content/remind.md}}")
    (tmp_path / "journey.yaml").write_text(text, encoding="utf-8")
    (fault,) = check(tmp_path)
    assert (fault.code, fault.severity) == ("file.content", "warning")
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "reminder.md").write_text("Hei", encoding="utf-8")
    assert "'content/reminder.md'" in check(tmp_path)[0].text()
    (tmp_path / "content" / "remind.md").write_text("Hei", encoding="utf-8")
    assert check(tmp_path) == []
    (tmp_path / "journey.yaml").write_text(text.replace("content/remind.md", "../remind.md"), encoding="utf-8")
    assert check(tmp_path)[0].code == "file.outside"


@pytest.mark.parametrize(
    ("content", "code", "line", "column"),
    [
        (b"", "yaml.empty", 1, 1),
        (b"# nothing\n", "yaml.empty", 1, 1),
        (b"just words", "shape.mapping", 1, 1),
        (b"- a\n- b\n", "shape.mapping", 1, 1),
        ("title: Täällä\n".encode("latin-1"), "yaml.encoding", 1, 9),
        ("polku: 1\ntitle: Täällä\n".encode("cp1252"), "yaml.encoding", 2, 9),
        ("title: x\n".encode("utf-16"), "yaml.encoding", 1, 1),
        (b"title: a\x00b", "yaml.sign", 1, 9),
        (b"[" * 5000, "yaml.deep", 1, 201),
        (b"- " * 400, "yaml.deep", None, None),
        (b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 10)) for c in range(98, 110)), "yaml.deep", None, None),
        (b"a: &a [*a]\n", "yaml.deep", None, None),
        (b"x" * (MOST_BYTES + 1), "yaml.large", 1, 1),
        (b'title: "\\U00110000"\n', "yaml.broken", None, None),
        (b"%YAML 3.0\n---\ntitle: x\n", "yaml.broken", 1, 1),
    ],
)  # fmt: skip
def test_broken_files_are_told_and_never_crash(
    tmp_path: Path, content: bytes, code: str, line: int | None, column: int | None
) -> None:
    file = tmp_path / "journey.yaml"
    file.write_bytes(content)
    faults = check(file)
    found = next(f for f in faults if f.code == code)
    if line is not None:
        assert (found.line, found.column) == (line, column)
    assert found.file == str(file)


def test_a_file_that_is_not_there() -> None:
    (fault,) = check(Path("no/such/journey.yaml"))
    assert fault.code == "file.none"


def test_words_that_are_booleans_in_older_yaml_stay_words() -> None:
    tree = read_bytes(b"on: no\nyes: off\nn: 012\ndate: 2026-01-01\nbad: 2026-02-30\nhex: 0x1f\nfloat: 1e3\nnone: ~\n")
    assert tree.data["on"] == "no"
    assert tree.data["yes"] == "off"
    assert (tree.data["hex"], tree.data["float"], tree.data["none"]) == (31, 1000.0, None)
    assert tree.data["bad"] == "2026-02-30"


def test_a_byte_order_mark_and_windows_lines_are_read() -> None:
    content = b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()
    tree = read_bytes(content)
    assert not tree.faults
    assert tree.place(("stages", 0)).line == 13


def test_merges_and_anchors_are_read_with_what_is_written_out_first() -> None:
    tree = read_bytes(b"base: &b {x: 1, y: 2}\nmine: {<<: *b, y: 3}\n")
    assert tree.data["mine"] == {"x": 1, "y": 3}


def test_what_a_fault_says() -> None:
    (fault,) = check_text(GOOD.replace("judge_by: first", "judge_by: frist"), file="shop/journey.yaml")
    assert str(fault) == (
        "shop/journey.yaml:36:78: guidance.reminder.judge_by: there is no measure 'frist' in this map; did you mean 'first'?"
    )
    assert (
        fault.text("fi") == "guidance.reminder.judge_by: tässä kartassa ei ole mittaria ”frist”; tarkoititko ”first”?"
    )
    told = fault.to_dict("fi")
    assert told["path"] == ["guidance", 0, "judge_by"]
    assert told["facts"]["nearest"] == "first"


lines = GOOD.splitlines(keepends=True)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_check_never_crashes_on_a_mangled_map(data: st.DataObject) -> None:
    text = "".join(lines)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 30))
        new = data.draw(st.one_of(st.sampled_from(["\t", "- ", ": ", "{", "]", "'", '"', "&a ", "*a", "!!x ", "\n", "null", "[1, 2]", "0", "%", "\x85", "\u2028", "<<: "]), st.text(max_size=4)))  # fmt: skip
        text = text[:at] + new + text[at + length :]
    faults = check_text(text)
    count = len(re.split("\r\n|[\n\r\x85\u2028\u2029]", text)) + 1
    assert all(1 <= f.line <= count and f.column >= 1 and f.text("fi") and f.text("en") for f in faults)


@settings(deadline=None, max_examples=150)
@given(st.one_of(st.text(max_size=80), st.binary(max_size=80)))
def test_check_never_crashes_on_anything(content: str | bytes) -> None:
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    tree = read_bytes(raw)
    assert tree.faults or tree.data is not None or tree.text.strip() in ("null", "~", "") or tree.text


plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.dates(), st.just("count(a) > 1")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(
        ["id", "title", "stages", "touchpoints", "match", "event", "where", "enter", "expect", "share", "measures", "guidance", "when", "felt", "scale", "personas", "plan", "segments", "x"]), inner, max_size=5)),
    max_leaves=25,
)  # fmt: skip


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["title", "stages", "measures", "guidance", "plan", "personas", "segments", "window", "review", "timezone", "currency"]), plain, max_size=8))  # fmt: skip
def test_check_never_crashes_on_any_data(data: dict[str, object]) -> None:
    from polku.journey.check import checked
    from polku.journey.tree import Tree

    journey, faults = checked(Tree("", data=data), "x", None)
    assert (journey is None) == any(f.severity == "error" for f in faults)
    assert all(isinstance(f, Fault) and f.text("fi") for f in faults)
