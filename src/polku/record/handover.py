"""All that is held of a customer, handed over: a zip with a page to read (Finnish and English) and the same as JSON."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from polku.language import LANGUAGES, Reader
from polku.record import tables
from polku.record.belonging import Belongings, belongings, events
from polku.record.clock import moment, now
from polku.record.naming import called

if TYPE_CHECKING:
    from polku.record.project import Project

#: Columns of history that are told of each event.
COLUMNS: Final = (
    "time", "received_at", "event", "original_event", "source", "channel", "value", "currency", "consent", "session_id",
    "event_id", "seq", "user_id", "anonymous_id", "account_id", "properties", "context",
)  # fmt: skip


def held(project: Project, given: str) -> dict[str, Any]:
    """Everything that is held of the customer whom an id or an address names, as JSON has it.

    ids, joins (with their evidence), traits, contacts, consents, what guidance decided and sent, campaigns, lists for
    ads, what they were shown and answered, codes and points, events (oldest first), stages with their reasons.
    Raises UsageError when nobody is meant.
    """
    from polku.campaigns import rights as campaigns_rights
    from polku.guidance import rights as guidance_rights
    from polku.offers import rights as offers_rights

    of = belongings(project, given)
    known = project.identities.ids_of(of.customer) if of.customer is not None else ()
    told: dict[str, Any] = {
        "made_at": moment(now()).isoformat(),
        "customer": called(known, project.subject()) or given,
        "ids": [{"kind": kind, "value": value} for kind, value in of.ids],
        "joins": _joins(project, of),
        "traits": _traits(project, [each.number for each in known]),
        "contacts": [contact.to_dict() for contact in of.contacts],
        "consents": [_told(decision.to_dict()) for decision in project.consents.of(_forms(of))],
        "guidance": guidance_rights.held(project, [each.number for each in known]),
        "campaigns": campaigns_rights.held(project, [each.number for each in known]),
        "on_site": _on_site(project, [each.number for each in known]),
        "answers": _answers(project, [each.number for each in known]),
        "offers": offers_rights.held(project, of.customer),
        "events": _events(project, of),
        "stages": _stages(project, of),
    }
    return told


def write(project: Project, given: str, target: Path, author: str) -> dict[str, Any]:
    """Write :func:`held` to a zip: ``customer.json``, ``asiakas.html``, ``customer.html``. Returns what was told."""
    told = held(project, given)
    files = {"customer.json": json.dumps(told, ensure_ascii=False, indent=2)}
    for language in LANGUAGES:
        files["asiakas.html" if language == "fi" else "customer.html"] = page(project, told, language)
    partial = target.with_name(f"{target.name}.partial")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # nobody else on the machine reads it
    with os.fdopen(handle, "wb") as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    partial.replace(target)
    number = belongings(project, given).customer
    project.audit.note(author, "customer.exported", f"#{number}", {"events": len(told["events"])})
    return told


def page(project: Project, told: dict[str, Any], language: str) -> str:
    """The page to read: one file without scripts and links, which any browser shows."""
    from polku.web.reading import render

    kept = project.reader()
    return render(
        "handover.html", Reader(language, kept.zone.key, kept.currency), told=told, when=dt.datetime.fromisoformat
    )


def _forms(of: Belongings) -> list[tuple[str, str]]:
    pairs = dict.fromkeys(of.ids)
    for contact in of.contacts:
        pairs[(contact.kind, contact.hash)] = None
        pairs[("user", f"{contact.kind}:{contact.hash}")] = None
    return list(pairs)


def _told(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in ("id",)}


def _joins(project: Project, of: Belongings) -> list[dict[str, Any]]:
    if of.customer is None:
        return []
    return [
        {
            name: value.isoformat() if isinstance(value, dt.datetime) else value
            for name, value in dataclasses.asdict(join).items()
            if name != "number"
        }
        for join in project.identities.joins_of(of.customer)
    ]


def _traits(project: Project, numbers: list[int]) -> list[dict[str, Any]]:
    table = tables.traits.c
    found: list[dict[str, Any]] = []
    with project.state.read() as connection:
        for at in range(0, len(numbers), 10_000):
            query = sa.select(table.name, table.value, table.time).where(table.identity.in_(numbers[at : at + 10_000]))
            for name, value, time in connection.execute(query.order_by(table.time, table.seq)):
                found.append({"name": name, "value": json.loads(value), "time": moment(int(time)).isoformat()})
    return found


def _on_site(project: Project, numbers: list[int]) -> list[dict[str, Any]]:
    """What they were shown on the site, with what became of it, and when they turned to the shop's people there."""
    shown, row, handed = tables.site_messages.c, tables.outbox.c, tables.handovers.c
    found: list[dict[str, Any]] = []
    with project.state.read() as connection:
        for at in range(0, len(numbers), 10_000):
            part = numbers[at : at + 10_000]
            query = (
                sa.select(tables.site_messages).join(tables.outbox, shown.key == row.key).where(row.customer.in_(part))
            )
            for one in connection.execute(query.order_by(shown.drawn_at)):
                times = {name: getattr(one, name) for name in ("drawn_at", "shown_at", "clicked_at", "closed_at",
                                                               "submitted_at")}  # fmt: skip
                told = {name: moment(int(time)).isoformat() for name, time in times.items() if time is not None}
                found.append({"message": one.key, "drawn": _parsed(one.drawn), **told})
            query = sa.select(tables.handovers).where(handed.identity.in_(part)).order_by(handed.made_at)
            for one in connection.execute(query):
                found.append({"handed_over": one.via, "page": one.page, "time": moment(int(one.made_at)).isoformat()})
    return found


