"""What messages said goes when its time is up; that there was one stays, for limits, proof and "once" rest on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from polku.record import tables

if TYPE_CHECKING:
    from polku.record.project import Project

#: The lane of the state in which messages are written.
LANE = "sending"


def let_go(project: Project, before: int, apply: bool) -> int:
    """Let go what messages, tasks and hand-overs said that were finished before ``before`` (microseconds).

    A message's rule, channel, piece, state and times stay, without its text and without what it was made of. Tasks that
    are done and visitors' turning to the shop's people go whole, and so does what was drawn on the site and can be
    shown no more. Returns how many; without ``apply`` they are only counted.
    """
    message, shown = tables.outbox.c, tables.site_messages.c
    may_show = sa.select(shown.key).where(shown.expires_at >= before)
    said = sa.and_(
        message.finished_at < before,
        sa.or_(message.payload.is_not(None), message.facts != "{}"),
        message.key.not_in(may_show),
    )
    rows: list[tuple[sa.Table, sa.ColumnElement[bool]]] = [
        (tables.site_messages, shown.expires_at < before),
        (tables.tasks, tables.tasks.c.done_at < before),
        (tables.handovers, tables.handovers.c.made_at < before),
    ]
    if not apply:
        with project.state.read() as connection:
            counts = [
                connection.execute(sa.select(sa.func.count()).select_from(table).where(where)).scalar_one()
                for table, where in ((tables.outbox, said), *rows)
            ]
        return sum(int(count) for count in counts)
    with project.state.write(LANE) as connection:
        emptied = sa.update(tables.outbox).where(said).values(payload=None, facts="{}")
        count = int(connection.execute(emptied).rowcount)
        for table, where in rows:
            count += int(connection.execute(sa.delete(table).where(where)).rowcount)
    return count
