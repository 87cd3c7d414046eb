"""What advertising cost: one line a day, source, medium and campaign.

A line is known by these four, so that an export of the same days replaces what an earlier one said of them. The names
are those that links carry (``utm_source``, ``utm_medium``, ``utm_campaign``): by them costs meet the customers won.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa

from polku.errors import RecordError
from polku.language import N_
from polku.record import tables
from polku.record.clock import now

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.state import State

EPOCH = dt.date(1970, 1, 1)
#: A line of costs; ``medium`` and ``campaign`` are null where none is given.
COSTS = pa.schema(
    [
        pa.field("day", pa.date32(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("medium", pa.string()),
        pa.field("campaign", pa.string()),
        pa.field("amount", pa.float64(), nullable=False),
        pa.field("currency", pa.string(), nullable=False),
        pa.field("impressions", pa.int64()),
        pa.field("clicks", pa.int64()),
    ]
)
KEY = ("day", "source", "medium", "campaign")
#: The counter that moves with every change of the costs.
COUNTER = "costs"


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of lines: ``added`` + ``changed`` + ``same`` is how many there were."""

    added: int
    changed: int
    same: int


class Costs:
    """The costs of a project.

    >>> project.costs.table().column_names                                        # doctest: +SKIP
    ['day', 'source', 'medium', 'campaign', 'amount', 'currency', 'impressions', 'clicks']
    """

    def __init__(self, state: State) -> None:
        self.state = state

    def table(self) -> pa.Table:
        """All costs (schema ``COSTS``), by day, source, medium, campaign."""
        line = tables.costs.c
        query = sa.select(*(line[f.name] for f in COSTS)).order_by(*(line[name] for name in KEY))
        with self.state.read() as connection:
            rows = connection.execute(query).all()
        columns: list[tuple[Any, ...]] = list(zip(*rows, strict=True)) if rows else [() for _ in COSTS]
        made = []
        for field, values in zip(COSTS, columns, strict=True):
            given = [v or None for v in values] if field.name in ("medium", "campaign") else list(values)
            made.append(
                pa.array(given, pa.int32()).cast(field.type) if field.name == "day" else pa.array(given, field.type)
            )
        return pa.table(made, schema=COSTS)

    def version(self) -> int:
        """Moves whenever the costs change: for whoever keeps what was made of them."""
        with self.state.read() as connection:
            return self.state.counter(connection, COUNTER)

    def keep(self, lines: pa.Table) -> Kept:
        """Keep lines (schema ``COSTS``, each key once), all or none; one that is there already is replaced.

        Raises RecordError for a key that stands there twice.
        """
        wanted = {
            ((row["day"] - EPOCH).days, row["source"], row["medium"] or "", row["campaign"] or ""): (
                row["amount"], row["currency"], row["impressions"], row["clicks"],
            )
            for row in lines.cast(COSTS).to_pylist()
        }  # fmt: skip
        if len(wanted) < lines.num_rows:
            raise RecordError(N_("Costs of the same day, source, medium and campaign stand in several lines."))
        with self.state.write() as connection:
            known = self._known(connection, wanted)
            new = [key for key in wanted if key not in known]
            other = [key for key in wanted if key in known and known[key] != wanted[key]]
            self._write(connection, {key: wanted[key] for key in new}, {key: wanted[key] for key in other})
            if new or other:
                self.state.reserve(connection, COUNTER, 1)
        return Kept(len(new), len(other), len(wanted) - len(new) - len(other))

    def _known(self, connection: Connection, wanted: dict[_Key, _Line]) -> dict[_Key, _Line]:
        if not wanted:
            return {}
        line = tables.costs.c
        days = [key[0] for key in wanted]
        query = sa.select(*(line[f.name] for f in COSTS)).where(line.day.between(min(days), max(days)))
        return {(r.day, r.source, r.medium, r.campaign): (r.amount, r.currency, r.impressions, r.clicks)
                for r in connection.execute(query)}  # fmt: skip

    def _write(self, connection: Connection, new: dict[_Key, _Line], other: dict[_Key, _Line]) -> None:
        moment = now()
        names = [*(f.name for f in COSTS), "imported_at"]
        rows = [(*key, *line, moment) for key, line in new.items()]
        if rows:
            self.state.insert_many(
                connection, tables.costs, dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
            )
        if other:
            connection.execute(
                sa.update(tables.costs).where(*(tables.costs.c[name] == sa.bindparam(f"key_{name}") for name in KEY)),
                [
                    {f"key_{name}": part for name, part in zip(KEY, key, strict=True)}
                    | dict(zip(names[4:], (*line, moment), strict=True))
                    for key, line in other.items()
                ],
            )


_Key = tuple[int, str, str, str]
_Line = tuple[float, str, int | None, int | None]
