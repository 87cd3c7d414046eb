"""What campaigns and lists for ads hold of a customer: for whoever asks to see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from polku.record import tables
from polku.record.clock import moment

if TYPE_CHECKING:
    from polku.record.project import Project


def held(project: Project, numbers: Sequence[int]) -> dict[str, list[dict[str, Any]]]:
    """``lists``: campaigns whose list they are on, and what was decided; ``answers`` to invitations; ``audiences``: the
    lists for ads that they are on, with the hashes that platforms have been given. ``numbers``: of all their ids.
    """
    member, answer, listed = tables.campaign_members, tables.campaign_answers, tables.audience_listed
    choice = tables.audience_choices

    def time(value: int | None) -> str | None:
        return None if value is None else moment(int(value)).isoformat()

    with project.state.read() as connection:

        def of(table: sa.Table) -> Sequence[Any]:
            return connection.execute(sa.select(table).where(table.c.origin.in_(numbers))).all()

        return {
            "lists": [
                {"campaign": row.campaign, "what": row.what, "due": time(row.due_at), "decided": time(row.decided_at)}
                for row in of(member)
            ],
            "answers": [
                {"campaign": row.campaign, "answer": row.answer, "guests": row.guests, "place": row.place,
                 "note": row.note, "time": time(row.answered_at)}
                for row in of(answer)
            ],
            "audiences": [
                {"audience": row.audience, "since": time(row.since), "identifiers": row.identifiers}
                for row in of(listed)
            ],
            "choices": [
                {"audience": row.audience, "choice": row.choice, "rule": row.rule, "since": time(row.since),
                 "until": time(row.until)}
                for row in of(choice)
            ],
        }  # fmt: skip
