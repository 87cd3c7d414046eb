"""What visitors answer on the site: forms, quizzes, calculators, surveys; read by what was drawn and made into events.

The browser's own reckoning is only for the eye: results are reckoned here again from the answers.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from polku.errors import UsageError
from polku.language import LANGUAGES, N_, translate
from polku.onsite import formula
from polku.onsite.fields import REQUESTED
from polku.record.contacts import normal_email
from polku.surveys.answering import AnsweredError, Filling, UnansweredError, keep_answers, read_answers
from polku.surveys.asking import survey_of

if TYPE_CHECKING:
    from polku.onsite.telling import Report
    from polku.record.project import Project

#: (event, properties, context) of what an answer comes to.
Told = tuple[str, Mapping[str, Any], Mapping[str, Any]]
QUIZ, CALCULATOR = "Quiz Completed", "Calculator Used"
#: Signs of the longest value of a field.
LONGEST: Final = 2000
#: No person fills in what no person sees.
TRAP: Final = "website"
_PHONE: Final = re.compile(r"^\+?[\d\s().-]{5,25}$")


class UnfitError(UsageError):
    """A form is not filled in as it must be: ``faults`` by field, texts that are shown beside them."""

    code = "usage.form"

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__(N_("These fields do not fit: {names}."), names=", ".join(faults))
        self.faults = dict(faults)


def take(
    project: Project, report: Report, drawn: Mapping[str, Any], about: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Told]]:
    """What the browser is answered, and the events besides. Raises UnfitError."""
    if report.what == "submitted":
        if "form" not in drawn:
            raise UnfitError({"form": N_("This piece has no form.")})
        if report.fields.get(TRAP):
            raise UnfitError({TRAP: N_("Leave this field empty.")})
        return {}, [_form(project, report, drawn, about)]
    if report.what != "answered":
        return {}, []
    if drawn["shows"] == "quiz":
        return _quiz(report, drawn, about)
    if drawn["shows"] == "calculator":
        return _calculator(report, drawn, about)
    if drawn["shows"] == "survey":
        return _survey(project, report, drawn), []
    raise UnfitError({"answers": N_("This piece asks nothing.")})


# -- forms ------------------------------------------------------------------------------------------------------------


def _form(project: Project, report: Report, drawn: Mapping[str, Any], about: Mapping[str, Any]) -> Told:
    """A form as one event: its fields are traits, its consent a decision, so that both hold from that moment on."""
    form = drawn["form"]
    spoken = drawn["language"] if drawn["language"] in LANGUAGES else "en"
    faults: dict[str, str] = {}
    traits: dict[str, Any] = {}
    for field in form["fields"]:
        value = report.fields.get(field["name"], "").strip()[:LONGEST]
        fault = _fault(field, value)
        if fault:
            faults[field["name"]] = translate(spoken, fault)
        elif value:
            traits[field["name"]] = value
    if form.get("checkbox") and not report.agreed:
        faults["agreed"] = translate(spoken, N_("Tick this to go on."))
    if faults:
        raise UnfitError(faults)
    properties = {**about, "form": drawn["content"]}
    if "message" in traits:
        properties["text"] = traits.pop("message")
    context: dict[str, Any] = {"traits": {**traits, "language": spoken}}
    event = form["event"]
    if form.get("consent"):
        words = text_of(form["consent_text"])
        version = version_of(drawn["content"], spoken, words)
        project.consents.keep_text(version, spoken, words)
        properties |= {"purposes": list(form["consent"]), "text_version": version}
        if form.get("confirm"):
            properties["event"], event = event, REQUESTED
        else:
            context["consent"] = {
                "categoryPreferences": dict.fromkeys(form["consent"], True), "source": f"site: {drawn['content']}",
                "version": version,
            }  # fmt: skip
    return event, properties, context


def _fault(field: Mapping[str, Any], value: str) -> str | None:
    if not value:
        return N_("Fill this in.") if field["needed"] else None
    if field["name"] == "email" and normal_email(value) is None:
        return N_("Write an e-mail address, such as name@example.com.")
    if field["name"] == "phone" and not _PHONE.match(value):
        return N_("Write a phone number, such as +358 40 123 4567.")
    return None


def text_of(nodes: Sequence[Any]) -> str:
    """The words of a tree (``polku.onsite.tree``), as the visitor read them.

    >>> text_of([["p", {}, "I want ", ["a", {"href": "/terms"}, "letters"], "."]])
    'I want letters.'
    """
    found = [node if isinstance(node, str) else text_of(node[2:]) for node in nodes]
    return "".join(found).strip() if len(found) == 1 else "".join(found)


def version_of(content: str, language: str, words: str) -> str:
    """The version of the words that a consent is given to: the piece and its language, and a hash of the words."""
    return f"{content[:60]}.{language}-{hashlib.blake2b(words.encode(), digest_size=4).hexdigest()}"


# -- quiz, calculator, survey -----------------------------------------------------------------------------------------


def _quiz(report: Report, drawn: Mapping[str, Any], about: Mapping[str, Any]) -> tuple[dict[str, Any], list[Told]]:
    points: dict[str, float] = dict.fromkeys(drawn["results"], 0.0)
    answers: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for question in drawn["questions"]:
        given = [text for text in report.answers.get(question["id"], ()) if text.isascii() and text.isdigit()]
        chosen = [question["choices"][int(n)] for n in dict.fromkeys(given) if int(n) < len(question["choices"])]
        if not chosen or (len(chosen) > 1 and not question["several"]):
            faults[question["id"]] = drawn["words"]["choose"]
            continue
        texts = [choice["text"] for choice in chosen]
        answers[question["id"]] = texts if question["several"] else texts[0]
        for choice in chosen:
            for result, worth in choice["to"].items():
                points[result] += worth
    if faults:
        raise UnfitError(faults)
    result = max(points, key=lambda name: points[name])  # of equals the first of the piece
    properties = {**about, "quiz": drawn["content"], "result": result, "answers": answers, "points": points}
    context = {"traits": {drawn["trait"]: result}} if drawn.get("trait") else {}
    return {"result": result}, [(QUIZ, properties, context)]


def _calculator(
    report: Report, drawn: Mapping[str, Any], about: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Told]]:
    values: dict[str, float] = {}
    faults: dict[str, str] = {}
    for field in drawn["inputs"]:
        try:
            value = float(next(iter(report.answers.get(field["id"], ())), "").replace(",", "."))
        except ValueError:
            value = float("nan")
        allowed = [choice["value"] for choice in field.get("choices", ())]
        fits = value in allowed if allowed else field.get("min", -1e15) <= value <= field.get("max", 1e15)
        if fits:
            values[field["id"]] = value
        else:
            faults[field["id"]] = drawn["words"]["needed"]
    if faults:
        raise UnfitError(faults)
    inputs, outputs = dict(values), {}
    for output in drawn["outputs"]:
        found = formula.evaluate(output["formula"], values)
        if found is not None:
            values[output["id"]] = outputs[output["id"]] = found
    properties = {**about, "calculator": drawn["content"], **inputs, **outputs}
    return {"outputs": outputs}, [(CALCULATOR, properties, {})]


def _survey(project: Project, report: Report, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """A survey's answers are kept as those of its own page are; the follow-up of a filling in comes with its ``id``."""
    name = drawn["form_of"]["survey"]
    survey = survey_of(project.journey(), name)
    try:
        answers = read_answers(survey, report.answers)
    except UnansweredError as fault:
        raise UnfitError({fault.question: fault.text(drawn["language"])}) from fault
    who = ("anonymous", report.visitor.anonymous_id) if report.visitor.anonymous_id else None
    try:
        keep_answers(project, Filling(name, report.id, "site", who, survey.touchpoint), answers)
    except AnsweredError:
        return {}  # the same filling in came twice: the first answer to it was lost on its way
    return {}
