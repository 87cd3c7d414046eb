"""The form of a rule: its fields in groups and its steps in order, drawn of the rule as its source says it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from polku.guidance.rules import WEEKDAYS
from polku.journey.fault import Path
from polku.journey.guiding import TRIGGERS
from polku.language import N_
from polku.web.editing.fields import NTH, Choice, Field, at, many, one, said, with_present
from polku.web.editing.known import Known

#: What sets a rule off, as the form asks it.
TRIGGER_WORDS: Mapping[str, str] = {
    "reached": N_("reaches a touchpoint or a stage"), "entered": N_("enters a stage"),
    "left": N_("leaves a touchpoint or a stage"), "lapsed": N_("lapses in a stage"),
    "won_back": N_("is won back to a stage"), "failed": N_("fails at a touchpoint"),
    "segment": N_("comes into a segment"), "event": N_("sends an event"), "date": N_("has a day of their own"),
    "every": N_("at a time of the calendar"), "score": N_("crosses a score"),
}  # fmt: skip
STEP_WORDS: Mapping[str, str] = {
    "send": N_("Send a message"), "task": N_("A task for a person"), "wait": N_("Wait"), "if": N_("If"),
    "stop": N_("Stop"),
}  # fmt: skip
#: What may be added, in order, with what the button says.
ADDED: Mapping[str, str] = {
    "send": N_("+ Message"), "wait": N_("+ Wait"), "if": N_("+ Branch"), "task": N_("+ Task"), "stop": N_("+ Stop"),
}  # fmt: skip
WAIT_WORDS: Mapping[str, str] = {
    "time": N_("for a time"), "until": N_("until something happens"), "hours": N_("until allowed hours"),
    "at": N_("until a time of the day"),
}  # fmt: skip
STATE_WORDS: Mapping[str, str] = {"draft": N_("draft"), "on": N_("on"), "off": N_("off")}
WEEKDAY_WORDS: Mapping[str, str] = {
    "monday": N_("Monday"), "tuesday": N_("Tuesday"), "wednesday": N_("Wednesday"), "thursday": N_("Thursday"),
    "friday": N_("Friday"), "saturday": N_("Saturday"), "sunday": N_("Sunday"),
}  # fmt: skip
#: Keys of each part that the form shows; what else the source says is told as standing there alone.
WHEN_SHOWN = {
    "without", "for", "where", "per", "again", "meanwhile", "before", "after", "yearly", "at", "on", "above", "below",
}  # fmt: skip
SEND_SHOWN = {"channel", "content", "variants", "choose", "floor"}
LIST_SHOWN = {"channel", "audience", "do", "for"}


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """A step of a rule. ``number`` as people count it (2, 2.1); ``more``: keys that only the source shows."""

    path: Path
    kind: str
    number: str
    fields: tuple[Field, ...]
    folded: tuple[Field, ...] = ()
    branches: tuple[Steps, ...] = ()
    variants: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    first: bool = False
    last: bool = False

    @property
    def at(self) -> str:
        return ".".join(map(str, self.path))

    @property
    def open(self) -> bool:
        """Whether something of what is folded is said."""
        return any(any(field.values) or field.by_hand for field in self.folded)


@dataclasses.dataclass(frozen=True, slots=True)
class Steps:
    """Steps in order, of the rule or of a branch."""

    path: Path
    label: str
    steps: tuple[Step, ...]

    @property
    def at(self) -> str:
        return ".".join(map(str, self.path))


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """Fields under one heading. ``more``: those that are folded until they are wanted; ``alone``: keys that only the
    source shows.
    """

    id: str
    title: str
    fields: tuple[Field, ...]
    more: tuple[Field, ...] = ()
    alone: tuple[str, ...] = ()

    @property
    def open(self) -> bool:
        """Whether something of what is folded is said."""
        return any(any(field.values) or field.by_hand for field in self.more)


@dataclasses.dataclass(frozen=True, slots=True)
class RuleForm:
    """The whole form."""

    head: Group
    when: Group
    only_if: Group
    steps: Steps
    limits: Group

    def fields(self) -> Iterator[Field]:
        """Every field, in the order of the page."""
        for group in (self.head, self.when, self.only_if):
            yield from (*group.fields, *group.more)
        yield from _fields_of(self.steps)
        yield from (*self.limits.fields, *self.limits.more)


def _fields_of(steps: Steps) -> Iterator[Field]:
    for step in steps.steps:
        yield from (*step.fields, *step.folded)
        for branch in step.branches:
            yield from _fields_of(branch)


def words(found: Mapping[str, str], keep: Sequence[str] | None = None) -> tuple[Choice, ...]:
    """Choices of words that the page translates."""
    return tuple(Choice(value, text, word=True) for value, text in found.items() if keep is None or value in keep)


def form_of(data: Mapping[str, Any], known: Known, new: bool = False) -> RuleForm:
    """The form of a rule as its source says it."""
    head = [said(data, ("title",), N_("Name"))]
    if new:
        hint = N_("small letters, digits and _; it cannot be changed later")
        head.append(one(data, ("id",), "text", N_("Id"), hint=hint, required=True))
    head.append(one(data, ("state",), "choice", N_("State"), choices=words(STATE_WORDS)))
    return RuleForm(
        Group("head", "", tuple(head)), when_of(data, known), condition_group(data, known), steps_of(data, known),
        limits_of(data, known),
    )  # fmt: skip


def trigger_of(data: Mapping[str, Any]) -> str:
    """What begins the rule, "" where nothing does."""
    when = at(data, ("when",))
    return next((key for key in TRIGGERS if isinstance(when, dict) and key in when), "")


def when_of(data: Mapping[str, Any], known: Known) -> Group:
    kind = trigger_of(data)
    path: Path = ("when", kind)
    fields = [
        Field(("when", f"{NTH}kind"), "choice", N_("A customer"), (kind,) if kind else (),
              with_present(words(TRIGGER_WORDS), ())),
    ]  # fmt: skip
    chosen = {
        "reached": known.places, "left": known.places, "entered": known.stages, "lapsed": known.stages,
        "won_back": known.stages, "failed": known.failing, "segment": known.segments,
    }  # fmt: skip
    shown = WHEN_SHOWN | {kind}
    if kind in chosen:
        fields.append(many(data, path, "names", N_("Which"), choices=chosen[kind]))
    elif kind == "event":
        fields.append(many(data, path, "texts", N_("Event"), suggestions="known-events"))
    elif kind == "date":
        fields += [
            one(data, path, "text", N_("The day stands in"), suggestions="known-traits",
                hint=N_("a trait such as traits.birthday")),
            one(data, ("when", "before"), "text", N_("So long before"), hint=N_("3d, 2w; empty: on the day")),
            one(data, ("when", "after"), "text", N_("So long after")),
            one(data, ("when", "at"), "text", N_("At the time"), hint="09:00"),
            one(data, ("when", "yearly"), "tick", N_("every year, as a birthday")),
        ]  # fmt: skip
    elif kind == "every":
        every = at(data, ("when", "every"))
        fields.append(one(data, path, "choice", N_("Every"), choices=words(EVERY_WORDS)))
        if every == "week":
            days = words(WEEKDAY_WORDS, WEEKDAYS)
            fields.append(one(data, ("when", "on"), "choice", N_("On the weekday"), choices=days))
        elif every == "month":
            fields.append(one(data, ("when", "on"), "number", N_("On day"), hint="1–31"))
        fields.append(one(data, ("when", "at"), "text", N_("At the time"), hint="09:00"))
    elif kind == "score":
        fields += [
            one(data, path, "text", N_("The score stands in"), suggestions="known-traits",
                hint=N_("traits.score or properties.score")),
            one(data, ("when", "above"), "number", N_("Comes to this or above")),
            one(data, ("when", "below"), "number", N_("Comes to this or below")),
        ]  # fmt: skip
    more: list[Field] = []
    if kind not in ("every", "date", ""):
        after = N_("Within") if at(data, ("when", "without")) else N_("This long after it")
        fields += [
            many(data, ("when", "without"), "names", N_("And not"), choices=known.places,
                 hint=N_("what calls it off when it happens meanwhile")),
            one(data, ("when", "for"), "text", after, hint=N_("4h, 3d: this long is waited")),
        ]  # fmt: skip
        more += [
            one(data, ("when", "where"), "text", N_("Only events where"), hint="properties.price > 50"),
            one(data, ("when", "per"), "text", N_("Each by itself"), hint=N_("a property such as cart_id, order_id")),
        ]
    if kind not in ("every", ""):
        more.append(
            one(data, ("when", "again"), "choice", N_("Again for the same customer"), choices=words(AGAIN_WORDS))
        )
    if kind not in ("every", "date", ""):
        more.append(one(data, ("when", "meanwhile"), "choice", N_("When it happens again meanwhile"),
                        choices=words(MEANWHILE_WORDS)))  # fmt: skip
    return Group("when", N_("When"), tuple(fields), tuple(more), _alone(at(data, ("when",)), shown))


EVERY_WORDS: Mapping[str, str] = {"day": N_("day"), "week": N_("week"), "month": N_("month")}
AGAIN_WORDS: Mapping[str, str] = {"always": N_("always"), "once": N_("once only")}
MEANWHILE_WORDS: Mapping[str, str] = {"ignore": N_("goes on waiting"), "restart": N_("begins to wait anew")}
CAPPED_WORDS: Mapping[str, str] = {"drop": N_("is dropped"), "wait": N_("waits until it is allowed")}
YES_NO: Mapping[str, str] = {"yes": N_("yes"), "no": N_("no")}


def _alone(said_here: Any, shown: set[str]) -> tuple[str, ...]:
    return tuple(str(key) for key in said_here if key not in shown) if isinstance(said_here, dict) else ()


def condition_group(data: Mapping[str, Any], known: Known) -> Group:
    fields, more = condition_of(data, ("only_if",), known)
    return Group("only_if", N_("Only if"), fields, more, _alone_in_condition(at(data, ("only_if",))))


def condition_of(
    data: Any, path: Path, known: Known, step: bool = False
) -> tuple[tuple[Field, ...], tuple[Field, ...]]:
    """The fields of a condition, and those that are folded: a branch shows all that it asks of."""
    fields = [many(data, (*path, "consent"), "names", N_("Consent to"), choices=known.consents)]
    if step:
        fields.insert(
            0, one(data, (*path, "happened"), "choice", N_("What was waited for happened"), choices=words(YES_NO))
        )
    fields.append(many(data, (*path, "segment"), "names", N_("Segment"), choices=known.segments))
    more = [many(data, (*path, "stage"), "names", N_("Stage"), choices=known.stages)]
    if known.personas:
        more.append(many(data, (*path, "persona"), "names", N_("Persona"), choices=known.personas))
    if known.roles:
        more.append(many(data, (*path, "role"), "names", N_("Role"), choices=known.roles))
    more.append(one(data, (*path, "where"), "text", N_("Where"), hint="traits.city = 'Turku'"))
    if not isinstance(at(data, (*path, "not")), list):
        more += [
            many(data, (*path, "not", "segment"), "names", N_("Not of the segment"), choices=known.segments),
            many(data, (*path, "not", "stage"), "names", N_("Not in the stage"), choices=known.stages),
        ]
        if known.personas:
            more.append(
                many(data, (*path, "not", "persona"), "names", N_("Not of the persona"), choices=known.personas)
            )
    return tuple(fields), tuple(more)


def _alone_in_condition(condition: Any) -> tuple[str, ...]:
    shown = {"consent", "persona", "segment", "role", "stage", "where", "happened", "not"}
    found = list(_alone(condition, shown))
    inner = at(condition, ("not",))
    if isinstance(inner, list):
        found.append("not")
    found += [f"not.{key}" for key in _alone(inner, {"segment", "stage", "persona"})]
    return tuple(found)


# -- steps ------------------------------------------------------------------------------------------------------------


def steps_of(data: Mapping[str, Any], known: Known) -> Steps:
    """The rule's steps: what it sends at once, then what it does in order."""
    listed: list[tuple[Path, Any]] = []
    if at(data, ("send",)) is not None:
        listed.append((("send",), {"send": data["send"]}))
    do = at(data, ("do",))
    listed += [(("do", n), step) for n, step in enumerate(do if isinstance(do, list) else ())]
    return Steps(("do",), "", _steps(listed, data, known, ""))


