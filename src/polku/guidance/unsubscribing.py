"""Unsubscribing by a link, and what readers do with a letter: each becomes a decision or an event of the customer's."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any, Final

from polku.collect.columns import Kept, table_of
from polku.events.arrival import Arrival
from polku.events.door import Visit, enter
from polku.guidance.links import Link
from polku.guidance.sending import SOURCE, event_of
from polku.record.clock import moment, now
from polku.record.consents import Decision
from polku.record.inbox import LANE
from polku.record.permission import Learned

if TYPE_CHECKING:
    from polku.channels.task import Task
    from polku.record.project import Project

#: Where a decision was made, as consents keep it.
WHERE: Final = "unsubscribe link"


def unsubscribed(project: Project, link: Link) -> bool:
    """Whether the customer of a link gets no letters by its purpose now."""
    return link.purpose not in project.consents.held([link.id], now()).granted


def unsubscribe(project: Project, link: Link, again: bool = False) -> None:
    """Withdraw the consent of a link's purpose; ``again``: give it back, when the click was a mistake."""
    if link.test or unsubscribed(project, link) != again:  # a letter to a test address is nobody's decision
        return  # mail programs ask twice
    decision = Decision(*link.id, link.purpose, again, now(), WHERE, None, "")
    event = "Subscribed" if again else "Unsubscribed"
    arrival = event_of(event, link.id, link.key, _properties(link), now())
    arrival.message_id = f"polku-{uuid.uuid4().hex}"
    if not project.erased.any([link.id]):
        project.consents.decide([decision])
        keep(project, arrival)


def note_read(project: Project, link: Link, agent: str) -> None:
    """A letter's link was followed, or its picture fetched. Scanners are told apart by the mover: by their ``agent``,
    and by how soon after the sending they come."""
    properties = _properties(link) | {"sent_at": moment(link.sent).astimezone(dt.UTC).isoformat()}
    arrival = event_of(
        "Email Clicked" if link.what == "click" else "Email Opened", link.id, link.key, properties, now()
    )
    arrival.message_id = f"polku-{uuid.uuid4().hex}"
    if agent:
        arrival.context["userAgent"] = agent[:1000]
    if link.content:
        arrival.context["campaign"] = {"source": SOURCE, "medium": "email", "name": link.content}
    keep(project, arrival)


def keep(project: Project, arrival: Arrival) -> bool:
    """Put an event of our own into the inbox, by the door's steps. False where the customer's no refuses it."""
    arrival.received_at = now()
    visit = Visit(source=SOURCE, received_at=arrival.received_at, permission=project.permission, learned=Learned())
    if enter(arrival, visit) is not None:
        return False
    with project.state.write(LANE) as connection:
        project.inbox.put(connection, table_of([Kept([arrival])]))
    return True


def _properties(link: Link) -> dict[str, Any]:
    told = {"message": link.key, "rule": link.rule, "content": link.content, "url": link.url, "purpose": link.purpose}
    return {name: value for name, value in told.items() if value}


def task_done(project: Project, task: Task) -> None:
    """The event that tells that a person has done a task about a customer."""
    ids = project.identities.ids_of(task.customer)
    if not ids:
        return
    best = min(ids, key=lambda one: (("user", "account", "anonymous").index(one.kind), one.names != "user"))
    properties = {"message": task.key, "rule": task.rule, "task": task.title, "outcome": task.outcome,
                  "owner": task.done_by}  # fmt: skip
    said = {name: value for name, value in properties.items() if value}
    keep(project, event_of("Task Completed", (best.kind, best.value), task.key, said, now(), channel="task"))
