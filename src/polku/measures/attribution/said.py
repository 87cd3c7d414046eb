"""What customers say of how they heard of us, beside the first touch that clicks know of the same customers."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from polku.journey.model import Journey, Survey, Text
from polku.kernels.attribution import paths as kernel
from polku.kernels.columns import Columns
from polku.measures.attribution.touches import Question
from polku.measures.feeling.answers import answers_of
from polku.measures.result import Rate
from polku.measures.view import View
from polku.surveys.asking import HEARD, choices_of

I64 = npt.NDArray[np.int64]
U32 = npt.NDArray[np.uint32]
ANSWERED = "Survey Answered"
#: Of a customer's first touch: none on the path, and nobody who converted.
NO_TOUCH, NOBODY = -1, -2
_QUERY = """
    select customer, json_extract_string(properties, '$.answer') as answer from answers
    where event = 'Survey Answered' and customer is not null and json_extract_string(properties, '$.kind') = 'heard'
      and json_extract_string(properties, '$.answer') is not null
    qualify row_number() over (partition by customer order by time, seq) = 1 order by customer
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Said:
    """One answer to "how did you hear of us". ``customers``: of those who gave it (in their first answer), those who
    converted in the period; ``same``: of these, those whose first touch is what the answer means; ``clicks``: their
    first touches, the most first, "" for none.
    """

    answer: str
    title: Text
    customers: int
    same: Rate
    clicks: tuple[tuple[str, int], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Heard:
    """What customers say against what clicks say. ``answered``: customers who converted and said something;
    ``channels``: by the channel's name, how many of them said what means that channel."""

    answered: int
    said: tuple[Said, ...]
    channels: tuple[tuple[str, int], ...]


def heard(view: View, question: Question, labels: tuple[U32, ...] | None) -> Heard | None:
    """The answers of the view's customers who converted in its period; None where none of them was asked."""
    answers = view.answers
    if view.project is not None:
        answers = answers_of(view.project, (ANSWERED,))
    if answers is None or not answers.num_rows:
        return None
    told = _told(answers)
    if not told:
        return None
    work = functools.partial(_firsts, question)
    firsts = view.map(work) if labels is None else view.map_with(work, labels)
    first: dict[int, int] = {}
    for bucket, channels in zip(view.buckets, firsts, strict=True):
        came = np.flatnonzero(channels > NOBODY)
        first.update(zip(bucket.customer[came].tolist(), channels[came].tolist(), strict=True))
    titles, means = _words(view.journey)
    if not any(customer in first for customer, _ in told):
        return None
    groups: dict[str, list[int]] = {}
    for customer, given in told:
        for one in given:
            if customer in first:
                groups.setdefault(one, []).append(first[customer])
    names = [name.casefold() for name in question.names]
    said = [_said(answer, came_by, titles, means, question, names) for answer, came_by in groups.items()]
    by_channel = Counter[str]()
    for answer, came_by in groups.items():
        for name in question.names:
            if name.casefold() in means.get(answer, frozenset({answer.casefold()})):
                by_channel[name] += len(came_by)
    return Heard(
        len({customer for customer, _ in told if customer in first}),
        tuple(sorted(said, key=lambda one: (-one.customers, one.answer))),
        tuple((name, by_channel[name]) for name in question.names),
    )


def _said(
    answer: str, channels: list[int], titles: dict[str, Text], means: dict[str, frozenset[str]], question: Question,
    names: list[str],
) -> Said:  # fmt: skip
    wanted = means.get(answer, frozenset({answer.casefold()}))
    clicks = Counter("" if channel == NO_TOUCH else question.names[channel] for channel in channels)
    same = sum(1 for channel in channels if channel != NO_TOUCH and names[channel] in wanted)
    known = sum(1 for channel in channels if channel != NO_TOUCH)
    return Said(answer, titles.get(answer, answer), len(channels), Rate(same, known), tuple(clicks.most_common(3)))


def _told(answers: pa.Table) -> list[tuple[int, list[str]]]:
    """Each customer's first answer: the choices taken."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("answers", answers)
        rows = connection.sql(_QUERY).fetchall()
    return [(int(customer), list(_listed(answer))) for customer, answer in rows]


def _listed(answer: str) -> Iterator[str]:
    try:
        found = json.loads(answer) if answer.startswith("[") else [answer]
    except ValueError:
        found = [answer]
    yield from (str(one) for one in found) if isinstance(found, list) else (answer,)


def _firsts(question: Question, bucket: Columns, labels: U32 | None = None) -> I64:
    """int64[C]: the channel of the first touch of each customer's first conversion; NO_TOUCH, NOBODY."""
    found = question.paths(bucket, labels)
    table = found.table[found.table[:, kernel.STATE] == kernel.CONVERTED]
    begin, stop = table[:, kernel.BEGIN], table[:, kernel.STOP]
    channel = np.full(len(table), NO_TOUCH, np.int64)
    there = stop > begin
    channel[there] = found.channel[begin[there]]
    out = np.full(len(bucket.skip), NOBODY, np.int64)
    out[table[::-1, kernel.CUSTOMER]] = channel[::-1]  # of several conversions the first is written last
    return out


def _words(journey: Journey) -> tuple[dict[str, Text], dict[str, frozenset[str]]]:
    """What people read of each answer, and the channels that mean the same."""
    titles: dict[str, Text] = {id: title for id, title, _ in HEARD}
    means = {id: frozenset([id, *names]) for id, _, names in HEARD}
    for survey in journey.surveys.values():
        for question in survey.questions if isinstance(survey, Survey) else ():
            for choice in choices_of(question) if question.kind == "heard" else ():
                if choice.title is not None:
                    titles[choice.id] = choice.title
                means[choice.id] = frozenset(name.casefold() for name in (*choice.means, choice.id))
    return titles, means
