"""What people wrote: read by touchpoint, searched, and tagged by hand."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from polku.errors import UsageError
from polku.language import N_
from polku.measures.feeling.answers import customers_in
from polku.measures.result import Period
from polku.record import tables
from polku.record.clock import now
from polku.surveys.answers import ANSWERED, EVER, answers_table, asked, within

if TYPE_CHECKING:
    from polku.measures.view import View
    from polku.record.project import Project

#: Signs of the longest tag.
LONGEST_TAG: Final = 60
MOST_TAGS: Final = 20
#: Where an address stood, as the record keeps it.
HASHED: Final = re.compile(r"\b(email|phone):[A-Za-z0-9_-]{22}(?![A-Za-z0-9_-])")
#: Kinds whose answers are texts, besides what is written beside a choice.
_WRITTEN: Final = f"""
    with scores as (
        select response, arg_min(score, seq) as score, arg_min(kind, seq) as score_kind
        from rows where score is not null and event = '{ANSWERED}' group by response
    ), written as (
        select event_id, customer, time, seq, survey, question, kind, response, touchpoint, via,
               case when other is not null and other <> '' then other
                    when kind in ('choice', 'heard') or answer like '["%' then null else answer end as text
        from rows where event = '{ANSWERED}'
    )
    select written.*, scores.score, scores.score_kind from written left join scores using (response)
    where text is not null and text <> ''
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Words:
    """What somebody wrote. ``id``: of the event; ``score``: the number that they gave in the same filling in."""

    id: str
    customer: int | None
    time: dt.datetime
    survey: str
    question: str
    kind: str
    touchpoint: str
    via: str
    text: str
    score: float | None
    score_kind: str | None
    tags: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**dataclasses.asdict(self), "time": self.time.isoformat(), "tags": list(self.tags)}


@dataclasses.dataclass(frozen=True, slots=True)
class Filters:
    """Which texts; None: all. ``words``: every one of them is in the text. ``touchpoint`` "-": about none."""

    survey: str | None = None
    question: str | None = None
    kind: str | None = None
    touchpoint: str | None = None
    tag: str | None = None
    words: str | None = None
    period: Period = EVER


def texts(project: Project, asked_for: Filters, limit: int = 100) -> tuple[list[Words], int]:
    """What was written, the latest first, at most ``limit`` of it; and how much there is."""
    when, moments = within(asked_for.period)
    conditions: list[str] = [when]
    given: list[Any] = [*moments]
    for name in ("survey", "question", "kind"):
        if (value := getattr(asked_for, name)) is not None:
            conditions.append(f"{name} = ?")
            given.append(value)
    if asked_for.touchpoint is not None:
        conditions.append("coalesce(touchpoint, '-') = ?")
        given.append(asked_for.touchpoint)
    for word in (asked_for.words or "").split():
        conditions.append("contains(lower(text), lower(?))")
        given.append(word)
    if asked_for.tag is not None:
        conditions.append("list_contains(?, event_id)")
        given.append(_tagged(project, asked_for.tag))
    rows = asked(
        f"select *, count(*) over () as whole from ({_WRITTEN}) where {' and '.join(conditions)} "
        f"order by time desc, seq desc limit {limit:d}",
        given, rows=answers_table(project),
    ).to_pylist()  # fmt: skip
    tags = tags_of(project, [row["event_id"] for row in rows])
    found = [
        Words(
            row["event_id"], row["customer"], row["time"], row["survey"] or "", row["question"] or "",
            row["kind"] or "text", row["touchpoint"] or "", row["via"] or "", row["text"], row["score"],
            row["score_kind"], tags.get(row["event_id"], ()),
        )
        for row in rows
    ]  # fmt: skip
    return found, int(rows[0]["whole"]) if rows else 0


def quotes_in(view: View, kind: str, most: int = 3) -> dict[str, tuple[int, tuple[str, ...]]]:
    """By touchpoint ("" for none): how many of the view's customers answered a question of this kind with a text in its
    period, and the latest of them. Nothing without a project.
    """
    if view.project is None:
        return {}
    start, end = (dt.datetime.fromtimestamp(second, dt.UTC) for second in (view.start, view.end))
    rows = asked(
        f"select touchpoint, customer, text from ({_WRITTEN}) "
        "where kind = ? and customer is not null and time >= ? and time < ? order by time desc, seq desc",
        [kind, start, end], rows=answers_table(view.project),
    )  # fmt: skip
    listed = set(customers_in(view).tolist()) if rows.num_rows else set()
    told: dict[str, tuple[int, tuple[str, ...]]] = {}
    for row in rows.to_pylist():
        if row["customer"] in listed:
            n, said = told.get(row["touchpoint"] or "", (0, ()))
            told[row["touchpoint"] or ""] = (n + 1, (*said, readable(row["text"])) if len(said) < most else said)
    return told


