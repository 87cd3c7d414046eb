"""The rules of the map in the reader's words: conditions, and what a stage expects, asks and forgets.

>>> from polku.journey.model import Journey
>>> from polku.language import Reader
>>> stages = [{"id": "buy", "touchpoints": [{"id": "order", "title": "Order"}]}]
>>> condition_words("count(order) >= 2 within 365d", Journey(title="Shop", stages=stages), Reader("en"))
'Order: at least 2 times within 365 d'
"""

from __future__ import annotations

import dataclasses

from polku.journey.condition import EVERY, And, Atom, Condition, Not, Or, parse_condition
from polku.journey.model import Expect, Journey, Stage, titled
from polku.language import N_, Reader

COUNTED: dict[str, str] = {
    ">=": N_("{names}: at least {n} times"),
    ">": N_("{names}: more than {n} times"),
    "<=": N_("{names}: at most {n} times"),
    "<": N_("{names}: fewer than {n} times"),
    "=": N_("{names}: exactly {n} times"),
    "!=": N_("{names}: any number of times but {n}"),
}
#: The same of one time, where "1 times" would be no language.
ONCE: dict[str, str] = {
    ">=": N_("{names}: at least once"),
    ">": N_("{names}: more than once"),
    "<=": N_("{names}: at most once"),
    "<": N_("{names}: never"),
    "=": N_("{names}: exactly once"),
}
SUMMED: dict[str, str] = {
    ">=": N_("{names}: at least {n} in all"),
    ">": N_("{names}: more than {n} in all"),
    "<=": N_("{names}: at most {n} in all"),
    "<": N_("{names}: less than {n} in all"),
    "=": N_("{names}: exactly {n} in all"),
    "!=": N_("{names}: any sum but {n}"),
}
SINCE: dict[str, str] = {
    ">=": N_("{names}: last at least {n} days ago"),
    ">": N_("{names}: last more than {n} days ago"),
    "<=": N_("{names}: last at most {n} days ago"),
    "<": N_("{names}: last less than {n} days ago"),
    "=": N_("{names}: last exactly {n} days ago"),
    "!=": N_("{names}: last any number of days ago but {n}"),
}
SAID = {"count": COUNTED, "sum": SUMMED, "days_since": SINCE}


def condition_words(text: str, journey: Journey, reader: Reader) -> str:
    """The condition ``text`` of ``enter`` or a segment, its touchpoints by their titles.

    Raises ExpressionError for what is no condition; a journey that was checked has none.
    """
    return _said(parse_condition(text), journey, reader, outermost=True)


def _said(condition: Condition, journey: Journey, reader: Reader, *, outermost: bool = False) -> str:
    match condition:
        case Atom():
            return _atom(condition, journey, reader)
        case Not(part):
            return reader(N_("not ({condition})"), condition=_said(part, journey, reader, outermost=True))
        case And(parts) | Or(parts):
            between = reader(N_("and")) if isinstance(condition, And) else reader(N_("or"))
            whole = f"; {between} ".join(_said(part, journey, reader) for part in parts)
            return whole if outermost else f"({whole})"


def _atom(atom: Atom, journey: Journey, reader: Reader) -> str:
    titles = {t.id: reader.said(titled(t)) for _, _, t in journey.touchpoints()}
    if atom.touchpoints == EVERY:
        names = reader(N_("any touchpoint"))
    else:
        names = f" {reader(N_('or'))} ".join(titles.get(id, id) for id in atom.touchpoints)
    number = reader.number(atom.number)
    if atom.function == "sum":
        number = reader.money(atom.number, journey.currency, 0 if atom.number == int(atom.number) else None)
    said = SAID[atom.function][atom.operator]
    if atom.function == "count" and atom.number == 1:
        said = ONCE.get(atom.operator, said)
    told = reader(said, names=names, n=number)
    if atom.within is not None:
        told = reader(N_("{condition} within {time}"), condition=told, time=reader.duration(atom.within))
    return told


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a stage: what it is about, and what it says."""

    title: str
    text: str


def stage_rules(stage: Stage, journey: Journey, reader: Reader) -> tuple[Rule, ...]:
    """What the plan says of a stage besides its touchpoints: target, entry, lapsing, what counts as activity."""
    found = []
    expected = expect_words(stage.expect, journey.window, reader)
    if expected:
        found.append(Rule(reader(N_("Target")), expected))
    if stage.enter is not None:
        found.append(Rule(reader(N_("Entered when")), condition_words(stage.enter, journey, reader)))
    if stage.lapses_after is not None:
        text = reader(N_("{time} without activity"), time=reader.duration(stage.lapses_after))
        found.append(Rule(reader(N_("Lapses after")), text))
    if stage.active_on:
        titles = {t.id: reader.said(titled(t)) for _, _, t in journey.touchpoints()}
        found.append(Rule(reader(N_("Counts as activity")), ", ".join(titles.get(id, id) for id in stage.active_on)))
    return tuple(found)


def expect_words(expect: Expect | None, window: int, reader: Reader) -> str:
    """What ``expect`` says: "at least 12% go on within 3 d"; empty for nothing."""
    if expect is None or (expect.share is None and expect.within is None):
        return ""
    time = reader.duration(expect.within or window)
    if expect.share is None:
        return reader(N_("time to go on: {time}"), time=time)
    share = reader.percent(expect.share.value, 0 if round(expect.share.value * 1000) % 10 == 0 else 1)
    least, most = N_("at least {share} go on within {time}"), N_("at most {share} go on within {time}")
    return reader(least if expect.share.at_least else most, share=share, time=time)
