"""What a place where kernels run must offer: the same two calls as the threads of this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from polku.errors import EngineError
from polku.language import N_

if TYPE_CHECKING:
    from polku.measures.view import View
    from polku.trails.build import Built, Progress
    from polku.trails.feed import Part, Resolve
    from polku.trails.matching import Matching

P = TypeVar("P")


class Engine(Protocol):
    """``work`` is called with each bucket's columns wherever the bucket is; answers keep the buckets' order.

    ``beside`` are further arguments of ``work``, each with something for every bucket. ``build_layer`` makes trails
    from all of history, as :func:`polku.trails.build.build_layer` does.
    """

    def map(self, view: View, work: Callable[..., P], *beside: Sequence[Any]) -> list[P]: ...

    def sum(self, view: View, work: Callable[..., P], zero: P, *beside: Sequence[Any]) -> P: ...

    def build_layer(
        self, folder: Path, parts: Sequence[Part], matching: Matching, resolve: Resolve,
        *, threads: int, progress: Progress | None = None,
    ) -> Built: ...  # fmt: skip

    def close(self) -> None: ...


def engine_of(wanted: Any) -> Engine | None:
    """The engine that a person means: None and ``threads`` are this machine, ``spark://host:port`` a cluster.

    An engine, or a SparkSession that is there already, is taken as it is. Raises EngineError for anything else, and
    what connecting raises.

    >>> engine_of("threads") is None
    True
    """
    if wanted is None or wanted == "threads":
        return None
    if hasattr(wanted, "map") and hasattr(wanted, "sum"):
        found: Engine = wanted
        return found
    if isinstance(wanted, str) or hasattr(wanted, "sparkContext"):
        from polku.engines.spark import SparkEngine

        return SparkEngine(wanted)
    raise EngineError(
        N_("{engine!r} is no engine. Write spark://host:port, as polku engine start tells it."), engine=str(wanted)
    )
