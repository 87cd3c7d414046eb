"""The front matter of pieces for the site: what it may say, what it must, and what a browser gets of it."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from polku.content.piece import read_piece
from polku.content.render import render
from polku.errors import ContentError
from polku.onsite.fields import Moment, SiteFieldsError
from polku.onsite.hours import Hours
from polku.onsite.tree import tree

FORM = "form: {button: Go, thanks: Hi, consent: email"
FAULTS = [
    ("shows: quizz", "shows: 'quizz' is not known here; did you mean 'quiz'?"),
    ("on: sometime", "on: 'sometime' is no moment"),
    ("on: scroll 150 %", "on: 'scroll 150 %' is no moment"),
    ("frequency: often", "frequency: 'often' is not a duration"),
    ("button: {text: Buy, to: javascript:alert(1)}", "is no address"),
    ("button: {txt: Buy, to: /x}", "did you mean 'text'?"),
    ("shows: survey", "survey: 'survey' is missing"),
    ("shows: quiz", "questions: 'questions' is missing; results: 'results' is missing"),
    ("shows: chat", "hands over to something"),
    ("chat: {call: alert(1)}\nshows: chat", "chat.call"),
    ("hours: {noday: 9-17}\nshows: chat\nphone: '1'", "are no days"),
    ("hours: {mon: 17-9}\nshows: chat\nphone: '1'", "are no hours of a day"),
    (FORM + "}", "add consent_text"),
    (FORM + ", consent_text: I agree, fields: [first_name]}", "needs an address"),
    ("shows: calculator\ninputs: [{id: a, label: A}]\noutputs: [{id: b, label: B, formula: a + c}]",
     "asks for 'c', and there are a"),
    ("shows: calculator\ninputs: [{id: a, label: A}]\noutputs: [{id: b, label: B, formula: open(a)}]",
     "no function open"),
    ("image: {src: /a.png, width: 0, height: 1}", "too small"),
    ("shows: quiz\nquestions: [{id: a, text: A, choices: [{text: x, to: gone}, {text: y}]}]\n"
     "results: {one: {title: O}}", "there is no result 'gone'; there are one"),
]  # fmt: skip


def piece(folder: Path, front: str, body: str = "") -> Any:
    (folder / "content").mkdir(exist_ok=True)
    (folder / "content" / "x.en.md").write_text(f"---\nchannel: site\n{front}\n---\n{body}", encoding="utf-8")
    return read_piece(folder, "content/x.en.md")


@pytest.mark.parametrize(("front", "told"), FAULTS)
def test_faults_are_told(tmp_path: Path, front: str, told: str) -> None:
    with pytest.raises(SiteFieldsError) as fault:
        piece(tmp_path, front)
    assert told in str(fault.value)
    assert fault.value.text("fi") != str(fault.value)


def test_fields_of_the_site_belong_to_the_site_alone(tmp_path: Path) -> None:
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "x.en.md").write_text("---\nshows: popup\n---\n", encoding="utf-8")
    with pytest.raises(ContentError, match="no field shows"):
        read_piece(tmp_path, "content/x.en.md")


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [("now", "now", 0.0), ("exit", "exit", 0.0), ("scroll 50 %", "scroll", 50.0), ("after 2min", "after", 120.0),
     ("click #help", "click", "#help")],
)  # fmt: skip
def test_moments(text: str, kind: str, value: object) -> None:
    assert Moment.read(text).get("value", 0.0) == value
    assert Moment.read(text)["kind"] == kind


def test_what_a_browser_gets(tmp_path: Path) -> None:
    """Liquid is done in every text; Markdown becomes a tree, one-line texts stay texts, whatever a name holds."""
    found = piece(
        tmp_path,
        'subject: "Hi {{ customer.first_name }}"\n'
        'button: {text: "For {{ customer.first_name }}", to: "{{ shop.url }}/a"}'
        "\nshows: quiz\nquestions: [{id: q, text: '*Why*?', choices: [{text: a, to: one}, {text: b, to: two}]}]"
        "\nresults: {one: {title: One, text: '**{{ customer.first_name }}**', button: {text: Go, to: /x}},"
        " two: {title: Two}}",
        "Dear **{{ customer.first_name }}**, <script>alert(1)</script>",
    )
    name = "<b>[x](http://evil.example)</b>"
    drawn = render(tmp_path, found, {"customer": {"first_name": name}, "shop": {"url": "https://s.example"}}).site
    assert drawn is not None
    assert drawn["title"] == f"Hi {name}"
    assert drawn["button"] == {"text": f"For {name}", "to": "https://s.example/a"}
    assert drawn["body"] == [["p", {}, "Dear ", ["strong", {}, name], ", <script>alert(1)</script>"]]
    assert drawn["results"]["one"]["text"] == [["p", {}, ["strong", {}, name]]]
    assert drawn["results"]["one"]["button"]["text"] == "Go"
    assert drawn["questions"][0]["text"] == "*Why*?"
    assert (drawn["frequency"], drawn["interrupts"], drawn["close"]) == ("always", True, True)
    json.dumps(drawn)


def test_an_address_out_of_a_value_is_looked_at(tmp_path: Path) -> None:
    found = piece(tmp_path, 'button: {text: Go, to: "{{ customer.link }}"}')
    with pytest.raises(ContentError, match="may lead to"):
        render(tmp_path, found, {"customer": {"link": "javascript:alert(1)"}})


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>a<br>b</p>", [["p", {}, "a", ["br", {}], "b"]]),
        ("<script>x</script><p onclick='y'>z</p>", ["x", ["p", {}, "z"]]),
        (
            "<a href='javascript:x'>a</a><a href='/b' target='_blank'>b</a>",
            [["a", {}, "a"], ["a", {"href": "/b"}, "b"]],
        ),
        ("<ul>\n<li>1</li>\n</ul>\n", [["ul", {}, "\n", ["li", {}, "1"], "\n"]]),
        ("</p><b>un<i>clo", ["un", "clo"]),
        ("<a href='//evil.example'>x</a>", [["a", {}, "x"]]),
    ],
)
def test_trees(html: str, expected: list[Any]) -> None:
    assert "".join(str(n) for n in tree(html)).replace("\\n", "") == "".join(str(n) for n in expected).replace(
        "\\n", ""
    )


def at(day: int, hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime(2026, 12, day, hour, minute, tzinfo=ZoneInfo("Europe/Helsinki"))


def test_hours() -> None:
    """Open, closed, closed for the day, and when somebody is there next."""
    hours = Hours.model_validate(Hours.read({"ma-pe": "9-17", "sat": "10.30-14"}))
    friday, christmas = at(18, 16, 59), dt.date(2026, 12, 25)
    assert hours.open_at(friday)
    assert not hours.open_at(friday, [friday.date()])
    assert hours.next_open(friday) == at(19, 10, 30)
    assert hours.next_open(at(24, 17), [christmas]) == at(26, 10, 30)
    assert Hours().next_open(friday) is None
