"""Feeling: what surveys measured at a touchpoint, beside the map's hypothesis.

The answers lie in the events' properties, which trails do not carry; so they are read from history, once, and after
that only what has arrived since."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from polku.journey.model import Felt as Survey
from polku.journey.where import parse_where
from polku.measures.view import View

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
#: What is read of a survey's answers.
COLUMNS = ("customer", "time", "event", "source", "channel", "value", "properties", "context", "seq", "event_id")
LOW, HIGH = -2.0, 2.0


@dataclasses.dataclass(frozen=True, slots=True)
class Felt:
    """The mean of ``n`` answers, each mapped in a straight line from the survey's scale, its worst number at -2 and
    its best at 2.
    """

    score: float
    n: int


@dataclasses.dataclass(slots=True)
class _Kept:
    """Answers read so far of one project to these events: as of a position of the record, up to this arrival."""

    position: Any
    seq: int
    answers: pa.Table


_kept: dict[tuple[Path, tuple[str, ...]], _Kept] = {}
_guard = threading.Lock()
#: Commits of history that bring nothing but what has arrived. After others (an import, an erasure) all is read again.
_NOTHING_ELSE = frozenset({"create", "move", "compact", "vacuum"})


def felt(view: View) -> dict[str, Felt]:
    """By touchpoint id, the answers of the view's customers in its period; nothing for those nobody answered about.

    Answers outside the survey's scale are left out. Without a project, the view's own ``answers`` are asked.
    """
    found = {}
    for id, (survey, _, scores) in answered(view).items():
        if len(scores):
            worst, best = survey.scale
            found[id] = Felt(float(LOW + (scores.mean() - worst) / (best - worst) * (HIGH - LOW)), len(scores))
    return found


def felt_members(view: View, touchpoint: int) -> list[npt.NDArray[np.bool_]]:
    """bool[C] a bucket: who answered the survey of touchpoint number ``touchpoint`` in the view's period."""
    id = view.journey.touchpoint_ids[touchpoint]
    _, customers, _ = answered(view, (id,)).get(id, (None, np.empty(0, np.int64), None))
    return [np.isin(b.customer, customers) for b in view.buckets]


def answered(view: View, only: Collection[str] | None = None) -> dict[str, tuple[Survey, I64, F64]]:
    """The answers that count, by touchpoint id: the survey, int64[n] customers and float64[n] scores, in order of
    time.
    """
    surveys = [(t.id, f) for _, _, t in view.journey.touchpoints() if (f := view.journey.felt_at(t)) is not None]
    if not surveys:
        return {}
    answers = view.answers
    if view.project is not None:
        answers = answers_of(view.project, tuple(sorted({survey.event for _, survey in surveys})))
    if answers is None or not answers.num_rows:
        return {}
    import duckdb  # here and sqlglot below: a map without surveys starts quicker without them

    found = {}
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("answers", answers)
        listed = customers_in(view)
        for id, survey in surveys:
            if only is not None and id not in only:
                continue
            rows = connection.execute(query(survey), [view.start, view.end, *sorted(survey.scale)]).fetchnumpy()
            customers, scores = np.asarray(rows["customer"], np.int64), np.asarray(rows["score"], np.float64)
            kept = np.isin(customers, listed)
            found[id] = (survey, customers[kept], scores[kept])
    return found


def query(survey: Survey) -> str:
    """The answers to one survey, with parameters start, end, lowest, highest; made as a tree, never by pasting
    texts.
    """
    from sqlglot import exp

    score = exp.func("json_extract_string", exp.column("properties"), exp.Literal.string(f'$."{survey.score}"'))
    number = exp.TryCast(this=score, to=exp.DataType.build("double"))
    where = f" and {parse_where(survey.where).to_duckdb()}" if survey.where else ""
    event = exp.Literal.string(survey.event).sql("duckdb")
    return (
        "select customer, score from (select *, "
        f"{number.sql('duckdb')} as score, floor(epoch(time))::bigint as second from answers) "
        f"where event = {event} and customer is not null and second >= ? and second < ? "
        f"and score between ? and ?{where} "
        "order by time, seq"  # as events are ordered everywhere: what arrived late was not said last
    )


def customers_in(view: View) -> I64:
    """int64[n]: the keys of the view's customers."""
    keys = [b.customer[~c.skip] for b, c in zip(view.buckets, view.columns, strict=True)]
    return np.concatenate(keys or [np.empty(0, np.int64)])


def answers_of(project: Any, events: tuple[str, ...]) -> pa.Table:
    """The project's events of these names, with their customers. The same table as long as nothing has arrived, and
    then nothing is read either: pages that anybody may open ask for it."""
    with _guard:
        position = project.position()
        kept = _kept.get((project.folder, events))
        if kept is None or not _only_arrivals(project, kept.position, position):
            kept = _Kept(position, -1, _read(project, events, -1))
        elif kept.position != position:
            new = _read(project, events, kept.seq)
            kept = _Kept(position, kept.seq, pa.concat_tables([kept.answers, new]) if new.num_rows else kept.answers)
        seq = kept.answers.column("seq")
        # all up to the position was read, and what came while it was read is known by its own number
        kept.seq = max(kept.seq, position.inbox, int(np.max(seq.to_numpy())) if len(seq) else -1)
        _kept[project.folder, events] = kept
        return kept.answers


def _only_arrivals(project: Any, then: Any, now: Any) -> bool:
    """Whether nothing but arrivals lies between two positions: the same customers, and no event gone or brought."""
    if then.identity != now.identity or then.inbox > now.inbox:
        return False
    if then.history == now.history:
        return True
    commits = project.history.commits_since(then.history)
    return commits is not None and all(commit.kind in _NOTHING_ELSE for commit in commits)


def _read(project: Any, events: tuple[str, ...], after: int) -> pa.Table:
    from sqlglot import exp

    names = ", ".join(exp.Literal.string(e).sql("duckdb") for e in events)
    table: pa.Table = project.sql(
        f"select {', '.join(COLUMNS)} from events where event in ({names}) and seq > {after:d}"
    )
    return table
