"""A rule in a reader's words: what sets it off, for whom, what is done in order, and within what limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from polku.guidance.limits import Cap
from polku.guidance.rules import (
    Branch,
    Condition,
    Hold,
    Jump,
    Matcher,
    Rule,
    Send,
    Stop,
    Wait,
    WaitClock,
    WaitFor,
    WaitHours,
)
from polku.guidance.telling import title_of_place
from polku.journey.model import Journey
from polku.language import N_, Reader

MATCHERS: Final[Mapping[str, str]] = {
    "touchpoint": N_("{name} is reached"), "touchpoint_left": N_("{name} is left"), "failed": N_("{name} fails"),
    "stage_entered": N_("the stage {name} is entered"), "stage_left": N_("the stage {name} is left"),
    "lapsed": N_("a customer lapses in {name}"), "won_back": N_("a customer is won back to {name}"),
    "segment": N_("a customer comes into the segment {name}"), "event": N_("the event {name} happens"),
}  # fmt: skip
EVERY: Final[Mapping[str, str]] = {
    "day": N_("every day at {time}"),
    "week": N_("every week at {time}"),
    "month": N_("on day {on} of every month at {time}"),
}


def matcher_text(matcher: Matcher, reader: Reader, journey: Journey) -> str:
    """One matcher."""
    text = reader(MATCHERS[matcher.kind], name=title_of_place(matcher.name, reader, journey) or "…")
    return f"{text} ({matcher.where})" if matcher.where else text


def any_of(matchers: Iterable[Matcher], reader: Reader, journey: Journey) -> str:
    """Several matchers, of which one is enough."""
    return reader(" or ").join(dict.fromkeys(matcher_text(m, reader, journey) for m in matchers))


def trigger_text(rule: Rule, reader: Reader, journey: Journey) -> str:
    """What sets the rule off."""
    trigger = rule.trigger
    if trigger.calendar is not None:
        minute = trigger.calendar.at
        clock = f"{minute // 60:02}:{minute % 60:02}"
        return reader(EVERY[trigger.calendar.every], time=clock, on=trigger.calendar.on)
    parts = [any_of(trigger.matchers, reader, journey)] if trigger.matchers else []
    if trigger.lead is not None and trigger.score is not None:
        text = (
            N_("the chance to reach {goal} comes to {share} or above")
            if trigger.score.rising
            else N_("the chance to reach {goal} falls to {share} or below")
        )
        goal = title_of_place(trigger.lead.goal, reader, journey) if trigger.lead.goal else reader("the goal")
        parts = [reader(text, goal=goal, share=reader.percent(trigger.score.bound, 0))]
        if trigger.lead.within is not None:
            parts.append(reader("within {time} from then", time=reader.duration(trigger.lead.within)))
    elif trigger.score is not None:
        text = (
            N_("{path} comes to {bound} or above") if trigger.score.rising else N_("{path} comes to {bound} or below")
        )
        parts = [reader(text, path=trigger.score.path, bound=reader.number(trigger.score.bound))]
    if trigger.date is not None:
        offset = trigger.date.offset
        text = N_("{time} before the day {path}") if offset < 0 else N_("{time} after the day {path}")
        text = text if offset else N_("on the day {path}")
        parts.append(reader(text, time=reader.duration(abs(offset)), path=trigger.date.path))
    if trigger.without and trigger.wait:
        parts.append(
            reader("and not within {time}: {names}", time=reader.duration(trigger.wait),
                   names=any_of(trigger.without, reader, journey))
        )  # fmt: skip
    elif trigger.wait:
        parts.append(reader("then {time} later", time=reader.duration(trigger.wait)))
    if rule.key is not None:
        parts.append(reader("each {property} by itself", property=rule.key))
    return ", ".join(p for p in parts if p)


def condition_text(condition: Condition, reader: Reader, journey: Journey) -> str:
    """What must hold; "" for nothing."""
    parts = [reader("consent to {purpose}", purpose=purpose) for purpose in condition.consent]
    for names, text in (
        (condition.persona, N_("persona {names}")), (condition.segment, N_("segment {names}")),
        (condition.role, N_("role {names}")), (condition.stage, N_("stage {names}")),
    ):  # fmt: skip
        if names:
            told = reader(" or ").join(title_of_place(n, reader, journey) for n in names)
            parts.append(reader(text, names=told))
    if condition.where:
        parts.append(condition.where)
    if condition.happened is not None:
        parts.append(reader("it happened") if condition.happened else reader("it did not happen"))
    parts += [reader("not: {text}", text=condition_text(c, reader, journey)) for c in condition.none_of]
    return ", ".join(parts)


def step_texts(rule: Rule, reader: Reader, journey: Journey) -> list[str]:
    """What is done, in order."""
    told: list[str] = []
    for step in rule.steps:
        match step:
            case Send("task"):
                task = step.more.get("task", "")
                told.append(reader("a task: {text}", text=reader.said(task)))
            case Send(channel, content, variants):
                text = reader(" or ").join(path for _, path in variants) if variants else content
                told.append(reader("{channel}: {content}", channel=channel, content=text))
            case Wait(seconds):
                told.append(reader("wait {time}", time=reader.duration(seconds)))
            case WaitFor(matchers, seconds):
                what = any_of(matchers, reader, journey)
                told.append(reader("wait until {what}, {time} at most", what=what, time=reader.duration(seconds)))
            case WaitHours(hours):
                told.append(reader("wait for the hours {hours}", hours=str(hours)))
            case WaitClock(minute):
                told.append(reader("wait until {time} o'clock", time=f"{minute // 60:02}:{minute % 60:02}"))
            case Branch(condition):
                told.append(reader("if {text}:", text=condition_text(condition, reader, journey)))
            case Stop():
                told.append(reader("stop"))
            case Hold() | Jump():
                pass
    return told


def cap_text(cap: Cap, reader: Reader) -> str:
    """A cap."""
    if not cap.every:
        return reader("at most {times} times ever", times=reader.number(cap.times, 0))
    return reader(
        "at most {times} times in {every}", times=reader.number(cap.times, 0), every=reader.duration(cap.every)
    )


def limit_texts(rule: Rule, reader: Reader, journey: Journey) -> list[str]:
    """Limits, hold-out, quiet hours and the goal that ends it."""
    told = []
    if rule.limit is not None:
        told.append(cap_text(rule.limit, reader))
    if rule.owed:
        told.append(reader("owed to the customer: no hold-out and no caps"))
    elif rule.holdout:
        told.append(reader("{share} held out, to compare with", share=reader.percent(rule.holdout, 0)))
    else:
        told.append(reader("nobody held out"))
    for channel, cap in rule.caps.items():
        if not rule.owed and any(isinstance(s, Send) and s.channel == channel for s in rule.steps):
            told.append(reader("over all rules on {channel}: {cap}", channel=channel, cap=cap_text(cap, reader)))
    if rule.quiet is not None:
        told.append(reader("quiet hours {hours} in the customer's own time", hours=str(rule.quiet)))
    if rule.exits:
        told.append(reader("ends when {what}", what=any_of(rule.exits, reader, journey)))
    return told
