"""The record as trails read it: all of history in parts that threads can read, or what came since a position."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Resolve = Callable[[pa.Table], npt.NDArray[np.int64]]


@dataclass(frozen=True)
class Part:
    """Some rows of history: ``read(columns)`` gives them, from any thread, as often as it is asked.

    ``uri`` is the Parquet file that holds exactly these rows, for engines that read it themselves; None where there is
    none.
    """

    rows: int
    read: Callable[[Sequence[str]], pa.Table]
    uri: str | None = None
    #: The same with ``properties`` as plain texts: read in half the time where few repeat.
    plain: Callable[[Sequence[str]], pa.Table] | None = None


@dataclass(frozen=True)
class Whole:
    """All of history at one position (the fields of polku.record's Position)."""

    position: dict[str, int]
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class News:
    """What changed since a position; as Changes of docs/architecture.md, with the rows read."""

    position: dict[str, int]
    rows: pa.Table
    moved: Mapping[int, int]
    dirty: AbstractSet[int]
    erased: AbstractSet[int]

    @property
    def nothing(self) -> bool:
        return not (self.rows.num_rows or self.moved or self.dirty or self.erased)


class Feed(Protocol):
    """What trails ask of the record."""

    def rows(self) -> int:
        """About how many events there are."""

    def whole(self) -> Whole:
        """All of history now."""

    def news(self, since: Mapping[str, int], columns: Sequence[str]) -> News | None:
        """What came since; None when that cannot be told and all has to be read."""

    def events_of(self, customers: Collection[int], columns: Sequence[str], position: Mapping[str, int]) -> pa.Table:
        """All events of some customers as of a position; others' may be among them."""

    def resolver(self, subject: str) -> Resolve:
        """Rows of history to customers, by the identities of this moment."""
