"""What was answered to a survey: how many of how many, each question's score with its interval, over time and by
touchpoint.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from polku.content.piece import paths, read_piece
from polku.errors import ContentError
from polku.journey.model import Journey
from polku.journey.surveys import SCALES, Question, Survey
from polku.language import N_
from polku.measures.feeling.feeling import ENOUGH, FEW, Kind, parts_of, score_of
from polku.measures.result import Estimate, Period, Rate, to_dict
from polku.record import tables
from polku.surveys.answers import ANSWERED, DISMISSED, EVER, SHOWN, answers_table, asked, within

if TYPE_CHECKING:
    from polku.record.project import Project

#: What the ways to a survey are called.
VIAS: Final[Mapping[str, str]] = {
    "email": N_("by link in a letter"), "site": N_("on the site"), "qr": N_("by QR code"), "form": N_("by its address"),
}  # fmt: skip
#: The scores of these kinds are those of the measure `feeling`.
SCORED: Final[Mapping[str, Kind]] = {"nps": "nps", "csat": "csat", "ces": "ces"}


F64 = npt.NDArray[np.float64]
#: What is counted of the answers to one survey.
_WHOLE: Final = f"""
    select count(distinct customer) filter (event = '{ANSWERED}') as customers,
           count(*) filter (event = '{SHOWN}' and coalesce(via, 'site') = 'site') as shown,
           count(*) filter (event = '{DISMISSED}') as dismissed,
           min(time) filter (event = '{ANSWERED}') as first, max(time) filter (event = '{ANSWERED}') as last from rows
"""
#: Fillings in of the survey's own page that were before somebody's eyes, and those of them that were sent.
_OPENED: Final = f"""
    with opened as (select distinct response from rows where event = '{SHOWN}' and via <> 'site'),
    answered as (select distinct response from rows where event = '{ANSWERED}')
    select count(*) as opened, count(answered.response) as finished
    from opened left join answered on opened.response = answered.response
"""
_VIAS: Final = f"""
    select via, count(*) as n from (
        select response, any_value(via) as via from rows where event = '{ANSWERED}' group by response
    ) group by via order by n desc, via
"""
_GIVEN: Final = f"""
    select coalesce(question, '') as question, any_value(kind) as kind, count(*) as n,
           count(nullif(other, '')) as others
    from rows where event = '{ANSWERED}' group by 1 order by min(seq)
"""
_SCORES: Final = f"""
    select coalesce(question, '') as question, month, coalesce(touchpoint, '') as touchpoint, score, count(*) as n
    from rows where event = '{ANSWERED}' and score is not null and isfinite(score) group by all order by all
"""
_CHOSEN: Final = f"""
    select coalesce(question, '') as question, answer, count(*) as n from rows
    where event = '{ANSWERED}' and answer is not null and kind <> 'text' group by all order by n desc, answer
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """The score of some of the answers: of one month (``2026-05``), or about one touchpoint ("" for none)."""

    name: str
    n: int
    score: Estimate


@dataclasses.dataclass(frozen=True, slots=True)
class Answered:
    """The answers to one question. ``score``: of a scale; ``counts``: each number, or each choice, with how often it
    was given; ``texts``: how many wrote something."""

    question: str
    kind: str
    n: int
    score: Estimate | None
    counts: tuple[tuple[str, int], ...]
    best: int
    worst: int
    months: tuple[Part, ...]
    touchpoints: tuple[Part, ...]
    texts: int


@dataclasses.dataclass(frozen=True, slots=True)
class Results:
    """``responses``: fillings in; ``customers``: people known by them; ``vias``: fillings in by the way they came.
    ``mailed``: answers by link of the letters sent; ``shown``: answers on the site of the times it was shown;
    ``opened``: of the times that somebody had its own page before their eyes, where scripts tell it, those answered."""

    survey: str
    responses: int
    customers: int
    vias: tuple[tuple[str, int], ...]
    mailed: Rate
    shown: Rate
    opened: Rate
    dismissed: int
    first: dt.datetime | None
    last: dt.datetime | None
    questions: tuple[Answered, ...]

    @property
    def score(self) -> Answered | None:
        """The first question with a scale."""
        return next((q for q in self.questions if q.score is not None), None)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        told = {f.name: to_dict(getattr(self, f.name)) for f in dataclasses.fields(self)}
        return told | {"first": _when(self.first), "last": _when(self.last)}


