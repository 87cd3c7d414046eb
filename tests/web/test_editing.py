"""A rule's form written into its source: what was changed is changed, and nothing else of the text."""

from __future__ import annotations

import difflib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.journey.tree import read_text
from polku.web.editing.fields import Choice, Field, at, written
from polku.web.editing.known import Known
from polku.web.editing.rule import form_of
from polku.web.editing.writing import edited


def choices(*names: str) -> tuple[Choice, ...]:
    return tuple(Choice(name, name) for name in names)


KNOWN = Known(
    places=choices("cart", "order", "late"), touchpoints=choices("cart", "order"), stages=choices("late"),
    segments=choices("vip", "new"), personas=choices("sara"), consents=choices("email", "sms"),
    channels=choices("email", "site"), content=choices("content/a.en.md", "content/b.en.md"),
    measures=choices("first_order"),
)  # fmt: skip
RULE = """\
id: cart_reminder   # ours
title: {fi: Muistutus, en: Reminder}
when: {reached: cart, without: order, for: 4h}  # four hours
only_if: {consent: email}
send: {channel: email, content: content/a.en.md}
do:
  # then we wait
  - wait: 3d
  - if: {segment: vip}
    then:
      - send: {channel: email, content: content/a.en.md}   # vip letter
      - task: Call
        owner: mikko
  - stop: true
holdout: 10 %
state: draft
"""
#: What a form sends, and how the source differs then.
CASES: list[tuple[dict[str, str], list[str]]] = [
    ({"f:when.for": "5h"}, ["-when: {reached: cart, without: order, for: 4h}  # four hours",
                            "+when: {reached: cart, without: order, for: 5h}  # four hours"]),
    ({"f:when.reached!0": "cart", "f:when.reached!1": "order"},
     ["-when: {reached: cart, without: order, for: 4h}  # four hours",
      "+when: {reached: [cart, order], without: order, for: 4h}  # four hours"]),
    ({"f:when.!kind": "entered"}, ["-when: {reached: cart, without: order, for: 4h}  # four hours",
                                   "+when: {entered: late, without: order, for: 4h}  # four hours"]),
    ({"f:when.!kind": "every"}, ["-when: {reached: cart, without: order, for: 4h}  # four hours",
                                 "+when: {every: month, on: 1, at: 09:00}  # four hours"]),
    ({"f:only_if.consent!0": ""}, ["-only_if: {consent: email}"]),
    ({"f:only_if.not.segment!0": "new"},
     ["-only_if: {consent: email}", "+only_if: {consent: email, not: {segment: new}}"]),
    ({"f:limit.times": "2", "f:limit.every": "14d"}, ["+limit: {times: 2, every: 14d}"]),
    ({"f:owed": "yes", "f:owed!": ""}, ["+owed: true"]),
    ({"f:title!fi": "Kori: nyt", "f:title!en": "Reminder"},
     ["-title: {fi: Muistutus, en: Reminder}", "+title: {fi: 'Kori: nyt', en: Reminder}"]),
    ({"f:do.0.wait.!wait": "until"}, ["-  - wait: 3d", "+  - wait: {until: late, for: 3d}"]),
    ({"f:do.1.if.happened": "no"}, ["-  - if: {segment: vip}", "+  - if: {segment: vip, happened: false}"]),
    ({"do": "add:do:wait"}, ["+  - {wait: 1d}"]),
    ({"do": "add:do.1.else:stop"}, ["+    else:", "+      - {stop: true}"]),
    ({"do": "down:do.0"}, ["-  - wait: 3d", "+  - wait: 3d"]),
    ({"do": "down:do.1.then.0"}, ["-      - send: {channel: email, content: content/a.en.md}   # vip letter",
                                  "+      - send: {channel: email, content: content/a.en.md}   # vip letter"]),
    ({"do": "remove:do.1.then.0"}, ["-      - send: {channel: email, content: content/a.en.md}   # vip letter"]),
    ({"do": "remove:send"}, ["-send: {channel: email, content: content/a.en.md}"]),
    ({"do": "variant:send"}, ["-send: {channel: email, content: content/a.en.md}", "+send:", "+  channel: email",
                              "+  variants: {a: content/a.en.md, b: content/a.en.md}"]),
    ({}, []),
    ({"do": "check", "f:nothing.such": "x"}, []),
]  # fmt: skip


def difference(old: str, new: str) -> list[str]:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


@pytest.mark.parametrize(("sent", "expected"), CASES, ids=lambda c: " ".join(c) if isinstance(c, dict) else "")
def test_a_change_is_written_where_it_belongs(sent: dict[str, str], expected: list[str]) -> None:
    made = edited(RULE, RULE, sent, KNOWN)
    assert not made.refused
    assert sorted(difference(RULE, made.text)) == sorted(expected)


def test_what_was_written_in_the_source_meanwhile_stays() -> None:
    typed = RULE.replace("holdout: 10 %", "holdout: 20 %  # more of them")
    made = edited(typed, RULE, {"f:when.for": "6h"}, KNOWN)
    assert "for: 6h}  # four hours" in made.text
    assert "holdout: 20 %  # more of them" in made.text


