"""A survey as it is asked: its texts in one language, as plain JSON that a page or the site's module draws.

>>> from polku.journey.surveys import Survey
>>> survey = Survey.model_validate({"title": "Hello", "questions": [{"id": "recommend", "kind": "nps"}]})
>>> form = form_of_survey("order_nps", survey, "en")
>>> form["questions"][0]["ask"], form["questions"][0]["scale"]["best"]
('How likely are you to recommend us to a friend?', 10)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from polku.errors import UsageError, nearest
from polku.journey.model import Journey
from polku.journey.surveys import OTHER, Choice, Question, Survey
from polku.language import N_, choose, said, translate

#: Signs of the longest text that somebody may write.
LONGEST: Final = 4000
#: The usual wording of each kind.
ASKS: Final[Mapping[str, str]] = {
    "nps": N_("How likely are you to recommend us to a friend?"),
    "csat": N_("How satisfied are you?"),
    "ces": N_("How easy was it?"),
    "choice": N_("Which of these fits you?"),
    "text": N_("What else would you like to tell us?"),
    "heard": N_("How did you hear of us?"),
    "bought": N_("What made you buy?"),
    "stopped": N_("What nearly stopped you from buying?"),
}
#: The ends of the scales.
ENDS: Final[Mapping[str, tuple[str, str]]] = {
    "nps": (N_("not at all likely"), N_("very likely")),
    "csat": (N_("very dissatisfied"), N_("very satisfied")),
    "ces": (N_("very hard"), N_("very easy")),
}
#: What the question "how did you hear of us" offers where the map names no choices, with the sources that mean it.
HEARD: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("search", N_("A search engine"), ("google", "bing", "duckduckgo", "ecosia")),
    ("instagram", N_("Instagram"), ("instagram", "ig")),
    ("facebook", N_("Facebook"), ("facebook", "fb")),
    ("tiktok", N_("TikTok"), ("tiktok",)),
    ("friend", N_("A friend or somebody I know"), ("referral", "friend")),
    ("ad", N_("An advertisement"), ("ad", "ads", "advertisement")),
    ("news", N_("A newspaper, a blog or a podcast"), ("news", "blog", "podcast")),
    ("store", N_("I walked past the shop"), ("store",)),
    (OTHER, N_("Somewhere else"), ()),
)
#: What the page and the site's module say besides the survey's own texts.
WORDS: Final[Mapping[str, str]] = {
    "send": N_("Send"),
    "next": N_("Next"),
    "close": N_("Close"),
    "needed": N_("Answer this first."),
    "write": N_("Write here"),
    "choose": N_("Choose one"),
    "choose_several": N_("Choose as many as fit"),
    "optional": N_("You may leave this empty."),
    "thanks": N_("Thank you for your answer!"),
}


def survey_of(journey: Journey, name: str) -> Survey:
    """The survey ``name`` of the map. Raises UsageError with the nearest one."""
    found = journey.surveys.get(name)
    if isinstance(found, Survey):
        return found
    if not journey.surveys:
        raise UsageError(N_("The map has no surveys yet; docs/surveys.md tells how to write one."))
    raise UsageError(
        N_("There is no survey {name!r} in this map; did you mean {nearest}? There are: {known}."),
        name=name, nearest=nearest(name, journey.surveys) or next(iter(journey.surveys)),
        known=", ".join(journey.surveys),
    )  # fmt: skip


def form_of(journey: Journey, survey: str, language: str) -> dict[str, Any]:
    """The survey ``survey`` of the map as plain JSON, its texts in ``language``. Raises UsageError for an unknown one.

    ``questions``: each with ``id``, ``kind``, ``draws`` (``scale``, ``choices``, ``text``), ``ask``, ``hint``,
    ``needed``; of a scale ``scale`` (``worst``, ``best``, ``worst_text``, ``best_text``), of choices ``choices``
    (``value``, ``title``, ``writes``: it opens a field for the answer's property ``other``) and ``several``; of a text
    ``most`` signs; ``if`` (``question``, ``at_least``, ``at_most``, ``answer``) or None. ``words``: of the buttons.
    """
    return form_of_survey(survey, survey_of(journey, survey), language)


def form_of_survey(name: str, survey: Survey, language: str) -> dict[str, Any]:
    """The same of one survey."""
    spoken = choose([language])
    return {
        "survey": name,
        "language": spoken,
        "title": said(survey.title, language),
        "intro": said(survey.intro, language),
        "thanks": said(survey.thanks, language) or translate(spoken, WORDS["thanks"]),
        "touchpoint": survey.touchpoint,
        "questions": [
            _question(question, language, spoken, first=at == 0) for at, question in enumerate(survey.questions)
        ],
        "words": {key: translate(spoken, text) for key, text in WORDS.items()},
    }


def _question(question: Question, language: str, spoken: str, first: bool) -> dict[str, Any]:
    scale = question.scale
    choices = choices_of(question)
    asked: dict[str, Any] = {
        "id": question.id,
        "kind": question.kind,
        "draws": "scale" if scale else "choices" if choices else "text",
        "ask": said(question.ask, language) or translate(spoken, ASKS[question.kind]),
        "hint": said(question.hint, language),
        "needed": is_needed(question, first),
        "if": None if question.if_ is None else {
            "question": question.if_.question, "at_least": question.if_.at_least, "at_most": question.if_.at_most,
            "answer": list(question.if_.answer),
        },
    }  # fmt: skip
    if scale:
        worst, best = ENDS[question.kind]
        asked["scale"] = {
            "worst": scale[0], "best": scale[1],
            "worst_text": said(question.worst, language) or translate(spoken, worst),
            "best_text": said(question.best, language) or translate(spoken, best),
        }  # fmt: skip
    elif choices:
        asked["several"] = question.several
        asked["choices"] = [
            {"value": c.id, "title": title_of(question, c, language), "writes": c.id == OTHER} for c in choices
        ]
    else:
        asked["most"] = LONGEST
    return asked


def is_needed(question: Question, first: bool) -> bool:
    """Whether a survey cannot be sent without this answer: a scale that comes first always is needed."""
    return question.needed or (first and question.scale is not None)


def choices_of(question: Question) -> tuple[Choice, ...]:
    """What there is to choose from; the usual ones of the kind ``heard``; none where a text is written."""
    if question.choices or question.kind != "heard":
        return question.choices
    return tuple(Choice(id=id, means=means) for id, _, means in HEARD)


def title_of(question: Question, choice: Choice, language: str) -> str:
    """What people read of a choice."""
    if choice.title is not None:
        return said(choice.title, language)
    usual = {id: text for id, text, _ in HEARD}
    if (question.kind == "heard" or choice.id == OTHER) and choice.id in usual:
        return translate(choose([language]), usual[choice.id] if question.kind == "heard" else N_("Something else"))
    return choice.id.replace("_", " ").capitalize()


def asked_for(question: Question, earlier: Mapping[str, Any]) -> bool:
    """Whether a question is asked after these answers: by question id, a number, a text or a list of texts.

    >>> q = Question.model_validate({"id": "why", "kind": "text", "if": {"question": "recommend", "at_most": 6}})
    >>> asked_for(q, {"recommend": 4}), asked_for(q, {"recommend": 9}), asked_for(q, {})
    (True, False, False)
    """
    condition = question.if_
    if condition is None:
        return True
    given = earlier.get(condition.question)
    if given is None:
        return False
    if condition.at_least is not None and not (isinstance(given, (int, float)) and given >= condition.at_least):
        return False
    if condition.at_most is not None and not (isinstance(given, (int, float)) and given <= condition.at_most):
        return False
    answers = given if isinstance(given, list) else [given]
    return not condition.answer or any(one in condition.answer for one in answers)
