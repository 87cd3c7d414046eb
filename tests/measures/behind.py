"""Every number that counts customers is held to the list of those behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from polku.measures.customers import keys_behind
from polku.measures.result import Count, Rate
from polku.measures.selectors import Selector


def counted(part: Any) -> Iterator[tuple[str, int]]:
    """Selectors with the number of different customers that they must list."""
    if isinstance(part, Count):
        if part.unit == "customers" and part.behind:
            yield part.behind, part.n
    elif isinstance(part, Rate):
        if part.unit == "customers" and part.why is None:
            numbers = (part.numerator, part.denominator - part.numerator, part.pending, part.denominator)
            lists = (part.behind, part.behind_not, part.behind_pending, part.behind_all)
            over = part.denominator > 0 or part.pending == 0
            yield from ((s, n) for s, n in zip(lists[:3], numbers[:3], strict=True) if s and (over or n))
            if part.behind_all and over and not part.pending:
                yield part.behind_all, part.denominator
    elif dataclasses.is_dataclass(part) and not isinstance(part, type):
        for field in dataclasses.fields(part):
            if field.name not in ("view", "before"):
                yield from counted(getattr(part, field.name))
    elif isinstance(part, (tuple, list)):
        for each in part:
            yield from counted(each)


def lists_agree(answer: Any, view: Any) -> int:
    """Holds every number of ``answer`` to its list; gives how many were held."""
    found = list(counted(answer))
    for text, n in found:
        assert len(keys_behind(view, Selector.parse(text))) == n, text
    return len(found)
