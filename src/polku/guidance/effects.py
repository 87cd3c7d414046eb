"""How a rule's proof came about: what was known of it at the end of each day, written down as the days go by.

What was known on a day cannot be told afterwards: customers are joined and erased, and maps change. So a job notes it
once a day, and the rule's page draws the days after each other.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from polku.errors import MissingExtraError
from polku.guidance.proof import ARMS, Proof, proof
from polku.guidance.rules import compile_rules
from polku.guidance.turning import STATES
from polku.measures.view import view_of
from polku.record import tables
from polku.record.clock import moment, now

if TYPE_CHECKING:
    from polku.measures.result import Estimate
    from polku.record.project import Project

#: The last day that was noted, among the state's words.
NOTED: Final = "effects_noted"
LANE: Final = "guidance"
#: A rule about whom nothing new can be known is noted no more: its last entry is older than its goal's time and this.
QUIET: Final = dt.timedelta(days=30)

Interval = tuple[float | None, float | None, float | None]


@dataclasses.dataclass(frozen=True, slots=True)
class Effect:
    """What was known of a rule at the end of ``day``: customers ``treated`` and ``held_out`` until then, the
    ``difference`` of those who reached the goal (a share) and the ``money`` of all treated, each (value, low, high)."""

    day: dt.date
    treated: int
    held_out: int
    difference: Interval
    money: Interval
    currency: str | None


def yesterday(project: Project) -> dt.date:
    """The last day that is over, by the map's time zone."""
    zone = ZoneInfo(project.journey().timezone)
    return moment(now()).astimezone(zone).date() - dt.timedelta(days=1)


def due(project: Project) -> bool:
    """Whether a day has ended since the last one that was noted; only a look."""
    if not project.map_file.exists():
        return False
    with project.state.read() as connection:
        noted = project.state.meta(connection, NOTED)
    return noted is None or noted < yesterday(project).isoformat()


def note_day(project: Project) -> int:
    """Note what is known of every rule that has come to somebody lately; of how many. A day is noted once."""
    day = yesterday(project)
    acted = _acted(project)
    rules = [rule for rule in compile_rules(project.journey(), STATES) if rule.id in acted and rule.holdout]
    found: dict[str, Proof] = {}
    view = view_of(project) if rules else None
    for rule in rules:
        try:
            made = proof(project, rule, view=view)
        except MissingExtraError:  # the rule's own page says which extra is missing
            continue
        if moment(acted[rule.id]) + dt.timedelta(seconds=made.within) + QUIET >= moment(now()):
            found[rule.id] = made
    row, at = tables.effects, now()
    with project.state.write(LANE) as connection:
        there = set(connection.execute(sa.select(row.c.rule).where(row.c.day == day)).scalars())
        rows = [
            {"rule": id, "day": day, "made_at": at, "figures": _figures(effect_of(made, day))}
            for id, made in found.items()
            if id not in there
        ]
        if rows:
            connection.execute(sa.insert(row), rows)
        project.state.set_meta(connection, NOTED, day.isoformat())
    return len(rows)


def _acted(project: Project) -> dict[str, int]:
    """When each rule last came to somebody, treated or held out (microseconds)."""
    row = tables.run_notes.c
    query = sa.select(row.rule, sa.func.max(row.known)).where(row.what.in_(ARMS)).group_by(row.rule)
    with project.state.read() as connection:
        return {str(rule): int(at) for rule, at in connection.execute(query)}


def effect_of(made: Proof, day: dt.date) -> Effect:
    """What a proof says, as it is kept of a day."""
    return Effect(
        day, made.treated.entered, made.held_out.entered, _interval(made.difference), _interval(made.credited),
        made.currency,
    )  # fmt: skip


def _figures(one: Effect) -> str:
    told = dataclasses.asdict(one)
    del told["day"]
    return json.dumps(told)


def _interval(estimate: Estimate) -> Interval:
    return estimate.value, estimate.low, estimate.high


def effects_of(project: Project, rule: str) -> tuple[Effect, ...]:
    """What was known of ``rule`` at the end of each day that was noted, the oldest first."""
    row = tables.effects.c
    query = sa.select(row.day, row.figures).where(row.rule == rule).order_by(row.day)
    with project.state.read() as connection:
        rows = connection.execute(query).all()
    return tuple(_read(day, json.loads(text)) for day, text in rows)


def _read(day: dt.date, told: Mapping[str, Any]) -> Effect:
    return Effect(
        day, told["treated"], told["held_out"], _three(told["difference"]), _three(told["money"]), told["currency"]
    )


def _three(told: Sequence[float | None]) -> Interval:
    value, low, high = told
    return value, low, high
