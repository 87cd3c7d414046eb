"""What bandits have learned: of each variant of a step the share of customers that is given it from now on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import sqlalchemy as sa

from polku.guidance.rules import Rule, Send
from polku.record import tables

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.project import Project


def shares_of(connection: Connection, rule: str, step: int) -> Mapping[str, float] | None:
    """The shares of one step of ``rule``, by variant; None: nothing was learned yet."""
    row = tables.variant_shares.c
    query = sa.select(row.variant, row.share).where(row.rule == rule, row.step == step)
    return {str(name): float(share) for name, share in connection.execute(query)} or None


def learned_shares(project: Project, rule: Rule) -> dict[int, Mapping[str, float]]:
    """The shares of every step of ``rule`` that learns, by the step's number."""
    steps = [n for n, step in enumerate(rule.steps) if isinstance(step, Send) and step.learns]
    if not steps:
        return {}
    with project.state.read() as connection:
        found = {step: shares_of(connection, rule.id, step) for step in steps}
    return {step: shares for step, shares in found.items() if shares is not None}
