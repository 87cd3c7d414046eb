"""The growing tables behind the columns: codes, pages, origins.

Numbers are given once and stay, so that refreshed trails share them with the base. Threads share one vocabulary while
trails are built; :meth:`Vocabulary.settled` then gives the same numbers whatever order they came in.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from polku.errors import TrailsError
from polku.language import N_
from polku.trails.layout import I64, Origin, Tables, Words
from polku.trails.matching import Matching
from polku.trails.origins import NONE

#: (event name, channel, the numbers of the matchers met)
Code = tuple[str, str | None, frozenset[int]]
#: The event name of the one code for rare events off the map, when there are more distinct ones than a code can number.
OTHER = "(other)"
MOST_CODES = 65_000


def _code_order(code: Code) -> tuple[str, bool, str, list[int]]:
    event, channel, met = code
    return (event, channel is not None, channel or "", sorted(met))


@dataclass(frozen=True)
class Renumbering:
    """Old number to new, for each table."""

    code: I64
    page: I64
    origin: I64


class Vocabulary:
    """Codes, pages and origins by number. Safe for threads."""

    def __init__(
        self,
        codes: Iterable[Code] = (),
        pages: Sequence[str] = ("",),
        origins: Iterable[Origin] = (NONE,),
        currencies: Iterable[str] = (),
    ) -> None:
        self.codes: dict[Code, int] = {c: i for i, c in enumerate(codes)}
        self.pages: dict[str, int] = {p: i for i, p in enumerate(pages)}
        self.page_words = list(self.pages)  # the same by number
        self.origins: dict[Origin, int] = {o: i for i, o in enumerate(origins)}
        self.currencies: set[str] = set(currencies)
        self._hashed: dict[tuple[str, int], int] = {}  # (what, hash of the raw text) -> number
        self._lock = threading.Lock()

    def code(self, code: Code, matching: Matching) -> int:
        """The number of a code, a new one when it was not seen before.

        Raises TrailsError when the map's touchpoints alone need more codes than 16 bits can number.
        """
        if (found := self.codes.get(code)) is not None:
            return found
        with self._lock:
            if len(self.codes) >= MOST_CODES and code not in self.codes:
                met = code[2]
                if matching.touchpoint(met) < 0 and matching.failed(met) < 0:
                    code = (OTHER, None, frozenset())
                elif len(self.codes) >= 65_535:
                    raise TrailsError(
                        N_(
                            "The touchpoints of the map meet more than {most} different event names. "
                            "Give the events fewer names and put what differs into properties."
                        ),
                        most=MOST_CODES,
                    )
            return self.codes.setdefault(code, len(self.codes))

    def page(self, path: str) -> int:
        """The number of a page's path; "" is 0."""
        if (found := self.pages.get(path)) is not None:
            return found
        with self._lock:
            if path not in self.pages:
                self.page_words.append(path)
                self.pages[path] = len(self.page_words) - 1
            return self.pages[path]

    def origin(self, origin: Origin) -> int:
        if (found := self.origins.get(origin)) is not None:
            return found
        with self._lock:
            return self.origins.setdefault(origin, len(self.origins))

    def remembered(self, what: str, hash: int, make: Callable[[], int]) -> int:
        """The number of a raw text by its hash, so that a text seen in many chunks is read once."""
        if (found := self._hashed.get((what, hash))) is None:
            found = self._hashed[what, hash] = make()
        return found

    def settled(self) -> tuple[Vocabulary, Renumbering]:
        """The same in an order that depends on the words alone, and how to get there."""
        codes = sorted(self.codes, key=_code_order)
        pages = sorted(self.pages)
        origins = sorted(self.origins, key=lambda o: tuple((w is not None, w or "") for w in o))
        settled = Vocabulary(codes, pages, origins, self.currencies)
        return settled, Renumbering(
            np.array([settled.codes[c] for c in self.codes] or [0], np.int64),
            np.array([settled.pages[p] for p in self.pages], np.int64),
            np.array([settled.origins[o] for o in self.origins], np.int64),
        )

    def tables(self, matching: Matching) -> Tables:
        """The tables as readers see them, under this map."""
        return Tables(
            touchpoints=matching.touchpoints,
            code_event=tuple(c[0] for c in self.codes),
            code_touchpoint=frozen_numbers([matching.touchpoint(c[2]) for c in self.codes]),
            code_fails=frozen_numbers([matching.failed(c[2]) for c in self.codes]),
            code_channel=tuple(c[1] for c in self.codes),
            pages=Words(pa.array(list(self.pages), pa.large_string())),
            origins=tuple(self.origins),
            currencies=tuple(sorted(self.currencies)),
        )


def frozen_numbers(numbers: Iterable[int]) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """int16 of numbers, read-only as all columns are."""
    array = np.array(list(numbers), np.int16)
    array.setflags(write=False)
    return array
