"""What a join of ids, or its undo, makes of the customers: their events, value and stage before and after."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from polku.events.schema import HISTORY
from polku.measures.customers import customers_view
from polku.measures.view import view_of
from polku.record.hashes import id_hash
from polku.record.naming import called
from polku.trails.build import trails_in_memory
from polku.trails.matching import Matching
from polku.trails.open import open_trails
from polku.trails.resolve import Resolver

if TYPE_CHECKING:
    from polku.record.ids import Id, Preview
    from polku.record.project import Project


@dataclasses.dataclass(frozen=True, slots=True)
class Side:
    """One customer before or after. ``stage``: an id of the map, None outside it; ``value`` None: nothing, or mixed."""

    customer: int
    name: str
    ids: tuple[Id, ...]
    events: int
    stage: str | None
    lapsed: bool
    value: float | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "customer": self.customer, "name": self.name, "events": self.events, "stage": self.stage,
            "lapsed": self.lapsed, "value": self.value,
            "ids": [{"id": i.number, "kind": i.names, "value": i.value} for i in self.ids],
        }  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Outlook:
    """The customers concerned, before and after."""

    before: tuple[Side, ...]
    after: tuple[Side, ...]

    @property
    def changes(self) -> bool:
        """Whether anybody becomes another customer."""
        return [(s.customer, s.ids) for s in self.before] != [(s.customer, s.ids) for s in self.after]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "changes": self.changes,
            "before": [side.to_dict() for side in self.before],
            "after": [side.to_dict() for side in self.after],
        }


def outlook(project: Project, preview: Preview) -> Outlook:
    """What a preview means for events and stages: the customers' own events, recognised under both groupings."""
    columns = [name for name in HISTORY.names if name != "day"]
    rows = project.events_of(sorted(preview.before), columns).read_all()
    as_of = open_trails(project).as_of
    return Outlook(_sides(project, preview.before, rows, as_of), _sides(project, preview.after, rows, as_of))


def _sides(project: Project, groups: Mapping[int, tuple[Id, ...]], rows: pa.Table, as_of: Any) -> tuple[Side, ...]:
    journey = project.journey()
    table = project.identities.table()
    customers = table.customers.copy()
    for customer, ids in groups.items():
        for kind in sorted({i.kind for i in ids}):
            values = pa.array([i.value for i in ids if i.kind == kind], pa.string())
            customers[np.searchsorted(table.hashes, id_hash(kind, values))] = customer
    keys = Resolver(dataclasses.replace(table, customers=customers), journey.subject, id_hash)(rows)
    keys[~np.isin(keys, np.array(sorted(groups), np.int64))] = -1
    trails = trails_in_memory(Matching.of(journey), rows, keys, as_of=as_of)
    view = view_of(trails, journey)
    lines = {line.customer: line for line in customers_view(view, None, len(groups), 0, "customer", False).lines}
    sides = []
    for customer, ids in sorted(groups.items()):
        line = lines.get(customer)
        sides.append(
            Side(
                customer,
                called(ids, journey.subject) or f"#{customer}",
                ids,
                line.events if line else 0,
                line.stage if line else None,
                bool(line and line.lapsed),
                (line.value or None) if line else None,
            )
        )
    return tuple(sides)
