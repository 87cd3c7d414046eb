"""The section ``surveys:`` of the map: what customers are asked, at which touchpoint, and what the answers measure.

A survey that names its touchpoint measures the feeling there by its first question with a scale, without a ``felt`` of
the touchpoint's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from polku.journey import values
from polku.journey.parts import Id, Names, Part, Text
from polku.journey.values import Frozen, one_or_many

Kind = Literal["nps", "csat", "ces", "choice", "text", "heard", "bought", "stopped"]
KINDS: Final[tuple[Kind, ...]] = ("nps", "csat", "ces", "choice", "text", "heard", "bought", "stopped")
#: Kinds that are answered with a number, with the worst and the best of each.
SCALES: Final[Mapping[str, tuple[int, int]]] = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}
#: The event of one answer to one question; what its properties are: docs/surveys.md.
EVENT: Final = "Survey Answered"
#: The id of the choice that opens a field to write in, and what is written there goes into the property ``other``.
OTHER: Final = "other"


def slug(text: str) -> str:
    """An id made of a text.

    >>> slug("Ystävä tai tuttu"), slug("Google-haku"), slug("5 tähteä")
    ('ystava_tai_tuttu', 'google_haku', 'a_5_tahtea')
    """
    plain = text.lower().translate(str.maketrans("äåöéü", "aaoeu"))
    found = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:58] or "a"
    return found if found[0].isalpha() else f"a_{found}"


class Choice(Part):
    """One of the answers to choose from. Its title alone may stand in its place."""

    id: Id = Field(description="What the answer is called in the events; made from the title where left out.")
    title: Text | None = Field(default=None, description="What people read; made from the id where left out.")
    means: Names = Field(
        default=(),
        description="Of a question of the kind heard: the sources of visits that say the same, to be set beside what "
        "clicks say; its id where left out.",
        examples=["instagram", "google"],
    )

    @classmethod
    def read(cls, value: Any) -> Any:
        """The short form, a title alone, as the long one."""
        if isinstance(value, str) and value.strip():
            return {"id": slug(value), "title": value}
        if isinstance(value, dict) and value and all(len(str(key)) == 2 and key != "id" for key in value):
            return {"id": slug(str(value.get("en") or next(iter(value.values())))), "title": value}
        return value


class AskIf(Part):
    """When a question is asked: by the answer to an earlier one of the same survey."""

    question: Id = Field(description="The id of the earlier question.", examples=["recommend"])
    at_least: float | None = Field(default=None, description="Asked where its number is at least this.")
    at_most: float | None = Field(default=None, description="Asked where its number is at most this.", examples=[6])
    answer: Names = Field(default=(), description="Asked where one of these choices was its answer.")


class Question(Part):
    """One question of a survey."""

    id: Id = Field(description="Its name in the events; unique in the survey.", examples=["recommend"])
    kind: Kind = Field(
        description="What is asked: nps (would you recommend us, 0 to 10), csat (were you satisfied, 1 to 5), ces (was "
        "it easy, 1 to 7), choice, text, heard (how did you hear of us), bought (what made you buy), stopped (what "
        "nearly stopped you)."
    )
    ask: Text | None = Field(default=None, description="The question itself; the usual wording where left out.")
    hint: Text | None = Field(default=None, description="What helps to answer, in small below the question.")
    worst: Text | None = Field(default=None, description="What stands at the worst number of a scale.")
    best: Text | None = Field(default=None, description="What stands at the best number of a scale.")
    choices: Annotated[
        tuple[Annotated[Choice, BeforeValidator(Choice.read, json_schema_input_type=Text | Choice)], ...],
        BeforeValidator(values.none_is_empty, json_schema_input_type=list[Text | Choice] | None),
    ] = Field(
        default=(),
        description="The answers to choose from; one with the id other opens a field to write in. The usual ones of "
        "the kind heard where left out.",
    )
    several: bool = Field(default=False, description="Whether several choices may be taken.")
    needed: bool = Field(
        default=False, description="Whether the survey cannot be sent without it; a scale that comes first always is."
    )
    if_: AskIf | None = Field(default=None, alias="if", description="When it is asked; always where left out.")

    @property
    def scale(self) -> tuple[int, int] | None:
        """The worst and the best number; None where no number is asked for."""
        return SCALES.get(self.kind)


class Survey(Part):
    """Questions that are asked together: on the site, by a link in a letter, at the counter by QR code."""

    title: Text = Field(description="What people read.", examples=["How was ordering?"])
    touchpoint: Id | None = Field(
        default=None,
        description="The touchpoint that it is about. Its first question with a scale measures the feeling there.",
        examples=["order"],
    )
    intro: Text | None = Field(default=None, description="What stands before the first question.")
    thanks: Text | None = Field(default=None, description="What is said when it has been answered.")
    questions: Annotated[
        tuple[Question, ...], BeforeValidator(one_or_many, json_schema_input_type=Question | list[Question])
    ] = Field(min_length=1, description="What is asked, in order.")
    open: bool = Field(
        default=True,
        description="Whether whoever has its address may answer, as at the counter; false: only by a link of one's "
        "own, and on the site.",
    )

    @property
    def scored(self) -> Question | None:
        """The first question with a scale, by which the survey measures; None where it has none."""
        return next((q for q in self.questions if q.scale is not None), None)

    def question(self, id: str) -> Question | None:
        """The question ``id``; None where there is none."""
        return next((q for q in self.questions if q.id == id), None)


Surveys = Annotated[
    dict[str, Survey],
    BeforeValidator(lambda value: {} if value is None else value, json_schema_input_type=dict[str, Survey] | None),
    AfterValidator(Frozen),
]


def measured_by(surveys: Mapping[str, Survey], touchpoint: str) -> dict[str, Any] | None:
    """What ``felt`` of a touchpoint would say, made from the surveys about it; None where no survey measures it.

    Surveys of one kind are taken together; of several kinds the first one in the map counts.
    """
    about = [(name, q) for name, s in surveys.items() if s.touchpoint == touchpoint and (q := s.scored) is not None]
    if not about:
        return None
    kind = about[0][1].kind
    wheres = [f"properties.survey = '{name}' and properties.question = '{q.id}'" for name, q in about if q.kind == kind]
    where = wheres[0] if len(wheres) == 1 else " or ".join(f"({each})" for each in wheres)
    return {"event": EVENT, "where": where, "scale": SCALES[kind], "kind": kind}
