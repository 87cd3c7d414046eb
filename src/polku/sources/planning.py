"""From what was asked and what can be guessed to one plan a file; unclear files are told before anything is read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from polku.errors import SourceError, nearest
from polku.events.columns import as_names
from polku.events.plan import Given, Plan
from polku.events.times import Order, order_evidence
from polku.events.values import currency_of, decimal_evidence
from polku.language import N_, translate
from polku.sources import guess as guessing
from polku.sources.guess import ASKED, Choice
from polku.sources.mapping import Mapping, column_of, grouping, product, together
from polku.sources.names import canonical, company
from polku.sources.raw import Source

#: How far ahead of the import's own clock a time may be: clocks are wrong, and zones are mistaken.
AHEAD = dt.timedelta(days=1)
OPTIONS = {
    "customer": "--customer", "anonymous": "--anonymous", "account": "--account", "role": "--role", "event": "--event",
    "time": "--time", "session": "--session", "value": "--value", "currency": "--currency", "source": "--source",
    "channel": "--channel", "event_id": "--event-id", "consent": "--consent",
}  # fmt: skip
MISSING = {
    "time": N_(
        "When did it happen? No column of times was found. Name one with --time COLUMN; "
        "if the file has none, add one (a date is enough)."
    ),
    "event": N_(
        "What happened? No column of event names was found. Name one with --event COLUMN, "
        'or give one name for all rows: --event-name "Order Completed".'
    ),
    "customer": N_(
        "Who was it? No column of customers was found. Name one with --customer COLUMN "
        "(or --anonymous COLUMN for a browser's id)."
    ),
}
RIVALS = {
    "time": N_("When did it happen? Several columns fit: {rivals}. Say which with --time COLUMN."),
    "event": N_("What happened? Several columns fit: {rivals}. Say which with --event COLUMN."),
    "customer": N_("Who was it? Several columns fit: {rivals}. Say which with --customer COLUMN."),
}


class ColumnsError(SourceError):
    """A file whose columns do not tell what an import must know; all that is unclear is told at once."""

    code = "source.columns"

    def __init__(
        self, path: str, columns: Sequence[str], missing: Sequence[str], rivals: MappingOf[str, Sequence[str]]
    ) -> None:
        super().__init__(
            N_("{path} does not tell all that an import must know. Its columns: {columns}."),
            path=path,
            columns=", ".join(columns),
            missing=list(missing),
            rivals=", ".join(f"{r}: {' / '.join(c)}" for r, c in rivals.items()),
        )
        self._rivals = {r: ", ".join(c) for r, c in rivals.items()}
        self._missing = tuple(missing)

    def text(self, language: str = "en") -> str:
        lines = [translate(language, self.message, path=self.facts["path"], columns=self.facts["columns"])]
        lines += [translate(language, MISSING[role]) for role in self._missing]
        lines += [translate(language, RIVALS[role], rivals=names) for role, names in self._rivals.items()]
        return "\n".join(lines)


@dataclass(frozen=True)
class Planned:
    """A file's plan, and each choice in it with its reason."""

    plan: Plan
    choices: tuple[Choice, ...]
    translate: Callable[[str], str]

    def to_dict(self, language: str = "en") -> dict[str, Any]:
        return {c.role: {"column": c.column, "why": c.why(language)} for c in self.choices}


