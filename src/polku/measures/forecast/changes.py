"""What a change and a goal say, read from text."""

from __future__ import annotations

import dataclasses
import re

from polku.errors import MeasureError
from polku.language import N_

START = "start"
_CHANGE = re.compile(r"^\s*(?P<ends>[^:]+?)\s*:\s*(?P<sign>[+\-−]?)\s*(?P<number>\d+(?:[.,]\d+)?)\s*%\s*$")
_GOAL = re.compile(r"^\s*(?P<number>\d[\d   ]*(?:[.,]\d+)?)\s*(?P<unit>[A-Za-z€$£]*)\s*$")
SIGNS = {"€": "EUR", "$": "USD", "£": "GBP"}
NOT_A_CHANGE = N_(
    "{text!r} is not a change; write for example cart>order:+2% (two points more), cart>order:40% (the share itself) "
    "or start:+10% (a tenth more who begin)."
)


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """``share`` more (or fewer, below 0) of those at ``source`` come to ``target``, or with ``whole`` the share itself;
    without a target, so many more begin.
    """

    text: str
    source: str
    target: str | None
    share: float
    whole: bool = False


def change_of(text: str) -> Change:
    """
    >>> change_of("cart>order:+2%")
    Change(text='cart>order:+2%', source='cart', target='order', share=0.02, whole=False)
    >>> change_of("start:-10 %").share
    -0.1

    Raises MeasureError with what can be written.
    """
    match = _CHANGE.match(text)
    if not match:
        raise MeasureError(NOT_A_CHANGE, text=text)
    share = float(match["number"].replace(",", ".")) / 100
    share = -share if match["sign"] in ("-", "−") else share
    source, arrow, target = (part.strip() for part in match["ends"].partition(">"))
    whole = not match["sign"]
    if (not arrow and (source != START or whole)) or (arrow and not (source and target)) or (whole and share > 1):
        raise MeasureError(NOT_A_CHANGE, text=text)
    return Change(text.strip(), source, target or None, share, whole)


def goal_of_text(text: str, currency: str) -> tuple[float, bool]:
    """A yearly goal: the number, and whether it is money.

    >>> goal_of_text("1200", "EUR"), goal_of_text("50 000 €", "EUR")
    ((1200.0, False), (50000.0, True))

    Raises MeasureError for anything else, another currency included.
    """
    match = _GOAL.match(text)
    unit = "" if not match else SIGNS.get(match["unit"], match["unit"].upper())
    number = 0.0 if not match else float(re.sub(r"\s", "", match["number"]).replace(",", "."))
    if not match or number <= 0 or unit not in ("", currency):
        raise MeasureError(
            N_(
                "{text!r} is not a goal; write customers a year, for example 1200, or money, for example 50000 {money}."
            ),
            text=text,
            money=currency,
        )
    return number, bool(unit)
