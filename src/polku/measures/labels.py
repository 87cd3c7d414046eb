"""The columns ``touchpoint`` and ``stage`` of the SQL view ``events``: what the map says of each stored event.

``touchpoint`` is the id of the touchpoint that the event is, ``stage`` the id of the stage in which the customer is
right after it; both null where there is none, and for events that nobody could be named for. They are computed when a
query names them, from the trails, and joined to history by ``seq``.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from polku.engines.threads import over_buckets
from polku.record.query import Enrichment, enrich

if TYPE_CHECKING:
    from polku.measures.view import View
    from polku.record.project import Project

I16 = npt.NDArray[np.int16]
I64 = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class Labels:
    """``touchpoint`` and ``stage`` int16[n] (-1 none) of the events whose ``seq`` int64[n] is ascending."""

    seq: I64
    touchpoint: I16
    stage: I16

    def of(self, seq: I64, column: I16) -> I16:
        """int16 of each seq asked for; -1 for events that stand in no trail."""
        if not len(self.seq):
            return np.full(len(seq), -1, np.int16)
        place = np.minimum(np.searchsorted(self.seq, seq), len(self.seq) - 1)
        return np.where(self.seq[place] == seq, column[place], np.int16(-1))


def labels_of(view: View) -> Labels:
    """The labels of every event in a view's trails. The trails must be a project's: only those keep ``seq``."""
    from polku.kernels.after import stage_after

    stages = over_buckets(lambda columns: stage_after(columns, view.rules, view.as_of), view.columns)
    seqs, touchpoints, after = [], [], []
    for bucket, columns, stage in zip(view.buckets, view.columns, stages, strict=True):
        assert bucket.seq is not None
        there = np.repeat(~columns.skip, np.diff(columns.offsets))
        seqs.append(bucket.seq[there].astype(np.int64) + bucket.seq_base)
        touchpoints.append(view.rules.code_touchpoint[bucket.code[there]])
        after.append(stage[there])
    if not seqs:
        return NOBODY
    seq = np.concatenate(seqs)
    order = np.argsort(seq)
    return Labels(seq[order], np.concatenate(touchpoints)[order], np.concatenate(after)[order])


NOBODY = Labels(np.empty(0, np.int64), np.empty(0, np.int16), np.empty(0, np.int16))


def _made_when_asked(project: Project) -> Callable[[], Labels]:
    """The labels of a project, computed at the first call; DuckDB calls from several threads.

    A project that has no map yet has no labels.
    """
    lock = threading.Lock()
    made: list[Labels] = []

    def labels() -> Labels:
        with lock:
            if not made:
                from polku.measures.view import view_of

                made.append(labels_of(view_of(project)) if project.map_file.exists() else NOBODY)
            return made[0]

    return labels


def _ids(project: Project, kind: str) -> tuple[str, ...]:
    if not project.map_file.exists():
        return ()
    journey = project.journey()
    return journey.touchpoint_ids if kind == "touchpoint" else journey.stage_ids


def _words(numbers: I16, ids: tuple[str, ...]) -> pa.Array:
    words = pa.array([*ids, None], pa.string())
    return words.take(pa.array(np.where(numbers < 0, len(ids), numbers).astype(np.int32)))


def _touchpoint(project: Project) -> Callable[..., pa.Array]:
    labels = _made_when_asked(project)

    def touchpoint(seq: pa.Array) -> pa.Array:
        found = labels()
        return _words(found.of(np.asarray(seq, np.int64), found.touchpoint), _ids(project, "touchpoint"))

    return touchpoint


def _stage(project: Project) -> Callable[..., pa.Array]:
    labels = _made_when_asked(project)

    def stage(seq: pa.Array) -> pa.Array:
        found = labels()
        return _words(found.of(np.asarray(seq, np.int64), found.stage), _ids(project, "stage"))

    return stage


def add_to_sql() -> None:
    """Give the view ``events`` of every query its columns ``touchpoint`` and ``stage``."""
    enrich(Enrichment("touchpoint", "VARCHAR", ("seq",), _touchpoint))
    enrich(Enrichment("stage", "VARCHAR", ("seq",), _stage))
