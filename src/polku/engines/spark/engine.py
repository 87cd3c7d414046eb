"""The engine that runs kernels inside Spark."""

from __future__ import annotations

import atexit
import functools
import operator
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from polku.engines.spark.running import SPARK_SCHEMA, Tasks, exact
from polku.engines.spark.sending import dumps
from polku.engines.spark.session import connect, quiet_about_pandas, told_plainly
from polku.errors import EngineError
from polku.language import N_

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from polku.kernels.columns import Columns
    from polku.measures.view import View
    from polku.trails.build import Built, Progress
    from polku.trails.feed import Part
    from polku.trails.matching import Matching

P = TypeVar("P")
#: Tasks for each core: enough that a slow one does not hold up the others, few enough that starting them is nothing.
TASKS_A_CORE = 2


class SparkEngine:
    """Kernels inside Spark's ``mapInArrow``, over buckets on storage that all machines see.

    ``where`` is an address (``spark://host:port``), or a SparkSession that is there already (Databricks, YARN,
    Kubernetes); ``options`` are settings of Spark for a new one. Raises what :func:`connect` raises.
    """

    def __init__(self, where: Any, options: dict[str, str] | None = None) -> None:
        with quiet_about_pandas():
            if isinstance(where, str):
                self.session, self.own = connect(where, options)
            else:
                self.session, self.own = where.newSession(), False
            self.session.conf.set("spark.sql.session.timeZone", "UTC")
        self.name = str(self.session.sparkContext.master)
        if self.own:
            atexit.register(self.close)  # a command that has answered leaves the cluster's cores to others

    def __repr__(self) -> str:
        return f"SparkEngine({self.name!r})"

    # -- measures ----------------------------------------------------------------------------------------------------

    def map(self, view: View, work: Callable[..., P], *beside: Sequence[Any]) -> list[P]:
        """``work`` of every bucket's columns (and of what ``beside`` has for the bucket), in the buckets' order.

        Raises EngineError for trails that lie in no project, for work that cannot be sent, and when Spark gives up; a
        PolkuError of the work itself comes through as it is.
        """
        return self._run(view, work, False, *beside)

    def sum(self, view: View, work: Callable[..., P], zero: P, *beside: Sequence[Any]) -> P:
        """The partial results added to ``zero`` in the buckets' order: the same to the last bit as on one machine.

        Those that hold whole numbers only are added up by the workers already, bucket by bucket of a task.
        """
        return functools.reduce(operator.add, self._run(view, work, exact(zero), *beside), zero)

    def _run(self, view: View, work: Callable[..., P], add: bool, *beside: Sequence[Any]) -> list[P]:
        if not view.trails.layers:
            raise EngineError(
                N_("These trails are in memory here. An engine reads the trails of a project on shared storage.")
            )
        if not view.columns:
            return []
        buckets = list(zip(view.columns, *beside, strict=True))
        tasks = [(first, dumps(buckets[first:end])) for first, end in self.shares(view.columns)]
        return self.results(self.table(Tasks(self.sent(work), tasks, add), len(tasks)), len(buckets))

    @property
    def cores(self) -> int:
        """How many tasks run at once, as far as Spark knows."""
        return max(1, int(self.session.sparkContext.defaultParallelism))

    def shares(self, buckets: Sequence[Columns]) -> list[tuple[int, int]]:
        """Neighbouring buckets as tasks of about as many events each: (first, end)."""
        each = max(1, sum(len(b.time) for b in buckets) // (TASKS_A_CORE * self.cores))
        found, first, events = [], 0, 0
        for k, bucket in enumerate(buckets):
            events += len(bucket.time)
            if events >= each or k == len(buckets) - 1:
                found.append((first, k + 1))
                first, events = k + 1, 0
        return found

    @staticmethod
    def sent(work: Callable[..., Any]) -> bytes:
        """``work`` as it travels."""
        try:
            return dumps(work)
        except (pickle.PicklingError, TypeError, AttributeError) as fault:
            inner = work.func if isinstance(work, functools.partial) else work
            raise EngineError(
                N_("{work} runs on this machine only: what it needs cannot be sent to an engine ({fault})."),
                work=getattr(inner, "__qualname__", str(inner)),
                fault=str(fault),
            ) from fault

    @staticmethod
    def results(told: pa.Table, buckets: int) -> list[Any]:
        """What the tasks sent back, in the order of places; the first fault that they told of is raised."""
        rows = sorted(zip(*(told.column(i).to_pylist() for i in range(4)), strict=True), key=lambda row: row[0])
        for _, _, failed, partial in rows:
            if failed:
                raise pickle.loads(partial)
        found = sum(count for _, count, _, _ in rows)
        if found != buckets:
            raise EngineError(N_("The engine answered for {found} of {all} buckets."), found=found, all=buckets)
        return [pickle.loads(partial) for _, _, _, partial in rows]

    def table(self, function: Any, tasks: int, schema: str = SPARK_SCHEMA) -> pa.Table:
        """What ``function`` yields for the task numbers 0 to ``tasks``, each in a Spark task of its own."""
        with told_plainly(), quiet_about_pandas():
            numbers = self.session.range(0, tasks, 1, tasks)
            return numbers.mapInArrow(function.__call__, schema).toArrow()

    # -- trails ------------------------------------------------------------------------------------------------------

    def build_layer(
        self,
        folder: Path,
        parts: Sequence[Part],
        matching: Matching,
        resolve: Callable[[pa.Table], npt.NDArray[Any]],
        *,
        threads: int,
        progress: Progress | None = None,
    ) -> Built:
        """As :func:`polku.trails.build.build_layer`, by one Spark job; see :mod:`polku.engines.spark.building`."""
        from polku.engines.spark.building import build_layer

        return build_layer(self, folder, parts, matching, resolve, progress=progress)

    # -- closing -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Leave the cluster, when this engine made the connection."""
        if self.own:
            self.own = False
            atexit.unregister(self.close)
            self.session.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, _: TracebackType | None) -> None:
        self.close()
