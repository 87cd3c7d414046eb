"""The state's tables, by what they are about; each migration of ``migrations/versions`` is held to them by a test."""

from polku.record.tables.access import audit, keys, links, removed_users, sessions, users
from polku.record.tables.base import Key, metadata
from polku.record.tables.collection import refused_events
from polku.record.tables.core import (
    costs,
    counters,
    identities,
    identity_changes,
    imports,
    inbox,
    journey_versions,
    leases,
    meta,
    moves,
    refusals,
    traits,
)
from polku.record.tables.evidence import aliases, crowds, joins, quarantine
from polku.record.tables.guidance import outbox, rule_versions, run_notes, runs, timers
from polku.record.tables.jobs import jobs
from polku.record.tables.rights import consent_texts, consents, contacts, erased, erasures, retention_runs
from polku.record.tables.sending import suppressions, tasks

__all__ = [
    "Key",
    "aliases",
    "audit",
    "consent_texts",
    "consents",
    "contacts",
    "costs",
    "counters",
    "crowds",
    "erased",
    "erasures",
    "identities",
    "identity_changes",
    "imports",
    "inbox",
    "jobs",
    "joins",
    "journey_versions",
    "keys",
    "leases",
    "links",
    "meta",
    "metadata",
    "moves",
    "outbox",
    "quarantine",
    "refusals",
    "refused_events",
    "removed_users",
    "retention_runs",
    "rule_versions",
    "run_notes",
    "runs",
    "sessions",
    "suppressions",
    "tasks",
    "timers",
    "traits",
    "users",
]
