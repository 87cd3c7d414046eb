"""Whose a row of offers is: rows keep the number of an id, and the customer of that id is asked when it matters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from polku.record import tables
from polku.record.hashes import COLUMNS, KINDS, Kind, id_hash, kind_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

#: The lane in which offers are written: one writer at a time (polku.record.state).
LANE: Final = "offers"
MANY: Final = 5_000
#: Whose an event is, by the ids that it names, the first that it has.
ORDER: Final[dict[str, tuple[Kind, ...]]] = {
    "person": ("user", "anonymous"), "account": ("account", "user", "anonymous"),
}  # fmt: skip


def numbers_of(connection: Connection, customer: int) -> list[int]:
    """The numbers of every id of a customer; none for a customer that there is not."""
    row = tables.identities.c
    return [int(n) for n in connection.execute(sa.select(row.id).where(row.customer == customer)).scalars()]


def customers_of(connection: Connection, numbers: Iterable[int]) -> dict[int, int]:
    """The customer (key) of each number of an id; erased ones are left out."""
    keys = sorted(set(numbers))
    row = tables.identities.c
    found: dict[int, int] = {}
    for at in range(0, len(keys), MANY):
        rows = connection.execute(sa.select(row.id, row.customer).where(row.id.in_(keys[at : at + MANY])))
        found.update((int(number), int(customer)) for number, customer in rows)
    return found


def ids_of_rows(connection: Connection, rows: pa.Table, subject: str) -> list[int | None]:
    """The number of the id that each row (columns of history) is about; None for rows that name nobody known."""
    hashes = {kind: id_hash(kind, rows[COLUMNS[kind]]).view(np.int64) for kind in KINDS}
    wanted = sorted({int(h) for kind in ORDER[subject] for h in hashes[kind].tolist() if h})
    row = tables.identities.c
    known: dict[int, int] = {}
    for at in range(0, len(wanted), MANY):
        found = connection.execute(sa.select(row.hash, row.id).where(row.hash.in_(wanted[at : at + MANY])))
        known.update((int(hashed), int(number)) for hashed, number in found)
    told: list[int | None] = []
    for i in range(rows.num_rows):
        named = (known.get(int(hashes[kind][i])) for kind in ORDER[subject] if hashes[kind][i])
        told.append(next((number for number in named if number is not None), None))
    return told


def strongest(connection: Connection, customer: int) -> tuple[str, str] | None:
    """(kind, value) of the id of a customer that says most: one that a person has of the shop, an address, a device;
    None for a customer that there is not any more."""
    row = tables.identities.c
    found = connection.execute(sa.select(row.kind, row.value, row.id).where(row.customer == customer)).all()
    order = ("user", "account", "anonymous")
    best = min(
        found, default=None,
        key=lambda one: (order.index(one.kind), one.kind == "user" and kind_of(one.value) != "user", one.id),
    )  # fmt: skip
    return None if best is None else (str(best.kind), str(best.value))
