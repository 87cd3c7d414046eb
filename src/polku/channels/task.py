"""Tasks for people: the salesperson calls, the shop looks after a parcel. The list is at /tasks and ``polku tasks``.

A task is given by a rule as ``send: {channel: task, task: Call {{ customer.first_name }}, owner: mikko}``, or with a
piece of content whose subject is the title.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from polku.channels.channel import DELIVERED, Delivery, Outgoing
from polku.errors import UsageError
from polku.language import N_
from polku.record import tables
from polku.record.clock import now

if TYPE_CHECKING:
    from polku.record.project import Project
    from polku.record.state import State

#: Characters of what somebody writes about a task that is done.
LONGEST = 2000


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """One task. Times: microseconds since 1970 UTC. ``owner``: "" for anybody."""

    number: int
    key: str
    rule: str
    customer: int
    title: str
    text: str
    owner: str
    made_at: int
    due_at: int | None = None
    done_at: int | None = None
    done_by: str | None = None
    outcome: str | None = None


class Tasks:
    """Writes tasks down. The key makes a second try of the same one harmless."""

    name = "task"
    address: Literal["email", "phone"] | None = None
    purpose: str | None = None
    repeats = True
    content = False

    def __init__(self, project: Project) -> None:
        self.project = project

    def problem(self) -> tuple[str, Mapping[str, Any]] | None:
        return None

    async def deliver(self, outgoing: Outgoing) -> Delivery:
        await asyncio.to_thread(put_task, self.project.state, outgoing)
        return DELIVERED

    async def close(self) -> None:
        return


def put_task(state: State, outgoing: Outgoing) -> None:
    """Write a task, unless it is there already."""
    due = outgoing.facts.get("due_in")
    values = {
        "key": outgoing.key, "rule": outgoing.rule, "customer": outgoing.customer,
        "title": outgoing.subject or str(outgoing.facts.get("task") or outgoing.rule), "text": outgoing.text,
        "owner": str(outgoing.facts.get("owner") or ""), "made_at": outgoing.made_at,
        "due_at": outgoing.made_at + int(due * 1_000_000) if isinstance(due, (int, float)) else None,
    }  # fmt: skip
    with state.write("sending") as connection:
        there = connection.execute(sa.select(tables.tasks.c.number).where(tables.tasks.c.key == outgoing.key)).first()
        if there is None:
            connection.execute(sa.insert(tables.tasks).values(**values))


def tasks_of(
    state: State, *, done: bool = False, owner: str | None = None, customer: int | None = None, limit: int = 200
) -> list[Task]:
    """Open tasks, the oldest first; or those that are done, the latest first."""
    row = tables.tasks.c
    query = sa.select(tables.tasks).where(row.done_at.is_not(None) if done else row.done_at.is_(None)).limit(limit)
    query = query.order_by(row.done_at.desc() if done else row.made_at, row.number)
    if owner is not None:
        query = query.where(row.owner.in_((owner, "")))
    if customer is not None:
        query = query.where(row.customer == customer)
    with state.read() as connection:
        return [Task(**found._mapping) for found in connection.execute(query)]


def finish_task(state: State, number: int, by: str, outcome: str = "") -> Task:
    """Note that a task is done, by whom and with what outcome. Raises UsageError for none, or one that is done."""
    if len(outcome) > LONGEST:
        raise UsageError(N_("The {what} is longer than {most} signs."), what=N_("outcome"), most=LONGEST)
    row = tables.tasks.c
    with state.write("sending") as connection:
        found = connection.execute(sa.select(tables.tasks).where(row.number == number)).first()
        if found is None:
            raise UsageError(N_("There is no task {number}."), number=number)
        task = Task(**found._mapping)
        if task.done_at is not None:
            raise UsageError(N_("The task {number} is done already, by {who}."), number=number, who=task.done_by or "")
        done = dataclasses.replace(task, done_at=now(), done_by=by, outcome=outcome or None)
        connection.execute(
            sa.update(tables.tasks)
            .where(row.number == number)
            .values(done_at=done.done_at, done_by=done.done_by, outcome=done.outcome)
        )
    return done
