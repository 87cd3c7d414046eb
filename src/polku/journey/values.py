"""Small values that people write in the map: durations, shares, targets, dates, intervals, texts.

Each reader takes what YAML gives and returns the value, or raises ``UnreadableError`` with a message that can be
translated.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from polku.language import N_, translate

DURATION = re.compile(
    r"^\s*(\d+(?:[.,]\d+)?)\s*(s|min|m|h|d|w|months?|y|years?|days?|weeks?|hours?|minutes?|seconds?)\s*$"
)
SHARE = re.compile(r"^\s*(\d+(?:[.,]\d+)?)\s*(%?)\s*$")
TARGET = re.compile(r"^\s*(>=|<=|≥|≤)?\s*(\d+(?:[.,]\d+)?)\s*(%?)\s*$")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
#: A thousand years: longer is a slip, and would overflow a date.
LONGEST = 1000 * 365 * 86400


class UnreadableError(ValueError):
    """A value of the map cannot be read; ``message`` is the key of its translation, ``facts`` fill it."""

    def __init__(self, message: str, /, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts

    def __str__(self) -> str:
        return translate("en", self.message, **self.facts)


class Frozen(dict[str, Any]):
    """A dict that does not change, with a hash; made for the mappings inside the map."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("a journey does not change; make another with model_copy(update=...)")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    # A dict says that it has no hash, since it changes; this one does not change.
    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(((k, v) for k, v in self.items()), key=lambda pair: str(pair[0]))))

    def __reduce__(self) -> tuple[Any, ...]:
        return Frozen, (dict(self),)

    def __copy__(self) -> Frozen:
        return self

    def __deepcopy__(self, memo: Any) -> Frozen:
        return self


