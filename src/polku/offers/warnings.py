"""What somebody should look at: pools that run low, feeds that fail, referrals that wait for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polku.language import N_
from polku.offers import codes, fetching, referral

if TYPE_CHECKING:
    from polku.record.project import Project


def warnings(project: Project) -> list[tuple[str, dict[str, Any]]]:
    """Texts with their facts, the most urgent first; empty where all is well, or the map has no offers."""
    offers = project.journey().offers
    found: list[tuple[str, dict[str, Any]]] = []
    for pool in codes.pools(project) if offers.codes else ():
        if pool.low:
            text = N_("The pool {pool} runs low: make more, or import the shop's.")
            found.append((text, {"pool": pool.name}))
    for look in fetching.looks(project):
        if look.fault is not None:
            text = N_("The feed {url} was not taken in: {fault}")
            found.append((text, {"url": look.feed.url, "fault": look.fault}))
    doubtful = referral.counts(project).get(referral.DOUBTFUL, 0) if offers.referral is not None else 0
    if doubtful:
        found.append((N_("Referrals that wait for a person to decide: {n}."), {"n": doubtful}))
    return found