def _when(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def names(project: Project, journey: Journey) -> list[str]:
    """Surveys of the map, then those that are answered and stand there no more (or never did)."""
    found = answers_table(project)
    there = asked("select distinct survey from rows where survey is not null and event = ?", [ANSWERED], rows=found)
    return [*journey.surveys, *sorted(set(there["survey"].to_pylist()) - set(journey.surveys))]


def results(project: Project, journey: Journey, survey: str, period: Period = EVER) -> Results:
    """What was answered to ``survey`` in ``period``. Also of a survey that the map has no more."""
    when, moments = within(period)
    rows = asked(
        f"select *, strftime(time at time zone ?, '%Y-%m') as month from rows where survey = ? and {when}",
        [journey.timezone, survey, *moments], rows=answers_table(project),
    )  # fmt: skip
    defined = journey.surveys.get(survey)
    questions = {q.id: q for q in defined.questions} if isinstance(defined, Survey) else {}
    [whole] = asked(_WHOLE, rows=rows).to_pylist()
    [opened] = asked(_OPENED, rows=rows).to_pylist()
    vias = {row["via"] or "": row["n"] for row in asked(_VIAS, rows=rows).to_pylist()}
    given = {row["question"]: row for row in asked(_GIVEN, rows=rows).to_pylist()}
    scores, chosen = asked(_SCORES, rows=rows).to_pylist(), asked(_CHOSEN, rows=rows).to_pylist()
    sent = mailed(project, survey, period)
    return Results(
        survey=survey,
        responses=sum(vias.values()),
        customers=whole["customers"],
        vias=tuple(vias.items()),
        mailed=Rate(min(vias.get("email", 0), sent), sent, unit="answers"),
        shown=Rate(min(vias.get("site", 0), whole["shown"]), whole["shown"], unit="answers"),
        opened=Rate(opened["finished"], opened["opened"], unit="answers"),
        dismissed=whole["dismissed"],
        first=whole["first"],
        last=whole["last"],
        questions=tuple(
            _answered(id, questions.get(id), given.get(id, {}), [row for row in scores if row["question"] == id],
                      [row for row in chosen if row["question"] == id])
            for id in dict.fromkeys([*questions, *given])
        ),
    )  # fmt: skip


def mailed(project: Project, survey: str, period: Period) -> int:
    """How many letters with a link to this survey were sent: those of the pieces that it stands in."""
    mark = f"survey_link.{survey}"
    pieces = []
    for path in paths(project.folder):
        try:
            piece = read_piece(project.folder, path)
        except ContentError:
            continue  # told by polku content check
        if mark in piece.body:
            pieces.append(path)
    row = tables.outbox.c
    query = sa.select(sa.func.count()).where(row.content.in_(pieces), row.state == "sent")
    for sign, moment in ((row.finished_at.__ge__, period.start), (row.finished_at.__lt__, period.end)):
        if moment is not None:
            query = query.where(sign(int(moment.timestamp() * 1_000_000)))
    with project.state.read() as connection:
        return int(connection.execute(query).scalar_one())


def _answered(
    id: str, question: Question | None, given: Mapping[str, Any], scores: list[dict[str, Any]],
    chosen: list[dict[str, Any]],
) -> Answered:  # fmt: skip
    """One question, of rows that are counted: ``scores`` by month, touchpoint and number; ``chosen`` by answer."""
    kind = question.kind if question is not None else given.get("kind") or "text"
    scale, n = SCALES.get(kind), int(given.get("n", 0))
    if scale is None:
        if (question is None or not question.choices) and kind not in ("choice", "heard"):
            return Answered(id, kind, n, None, (), 0, 0, (), (), n)
        counts: Counter[str] = Counter()
        for row in chosen:
            for one in listed_answers(row["answer"]):
                counts[one] += row["n"]
        return Answered(id, kind, n, None, tuple(counts.most_common()), 0, 0, (), (), int(given.get("others", 0)))
    told = [row for row in scores if scale[0] <= row["score"] <= scale[1]]

    def of(rows: list[dict[str, Any]]) -> F64:
        return np.repeat([float(row["score"]) for row in rows], [int(row["n"]) for row in rows])

    def parts(column: str) -> tuple[Part, ...]:
        mine = {name: of([row for row in told if row[column] == name]) for name in {row[column] for row in told}}
        return tuple(Part(name, len(mine[name]), _score(SCORED[kind], scale, mine[name])) for name in sorted(mine))

    every = of(told)
    good, bad = parts_of(SCORED[kind], (float(scale[0]), float(scale[1])), every)
    return Answered(
        id, kind, len(every), _score(SCORED[kind], scale, every),
        tuple((str(number), int(np.count_nonzero(every == number))) for number in range(scale[0], scale[1] + 1)),
        int(good.sum()), int(bad.sum()), parts("month"), parts("touchpoint"), 0,
    )  # fmt: skip


def _score(kind: Kind, scale: Sequence[int], scores: F64) -> Estimate:
    n = len(scores)
    good, bad = parts_of(kind, (float(scale[0]), float(scale[1])), scores)
    return score_of(kind, int(good.sum()), int(bad.sum()), n, scores, FEW if 0 < n < ENOUGH else None)


def listed_answers(text: str | None) -> list[str]:
    """The answers of an event: one, or those of a JSON list.

    >>> listed_answers('["google","friend"]'), listed_answers("google"), listed_answers(None)
    (['google', 'friend'], ['google'], [])
    """
    if not text:
        return []
    if text.startswith("["):
        try:
            found = json.loads(text)
        except ValueError:
            return [text]
        return [str(one) for one in found] if isinstance(found, list) else [text]
    return [text]