def plan(source: Source, mapping: Mapping, zone: str, now: dt.datetime) -> Planned:
    """The plan of one file. ``zone``: of times that name none. Raises SourceError, ColumnsError."""
    columns = source.shape.columns
    sample = source.sample()
    asked = _asked(mapping, columns)
    taken = [*mapping.traits, *(c for choice in asked.values() for c in _columns(choice, columns))]
    found = guessing.guess(columns, sample, taken)
    choices = {**{r: c for r, c in found.choices.items() if r not in asked}, **asked}
    if mapping.event_name is not None:
        choices["event"] = Choice("event", mapping.event_name, ASKED)
    _no_conflict(choices)
    rivals = {r: c for r, c in found.rivals.items() if r not in choices and r in guessing.REQUIRED}
    people = {"customer", "anonymous", "account"}
    missing = [
        r
        for r in ("time", "event", "customer")
        if r not in rivals and (not people & choices.keys() if r == "customer" else r not in choices)
    ]
    if people & choices.keys():
        rivals.pop("customer", None)
    if missing or rivals:
        raise ColumnsError(str(source.path), columns, missing, rivals)

    def one(role: str) -> str | None:
        return choices[role].column if role in choices else None

    def given(role: str) -> Given:
        name = one(role)
        return Given() if name is None else Given(column=name) if name in columns else Given(constant=name)

    traits = tuple(column_of(t, columns, "--trait") for t in mapping.traits)
    keep = (
        None if mapping.properties is None else tuple(column_of(p, columns, "--property") for p in mapping.properties)
    )
    group = grouping(mapping.group_by, columns) if mapping.group_by is not None else ()
    own = guessing.is_own_export(columns)
    used = [*traits, *group, *(c for choice in choices.values() for c in _columns(choice, columns)), *(keep or ())]
    places = () if own else guessing.places(columns, used)
    if not own and "traits" in columns and "traits" not in used and guessing.fits("properties", sample, "traits"):
        places = (*places, ("traits", ("traits",)))
    micros = (now - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
    made = Plan(
        time=together(choices["time"].column, columns),
        zone=mapping.timezone or zone,
        received=micros,
        latest=micros + AHEAD // dt.timedelta(microseconds=1),
        event=Given(constant=mapping.event_name)
        if mapping.event_name is not None
        else Given(column=choices["event"].column),
        event_else=_other_name(columns, sample, one("event")),
        customer=one("customer"),
        anonymous=one("anonymous"),
        account=one("account"),
        role=one("role"),
        session=one("session"),
        event_id=one("event_id"),
        received_at=one("received_at"),
        original_event=one("original_event"),
        consent=one("consent"),
        value=product(choices["value"].column, columns) if "value" in choices else (),
        currency=given("currency"),
        source=given("source") or Given(constant=f"{source.shape.format}:{source.path.name}"),
        channel=given("channel"),
        properties=one("properties"),
        context=one("context"),
        places=places,
        traits=traits,
        ignored=tuple(c for c in guessing.DERIVED if own and c in columns),
        group=group,
        keep=keep,
        translate=not mapping.keep_names and not own,
    )
    made = replace(made, mark=mapping.decimal or _mark(sample, made, source.shape.delimiter))
    if mapping.day_first is not None:
        made = replace(made, order=Order.DAY_FIRST if mapping.day_first else Order.MONTH_FIRST)
    shown = [*choices.values(), *([Choice("group_by", ", ".join(group), ASKED)] if group else [])]
    shown += [*(Choice(".".join(("context", *place)), c, guessing.NAMED) for c, place in places)]
    return Planned(made, tuple(shown), translator(made, mapping, sample))


def translator(made: Plan, mapping: Mapping, sample: pa.Table) -> Callable[[str], str]:
    """An event name of the file to its name in history: what was asked, the file's own vocabulary, what is known of
    tools.
    """
    column = made.event.column
    words: MappingOf[str, str] = {}
    if made.translate and column is not None:
        seen = as_names(sample.column(column).combine_chunks()).unique().to_pylist()
        words = company(w.lower() for w in seen if w)

    def name(word: str) -> str:
        if word in mapping.rename:
            return mapping.rename[word]
        if not made.translate:
            return word
        return words.get(word.lower()) or canonical(word)

    return name


def settle_order(planned: Sequence[Planned], sources: Sequence[Source]) -> list[Planned]:
    """Each plan with the order of day and month that its column tells; files of one import stand in for each other.

    Raises SourceError when ``3/4/2026`` could be either, in all of the files.
    """
    orders: list[Order | None] = []
    for one, source in zip(planned, sources, strict=True):
        orders.append(_order(one.plan, source) if one.plan.order is Order.UNKNOWN else one.plan.order)
    told = next((o for o in orders if o not in (None, Order.UNKNOWN)), None)
    settled: list[Planned] = []
    for one, source, order in zip(planned, sources, orders, strict=True):
        if order is None and told is None:
            raise SourceError(
                N_(
                    "{path}: dates such as 3/4/2026 in the column {column} can be read in two ways. "
                    "Say --day-first or --month-first."
                ),
                path=str(source.path),
                column="+".join(one.plan.time),
            )
        settled.append(
            replace(one, plan=replace(one.plan, order=order if order is not None else told or Order.UNKNOWN))
        )
    return settled


def _order(made: Plan, source: Source) -> Order | None:
    """What the column says; UNKNOWN where the question does not arise, None where it arises and nothing tells."""
    day, month, silent = _evidence(source.sample().column(made.time[0]))
    if not day and not month and silent:
        for batch in source.batches(made.time[:1], ()):
            more = _evidence(batch.columns[made.time[0]])
            day, month, silent = day + more[0], month + more[1], silent + more[2]
            if day or month:
                break
    if not day and not month:
        return None if silent else Order.UNKNOWN
    return Order.DAY_FIRST if day >= month else Order.MONTH_FIRST


def _evidence(values: pa.Array | pa.ChunkedArray) -> tuple[int, int, int]:
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return 0, 0, 0
    return order_evidence(values)


def _asked(mapping: Mapping, columns: Sequence[str]) -> dict[str, Choice]:
    asked: dict[str, Choice] = {}
    for role, option in OPTIONS.items():
        name = getattr(mapping, role)
        if name is None:
            continue
        if role == "time":
            name = "+".join(together(name, columns))
        elif role == "value":
            name = "*".join(product(name, columns))
        elif role in ("currency", "source", "channel") and name not in columns:
            name = _column_or_word(role, name, columns, option)
        else:
            name = column_of(name, columns, option)
        asked[role] = Choice(role, name, ASKED)
    return asked


def _column_or_word(role: str, name: str, columns: Sequence[str], option: str) -> str:
    same = [c for c in columns if c.casefold() == name.casefold()]
    if len(same) == 1:
        return same[0]
    if role == "currency":
        code = currency_of(name)
        if code is None:
            raise SourceError(
                N_("{option}: {name!r} is neither a column nor a currency such as EUR. The columns: {columns}."),
                option=option,
                name=name,
                columns=", ".join(columns),
            )
        return code
    close = nearest(name, columns)
    if close and abs(len(close) - len(name)) <= 1 and len(name) > 3:
        raise SourceError(
            N_("{option}: the file has no column {column!r}. Did you mean {nearest!r}? Its columns: {columns}."),
            option=option,
            column=name,
            nearest=close,
            columns=", ".join(columns),
        )
    return name


def _columns(choice: Choice, columns: Sequence[str]) -> tuple[str, ...]:
    """The columns of a choice that may be a product, a sum, or a word."""
    if choice.column in columns:
        return (choice.column,)
    mark = {"value": "*", "time": "+"}.get(choice.role)
    return tuple(p for p in choice.column.split(mark) if p in columns) if mark else ()


def _no_conflict(choices: MappingOf[str, Choice]) -> None:
    """One column cannot be both the customer and the event, or the time and anything."""
    seen: dict[str, str] = {}
    for role in ("customer", "event", "time", "event_id"):
        choice = choices.get(role)
        if choice is None:
            continue
        if choice.column in seen:
            raise SourceError(
                N_("The column {column!r} was named for both {first} and {second}."),
                column=choice.column,
                first=OPTIONS[seen[choice.column]],
                second=OPTIONS[role],
            )
        seen[choice.column] = role


def _other_name(columns: Sequence[str], sample: pa.Table, event: str | None) -> str | None:
    """Segment's raw calls: ``event`` is empty for pages and identifies, whose name is their ``type``."""
    if event is None or event == "type" or "type" not in columns or event not in columns:
        return None
    kinds = sample.column("type").combine_chunks()
    if not pa.types.is_string(kinds.type) and not pa.types.is_dictionary(kinds.type):
        return None
    seen = {w for w in kinds.unique().to_pylist() if w}
    return "type" if seen and seen <= guessing.TYPES_OF_CALLS else None


def _mark(sample: pa.Table, made: Plan, delimiter: str | None) -> str | None:
    marks = []
    for name in made.value:
        values = sample.column(name).combine_chunks()
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if pa.types.is_string(values.type):
            marks.append(decimal_evidence(values))
    told = next((m for m in marks if m), None)
    return told or ("," if marks and delimiter == ";" else None)
