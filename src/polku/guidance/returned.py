"""What comes back of mail: reports become events of the customer, and addresses that are gone get nothing any more."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from polku.channels.mailbox import opened
from polku.channels.reports import Report, read_report
from polku.channels.secret import secret_of
from polku.channels.services import SECRET, reports_of
from polku.errors import NoSecret, NoSuchHook, Unreadable, UsageError
from polku.guidance.outbox import SENT
from polku.guidance.sending import event_of, suppress
from polku.guidance.unsubscribing import keep
from polku.language import N_
from polku.record import tables
from polku.record.clock import moment, now
from polku.record.consents import Decision
from polku.record.contacts import Kind

if TYPE_CHECKING:
    from polku.record.project import Project

LANE: Final = "sending"
#: How far the mailbox was read: ``UIDVALIDITY:UID``, among the state's words.
PLACE: Final = "mailbox_read"
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


def read_mailbox(project: Project) -> dict[str, int | float | str] | None:
    """Read what came into the mailbox of ``[mailbox]`` since the last time. Raises ChannelError when it cannot."""
    settings = project.settings.mailbox
    with project.state.read() as connection:
        validity, _, last = (project.state.meta(connection, PLACE) or "0:0").partition(":")
    told = {"reports": 0, "events": 0}
    with opened(settings) as folder:
        seen = int(last) if int(validity) == folder.validity else 0  # else its numbers were given anew
        for number, content in folder.after(seen):
            report = read_report(content)
            if report.kind != "other":
                told["reports"] += 1
                told["events"] += take(project, report, content, "mailbox")
                folder.done(number, settings.after == "delete")
            with project.state.write(LANE) as connection:
                project.state.set_meta(connection, PLACE, f"{folder.validity}:{number}")
    return {name: count for name, count in told.items() if count} or None


def take_all(project: Project, service: str, body: bytes, headers: Mapping[str, str]) -> int:
    """What a mail service told in one request; how many events came of it.

    Raises Unproven for a request that does not prove who sent it, Unreadable for one that does not read, NoSecret where
    nothing to prove it by is set.
    """
    if service != project.settings.mail.service or not service:
        raise NoSuchHook(N_("[mail] service in polku.toml names another mail service, or none."))
    secret = secret_of(SECRET, os.environ)
    if not secret:
        raise NoSecret(N_("The secret is missing: put it into {name} or {name}_FILE."), name=SECRET)
    try:
        found = reports_of(service, body, headers, secret)
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError) as fault:  # a shape that is none of theirs
        raise Unreadable(N_("The request does not read as {service} writes it."), service=service) from fault
    return sum(take(project, one, body + str(n).encode(), service) for n, one in enumerate(found))


def suppressions(project: Project, limit: int = 1000) -> list[dict[str, Any]]:
    """The addresses that nothing is sent to any more, the latest first: kind, address where it is known still, reason,
    what was said, time."""
    row = tables.suppressions.c
    with project.state.read() as connection:
        found = connection.execute(sa.select(tables.suppressions).order_by(row.time.desc()).limit(limit)).all()
    known = project.contacts.of_many({one.hash for one in found})
    return [
        {
            "kind": one.kind, "hash": one.hash, "address": known[one.hash].value if one.hash in known else None,
            "reason": one.reason, "detail": one.detail or "", "time": moment(one.time),
        }
        for one in found
    ]  # fmt: skip


def allow(project: Project, kind: Kind, given: str, by: str, address: str = "") -> None:
    """Send to an address again, because a person says that it works by now; ``given``: the address or its hash. Raises
    UsageError for one that is not on the list."""
    row = tables.suppressions.c
    mine = sa.and_(row.kind == kind, row.hash.in_([given, *_hashes(project, kind, given)]))
    with project.state.write(LANE) as connection:
        gone = connection.execute(sa.delete(tables.suppressions).where(mine)).rowcount
    if not gone:
        raise UsageError(N_("{address} is not on the list of addresses that nothing is sent to."), address=given)
    project.audit.note(by, "address.allowed", kind, address=address)


def block(project: Project, given: str, by: str, address: str = "") -> None:
    """Send nothing more to an e-mail address, because a person says so. Raises UsageError for what is none."""
    hashes = _hashes(project, "email", given)
    if not hashes:
        raise UsageError(N_("{value!r} is no e-mail address."), value=given)
    with project.state.write(LANE) as connection:
        suppress(connection, "email", hashes[0], "by_hand", by, now())
    project.audit.note(by, "address.blocked", "email", address=address)


def _hashes(project: Project, kind: Kind, given: str) -> list[str]:
    """The hash of an address; none where it is none."""
    if project.contacts.addresses.normal(kind, given) is None:
        return []
    return [project.contacts.address_hash(kind, given)]