def _steps(listed: Sequence[tuple[Path, Any]], data: Any, known: Known, before: str) -> tuple[Step, ...]:
    found = []
    for place, (path, said_here) in enumerate(listed):
        number = f"{before}{place + 1}"
        made = _step(path, said_here, data, known, number)
        found.append(
            dataclasses.replace(made, first=place == 0 and not before, last=place == len(listed) - 1 and not before)
        )
    return tuple(found)


def _step(path: Path, said_here: Any, data: Any, known: Known, number: str) -> Step:
    kind = next(
        (k for k in ("task", "wait", "if", "stop", "send") if isinstance(said_here, dict) and k in said_here), ""
    )
    if kind == "send":
        fields, variants = send_of(data, path if path == ("send",) else (*path, "send"), known)
        to_list = at(said_here, ("send", "channel")) == "audience"
        more = _alone(said_here["send"], LIST_SHOWN if to_list else SEND_SHOWN)
        return Step(path, kind, number, fields, variants=variants, more=more)
    if kind == "task":
        fields = (
            said(data, (*path, "task"), N_("What is to be done")),
            one(data, (*path, "owner"), "text", N_("Who does it"), suggestions="known-owners"),
            one(data, (*path, "due"), "text", N_("Within"), hint="2d"),
        )
        return Step(path, kind, number, fields, more=_alone(said_here, {"task", "owner", "due"}))
    if kind == "wait":
        return Step(path, kind, number, wait_of(data, (*path, "wait"), known))
    if kind == "if":
        inside, more_fields = condition_of(data, (*path, "if"), known, step=True)
        branches = tuple(
            Steps((*path, branch), label, _steps(
                [((*path, branch, n), step) for n, step in enumerate(_listed(at(data, (*path, branch))))],
                data, known, f"{number}.",
            ))
            for branch, label in (("then", N_("Then")), ("else", N_("Else")))
        )  # fmt: skip
        alone = _alone_in_condition(at(data, (*path, "if")))
        return Step(path, kind, number, inside, more_fields, branches, more=alone)
    return Step(path, kind, number, (), more=_alone(said_here, {"stop"}))


