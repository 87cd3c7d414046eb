"""The state's tables, by what they are about; each migration of ``migrations/versions`` is held to them by a test."""

from polku.record.tables.base import Key, metadata
from polku.record.tables.collection import refused_events
from polku.record.tables.core import (
    costs,
    counters,
    identities,
    identity_changes,
    imports,
    inbox,
    joins,
    journey_versions,
    leases,
    meta,
    moves,
    refusals,
    traits,
)

__all__ = [
    "Key",
    "costs",
    "counters",
    "identities",
    "identity_changes",
    "imports",
    "inbox",
    "joins",
    "journey_versions",
    "leases",
    "meta",
    "metadata",
    "moves",
    "refusals",
    "refused_events",
    "traits",
]
