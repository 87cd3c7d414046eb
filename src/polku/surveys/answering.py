"""Answers on their way in: read from a form, then kept as events by the door's steps, once for each link.

An answer is an event ``Survey Answered`` a question, with the properties ``survey``, ``question``, ``kind``, ``score``
(a number), ``answer`` (a text, or a list), ``other`` (what was written beside a choice), ``response`` (the same for all
answers of one filling in), ``touchpoint`` and ``via``. Docs: docs/surveys.md.
"""

from __future__ import annotations

import dataclasses
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import sqlalchemy as sa

from polku.collect.columns import Kept, table_of
from polku.errors import UsageError
from polku.events.arrival import Arrival
from polku.events.door import Visit, enter
from polku.events.refusals import Refusal
from polku.journey.surveys import EVENT, OTHER, Question, Survey
from polku.language import N_
from polku.record import tables
from polku.record.clock import now
from polku.record.contacts import Addresses
from polku.record.hashes import COLUMNS
from polku.record.inbox import LANE
from polku.record.permission import Learned, without_ids
from polku.surveys.asking import LONGEST, asked_for, choices_of, is_needed

if TYPE_CHECKING:
    from polku.record.project import Project

Via = Literal["site", "email", "qr", "form"]
#: Who sends what is answered on Polku's own pages.
SOURCE: Final = "polku"
#: What tells that a survey was before somebody's eyes.
SHOWN: Final = "Survey Shown"
#: Where a question's field, and what is written beside a choice, stand in a form.
FIELD, WRITTEN = "q_", "other_"
#: Reasons for which an answer is kept without anything that tells whose it is.
NAMELESS: Final = frozenset({Refusal.NO_CONSENT, Refusal.ERASED})
#: A number that may be a telephone's, written as people write it at home.
_DIGITS: Final = re.compile(r"(?<![\w.,:/-])0[\d\s()-]{5,15}\d(?![\w:-])")


class AnsweredError(UsageError):
    """The link was used already."""

    code = "usage.answered"


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """An answer to one question: a number, or a text, or a list of the choices taken; ``other``: what was written."""

    question: str
    kind: str
    score: float | None = None
    answer: str | list[str] | None = None
    other: str = ""

    @property
    def value(self) -> Any:
        """What conditions of later questions look at."""
        return self.score if self.score is not None else self.answer


class UnansweredError(UsageError):
    """A question that must be answered was not, or not with one of its answers. ``question``: its id."""

    code = "usage.answer"

    def __init__(self, message: str, question: str, **facts: Any) -> None:
        super().__init__(message, question=question, **facts)
        self.question = question


# -- reading ----------------------------------------------------------------------------------------------------------


def read_answers(
    survey: Survey, sent: Mapping[str, Sequence[str]], earlier: Mapping[str, Any] | None = None
) -> list[Answer]:
    """The answers of a form: ``sent`` holds each field's values. ``earlier``: answers that were given before, by
    question; those questions are not read again.

    A question whose condition does not hold, or that was left empty, has no answer. Raises UnansweredError.
    """
    values: dict[str, Any] = dict(earlier or {})
    found: list[Answer] = []
    for at, question in enumerate(survey.questions):
        if question.id in (earlier or {}) or not asked_for(question, values):
            continue
        given = [each.strip() for each in sent.get(FIELD + question.id, ()) if each.strip()]
        written = " ".join(sent.get(WRITTEN + question.id, ())).strip()
        answer = _answer(question, given, written)
        if answer is None:
            if is_needed(question, first=at == 0):
                raise UnansweredError(N_("Answer this first."), question.id)
            continue
        values[question.id] = answer.value
        found.append(answer)
    return found


def _answer(question: Question, given: list[str], written: str) -> Answer | None:
    choices = choices_of(question)
    if question.scale is not None:
        return _score(question, given[0]) if given else None
    if not choices:
        text = " ".join(given)
        if len(text) > LONGEST:
            raise UnansweredError(N_("This is longer than {most} signs."), question.id, most=LONGEST)
        return Answer(question.id, question.kind, answer=text) if text else None
    known = {choice.id for choice in choices}
    if written and OTHER in known and OTHER not in given:
        given = [*given, OTHER] if question.several else [OTHER]
    for each in given:
        if each not in known:
            raise UnansweredError(N_("{answer!r} is none of the choices."), question.id, answer=each[:60])
    if not given:
        return None
    other = written[:LONGEST] if OTHER in given else ""
    taken = list(dict.fromkeys(given))
    return Answer(question.id, question.kind, answer=taken if question.several else taken[0], other=other)


def _score(question: Question, given: str) -> Answer:
    assert question.scale is not None
    worst, best = question.scale
    if not given.isascii() or not given.isdigit() or not worst <= int(given) <= best:
        raise UnansweredError(
            N_("{answer!r} is no number from {worst} to {best}."),
            question.id,
            answer=given[:20],
            worst=worst,
            best=best,
        )
    return Answer(question.id, question.kind, score=float(int(given)))


def follow_ups(survey: Survey, values: Mapping[str, Any], shown: Sequence[str]) -> list[Question]:
    """Questions that these answers (by question) have brought up, of those that were not ``shown`` yet."""
    return [q for q in survey.questions if q.id not in shown and q.if_ is not None and asked_for(q, values)]