@dataclasses.dataclass(frozen=True, slots=True)
class Facets:
    """What texts can be chosen by: surveys, touchpoints ("" for none) and kinds of questions that have any."""

    surveys: tuple[str, ...]
    touchpoints: tuple[str, ...]
    kinds: tuple[str, ...]


def facets(project: Project) -> Facets:
    """What there is to choose texts by."""
    rows = asked(
        "select distinct coalesce(survey, '') survey, coalesce(touchpoint, '') touchpoint, "
        f"coalesce(kind, 'text') kind from ({_WRITTEN})",
        rows=answers_table(project),
    ).to_pylist()
    return Facets(*(tuple(sorted({row[name] for row in rows})) for name in ("survey", "touchpoint", "kind")))


def readable(text: str, mark: str = "[…]") -> str:
    """A text as people read it: where an address stood, a sign.

    >>> readable("write to email:HEpR5_LY3ScaA5ZVSek8vg please")
    'write to […] please'
    """
    return HASHED.sub(mark, text)


# -- tags -------------------------------------------------------------------------------------------------------------


def tags_of(project: Project, ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The tags of answers, in order."""
    wanted, row = list(ids), tables.answer_tags.c
    found: dict[str, list[str]] = {}
    with project.state.read() as connection:
        for at in range(0, len(wanted), 10_000):
            query = sa.select(row.answer, row.tag).where(row.answer.in_(wanted[at : at + 10_000])).order_by(row.tag)
            for answer, tag in connection.execute(query):
                found.setdefault(answer, []).append(tag)
    return {answer: tuple(tags) for answer, tags in found.items()}


def _tagged(project: Project, tag: str) -> list[str]:
    row = tables.answer_tags.c
    with project.state.read() as connection:
        return list(connection.execute(sa.select(row.answer).where(row.tag == tag)).scalars())


def tag_counts(project: Project) -> list[tuple[str, int]]:
    """Every tag with how often it is used, the most used first."""
    row = tables.answer_tags.c
    with project.state.read() as connection:
        query = sa.select(row.tag, sa.func.count()).group_by(row.tag).order_by(sa.func.count().desc(), row.tag)
        return [(tag, int(n)) for tag, n in connection.execute(query)]


def tag(project: Project, answer: str, tags: str, author: str) -> tuple[str, ...]:
    """Give an answer exactly these tags (commas between them); returns them.

    Raises UsageError for an answer that there is not, and for too long or too many tags.
    """
    wanted = tuple(dict.fromkeys(t for each in tags.split(",") if (t := " ".join(each.split()).lower())))
    if len(wanted) > MOST_TAGS:
        raise UsageError(N_("An answer has at most {most} tags."), most=MOST_TAGS)
    for each in wanted:
        if len(each) > LONGEST_TAG:
            raise UsageError(N_("The tag {tag!r} is longer than {most} signs."), tag=each[:80], most=LONGEST_TAG)
    found = asked(
        "select customer from rows where event_id = ? and event = ?", [answer, ANSWERED], rows=answers_table(project)
    ).to_pylist()  # fmt: skip
    if not found:
        raise UsageError(N_("There is no answer {id}."), id=answer)
    customer = found[0]["customer"] if found[0]["customer"] is not None else -1
    table = tables.answer_tags
    with project.state.write() as connection:
        had = set(connection.execute(sa.select(table.c.tag).where(table.c.answer == answer)).scalars())
        gone = had - set(wanted)
        connection.execute(sa.delete(table).where(table.c.answer == answer, table.c.tag.in_(sorted(gone))))
        for each in wanted:
            if each not in had:
                connection.execute(
                    sa.insert(table).values(answer=answer, tag=each, customer=customer, author=author, made_at=now())
                )
    return tuple(sorted(wanted))
