"""What a place where kernels run must offer: the same two calls as the threads of this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from polku.kernels.columns import Columns
    from polku.measures.view import View

P = TypeVar("P")


class Engine(Protocol):
    """``work`` is called with each bucket's columns wherever the bucket is; answers keep the buckets' order."""

    def map(self, view: View, work: Callable[[Columns], P]) -> list[P]: ...

    def sum(self, view: View, work: Callable[[Columns], P], zero: P) -> P: ...