def test_a_step_that_is_gone_is_told() -> None:
    typed = RULE.replace("  - stop: true\n", "").replace("  # then we wait\n  - wait: 3d\n", "")
    made = edited(typed, RULE, {"f:do.1.then.1.owner": "anna"}, KNOWN)
    assert [error.text("en") for error in made.refused] == ["The step 2 is no longer there."]
    assert made.text == typed


@pytest.mark.parametrize("source", ["when: [", "- a\n", "", "a: 1\na: 2\n"])
def test_a_source_that_does_not_read_stays_as_it_is(source: str) -> None:
    assert edited(source, RULE, {"f:when.for": "6h", "do": "add:do:wait"}, KNOWN).text == source


def test_a_new_rule_is_called_after_its_title_until_it_has_an_id() -> None:
    new = "id: new_rule\ntitle: New rule\nwhen: {reached: cart}\n"
    made = edited(new, new, {"f:title": "Kiitos: tilaus"}, KNOWN, new=True)
    assert read_text(made.text).data["id"] == "kiitos_tilaus"
    own = edited(made.text, made.text, {"f:id": "mine"}, KNOWN, new=True)
    assert read_text(edited(own.text, own.text, {"f:title": "Other"}, KNOWN, new=True).text).data["id"] == "mine"


@pytest.mark.parametrize(
    ("verb", "focus"), [("up:send", "up:send"), ("up:do.0", "up:do.0"), ("down:do.2", "down:do.2")]
)
def test_the_focus_goes_along(verb: str, focus: str) -> None:
    assert edited(RULE, RULE, {"do": verb}, KNOWN).focus == focus


def test_of_two_variants_the_one_that_stays_is_the_content() -> None:
    two = edited(RULE, RULE, {"do": "variant:send"}, KNOWN).text
    made = edited(two, two, {"f:send.variants.b": "content/b.en.md"}, KNOWN).text
    assert read_text(made).data["send"]["variants"] == {"a": "content/a.en.md", "b": "content/b.en.md"}
    one = edited(made, made, {"do": "unvariant:send:a"}, KNOWN).text
    assert read_text(one).data["send"] == {"channel": "email", "content": "content/b.en.md"}


def sent_of(field: Field, values: tuple[str, ...]) -> dict[str, str]:
    """The form's values of one field, as a browser sends them."""
    if field.kind == "said":
        return dict(zip([name for name, _ in field.rows()], (*values, "", "")[:2], strict=True))
    if field.kind in ("names", "texts"):
        return {f"{field.name}!{n}": value for n, value in enumerate((*values, ""))}
    if field.kind == "tick":
        return {f"{field.name}!": "", **({field.name: "yes"} if values else {})}
    return {field.name: values[0] if values else ""}


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=12).map(
    str.strip
)


@settings(max_examples=25)
@given(st.data())
def test_what_the_form_shows_is_what_was_sent(data: st.DataObject) -> None:
    """Any values in any fields, one after the other: each is in the source as it was given, or the field is empty."""
    text = RULE
    for _ in range(data.draw(st.integers(1, 3))):
        fields = [f for f in form_of(read_text(text).data, KNOWN).fields() if not f.by_hand and not f.command]
        field = data.draw(st.sampled_from(fields))
        offered = [c.value for c in field.choices] or None
        one: Any = st.sampled_from(offered) if offered else WORDS.filter(bool)
        if field.kind == "tick":
            one = st.just("yes")
        most = 3 if field.kind in ("names", "texts") else 2 if field.kind == "said" else 1
        values = tuple(data.draw(st.lists(one, max_size=most)))
        made = edited(text, text, sent_of(field, values), KNOWN)
        assert not made.refused, (field.name, values)
        tree = read_text(made.text)
        assert not tree.faults
        shown = at(tree.data, field.path)
        assert shown == written(field, (*values, "", "")[:2] if field.kind == "said" else values) or not any(values)
        for comment in ("# ours", "# four hours", "# then we wait", "# vip letter"):
            assert comment in made.text
        text = made.text


@settings(max_examples=12)
@given(st.data())
def test_steps_go_in_any_order_and_none_is_lost(data: st.DataObject) -> None:
    """Steps added, moved and removed at random: as many as expected are there, and the source always reads."""
    text = RULE
    for _ in range(data.draw(st.integers(1, 6))):
        steps = _steps(text)
        verb = data.draw(st.sampled_from(["add", "up", "down", "remove"]))
        if verb == "add":
            lists = ["do", *(f"{s}.then" for s, kind in steps if kind == "if")]
            kind = data.draw(st.sampled_from(["send", "wait", "if", "task", "stop"]))
            do = f"add:{data.draw(st.sampled_from(lists))}:{kind}"
        elif steps:
            do = f"{verb}:{data.draw(st.sampled_from(steps))[0]}"
        else:
            continue
        made = edited(text, text, {"do": do}, KNOWN)
        assert not made.refused, (do, [e.text("en") for e in made.refused])
        assert not read_text(made.text).faults
        kinds = sorted(kind for _, kind in _steps(made.text))
        if verb in ("up", "down"):
            assert kinds == sorted(kind for _, kind in steps)
        elif verb == "add":
            assert len(kinds) > len(steps)
        else:
            assert len(kinds) < len(steps)
        text = made.text


def _steps(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []

    def look(steps: Any) -> None:
        for step in steps.steps:
            found.append((step.at, step.kind))
            for branch in step.branches:
                look(branch)

    look(form_of(read_text(text).data, KNOWN).steps)
    return found
