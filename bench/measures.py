"""Every measure over the benchmark's shop, warm; the funnel also in DuckDB over the same rows, sorted in memory.

python bench/measures.py --events 20000000
"""

from __future__ import annotations

import argparse
import functools
from typing import TYPE_CHECKING

from shop import shop_with, tell, timed

if TYPE_CHECKING:
    from polku.record.project import Project

GROUP = "Measures, warm"
STEPS = ("Product Viewed", "Product Added", "Checkout Started", "Order Completed")
WEEK = 7 * 86400
#: The same funnel by window functions: for each customer and step the newest start that reaches it.
DUCKDB = """
with e as (
  select customer, epoch(time)::bigint as t, row_number() over (partition by customer order by time, seq) as n,
         list_position(['Product Viewed', 'Product Added', 'Checkout Started', 'Order Completed'], event) as step
  from sorted where event in ('Product Viewed', 'Product Added', 'Checkout Started', 'Order Completed')),
s1 as (select *, max(case when step = 1 then t end) over w as a from e
       window w as (partition by customer order by n rows unbounded preceding)),
s2 as (select *, max(case when step = 2 and t - a <= 604800 then a end) over w as b from s1
       window w as (partition by customer order by n rows unbounded preceding)),
s3 as (select *, max(case when step = 3 and t - b <= 604800 then b end) over w as c from s2
       window w as (partition by customer order by n rows unbounded preceding)),
level as (select customer, max(case when step = 4 and t - c <= 604800 then 4 when step = 3 and t - b <= 604800 then 3
       when step = 2 and t - a <= 604800 then 2 when step = 1 then 1 else 0 end) as l from s3 group by customer)
select count(*) filter (l >= 1), count(*) filter (l >= 2), count(*) filter (l >= 3), count(*) filter (l >= 4) from level
"""


def duckdb_funnel(project: Project, runs: int) -> tuple[list[float], tuple[int, ...]]:
    """Seconds of each run, and the counts."""
    import duckdb

    table = project.sql("select customer, time, seq, event from events where customer is not null")
    with duckdb.connect() as connection:
        connection.register("raw", table)
        connection.execute("create table sorted as select * from raw order by customer, time, seq")
        counts: list[tuple[int, ...]] = []
        seconds = timed(lambda: counts.append(connection.execute(DUCKDB).fetchone()), runs)
    return seconds, counts[0]


#: Those asked most; models and the refinements of funnels have benchmarks of their own.
MEASURES = (
    "stages", "standing", "conversion", "leaving", "bounce", "exit", "sources", "sessions", "funnel", "transitions",
    "variants", "step_matrix", "onward", "retention", "active", "lifecycle", "churn", "obstacles",
)  # fmt: skip


def main() -> None:
    from polku.measures.ask import measure_view
    from polku.measures.customers import customers_behind
    from polku.measures.view import view_of
    from polku.record.project import open_project
    from polku.trails import open_trails

    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000_000)
    options = parser.parse_args()
    with open_project(shop_with(options.events)) as project:
        trails, journey = open_trails(project), project.journey()
        view = view_of(trails, journey, project=project)
        asked = {"funnel": {"steps": STEPS, "within": WEEK}, "conversion": {"from": "product", "within": WEEK}}
        asked["onward"] = {"from": "cart"}
        for name in MEASURES:
            # a view of its own each time: nothing is shared with the run before
            def work(name: str = name) -> None:
                measure_view(view_of(trails, journey, project=project), name, asked.get(name, {}))

            work()
            tell(GROUP, name, "Polku", timed(work, 5), trails.events)
        dropped = functools.partial(customers_behind, trails, journey, "touchpoint:cart:dropped", limit=50)
        dropped()
        tell(GROUP, "customers who dropped off at the cart", "Polku", timed(dropped, 5), trails.events)
        seconds, counts = duckdb_funnel(project, 3)
        tell(GROUP, "funnel", "DuckDB, sorted table", seconds, trails.events)
        ours = tuple(step.reached.n for step in measure_view(view, "funnel", asked["funnel"]).steps)
        if ours != counts:
            raise SystemExit(f"the funnels differ: {ours} and {counts}")


if __name__ == "__main__":
    main()
