"""What people of the shop wrote beside answers and reviews goes when those have gone: tags, replies, reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from polku.record import tables

if TYPE_CHECKING:
    from polku.record.project import Project

#: Tables of it, with the column that names the event.
BESIDE: Final = (
    (tables.answer_tags, tables.answer_tags.c.answer),
    (tables.review_replies, tables.review_replies.c.review),
    (tables.review_reports, tables.review_reports.c.review),
)  # fmt: skip
#: So many events go in one statement.
MANY: Final = 500


def clear(project: Project, before: int, apply: bool) -> int:
    """Delete what stands beside events that the record has no more, and which links were used before ``before``
    (microseconds). Returns how many rows; without ``apply`` they are only counted."""
    with project.state.read() as connection:  # before the look at the events: what is written later is beside new ones
        named = {table.name: set(connection.execute(sa.select(column)).scalars()) for table, column in BESIDE}
    gone: set[str] = set()
    if any(named.values()):
        names = "('Survey Answered', 'Product Reviewed')"
        there = set(project.sql(f"select event_id from events where event in {names}")["event_id"].to_pylist())
        gone = set().union(*named.values()) - there
    used = tables.survey_responses.c.finished_at < before
    count = 0
    with project.state.write() as connection:
        for table, column in BESIDE:
            mine = sorted(gone & named[table.name])
            for at in range(0, len(mine), MANY):
                count += _go(connection, table, column.in_(mine[at : at + MANY]), apply)
        count += _go(connection, tables.survey_responses, used, apply)
    return count


def _go(connection: sa.Connection, table: sa.Table, where: sa.ColumnElement[bool], apply: bool) -> int:
    if apply:
        return int(connection.execute(sa.delete(table).where(where)).rowcount)
    return int(connection.execute(sa.select(sa.func.count()).select_from(table).where(where)).scalar_one())
