"""How much: a column of money or other amounts, written in any of the usual ways, to float64 and currency.

Read are ``1299.5``, ``-5``, ``(5.00)`` (bookkeepers' minus), ``1 299,50 €``, ``1,299.50``, ``1.299,50``, ``$12``,
``12 EUR``, ``5-``, ``1'299.50``. Which mark starts the decimals is told by the value itself where it can be, else by
the column (:func:`decimal_evidence`), else by what was asked; ``1,299`` alone is never guessed, ``1.299`` alone is as
programs write it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from babel.numbers import list_currencies

from polku.events.refusals import Refusal

SIGNS = {
    "€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "₹": "INR", "₽": "RUB", "₺": "TRY", "₴": "UAH", "₩": "KRW",
    "zł": "PLN", "zl": "PLN", "Kč": "CZK", "US$": "USD", "A$": "AUD", "C$": "CAD", "R$": "BRL", "eur": "EUR",
    "euro": "EUR",
    "euroa": "EUR", "euros": "EUR", "e": "EUR",
}  # fmt: skip
#: Codes of today and of the past (Babel's list of ISO 4217).
ISO_4217 = frozenset(list_currencies())
#: Properties that say what an event is worth; the first that is given wins: without shipping and tax, else all of it.
MONEY = ("revenue", "total", "value")
BLANKS = re.compile(r"[\s\u00a0\u202f\u2009'’]+")
NUMBER = re.compile(r"^[+-]?\d+(?:[.,]\d+)*$|^[+-]?[.,]\d+$|^[+-]?\d+(?:\.\d+)?[eE][+-]?\d+$|^[+-]?\d+[.,]$")
#: Simple enough for the computer's own reading, whatever the column's decimal mark.
SIMPLE = r"^[+-]?\d+(\.\d{1,2}|\.\d{4,})?([eE][+-]?\d+)?$"
SIMPLE_POINT = r"^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$"


class Values(NamedTuple):
    """``amount`` float64[n] (NaN: none), ``currency`` string[n] or None when no sign was seen, ``refused`` uint8[n]."""

    amount: npt.NDArray[np.float64]
    currency: pa.Array | None
    refused: npt.NDArray[np.uint8]


class Amount(NamedTuple):
    number: float
    currency: str | None
    refused: int


def strip_sign(word: str) -> tuple[str, str | None, bool]:
    """(digits with marks, currency, whether a bookkeeper's minus stood around or behind)."""
    left = word.strip()
    minus = False
    if left.startswith("(") and left.endswith(")"):
        left, minus = left[1:-1].strip(), True
    left = left.replace("−", "-")
    currency = None
    found = re.match(r"^([+-]?)\s*([^\d\s+\-.,()]{1,5})\s*([+-]?[\d.,].*)$", left)
    if found:
        sign, name, rest = found.groups()
        left, currency = sign + rest, name
    found = re.match(r"^(.*[\d.,-])\s*([^\d\s+\-.,()]{1,5})\.?$", left)
    if found and currency is None:
        left, currency = found[1], found[2]
    left = BLANKS.sub("", left)
    if left.endswith("-") and not left.startswith("-") and len(left) > 1:
        body = left[:-1]
        # "12,-" is twelve with nothing behind the mark, "5-" is minus five
        left, minus = (body.rstrip(".,"), minus) if body[-1:] in ".," else (body, True)
    return left, currency, minus


def currency_of(sign: str | None) -> str | None:
    """The ISO 4217 code of a sign or code, None when it is neither.

    >>> currency_of("€"), currency_of("usd"), currency_of("kpl")
    ('EUR', 'USD', None)
    """
    if sign is None:
        return None
    if sign in SIGNS or sign.lower() in SIGNS:
        return SIGNS.get(sign) or SIGNS[sign.lower()]
    if re.fullmatch(r"[A-Za-z]{3}", sign) and sign.upper() in ISO_4217:
        return sign.upper()
    return None


def decimal_mark(word: str) -> str | None:
    """The mark that starts the decimals when the text itself tells: ``,`` or ``.``; None when it does not.

    >>> decimal_mark("1 299,50"), decimal_mark("1,299.5"), decimal_mark("1,299"), decimal_mark("12")
    (',', '.', None, None)
    """
    text = strip_sign(word)[0].lstrip("+-")
    points, commas = text.count("."), text.count(",")
    if points and commas:
        return "." if text.rindex(".") > text.rindex(",") else ","
    if points + commas == 1:
        mark = "." if points else ","
        behind = len(text) - text.index(mark) - 1
        grouped = behind == 3 and 1 <= text.index(mark) <= 3 and not text.startswith("0")
        return None if grouped else mark
    if points > 1:
        return ","
    if commas > 1:
        return "."
    return None


def decimal_evidence(values: pa.Array) -> str | None:
    """The decimal mark of a column of texts, from its distinct values: the mark that most of the telling ones use."""
    words = pc.unique(values).drop_null().to_pylist()
    marks = [decimal_mark(w) for w in words[:20_000]]
    point, comma = marks.count("."), marks.count(",")
    return None if not point and not comma else "." if point >= comma else ","


def read_amount(word: str, mark: str | None = None) -> Amount:
    """One text as an amount. ``mark`` is the column's decimal mark, used where the text does not tell.

    >>> read_amount("1 299,50 €")
    Amount(number=1299.5, currency='EUR', refused=0)
    >>> read_amount("(5.00)").number
    -5.0
    """
    text, sign, minus = strip_sign(word)
    currency = currency_of(sign)
    lowered = word.strip().lower().lstrip("+-")
    if lowered in ("nan", "inf", "infinity"):
        return Amount(np.nan, None, Refusal.VALUE_NOT_FINITE)
    if (sign is not None and currency is None) or not NUMBER.match(text):
        return Amount(np.nan, None, Refusal.UNREADABLE_VALUE)
    points, commas = text.count("."), text.count(",")
    if points or commas:
        told = decimal_mark(text)
        mark = told or mark or ("." if points else None)  # a point alone is how programs write decimals
        if mark is None:
            return Amount(np.nan, None, Refusal.DECIMAL_MARK)
        other = "," if mark == "." else "."
        whole, _, behind = text.partition(mark)
        groups = re.split(re.escape(other), whole.lstrip("+-"))
        if (
            other in behind
            or mark in behind
            or (len(groups) > 1 and (any(len(g) != 3 for g in groups[1:]) or len(groups[0]) > 3))
        ):
            return Amount(np.nan, None, Refusal.UNREADABLE_VALUE)
        text = text.replace(other, "").replace(mark, ".")
    number = float(text)
    if not np.isfinite(number):
        return Amount(np.nan, None, Refusal.VALUE_NOT_FINITE)
    return Amount(-number if minus else number, currency, 0)


def read_values(values: pa.Array, mark: str | None = None) -> Values:
    """Amounts of a column of text or numbers; an empty one is NaN and not refused.

    >>> read_values(pa.array(["12", "1 299,50 €", "x", None])).refused.tolist()
    [0, 0, 30, 0]
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.dictionary_decode()
        kind = values.type
    n = len(values)
    refused = np.zeros(n, np.uint8)
    if pa.types.is_null(kind):
        return Values(np.full(n, np.nan), None, refused)
    empty = np.asarray(values.is_null(), dtype=np.bool_) if values.null_count else np.zeros(n, np.bool_)
    if (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
    ):
        plain = (
            values.cast(pa.float64(), safe=False)
            if not pa.types.is_boolean(kind)
            else values.cast(pa.int8()).cast(pa.float64())
        )
        amount = plain.fill_null(np.nan).to_numpy(zero_copy_only=False).copy()
        refused[np.isinf(amount)] = Refusal.VALUE_NOT_FINITE  # a NaN is how tables of numbers write "none"
        amount[refused != 0] = np.nan
        return Values(amount, None, refused)
    simple = pc.fill_null(pc.match_substring_regex(values, SIMPLE_POINT if mark == "." else SIMPLE), True)
    easy = np.asarray(simple, dtype=np.bool_)
    amount = pc.if_else(simple, values, None).cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False).copy()
    refused[easy & ~empty & ~np.isfinite(amount)] = Refusal.VALUE_NOT_FINITE
    odd = np.flatnonzero(~easy)
    currency: pa.Array | None = None
    if len(odd):
        found: list[str | None] = [None] * n
        known: dict[str, Amount] = {}
        for at, word in zip(odd.tolist(), values.take(pa.array(odd)).to_pylist(), strict=True):
            if word not in known:
                known[word] = read_amount(word, mark) if word.strip() else Amount(np.nan, None, 0)
            amount[at], found[at], refused[at] = known[word]
        if any(found[at] for at in odd.tolist()):
            currency = pa.array(found, pa.string())
    amount[refused != 0] = np.nan
    return Values(amount, currency, refused)
