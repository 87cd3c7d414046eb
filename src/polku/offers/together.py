"""What is bought together: counted from the orders of the last half a year, for recommendations.

Of two products the lift is how many times more often they stand in one order than they would by chance, held down by
the count itself (Jaccard's index orders the same and needs no such care): ``both / (one + other - both)``.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from polku.offers.whose import LANE
from polku.record import tables
from polku.record.clock import moment, now

if TYPE_CHECKING:
    from polku.record.project import Project

DAYS: Final = 183
#: Two products stand together when they did so often at least; of each so many are kept.
LEAST: Final = 2
KEPT: Final = 12
#: An order with more products than this is somebody who buys for a shop.
LARGEST: Final = 40

QUERY: Final = """
with orders as (
    select coalesce(json_extract_string(properties, '$.order_id'), event_id) as id, any_value(properties) as properties
    from events where event = 'Order Completed' and time >= timestamptz '{since}' group by 1
),
lines as (
    select distinct id, coalesce(p ->> 'product_id', p ->> 'sku') as product
    from (select id, unnest(coalesce(json_extract(properties, '$.products')::json[], [])) as p from orders)
    where coalesce(p ->> 'product_id', p ->> 'sku') is not null
),
sold as (select product, count(*) as n from lines group by product),
small as (select id from lines group by id having count(*) between 2 and {largest}),
pairs as (
    select a.product as one, b.product as other, count(*) as twice
    from lines a join lines b on a.id = b.id and a.product <> b.product
    where a.id in (select id from small) group by 1, 2 having count(*) >= {least}
),
ranked as (
    select one, other, row_number() over (
        partition by one order by twice::double / (x.n + y.n - twice) desc, twice desc, other
    ) as place
    from pairs join sold x on x.product = one join sold y on y.product = other
)
select product, n, (select list(other order by place) from ranked where one = product and place <= {kept}) as others
from sold
"""


def count(project: Project) -> dict[str, int | float | str] | None:
    """Count anew what sells and what is bought together, over all that is recorded; None where nothing changed."""
    since = moment(now()) - dt.timedelta(days=DAYS)
    query = QUERY.format(since=since.isoformat(), largest=LARGEST, least=LEAST, kept=KEPT)
    found: dict[str, tuple[int, list[str]]] = {
        row["product"]: (int(row["n"]), row["others"] or []) for row in project.sql(query).to_pylist()
    }
    row = tables.products
    changed = 0
    with project.state.read() as connection:
        before = {
            str(one.product_id): (one.sold, one.together)
            for one in connection.execute(sa.select(row.c.product_id, row.c.sold, row.c.together))
        }  # fmt: skip
    changes: list[dict[str, Any]] = []
    for key, kept in before.items():
        sold, others = found.get(key, (0, []))
        told = json.dumps(others) if others else None
        if kept != (sold, told):
            changes.append({"key": key, "n": sold, "others": told})
    for at in range(0, len(changes), 1_000):
        with project.state.write(LANE) as connection:
            change = sa.update(row).where(row.c.product_id == sa.bindparam("key"))
            part = changes[at : at + 1_000]
            connection.execute(change.values(sold=sa.bindparam("n"), together=sa.bindparam("others")), part)
            changed += len(part)
    return {"products": changed} if changed else None
