"""What is asked, and what is read of a form: pure functions over a survey of the map."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.errors import UsageError
from polku.journey.check import check_text
from polku.journey.load import Journey
from polku.journey.tree import read_text
from polku.surveys.answering import Answer, UnansweredError, follow_ups, read_answers
from polku.surveys.asking import form_of
from surveys.world import MAP

JOURNEY = Journey.model_validate(read_text(MAP).data)
NPS, COUNTER = JOURNEY.surveys["order_nps"], JOURNEY.surveys["counter"]


def test_a_form_has_every_text_in_its_language() -> None:
    form = form_of(JOURNEY, "order_nps", "fi")
    first, why, _ = form["questions"]
    assert (form["title"], form["thanks"], form["touchpoint"]) == ("Suosittelisitko meitä?", "Kiitos paljon!", "order")
    assert first["ask"] == "Kuinka todennäköisesti suosittelisit meitä ystävälle?"
    assert (first["scale"]["worst"], first["scale"]["best"], first["needed"]) == (0, 10, True)
    assert why["if"] == {"question": "recommend", "at_least": None, "at_most": 6, "answer": []}
    english = form_of(JOURNEY, "counter", "en")
    assert english["questions"][1]["choices"][0] == {"value": "search", "title": "A search engine", "writes": False}
    assert english["questions"][3]["choices"][2] == {"value": "other", "title": "other", "writes": True}
    assert form_of(JOURNEY, "counter", "sv")["words"]["send"] == "Send"  # what Polku does not speak is in English
    with pytest.raises(UsageError, match="order_nps"):
        form_of(JOURNEY, "order_npss", "fi")


#: (what was sent, the answers) of the counter's survey.
READ: list[tuple[dict[str, list[str]], list[Answer]]] = [
    ({"q_happy": ["5"]}, [Answer("happy", "csat", 5.0)]),
    (
        {"q_happy": ["1"], "q_heard": ["friend"], "q_stopped": ["  Hinta "], "q_came": ["shoes", "bags", "shoes"]},
        [Answer("happy", "csat", 1.0), Answer("heard", "heard", answer="friend"),
         Answer("stopped", "stopped", answer="Hinta"), Answer("came", "choice", answer=["shoes", "bags"])],
    ),
    # what is written beside the choices is an answer, also where the choice itself was not taken
    ({"q_happy": ["2"], "other_heard": ["radio"]},
     [Answer("happy", "csat", 2.0), Answer("heard", "heard", answer="other", other="radio")]),
    ({"q_happy": ["2"], "q_heard": ["friend"], "other_came": [" "]},
     [Answer("happy", "csat", 2.0), Answer("heard", "heard", answer="friend")]),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "answers"), READ)
def test_forms_are_read(sent: dict[str, list[str]], answers: list[Answer]) -> None:
    assert read_answers(COUNTER, sent) == answers


@pytest.mark.parametrize(
    ("sent", "question"),
    [
        ({}, "happy"), ({"q_happy": [""]}, "happy"), ({"q_happy": ["6"]}, "happy"), ({"q_happy": ["0"]}, "happy"),
        ({"q_happy": ["٣"]}, "happy"), ({"q_happy": ["3.5"]}, "happy"),
        ({"q_happy": ["3"], "q_heard": ["neighbour"]}, "heard"),
        ({"q_happy": ["3"], "q_stopped": ["x" * 4001]}, "stopped"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_told_at_its_question(sent: dict[str, list[str]], question: str) -> None:
    with pytest.raises(UnansweredError) as found:
        read_answers(COUNTER, sent)
    assert found.value.question == question


@pytest.mark.parametrize(("score", "then"), [("3", ["why"]), ("6", ["why"]), ("7", []), ("8", []), ("9", ["best"])])
def test_an_answer_brings_up_what_the_map_says(score: str, then: list[str]) -> None:
    answers = read_answers(NPS, {"q_recommend": [score], "q_why": ["a"], "q_best": ["b"]})
    assert [a.question for a in answers] == ["recommend", *then]
    values = {"recommend": float(score)}
    assert [q.id for q in follow_ups(NPS, values, ["recommend"])] == then
    assert follow_ups(NPS, values, ["recommend", *then]) == []
    assert [a.question for a in read_answers(NPS, {"q_why": ["a"], "q_best": ["b"]}, values)] == then


FIELDS = st.sampled_from(["q_happy", "q_heard", "q_stopped", "q_came", "other_heard", "other_came", "q_nothing"])
VALUES = st.one_of(st.text(max_size=30), st.integers(-3, 12).map(str), st.sampled_from(["friend", "other", "shoes"]))


@settings(deadline=None, max_examples=150)
@given(st.dictionaries(FIELDS, st.lists(VALUES, max_size=3)))
def test_whatever_is_sent_is_answers_or_told(sent: dict[str, list[str]]) -> None:
    found: list[Answer] = []
    with contextlib.suppress(UnansweredError):
        found = read_answers(COUNTER, sent)
    asked = [question.id for question in COUNTER.questions]
    assert [asked.index(a.question) for a in found] == sorted({asked.index(a.question) for a in found})
    for answer in found:
        assert (answer.score is None) != (answer.answer is None)
        assert answer.score is None or 1 <= answer.score <= 5


#: (instead of this, that; the fault's code, line of the surveys' part that is changed)
FAULTS = [
    ("touchpoint: order\n", "touchpoint: ordr\n", "name.touchpoint"),
    ("  order_nps:", "  Order-NPS:", "value.id"),
    ("id: why,", "id: recommend,", "id.question_twice"),
    ("[Shoes, Bags, other]", "[Shoes, shoes, other]", "id.choice_twice"),
    (", choices: [Shoes, Bags, other]", "", "survey.choices"),
    ("kind: csat", "kind: csat, choices: [a, b]", "survey.choices"),
    ("if: {question: recommend, at_most: 6}", "if: {question: recomend, at_most: 6}", "name.question"),
    ("if: {question: recommend, at_most: 6}", "if: {question: recommend}", "survey.if"),
    ("{id: stopped, kind: stopped}", "{id: stopped, kind: stopped, if: {question: heard, at_least: 2}}", "survey.if"),
    ("{id: stopped, kind: stopped}", "{id: stopped, kind: stop}", "value.choice"),
    ("{id: order, match: {event: Order Completed}}", "{id: order, match: {event: Order Completed}, felt: {}}",
     "survey.felt"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "code"), FAULTS)
def test_what_is_wrong_with_a_survey_is_told(old: str, new: str, code: str) -> None:
    assert check_text(MAP) == []
    assert old in MAP
    faults = check_text(MAP.replace(old, new, 1))
    assert [f.code for f in faults] == [code], [str(f) for f in faults]


def test_a_survey_measures_its_touchpoint() -> None:
    felt = JOURNEY.felt_at(JOURNEY.touchpoint("order"))
    assert felt is not None
    assert felt.where == "properties.survey = 'order_nps' and properties.question = 'recommend'"
    assert (felt.kind, felt.scale) == ("nps", (0, 10))
    assert JOURNEY.felt_at(JOURNEY.touchpoint("product")) is None
    own: Any = MAP.replace("{event: Order Completed}}", "{event: Order Completed}, felt: {where: \"event = 'x'\"}}", 1)
    journey = Journey.model_validate(read_text(own).data)
    found = journey.felt_at(journey.touchpoint("order"))
    assert found is not None
    assert found.where == "event = 'x'"
