"""Why a customer did, or did not, get what a rule sends: everything that was noted, each with its time.

What the engine decided is in the notes of the state, with what was so at that moment; what became of a message is in
the outbox. A customer of whom nothing is noted either never met the trigger or met it when the rule was not on: the
same engine over their recorded past tells which.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from polku.campaigns.definition import campaign_id, campaign_of, compiled
from polku.campaigns.launching import launch_of
from polku.errors import UsageError, nearest
from polku.guidance.engine import Note
from polku.guidance.limits import MICRO
from polku.guidance.past import Past, World, arrivals
from polku.guidance.replay import Way, candidate_of, drive, outcome_of
from polku.guidance.rules import Rule, compile_rule, from_definition
from polku.journey.model import Journey
from polku.language import N_
from polku.measures.view import View, view_of
from polku.record import tables
from polku.record.clock import moment

if TYPE_CHECKING:
    from polku.record.project import Project

NEVER_MET = N_("The customer has never met what sets the rule off.")
NOT_ON = N_("The rule was not on when the customer met what sets it off, and only what happens live sends.")
NOT_ON_NOW = N_("The rule is not on ({state}).")
NO_EVENTS = N_("The customer has no event.")


@dataclasses.dataclass(frozen=True, slots=True)
class Sent:
    """A message of a run, as the outbox has it. ``state``: waiting, sending, sent, failed, dropped, capped, off."""

    key: str
    channel: str
    content: str
    variant: str | None
    state: str
    reason: str | None
    made: dt.datetime
    finished: dt.datetime | None
    attempts: int


@dataclasses.dataclass(frozen=True, slots=True)
class Story:
    """One way of a customer through a rule: how it stands, what was noted, what was sent. ``real``: it took place;
    else it is what would have happened, had the rule been on.
    """

    key: str
    entered: dt.datetime | None
    status: str
    notes: tuple[Note, ...]
    sent: tuple[Sent, ...]
    real: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Why:
    """``stories``: the latest first; ``refusals``: notes of no run (once, group, no key). ``reason`` where there is
    neither, with its ``facts``; ``would``: what would have happened then.
    """

    customer: int
    rule: str
    state: str
    stories: tuple[Story, ...]
    refusals: tuple[Note, ...]
    reason: str | None
    facts: dict[str, Any]
    would: tuple[Story, ...]


def rule_of(journey: Journey, id: str) -> Rule:
    """The rule ``id`` of the map, on or not, or that of a campaign (``campaign:spring``). Raises UsageError with the
    nearest one.
    """
    if (campaign := campaign_id(id)) is not None:
        return compiled(campaign, campaign_of(journey, campaign), journey)
    known = {g.id: g for g in journey.guidance}
    if id not in known:
        raise UsageError(
            N_("There is no rule {id!r} in the map.{meant} It has: {known}."),
            id=id, known=", ".join(known) or "-", nearest=nearest(id, known),
            meant=f" → {near}?" if (near := nearest(id, known)) else "",
        )  # fmt: skip
    return compile_rule(known[id], journey)


def why(project: Project, customer: int, rule: Rule, *, view: View | None = None) -> Why:
    """Everything about ``customer`` (the integer key) and ``rule``."""
    notes, runs, box = tables.run_notes, tables.runs, tables.outbox
    with project.state.read() as connection:
        ran = connection.execute(
            sa.select(runs).where(runs.c.customer == customer, runs.c.rule == rule.id).order_by(runs.c.id.desc())
        ).all()
        noted = connection.execute(
            sa.select(notes).where(notes.c.customer == customer, notes.c.rule == rule.id).order_by(notes.c.id)
        ).all()
        made = connection.execute(
            sa.select(box).where(box.c.customer == customer, box.c.rule == rule.id).order_by(box.c.made_at)
        ).all()
    by_run: dict[int | None, list[Note]] = {}
    for row in noted:
        note = Note(row.what, int(row.time), int(row.known), json.loads(row.facts))
        by_run.setdefault(None if row.run is None else int(row.run), []).append(note)
    stories = tuple(
        Story(
            row.key, moment(int(row.entered_at)), row.status, tuple(by_run.get(int(row.id), ())),
            tuple(_sent(m) for m in made if m.run == row.id), True,
        )
        for row in ran
    )  # fmt: skip
    campaign = tuple(_sent(m) for m in made if m.run is None)
    if campaign:
        stories = (*stories, Story("", None, "done", (), campaign, True))
    refusals = tuple(by_run.get(None, ()))
    if stories or refusals:
        return Why(customer, rule.id, rule.state, stories, refusals, None, {}, ())
    if (id := campaign_id(rule.id)) is not None:
        from polku.campaigns.why_not import reason_of  # which asks the engine, as this module is asked by pages of it

        text, told = reason_of(project, id, customer)
        return Why(customer, rule.id, rule.state, (), (), text, told, ())
    would = would_have(project, customer, rule, view=view)
    if would is None:
        return Why(customer, rule.id, rule.state, (), (), NO_EVENTS, {}, ())
    reason, facts = (NEVER_MET, {}) if not would else (NOT_ON, {})
    if would and rule.state != "on":
        reason, facts = NOT_ON_NOW, {"state": rule.state}
    return Why(customer, rule.id, rule.state, (), (), reason, facts, would)


def would_have(project: Project, customer: int, rule: Rule, *, view: View | None = None) -> tuple[Story, ...] | None:
    """What the rule would have done with this customer over all that is recorded; None of one without an event."""
    view = view_of(project) if view is None else view
    found = view.trails.find(customer)
    if found is None:
        return None
    end = view.as_of * MICRO
    bucket, row = found
    begun = int(bucket.time[bucket.offsets[row]]) * MICRO
    known = arrivals(project, max(begun, end - 90 * 86400 * MICRO), end)
    world = World(project, view, rule, 0, end, known if known.by_arrival else None, customer=customer)
    past: Past = candidate_of(world, bucket, row)
    return tuple(_story(way) for way in reversed(drive(rule, past, end)))


def _story(way: Way) -> Story:
    return Story(way.run.key, moment(way.run.entered_at), outcome_of(way), tuple(way.notes), (), False)


def _sent(row: Any) -> Sent:
    finished = None if row.finished_at is None else moment(int(row.finished_at))
    return Sent(
        row.key, row.channel, row.content, row.variant, row.state, row.reason, moment(int(row.made_at)), finished,
        int(row.attempts),
    )  # fmt: skip


def sent_and_why(project: Project, customer: int) -> tuple[Why, ...]:
    """Every rule that this customer has had to do with: those of the map in its order, those that were taken out of it
    since, by their last definition, then the campaigns.
    """
    note, box = tables.run_notes.c, tables.outbox.c
    with project.state.read() as connection:
        met = set(connection.execute(sa.select(note.rule).where(note.customer == customer).distinct()).scalars())
        met |= set(connection.execute(sa.select(box.rule).where(box.customer == customer).distinct()).scalars())
    if not met:
        return ()
    journey = project.journey()
    rules = [compile_rule(g, journey) for g in journey.guidance if g.id in met]
    with project.state.read() as connection:
        launched = [(id, launch_of(connection, id)) for rule in sorted(met) if (id := campaign_id(rule)) is not None]
    rules += _removed(project, met - {g.id for g in journey.guidance}, journey)
    rules += [compiled(id, launch.campaign, journey) for id, launch in launched if launch is not None]
    return tuple(why(project, customer, rule) for rule in rules)


def _removed(project: Project, ids: set[str], journey: Journey) -> list[Rule]:
    """Rules that ran and are not in the map any more."""
    row = tables.rule_versions.c
    query = sa.select(row.rule, row.definition).where(row.rule.in_(ids)).order_by(row.since)
    with project.state.read() as connection:
        last = {str(rule): str(definition) for rule, definition in connection.execute(query)}
    return [from_definition(id, last[id], journey) for id in sorted(last)]