def _answers(project: Project, numbers: list[int]) -> list[dict[str, Any]]:
    """What the shop has put beside their answers and reviews: tags, replies, reports."""
    found: list[dict[str, Any]] = []
    shown = {
        tables.answer_tags: ("answer", "tag", "made_at"),
        tables.review_replies: ("review", "text", "made_at"),
        tables.review_reports: ("review", "reason", "detail", "decision", "note", "made_at"),
    }
    with project.state.read() as connection:
        for at in range(0, len(numbers), 10_000):
            for table, columns in shown.items():
                query = sa.select(*(table.c[name] for name in columns)).order_by(table.c.made_at)
                for row in connection.execute(query.where(table.c.customer.in_(numbers[at : at + 10_000]))):
                    told = {name: value for name, value in row._mapping.items() if value not in (None, "")}
                    found.append({**told, "made_at": moment(int(row.made_at)).isoformat()})
    return found


def _events(project: Project, of: Belongings) -> list[dict[str, Any]]:
    rows = [row for batch in events(project, of, COLUMNS) for row in batch.to_pylist()]
    rows.sort(key=lambda row: (row["time"], row["seq"]))
    made: list[dict[str, Any]] = []
    for row in rows:
        one = {name: value for name, value in row.items() if value is not None and name != "seq"}
        for name in ("time", "received_at"):
            one[name] = one[name].isoformat()
        for name in ("properties", "context"):
            if name in one:
                one[name] = _parsed(one[name])
        made.append(one)
    return made


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text  # it came so


def _stages(project: Project, of: Belongings) -> list[dict[str, Any]]:
    """The stage changes with their reasons; empty while there is no map or the customer has no event."""
    if of.customer is None or not project.map_file.exists():
        return []
    from polku.errors import MeasureError
    from polku.measures.timeline import timeline

    try:
        told = timeline(project, of.customer)
    except MeasureError:
        return []  # no event of theirs: nothing has moved
    readers = {language: Reader(language, project.journey().timezone) for language in LANGUAGES}
    return [
        {"time": change.time.isoformat(), **{language: change.text(reader) for language, reader in readers.items()}}
        for change in told.changes
    ]
