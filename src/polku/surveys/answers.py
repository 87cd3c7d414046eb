"""The answers of a project as columns: each event ``Survey Answered`` once, its properties read out."""

from __future__ import annotations

import datetime as dt
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa

from polku.measures.feeling.answers import answers_of
from polku.measures.result import Period

if TYPE_CHECKING:
    from polku.record.project import Project

ANSWERED, SHOWN, DISMISSED = "Survey Answered", "Survey Shown", "Survey Dismissed"
EVENTS: Final = (ANSWERED, SHOWN, DISMISSED)
#: Properties that become columns, all texts but the score.
TEXTS: Final = ("survey", "question", "kind", "answer", "other", "response", "touchpoint", "via", "place")
_COLUMNS: Final = ", ".join(f"json_extract_string(properties, '$.{name}') as {name}" for name in TEXTS)
_QUERY: Final = f"""
    select event_id, customer, time, seq, event, {_COLUMNS},
           try_cast(json_extract_string(properties, '$.score') as double) as score
    from answers qualify row_number() over (partition by event_id order by seq) = 1 order by time, seq
"""
_made: dict[Path, tuple[pa.Table, pa.Table]] = {}
_guard = threading.Lock()


def answers_table(project: Project) -> pa.Table:
    """The answers, and what was shown and put away, in order of time.

    Columns: event_id, customer (its key, null for nobody known), time, seq, event, TEXTS (``answer``: a text, or a JSON
    list of them), score.
    """
    found = answers_of(project, EVENTS)
    with _guard:
        made = _made.get(project.folder)
        if made is None or made[0] is not found:
            made = _made[project.folder] = (found, asked(_QUERY, answers=found))
        return made[1]


def asked(query: str, parameters: list[Any] | None = None, /, **given: pa.Table) -> pa.Table:
    """The answer of DuckDB to a query over Arrow tables by name."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        for name, table in given.items():
            connection.register(name, table)
        return connection.sql(query, params=parameters or []).to_arrow_table()


#: All time.
EVER: Final = Period()


def within(period: Period) -> tuple[str, list[dt.datetime]]:
    """A condition on ``time``, with its parameters."""
    conditions, moments = ["true"], []
    for sign, moment in ((">=", period.start), ("<", period.end)):
        if moment is not None:
            conditions.append(f"time {sign} ?")
            moments.append(moment)
    return " and ".join(conditions), moments
