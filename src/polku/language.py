"""What a person reads, in their language: texts, numbers, money, times.

English texts in the code are the keys (gettext's habit); ``locale/fi/*.po`` hold the Finnish ones, one file a room.
Mark a text with ``N_`` where it is defined and translate it where it is shown.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, dates, numbers
from babel.messages.pofile import read_po

LANGUAGES = ("fi", "en")
#: The reader's locale for numbers and dates: Polku's English is the European one (day before month, 24 hours).
LOCALES = {"fi": Locale("fi", "FI"), "en": Locale("en", "GB")}


def N_(text: str) -> str:
    """Mark ``text`` for translation without translating it yet."""
    return text


@functools.cache
def _catalogue(language: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    if language == "en":
        return texts
    folder = resources.files("polku") / "locale" / language
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".po"):
            with entry.open("rb") as f:
                catalogue = read_po(f, locale=language)
            texts.update({m.id: str(m.string) for m in catalogue if isinstance(m.id, str) and m.id and m.string})
    return texts


def translate(language: str, text: str, /, **facts: Any) -> str:
    """``text`` in ``language``, with ``{named}`` facts filled in; the English text where there is no translation."""
    found = _catalogue(language).get(text, text)
    return found.format(**facts) if facts else found


def choose(wishes: Iterable[str | None], default: str = "en") -> str:
    """The first wish that Polku speaks ("fi-FI" and "FI" are "fi").

    >>> choose([None, "sv-FI", "fi-FI"])
    'fi'
    """
    for wish in wishes:
        if wish and (short := wish.replace("_", "-").split("-")[0].strip().lower()) in LANGUAGES:
            return short
    return default


def said(text: str | Mapping[str, str] | None, language: str) -> str:
    """A text of the map, which is one string or one string a language; another language stands in for a missing one."""
    if text is None:
        return ""
    if isinstance(text, str):
        return text
    return text.get(language) or next((text[k] for k in (*LANGUAGES, *text) if text.get(k)), "")


class Reader:
    """How one reader wants things written.

    >>> Reader("fi", currency="EUR").number(1299.5)
    '1\\xa0299,5'
    >>> Reader("en").percent(0.312)
    '31.2%'
    """

    def __init__(self, language: str = "en", timezone: str = "UTC", currency: str = "EUR") -> None:
        self.language = language
        self.locale = LOCALES[language]
        self.zone = ZoneInfo(timezone)
        self.currency = currency

    def __call__(self, text: str, /, **facts: Any) -> str:
        return translate(self.language, text, **facts)

    def in_zone(self, timezone: str) -> Reader:
        """The same reader with times of another zone: a period's days are the map's, whoever reads."""
        return Reader(self.language, timezone, self.currency)

    def said(self, text: str | Mapping[str, str] | None) -> str:
        return said(text, self.language)

    def number(self, value: float, digits: int | None = None) -> str:
        if digits is None:
            return str(numbers.format_decimal(value, locale=self.locale))
        return str(
            numbers.format_decimal(value, format="#,##0." + "0" * digits if digits else "#,##0", locale=self.locale)
        )

    def percent(self, share: float, digits: int = 1) -> str:
        return str(
            numbers.format_percent(
                share, format="#,##0." + "0" * digits + ("\xa0%" if self.language == "fi" else "%"), locale=self.locale
            )
        )

    def money(self, value: float, currency: str | None = None, digits: int | None = None) -> str:
        code = currency or self.currency
        if digits == 0:
            pattern = "#,##0\xa0¤" if self.language == "fi" else "¤#,##0"
            return str(numbers.format_currency(value, code, format=pattern, locale=self.locale, currency_digits=False))
        return str(numbers.format_currency(value, code, locale=self.locale))

    def date(self, when: dt.datetime | dt.date) -> str:
        if isinstance(when, dt.datetime):
            when = when.astimezone(self.zone)
        return str(
            dates.format_date(when, format="d.M.yyyy" if self.language == "fi" else "d MMM yyyy", locale=self.locale)
        )

    def time(self, when: dt.datetime) -> str:
        local = when.astimezone(self.zone)
        clock = dates.format_time(
            local, format="H.mm" if self.language == "fi" else "HH:mm", tzinfo=self.zone, locale=self.locale
        )
        return f"{self.date(local)} {'klo ' if self.language == 'fi' else ''}{clock}"

    def duration(self, seconds: float) -> str:
        """The two largest units: "1 pv 4 h", "2 d 7 h", "3 min"."""
        day, hour, minute, second = ("pv", "h", "min", "s") if self.language == "fi" else ("d", "h", "min", "s")
        left = round(seconds)
        parts: list[tuple[int, str]] = []
        for size, unit in ((86400, day), (3600, hour), (60, minute), (1, second)):
            count, left = divmod(left, size)
            if count or parts:
                parts.append((count, unit))
        shown = [f"{self.number(c)} {u}" for c, u in parts[:2] if c]
        return " ".join(shown) or f"0 {second}"
