"""What comes back of mail: reports become events of the customer, and addresses that are gone get nothing any more."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from polku.channels.reports import Report
from polku.guidance.outbox import SENT
from polku.guidance.sending import event_of, suppress
from polku.guidance.unsubscribing import keep
from polku.record import tables
from polku.record.clock import now
from polku.record.consents import Decision

if TYPE_CHECKING:
    from polku.record.project import Project

LANE: Final = "sending"
#: So many letters in a row that bounced softly (a full mailbox, a server that is gone for days) end the address too.
SOFT: Final = 5
EVENTS: Final = {"bounced": "Email Bounced", "complained": "Email Complained"}
#: Where a complaint's withdrawal was made, as consents keep it.
WHERE: Final = "complaint"


def take(project: Project, report: Report, content: bytes, via: str) -> bool:
    """Act on one report, once however often it comes; False: it was taken before, or no letter of ours is meant.

    ``content``: the report as it came; ``via``: where to.
    """
    digest, at = hashlib.sha256(content).hexdigest(), now()
    noted = tables.mail_reports.c
    with project.state.read() as connection:
        if connection.execute(sa.select(noted.digest).where(noted.digest == digest)).first() is not None:
            return False
    row = _message(project, report)
    acts = row is not None and report.kind in EVENTS
    if acts:  # before the rest: killed in between it is told again, and the same event is kept once
        _tell(project, row, report, at)
    with project.state.write(LANE) as connection:
        if acts:
            said = f"{report.kind}: {report.code} {report.reason}".rstrip()
            mine = sa.and_(tables.outbox.c.key == row.key, tables.outbox.c.state == SENT)
            connection.execute(sa.update(tables.outbox).where(mine).values(reason=said))
            if row.to and _ends(connection, report, row.to):
                suppress(connection, "email", row.to, report.kind, f"{report.code} {report.reason}".strip(), at)
        values = {"digest": digest, "via": via, "kind": report.kind, "code": report.code[:20], "time": at}
        connection.execute(sa.insert(tables.mail_reports).values(**values, matched=row is not None))
    return acts


def _message(project: Project, report: Report) -> Any:
    """The letter that a report is about; None for none of ours, and for one that was for somebody else."""
    if report.message is None:
        return None
    row = tables.outbox.c
    query = sa.select(tables.outbox).where(row.provider_id.like(f"<{report.message}@%"), row.channel == "email")
    with project.state.read() as connection:
        return connection.execute(query).first()


def _ends(connection: sa.Connection, report: Report, hash_: str) -> bool:
    """Whether nothing is to be sent to the address any more."""
    if report.kind == "complained" or report.hard:
        return True
    row = tables.outbox.c
    query = sa.select(row.reason).where(row.to == hash_, row.channel == "email", row.state == SENT)
    last = connection.execute(query.order_by(row.finished_at.desc()).limit(SOFT)).scalars().all()
    return len(last) == SOFT and all((reason or "").startswith("bounced") for reason in last)


def _tell(project: Project, row: Any, report: Report, at: int) -> None:
    ids = project.identities.ids_of(row.customer)
    if not ids:
        return
    best = min(ids, key=lambda one: (("user", "account", "anonymous").index(one.kind), one.names != "user"))
    said = {"message": row.key, "rule": row.rule, "channel": "email", "content": json.loads(row.payload or "{}").get(
        "content") or row.content, "variant": row.variant, "code": report.code, "reason": report.reason}  # fmt: skip
    properties: dict[str, Any] = {name: value for name, value in said.items() if value}
    if report.kind == "bounced":
        properties["hard"] = report.hard
    keep(project, event_of(EVENTS[report.kind], (best.kind, best.value), row.key, properties, at))
    if report.kind == "complained" and not project.erased.any([(best.kind, best.value)]):
        project.consents.decide([Decision(best.kind, best.value, "email", False, at, WHERE, None, "")])