# -- keeping ----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Filling:
    """One filling in. ``response``: its id. ``id``: (kind, value) of the customer; None: nobody is known. ``place``:
    which counter its QR code lies at. ``more``: follow-up answers of a filling in that is kept already."""

    survey: str
    response: str
    via: Via
    id: tuple[str, str] | None = None
    touchpoint: str | None = None
    place: str = ""
    more: bool = False


def new_response() -> str:
    """The id of a filling in of somebody who came without a link of their own."""
    return secrets.token_urlsafe(16)


def is_answered(project: Project, response: str) -> bool:
    """Whether a filling in was sent already."""
    row = tables.survey_responses.c
    with project.state.read() as connection:
        return connection.execute(sa.select(row.response).where(row.response == response)).first() is not None


def keep_answers(project: Project, filling: Filling, answers: Sequence[Answer]) -> int:
    """Keep answers as events, in one transaction with the mark that the link was used. Returns how many were kept.

    Of somebody who denied analytics, or was erased, they are kept without anything that tells whose they are. Raises
    AnsweredError where the link was used before.
    """
    arrivals = [_arrival(project, filling, answer) for answer in answers]
    kept = through_door(project, arrivals)
    row = tables.survey_responses
    with project.state.write(LANE) as connection:
        there = connection.execute(sa.select(row.c.response).where(row.c.response == filling.response)).first()
        if (there is not None) != filling.more:
            raise AnsweredError(N_("This has been answered already. Thank you!"))
        if not filling.more:
            connection.execute(
                sa.insert(row).values(
                    response=filling.response, survey=filling.survey, via=filling.via, finished_at=now()
                )
            )
        if kept:
            project.inbox.put(connection, table_of([Kept(kept)]))
    return len(kept)


def keep_opened(project: Project, filling: Filling) -> bool:
    """Keep that somebody had the survey's own page before their eyes: an event ``Survey Shown``, once for each filling
    in. Of a page that anybody may open it is about nobody: who leaves without an answer is no customer."""
    told = {"survey": filling.survey, "response": filling.response, "via": filling.via}
    more = {"touchpoint": filling.touchpoint, "place": filling.place}
    arrival = arrival_of(SHOWN, filling.id or ("anonymous", ""), {**told, **{k: v for k, v in more.items() if v}},
                         f"survey-{filling.response}-shown")  # fmt: skip
    if filling.id is None:
        without_ids(arrival)
    kept = through_door(project, [arrival])
    if not kept or is_answered(project, filling.response):
        return False
    with project.state.write(LANE) as connection:
        project.inbox.put(connection, table_of([Kept(kept)]))
    return True


def through_door(project: Project, arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Take our own pages' events through the door's steps; nameless where the customer's no asks for it."""
    found: list[Arrival] = []
    for arrival in arrivals:
        visit = Visit(SOURCE, received_at=now(), permission=project.permission, learned=Learned())
        refused = enter(arrival, visit)
        if refused in NAMELESS:
            without_ids(arrival)
            refused = enter(arrival, visit)
        if refused is None:
            found.append(arrival)
    return found


def _arrival(project: Project, filling: Filling, answer: Answer) -> Arrival:
    told: dict[str, Any] = {
        "survey": filling.survey, "question": answer.question, "kind": answer.kind, "response": filling.response,
        "via": filling.via,
    }  # fmt: skip
    if filling.touchpoint:
        told["touchpoint"] = filling.touchpoint
    if filling.place:
        told["place"] = filling.place
    addresses = project.contacts.addresses
    if answer.score is not None:
        told["score"] = answer.score
    if answer.answer is not None:
        told["answer"] = without_numbers(addresses, answer.answer) if answer.kind != "choice" else answer.answer
    if answer.other:
        told["other"] = without_numbers(addresses, answer.other)
    return arrival_of(EVENT, filling.id or ("anonymous", f"survey-{filling.response}"), told,
                      f"survey-{filling.response}-{answer.question}")  # fmt: skip


def arrival_of(event: str, id_: tuple[str, str], properties: dict[str, Any], message_id: str) -> Arrival:
    """An event of our own pages about the customer of ``id_``."""
    kind, value = id_
    at = now()
    made = Arrival(event=event, time=at, received_at=at, message_id=message_id, properties=properties, channel="survey")
    setattr(made, COLUMNS[kind], value)
    named, colon, hash_ = value.partition(":")
    if kind == "user" and colon and named in ("email", "phone", "number"):
        made.context["ids"] = {named: hash_}
    return made


def without_numbers(addresses: Addresses, text: Any) -> Any:
    """A text, or a list of them, with telephone numbers as people write them at home replaced; the door replaces
    addresses, and numbers that begin with +.

    >>> without_numbers(Addresses(b"k", "FI"), "call 040 123 4567, please").startswith("call phone:")
    True
    """
    if isinstance(text, list):
        return [without_numbers(addresses, each) for each in text]

    def replaced(found: re.Match[str]) -> str:
        known = addresses.found("phone", found[0])
        return found[0] if known is None else f"phone:{known[1]}"

    return _DIGITS.sub(replaced, text)