def freeze(value: Any) -> Any:
    """``value`` with dicts as Frozen and lists as tuples, all the way down."""
    if isinstance(value, Mapping):
        return Frozen({str(k): freeze(v) for k, v in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(freeze(v) for v in value)
    return value


def shown(value: Any) -> str:
    """What stands there, short enough for a message."""
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def number(text: str) -> float:
    return float(text.replace(",", "."))


def duration(text: str | int | float) -> int:
    """Seconds of a duration such as ``30m``, ``4h``, ``7d``, ``2w``, ``3 months`` (30 days each), ``1y`` (365 days).

    >>> duration("7d"), duration("4h"), duration("3 months")
    (604800, 14400, 7776000)
    """
    seconds: float
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        seconds = float(text)
    else:
        found = DURATION.match(str(text))
        if not found:
            raise UnreadableError(
                N_("{found!r} is not a duration; write a number and s, min, h, d, w, months or y, for example 7d"),
                found=shown(text),
            )
        size = 30 * 86400 if found[2].startswith("month") else SECONDS[found[2][0]]
        seconds = number(found[1]) * size
    if not 1 <= seconds <= LONGEST:
        raise UnreadableError(N_("{found!r} is too short or too long for a duration"), found=shown(text))
    return int(seconds)


def share(text: str | int | float) -> float:
    """A share of 0 to 1 from ``12 %``, ``12%``, ``0.12``.

    >>> share("12 %"), share("2,5 %"), share(0.3)
    (0.12, 0.025, 0.3)
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        value = float(text)
    else:
        found = SHARE.match(str(text))
        if not found:
            raise UnreadableError(N_("{found!r} is not a share; write it as 12 % or 0.12"), found=shown(text))
        value = number(found[1]) / (100 if found[2] else 1)
    if not 0 <= value <= 1:
        raise UnreadableError(N_("{found!r} is not between 0 % and 100 %"), found=shown(text))
    return value


def target(text: Any) -> dict[str, Any]:
    """What ``">= 3 %"``, ``"<= 40 %"``, ``30 %`` (at least), ``0.3`` or ``{at_least, value, percent}`` says.

    >>> target("<= 40 %")
    {'at_least': False, 'value': 0.4, 'percent': True}
    """
    if isinstance(text, Mapping):
        return dict(text)
    found = TARGET.match(str(text))
    if not found or isinstance(text, bool):
        raise UnreadableError(N_("{found!r} is not a target; write it as '>= 3 %' or '<= 40 %'"), found=shown(text))
    value = number(found[2]) / 100 if found[3] else number(found[2])
    return {"at_least": found[1] not in ("<=", "≤"), "value": value, "percent": bool(found[3])}


def day(value: Any) -> dt.date | None:
    """A date, from YAML's own or from ``2026-12-15``."""
    if value is None or (isinstance(value, dt.date) and not isinstance(value, dt.datetime)):
        return value
    try:
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value.strip()):
            return dt.date.fromisoformat(value.strip())
    except ValueError:  # the 31st of June
        raise UnreadableError(N_("there is no such day as {found}"), found=shown(value)) from None
    raise UnreadableError(N_("{found!r} is no date; write it as 2026-12-15"), found=shown(value))


PERIOD = re.compile(r"^(?:all|\d{1,5}\s*[dwy]|(?:\d{4}-\d{2}-\d{2})?\.\.(?:\d{4}-\d{2}-\d{2})?)$")


def period(text: Any) -> str | None:
    """A period as people write it: ``30d``, ``12w``, ``1y``, ``all``, ``2026-01-01..2026-02-01`` (the end out).

    >>> period("30d"), period("2026-01-01..")
    ('30d', '2026-01-01..')
    """
    if text is None:
        return None
    wish = str(text).strip()
    fault = UnreadableError(
        N_("{found!r} is not a period; write for example 30d, 1y, all, or days such as 2026-01-01..2026-02-01"),
        found=shown(text),
    )
    if not PERIOD.match(wish) or wish == "..":
        raise fault
    if ".." not in wish:
        if wish != "all" and int(wish[:-1]) < 1:
            raise fault
        return wish
    first, end = (day(part) if part else None for part in wish.split(".."))
    if first is not None and end is not None and first >= end:
        raise fault
    return wish


INTERVAL = re.compile(
    r"^\s*(?:every\s+)?(?:(\d{1,3})\s*)?(d|days?|w|weeks?|months?|quarters?|y|years?)\s*$", re.IGNORECASE
)


def interval(text: Any) -> tuple[int, int]:
    """(months, days) of how often something is done again: ``every 3 months``, ``every week``, ``1 year``.

    >>> interval("every 3 months"), interval("every week"), interval("2 years")
    ((3, 0), (0, 7), (24, 0))
    """
    found = INTERVAL.match(text) if isinstance(text, str) else None
    count = int(found[1] or 1) if found else 0
    if not found or count == 0:
        raise UnreadableError(
            N_("{found!r} is not an interval; write for example every 3 months, every 2 weeks or every year"),
            found=shown(text),
        )
    unit = found[2][0].lower()
    return (count * {"m": 1, "q": 3, "y": 12}.get(unit, 0), count * {"d": 1, "w": 7}.get(unit, 0))


def later(start: dt.date, months: int, days: int) -> dt.date:
    """``start`` moved on by calendar months (the month's last day where it has no such day) and days.

    >>> later(dt.date(2026, 1, 31), 1, 0)
    datetime.date(2026, 2, 28)
    """
    index = start.year * 12 + start.month - 1 + months
    year, month = divmod(index, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return dt.date(year, month + 1, min(start.day, last)) + dt.timedelta(days=days)


def text(value: Any) -> str | Frozen:
    """A text: a string, or a mapping from language codes to strings."""
    if isinstance(value, str):
        if not value.strip():
            raise UnreadableError(N_("a text is needed here, and this is empty"))
        return value
    if isinstance(value, Mapping):
        for language, one in value.items():
            if not re.fullmatch(r"[a-z]{2,3}", str(language)):
                raise UnreadableError(
                    N_("{found!r} is not a language; write for example {{fi: ..., en: ...}}"), found=shown(language)
                )
            if not isinstance(one, str) or not one.strip():
                raise UnreadableError(N_("the text in {language!r} is missing"), language=str(language))
        if value:
            return Frozen({str(k): str(v) for k, v in value.items()})
    raise UnreadableError(N_("a text is needed here, and this is {found}; put it in quotes"), found=shown(value))


def name(value: Any) -> str:
    """A plain word or text in one language."""
    if isinstance(value, str) and value.strip():
        return value
    raise UnreadableError(N_("a name is needed here, and this is {found}; put it in quotes"), found=shown(value))


def one_or_many(value: Any) -> Any:
    """A list may be left empty, and one item needs no list."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def none_is_empty(value: Any) -> Any:
    """A key with nothing behind it means the same as no key."""
    return () if value is None else value
