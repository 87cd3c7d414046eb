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
import pyarrow as pa
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
    ``mailed``: answers by link of the letters sent; ``shown``: answers on the site of the times it was shown."""

    survey: str
    responses: int
    customers: int
    vias: tuple[tuple[str, int], ...]
    mailed: Rate
    shown: Rate
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
        f"select * from rows where survey = ? and {when} order by time, seq", [survey, *moments],
        rows=answers_table(project),
    )  # fmt: skip
    kept = asked("select * from rows where event = ?", [ANSWERED], rows=rows)
    defined = journey.surveys.get(survey)
    questions = defined.questions if isinstance(defined, Survey) else ()
    listed = list(dict.fromkeys([*(q.id for q in questions), *(x or "" for x in kept["question"].to_pylist())]))
    vias = Counter(dict(zip(kept["response"].to_pylist(), kept["via"].to_pylist(), strict=True)).values())
    events = Counter(rows["event"].to_pylist())
    times = kept["time"].to_pylist()
    zone, sent = journey.timezone, mailed(project, survey, period)
    return Results(
        survey=survey,
        responses=sum(vias.values()),
        customers=len(set(kept["customer"].drop_null().to_pylist())),
        vias=tuple((via or "", n) for via, n in vias.most_common()),
        mailed=Rate(min(vias["email"], sent), sent, unit="answers"),
        shown=Rate(min(vias["site"], events[SHOWN]), events[SHOWN], unit="answers"),
        dismissed=events[DISMISSED],
        first=min(times, default=None),
        last=max(times, default=None),
        questions=tuple(
            _answered(id, next((q for q in questions if q.id == id), None), kept, zone) for id in listed
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


def _answered(id: str, question: Question | None, kept: pa.Table, zone: str) -> Answered:
    rows = asked(
        "select *, strftime(time at time zone ?, '%Y-%m') as month from rows where coalesce(question, '') = ?",
        [zone, id], rows=kept,
    )  # fmt: skip
    kind = question.kind if question is not None else next((k for k in rows["kind"].to_pylist() if k), "text")
    scale = SCALES.get(kind)
    if scale is None:
        counts = Counter(one for text in rows["answer"].to_pylist() for one in listed_answers(text))
        choices = question is not None and bool(question.choices)
        written = sum(1 for text in rows["other"].to_pylist() if text)
        if choices or kind in ("choice", "heard"):
            return Answered(id, kind, rows.num_rows, None, tuple(counts.most_common()), 0, 0, (), (), written)
        return Answered(id, kind, rows.num_rows, None, (), 0, 0, (), (), rows.num_rows)
    rows = asked("select * from rows where score between ? and ?", [*scale], rows=rows)
    scores = rows["score"].to_numpy(zero_copy_only=False)
    good, bad = parts_of(SCORED[kind], (float(scale[0]), float(scale[1])), scores)

    def part(name: str, chosen: Any) -> Part:
        mine = scores[chosen]
        return Part(name, len(mine), _score(SCORED[kind], scale, mine))

    def parts(column: str) -> tuple[Part, ...]:
        values = np.array([value or "" for value in rows[column].to_pylist()], dtype=object)
        return tuple(part(str(value), values == value) for value in sorted(set(values.tolist())))

    numbers = range(scale[0], scale[1] + 1)
    return Answered(
        id, kind, len(scores), _score(SCORED[kind], scale, scores),
        tuple((str(number), int(np.count_nonzero(scores == number))) for number in numbers),
        int(good.sum()), int(bad.sum()), parts("month"), parts("touchpoint"), 0,
    )  # fmt: skip


def _score(kind: Kind, scale: Sequence[int], scores: np.ndarray[Any, np.dtype[np.float64]]) -> Estimate:
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
