"""Versions of rules: those under which a rule has run, to be looked at or replayed beside what it is now."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

import sqlalchemy as sa

from polku.errors import UsageError
from polku.guidance.rules import Rule, from_definition
from polku.guidance.why import rule_of
from polku.language import N_
from polku.record import tables
from polku.record.clock import moment

if TYPE_CHECKING:
    from polku.record.project import Project


@dataclasses.dataclass(frozen=True, slots=True)
class Version:
    """``rule`` as it was on from ``since`` to ``until`` (None: it is on)."""

    rule: str
    version: str
    since: dt.datetime
    until: dt.datetime | None

    @property
    def name(self) -> str:
        """As :func:`version_of` takes it."""
        return f"{self.rule}@{self.version}"


def versions_of(project: Project, rule: str) -> tuple[Version, ...]:
    """The versions under which a rule has been on, the latest first."""
    table = tables.rule_versions.c
    query = sa.select(table.version, table.since, table.until).where(table.rule == rule).order_by(table.since.desc())
    with project.state.read() as connection:
        return tuple(
            Version(rule, row.version, moment(int(row.since)), None if row.until is None else moment(int(row.until)))
            for row in connection.execute(query)
        )


def version_of(project: Project, text: str) -> Rule:
    """The rule that ``RULE`` or ``RULE@VERSION`` means. Raises UsageError with the rules or versions that there are."""
    id, _, version = text.partition("@")
    if not version:
        return rule_of(project.journey(), id)
    table = tables.rule_versions.c
    query = sa.select(table.version, table.definition).where(table.rule == id)
    with project.state.read() as connection:
        known = {row.version: row.definition for row in connection.execute(query)}
    if version not in known:
        raise UsageError(
            N_("{rule} has had no version {version}; it has had: {known}."),
            rule=id, version=version, known=", ".join(known) or "-",
        )  # fmt: skip
    return from_definition(id, known[version], project.journey())
