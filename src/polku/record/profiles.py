"""Traits: what is known of a person apart from what they did, arriving in ``context.traits`` of any event.

Of each trait the latest value stays, by (time, seq), for each id; a customer's profile is the latest over their ids.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from polku.record import tables
from polku.record.hashes import Hashes, Kind

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.state import State


class Trait(NamedTuple):
    """One value of one trait, as JSON, and when it was so."""

    time: int
    seq: int
    value: str


class Traits:
    """Latest values by (hash of the id, name)."""

    def __init__(self, latest: dict[tuple[int, str], Trait] | None = None) -> None:
        self.latest: dict[tuple[int, str], Trait] = latest if latest is not None else {}

    def take(self, rows: pa.Table | pa.RecordBatch, hashes: Mapping[Kind, Hashes]) -> None:
        """Take the traits of rows whose ids hash to ``hashes``; they are the user's, else the anonymous id's."""
        context = rows.column("context")
        if context.null_count == len(context):
            return
        if pa.types.is_dictionary(context.type):
            context = context.cast(pa.string())
        has = pc.fill_null(pc.match_substring(context, '"traits"'), False)
        where = np.flatnonzero(np.asarray(has))
        if not len(where):
            return
        whose = np.zeros(rows.num_rows, np.uint64)
        for kind in ("account", "anonymous", "user"):
            if kind in hashes:
                whose = np.where(hashes[kind] != 0, hashes[kind], whose)
        found = pa.table(
            {
                "id": whose[where],
                "context": context.take(pa.array(where)),
                "time": pc.cast(pc.cast(rows.column("time"), pa.timestamp("us", tz="UTC")), pa.int64()).take(
                    pa.array(where)
                ),
                "seq": rows.column("seq").take(pa.array(where)),
            }
        )
        for whose_id, text, time, seq in _distinct(found):
            values = json.loads(text)
            if not isinstance(values, dict):
                continue
            for name, value in values.items():
                self._note(whose_id, name, Trait(time, seq, json.dumps(value, ensure_ascii=False, sort_keys=True)))

    def _note(self, whose: int, name: str, trait: Trait) -> None:
        known = self.latest.get((whose, name))
        if known is None or trait > known:
            self.latest[(whose, name)] = trait

    def shifted(self, first_seq: int) -> Traits:
        """The same with ``first_seq`` added to every seq."""
        if not first_seq:
            return self
        return Traits({k: Trait(t.time, t.seq + first_seq, t.value) for k, t in self.latest.items()})


def _distinct(found: pa.Table) -> list[tuple[int, str, int, int]]:
    """Each different text of an id once, at its latest moment: most rows repeat what is known."""
    import duckdb  # here: opening a project must not wait for it

    with duckdb.connect() as connection:
        connection.register("found", found)
        rows = connection.execute(
            """
            select id, traits, max(moment).time, max(moment).seq
            from (select id, {'time': time, 'seq': seq} as moment,
                         cast(json_extract(try_cast(context as json), '$.traits') as varchar) as traits from found)
            where id != 0 and traits is not null
            group by id, traits
            """
        ).fetchall()
        connection.unregister("found")
    return [(int(i), str(t), int(time), int(seq)) for i, t, time, seq in rows]


def store_traits(state: State, connection: Connection, traits: Traits, identity: Mapping[int, int]) -> int:
    """Write the latest traits; ``identity`` gives the id's integer for its hash. Returns how many changed."""
    if not traits.latest:
        return 0
    owners = sorted(set(identity.values()))
    known: dict[tuple[int, str], tuple[int, int]] = {}
    table = tables.traits
    for at in range(0, len(owners), 10_000):
        query = sa.select(table.c.identity, table.c.name, table.c.time, table.c.seq).where(
            table.c.identity.in_(owners[at : at + 10_000])
        )
        known.update({(i, n): (t, s) for i, n, t, s in connection.execute(query)})
    new: list[tuple[int, str, str, int, int]] = []
    newer: list[dict[str, object]] = []
    for (hashed, name), trait in traits.latest.items():
        owner = identity[hashed]
        before = known.get((owner, name))
        if before is None:
            new.append((owner, name, trait.value, trait.time, trait.seq))
        elif (trait.time, trait.seq) > before:
            newer.append({"i": owner, "n": name, "value": trait.value, "time": trait.time, "seq": trait.seq})
    if new:
        names = ("identity", "name", "value", "time", "seq")
        state.insert_many(connection, table, dict(zip(names, zip(*new, strict=True), strict=True)))
    if newer:
        connection.execute(
            sa.update(table)
            .where(table.c.identity == sa.bindparam("i"), table.c.name == sa.bindparam("n"))
            .values(value=sa.bindparam("value"), time=sa.bindparam("time"), seq=sa.bindparam("seq")),
            newer,
        )
    return len(new) + len(newer)


def profiles(connection: Connection) -> pa.Table:
    """``customer`` int64, ``traits`` JSON string: every customer with traits, ascending, the latest value of each."""
    trait, who = tables.traits.c, tables.identities.c
    query = (
        sa.select(who.customer, trait.name, trait.value)
        .join_from(tables.traits, tables.identities, trait.identity == who.id)
        .order_by(who.customer, trait.time, trait.seq)
    )
    customers: list[int] = []
    texts: list[str] = []
    current: int | None = None
    parts: dict[str, str] = {}

    def flush() -> None:
        if current is not None:
            customers.append(current)
            texts.append(
                "{" + ", ".join(f"{json.dumps(n, ensure_ascii=False)}: {v}" for n, v in sorted(parts.items())) + "}"
            )

    for customer, name, value in connection.execute(query):
        if customer != current:
            flush()
            current, parts = customer, {}
        parts[name] = value
    flush()
    return pa.table({"customer": pa.array(customers, pa.int64()), "traits": pa.array(texts, pa.string())})
