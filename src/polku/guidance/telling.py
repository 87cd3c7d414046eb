"""What the engine noted, in a reader's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from polku.guidance.engine import Note
from polku.journey.model import Journey, titled
from polku.language import N_, Reader
from polku.record.clock import moment

#: By ``what`` of a note. Places are filled with the note's facts, told as people read them.
TEXTS: Final[Mapping[str, str]] = {
    "entered": N_("Entered the rule: {name}."),
    "no_key": N_("Not entered: the event has no {property}, which keeps runs apart."),
    "once": N_("Not entered: the rule takes a customer once."),
    "in_group": N_("Not entered: waits in {other}, of the same group."),
    "late": N_("The moment came {late} late."),
    "goal": N_("Reached the goal: {name}. The run ends."),
    "called_off": N_("Called off: {name} happened before the time was up."),
    "restarted": N_("Began again: {name}."),
    "waits": N_("Waits until {until}."),
    "happened": N_("What was waited for happened: {name}."),
    "timed_out": N_("What was waited for did not happen in time."),
    "done": N_("Came to the end of the rule."),
    "limited": N_("The rule's own limit: {times} in {every}. Nothing is sent."),
    "capped": N_("Too many messages on {channel}: at most {times} in {every} over all rules."),
    "quiet": N_("Quiet hours ({hours}, {zone}): waits until {until}."),
    "held_out": N_("Held out: one of the {share} who get nothing, to compare with."),
    "treated": N_("Not held out: one of those who get it."),
    "no_date": N_("Ended: the event has no day at {property}."),
    "too_late": N_("Ended: the day had passed already."),
    "restored": N_("Ended: the project was brought back from a backup."),
    "turned_off": N_("Ended: the rule was turned off."),
    "message": N_("Message on {channel}: {content}"),
    "listed": N_("On the list of the campaign."),
    "no_consent": N_("Not sent: no consent."),
    "no_address": N_("Not sent: no address is known."),
    "suppressed": N_("Not sent: mail to the address came back, or its owner called it spam."),
    "left": N_("Not sent: no longer in the campaign's segments."),
    "twice": N_("Not sent: another id of the same person got it."),
    "stopped": N_("Ended: the campaign was stopped."),
}
NOT_MET: Final = N_("Ended: the conditions did not hold. {reasons}")
BRANCH: Final = N_("The condition held: {reasons}")
NO_BRANCH: Final = N_("The condition did not hold: {reasons}")
CAMPAIGN_LATE: Final = N_("Not sent: the moment passed while nothing was sent.")
LIMITED_WAITS: Final = N_("The rule's own limit: {times} in {every}. Waits until {until}.")
CAPPED_WAITS: Final = N_("Too many messages on {channel}: at most {times} in {every}. Waits until {until}.")
EVER: Final = N_("all time")
SOMETHING: Final = N_("what calls it off")


def text_of(note: Note, reader: Reader, journey: Journey) -> str:
    """One note as a sentence; a note of a kind that this version does not know as its own word."""
    facts = dict(note.facts)
    if note.what == "not_met":
        return reader(NOT_MET, reasons=conditions_text(facts, reader))
    if note.what == "branch":
        held = facts.pop("holds", False)
        return reader(BRANCH if held else NO_BRANCH, reasons=conditions_text(facts, reader))
    text = TEXTS.get(note.what)
    if text is None:
        return note.what
    if note.what == "late" and "late" not in facts:
        text = CAMPAIGN_LATE
    if note.what == "limited" and "until" in facts:
        text = LIMITED_WAITS
    if note.what == "capped" and "until" in facts:
        text = CAPPED_WAITS
    told = {name: _said(name, value, reader, journey) for name, value in facts.items()}
    told.setdefault("name", reader(SOMETHING))
    if not facts.get("name"):
        told["name"] = reader(SOMETHING) if note.what in ("goal", "called_off") else told["name"]
    return reader(text, **told)


def _said(name: str, value: Any, reader: Reader, journey: Journey) -> str:
    if name == "until":
        return reader.time(moment(int(value)))
    if name in ("every", "late"):
        return reader.duration(float(value)) if value else reader(EVER)
    if name == "share":
        return reader.percent(float(value), 0)
    if name == "name":
        return title_of_place(str(value), reader, journey)
    return str(value)


def title_of_place(id: str, reader: Reader, journey: Journey) -> str:
    """The title of a touchpoint or stage, or the name of the event itself."""
    if id in journey.touchpoint_ids:
        return reader.said(titled(journey.touchpoint(id)))
    return reader.said(titled(journey.stage(id))) if id in journey.stage_ids else id


def conditions_text(facts: Mapping[str, Any], reader: Reader) -> str:
    """The parts of a condition as they were at that moment."""
    parts: list[str] = []
    for purpose, given in (facts.get("consent") or {}).items():
        text = (
            N_("consent to {purpose}: given")
            if given
            else N_("consent to {purpose}: never given")
            if given is None
            else N_("consent to {purpose}: refused or withdrawn")
        )
        parts.append(reader(text, purpose=purpose))
    for part, text in (("persona", N_("persona {name}: {held}")), ("segment", N_("segment {name}: {held}")),
                       ("role", N_("role {name}: {held}"))):  # fmt: skip
        for name, held in (facts.get(part) or {}).items():
            parts.append(reader(text, name=name, held=yes_no(held, reader)))
    if "stage" in facts:
        parts.append(reader("stage: {name}", name=facts["stage"] or reader("outside the map")))
    if "where" in facts:
        parts.append(reader("the condition on the event: {held}", held=yes_no(facts["where"], reader)))
    if "happened" in facts:
        parts.append(reader("what was waited for happened: {held}", held=yes_no(facts["happened"], reader)))
    for each in facts.get("not") or ():
        parts.append(reader("must not hold: {reasons}", reasons=conditions_text(each, reader)))
    return "; ".join(parts)


def yes_no(held: Any, reader: Reader) -> str:
    """Yes or no."""
    return reader("yes") if held else reader("no")


def lines(notes: Sequence[Note], reader: Reader, journey: Journey) -> list[tuple[Note, str]]:
    """Notes with their sentences, in the order in which they were noted."""
    return [(note, text_of(note, reader, journey)) for note in notes]
