"""The state's tables, by what they are about; each migration of ``migrations/versions`` is held to them by a test."""

from polku.record.tables.access import audit, keys, links, removed_users, sessions, users
from polku.record.tables.base import Key, metadata
from polku.record.tables.campaigns import (
    audience_choices,
    audience_listed,
    audience_refreshes,
    campaign_answers,
    campaign_members,
    campaigns,
)
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
from polku.record.tables.effects import effects, mail_reports, variant_shares
from polku.record.tables.evidence import aliases, crowds, joins, quarantine
from polku.record.tables.guidance import outbox, rule_versions, run_notes, runs, timers
from polku.record.tables.jobs import jobs
from polku.record.tables.offers import (
    carts,
    codes,
    offer_orders,
    points,
    product_feeds,
    products,
    referral_links,
    referrals,
)
from polku.record.tables.onsite import handovers, site_messages
from polku.record.tables.rights import consent_texts, consents, contacts, erased, erasures, retention_runs
from polku.record.tables.sending import suppressions, tasks
from polku.record.tables.surveys import answer_tags, review_replies, review_reports, survey_responses
from polku.record.tables.sweeps import sweeps

__all__ = [
    "Key",
    "aliases",
    "answer_tags",
    "audience_choices",
    "audience_listed",
    "audience_refreshes",
    "audit",
    "campaign_answers",
    "campaign_members",
    "campaigns",
    "carts",
    "codes",
    "consent_texts",
    "consents",
    "contacts",
    "costs",
    "counters",
    "crowds",
    "effects",
    "erased",
    "erasures",
    "handovers",
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
    "mail_reports",
    "meta",
    "metadata",
    "moves",
    "offer_orders",
    "outbox",
    "points",
    "product_feeds",
    "products",
    "quarantine",
    "referral_links",
    "referrals",
    "refusals",
    "refused_events",
    "removed_users",
    "retention_runs",
    "review_replies",
    "review_reports",
    "rule_versions",
    "run_notes",
    "runs",
    "sessions",
    "site_messages",
    "suppressions",
    "survey_responses",
    "sweeps",
    "tasks",
    "timers",
    "traits",
    "users",
    "variant_shares",
]
