"""What a measure declares of itself: its name, words and options, and where it is computed.

Light on purpose: every command reads the declarations, few compute anything, so the module that computes is loaded when
it is first asked.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, cast

from polku.errors import MeasureError, nearest
from polku.journey.values import duration
from polku.language import N_, translate

if TYPE_CHECKING:
    from polku.measures.answer import Answer

Kind = Literal[
    "step",  # a touchpoint's id or an event's name
    "steps",  # several, in order
    "goal",  # a step that counts as converting
    "duration",  # as in the map: 7d, 4h, 30min; seconds
    "choice",  # one of `choices`
    "number",  # a whole number above 0
    "real",  # any finite number
    "share",  # 0 to 1, or "10 %"
    "flag",  # yes or no
    "text",
    "texts",  # several, with commas between
    "property",  # event, source, channel, properties.x, context.x, traits.x
    "day",  # 2026-05-31
]
#: Names told in an error, and names among which the nearest is looked for: a shop may have a million pages.
MOST_LISTED, MOST_COMPARED = 40, 5000
YES, NO = ("yes", "true", "1", "on"), ("no", "false", "0", "off")


@dataclasses.dataclass(frozen=True, slots=True)
class Option:
    """One option of a measure. ``name`` is that of the keyword (``from`` is ``from_`` in Python)."""

    name: str
    kind: Kind
    title: str
    help: str
    default: Any = None
    choices: tuple[str, ...] = ()
    required: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Measure:
    """A measure: how it is called, what it says, what it may be asked, and where it is computed.

    ``run`` and ``members`` name a function as ``package.module:function``. ``run(view, **options) -> Answer``;
    ``members(view, selector) -> bool[C] a bucket`` lists who stands behind the selectors of the kinds in ``selects``
    (kind: what can be asked of it). ``example`` are options that run on the little map of
    :mod:`polku.measures.warm`.
    """

    name: str
    title: str
    summary: str
    options: tuple[Option, ...] = ()
    run: str = ""
    selects: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    members: str = ""
    example: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    needs: tuple[str, ...] = ()  # extras without which it cannot run: models
    here_only: str | None = None  # why it cannot run on a cluster; None: it can

    def compute(self) -> Callable[..., Answer]:
        return cast("Callable[..., Answer]", loaded(self.run))

    def definition(self, language: str = "en") -> tuple[str, ...]:
        """What the measure means, in words, with its formula."""
        return tuple(translate(language, text) for text in self.answer().says)

    def answer(self) -> type[Answer]:
        """The class of its answers: what ``run`` says that it returns."""
        import typing

        function = self.compute()
        return cast("type[Answer]", typing.get_type_hints(function)["return"])

    def option(self, name: str) -> Option:
        """Raises MeasureError with the nearest option."""
        names = [o.name for o in self.options]
        if name not in names and name.rstrip("_") in names:
            name = name.rstrip("_")
        place = known(name, names, N_("This measure has no option {name!r}.{meant} It has: {known}."))
        return self.options[place]


def loaded(where: str) -> Any:
    """The object that ``package.module:name`` names."""
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module), name)


def known(name: str, names: Iterable[str], message: str) -> int:
    """The place of ``name`` among ``names``; MeasureError says what there is, and the nearest."""
    all_names = list(names)
    if name in all_names:
        return all_names.index(name)
    near = nearest(name, all_names[:MOST_COMPARED])
    listed = ", ".join(all_names[:MOST_LISTED]) + (", ..." if len(all_names) > MOST_LISTED else "")
    raise MeasureError(message, name=name, meant=f" → {near}?" if near else "", known=listed, nearest=near)


def read(option: Option, value: Any) -> Any:
    """An option's value from its text, or checked when it is a value already. Raises MeasureError with what would fit.

    >>> within = Option("within", "duration", "within", "the time they are given")
    >>> read(within, "7d"), read(within, 60), read(within, dt.timedelta(days=1))
    (604800, 60, 86400)
    """
    return READERS[option.kind](option, value)


def _words(_: Option, value: Any) -> tuple[str, ...]:
    if isinstance(value, Mapping):  # as a notebook says it: gaps={"cart": "1h..2d", "order": (None, "7d")}
        value = [f"{name}:{_span(of)}" for name, of in value.items()]
    parts = value.split(",") if isinstance(value, str) else list(value)
    return tuple(str(part).strip() for part in parts if str(part).strip())


def _span(of: Any) -> str:
    return "..".join("" if end is None else str(end) for end in of) if isinstance(of, (tuple, list)) else str(of)


def _choice(option: Option, value: Any) -> str:
    known(str(value), option.choices, N_("{name!r} does not fit here.{meant} Choose one of: {known}."))
    return str(value)


def _duration(_: Option, value: Any) -> int:
    if isinstance(value, dt.timedelta):  # those of pandas are too
        value = value.total_seconds()
    try:
        return duration(int(value) if isinstance(value, str) and value.isdigit() else value)
    except ValueError as error:
        raise MeasureError(
            N_("{value!r} is not a length of time; write for example 7d, 4h or 30min."), value=str(value)
        ) from error


def _number(_: Option, value: Any) -> int:
    text = str(value)
    if not text.isdigit() or int(text) < 1:
        raise MeasureError(N_("{value!r} is not a whole number above 0."), value=text)
    return int(text)


def _real(_: Option, value: Any) -> float:
    try:
        found = float(str(value).replace(",", "."))
    except ValueError:
        found = float("nan")
    if not abs(found) < float("inf"):
        raise MeasureError(N_("{value!r} is not a number; write for example 12.5."), value=str(value))
    return found


def _share(option: Option, value: Any) -> float:
    text = str(value).strip()
    hundredth = text.endswith("%")
    try:
        found = _real(option, text.rstrip("%").strip()) / (100 if hundredth else 1)
    except MeasureError:
        found = -1.0
    if not 0 <= found <= 1:
        raise MeasureError(N_("{value!r} is not a share; write for example 10 % or 0.1."), value=text)
    return found


def _flag(_: Option, value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in (*YES, *NO):
        raise MeasureError(N_("{value!r} is neither yes nor no."), value=str(value))
    return text in YES


def _day(_: Option, value: Any) -> dt.date:
    try:
        return value if isinstance(value, dt.date) else dt.date.fromisoformat(str(value).strip())
    except ValueError as error:
        raise MeasureError(N_("{value!r} is not a day; write it as 2026-05-31."), value=str(value)) from error


def _text(_: Option, value: Any) -> str:
    return str(value).strip()


READERS: dict[Kind, Callable[[Option, Any], Any]] = {
    "step": _text,
    "goal": _text,
    "text": _text,
    "property": _text,
    "steps": _words,
    "texts": _words,
    "choice": _choice,
    "duration": _duration,
    "number": _number,
    "real": _real,
    "share": _share,
    "flag": _flag,
    "day": _day,
}


def written(option: Option, value: Any) -> str:
    """``value`` as it is written in a URL, a form and a command: what :func:`read` reads back.

    >>> written(Option("within", "duration", "within", "the time they are given"), 604800)
    '7d'
    >>> written(Option("margin", "share", "margin", "the share that is kept"), 0.4)
    '0.4'
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return YES[0] if value else NO[0]
    if isinstance(value, (tuple, list)):
        return ",".join(str(part) for part in value)
    if option.kind == "duration" and isinstance(value, int) and value:
        size, unit = next((s, u) for s, u in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")) if value % s == 0)
        return f"{value // size}{unit}"
    return str(value)