def _listed(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [] if found is None else [found]


def wait_of(data: Any, path: Path, known: Known) -> tuple[Field, ...]:
    kind, command = wait_kind(at(data, path)), (*path, f"{NTH}wait")
    fields = [Field(command, "choice", N_("Wait"), (kind,), words(WAIT_WORDS))]
    if kind == "time":
        inside = isinstance(at(data, path), dict)
        fields.append(one(data, (*path, "for") if inside else path, "text", N_("So long"), hint="2h, 3d"))
    elif kind == "until":
        fields += [
            many(data, (*path, "until"), "names", N_("Until"), choices=known.places),
            one(data, (*path, "for"), "text", N_("At most"), hint="2d"),
        ]
    elif kind == "hours":
        fields.append(one(data, (*path, "hours"), "text", N_("Hours of the customer's day"), hint="09:00-20:00"))
    else:
        fields.append(one(data, (*path, "at"), "text", N_("The customer's time"), hint="09:00"))
    return tuple(fields)


def wait_kind(value: Any) -> str:
    """Of which kind a wait is."""
    return next((key for key in ("until", "hours", "at") if isinstance(value, dict) and key in value), "time")


def send_of(data: Any, path: Path, known: Known) -> tuple[tuple[Field, ...], tuple[str, ...]]:
    """The fields of a message, and the names of its variants."""
    fields = [one(data, (*path, "channel"), "choice", N_("Channel"), choices=known.channels)]
    if at(data, (*path, "channel")) == "audience":
        fields += [
            one(data, (*path, "audience"), "choice", N_("List for ads"), choices=known.audiences),
            one(data, (*path, "do"), "choice", N_("What is done"), choices=words(LIST_WORDS)),
            one(data, (*path, "for"), "text", N_("For how long"), hint=N_("30d; empty: for good")),
        ]
        return tuple(fields), ()
    variants = at(data, (*path, "variants"))
    if not isinstance(variants, dict):
        fields.append(one(data, (*path, "content"), "choice", N_("Content"), choices=known.content))
        return tuple(fields), ()
    for name, told in variants.items():
        inside = (*path, "variants", name)
        deep = isinstance(told, dict)
        at_content = (*inside, "content") if deep else inside
        fields.append(one(data, at_content, "choice", N_("Content"), choices=known.content, suffix=str(name)))
        if deep:
            fields.append(one(data, (*inside, "weight"), "number", N_("Weight"), suffix=str(name)))
    fields += [
        one(data, (*path, "choose"), "choice", N_("How they are dealt"), choices=words(CHOOSE_WORDS)),
        one(data, (*path, "floor"), "text", N_("At least to each"), hint="10 %"),
    ]
    return tuple(fields), tuple(map(str, variants))


LIST_WORDS: Mapping[str, str] = {"add": N_("put on the list"), "remove": N_("taken off the list")}
CHOOSE_WORDS: Mapping[str, str] = {"fixed": N_("fixed shares"), "bandit": N_("more and more to the better")}


def limits_of(data: Mapping[str, Any], known: Known) -> Group:
    fields = (
        many(data, ("until",), "names", N_("Goal that ends it"), choices=known.places),
        one(data, ("judge_by",), "choice", N_("Judged by"), choices=known.measures),
        one(data, ("holdout",), "text", N_("Held out, to compare with"), hint=N_("10 % unless it says otherwise")),
        one(data, ("limit", "times"), "number", N_("At most, times")),
        one(data, ("limit", "every"), "text", N_("In a time of"), hint=N_("14d; empty: ever")),
    )
    more = (
        one(data, ("limit", "capped"), "choice", N_("What is too much"), choices=words(CAPPED_WORDS)),
        one(data, ("group",), "text", N_("Group"), suggestions="known-groups",
            hint=N_("nobody waits in two rules of a group")),
        one(data, ("priority",), "number", N_("Priority"), hint=N_("the highest goes first")),
        one(data, ("owed",), "tick", N_("asked for or due to the customer: no hold-out, no caps")),
    )  # fmt: skip
    alone = _alone(data, {
        "id", "title", "when", "only_if", "send", "do", "until", "group", "priority", "owed", "limit", "holdout",
        "judge_by", "state",
    })  # fmt: skip
    return Group("limits", N_("Limits and goal"), fields, more, alone)
