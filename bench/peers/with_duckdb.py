"""DuckDB: a table in memory sorted by customer and time, two threads, the quickest SQL that we could write."""

from __future__ import annotations

import sys

import duckdb
from asked import DAY, LAPSES, STAGE_OF, STEPS, WEEK, best


def main(data: str, runs: int) -> None:
    base = duckdb.connect(config={"threads": 2})
    base.execute(
        "create table t as select customer::uinteger as c, t::uinteger as t, e::utinyint as e, "
        f"(t // {DAY})::usmallint as day from read_parquet('{data}') order by customer, t"
    )

    def rows(sql: str) -> list[list[int]]:
        return [[int(x) for x in row] for row in base.execute(sql).fetchall()]

    a, b, c, d = STEPS
    after = "over (partition by c order by t rows between 1 following and unbounded following)"
    # from the last step backwards: of each event the earliest chain that follows it
    windows = f"""
        with s as (select c, t, e from t where e in {STEPS}),
        s3 as (select *, min(t) filter (e = {d}) {after} as n4, case when e = {c} then {{'t': t, 'n': n4}} end as m
               from s),
        s2 as (select c, t, e, first_value(m ignore nulls) {after} as n3,
                      case when e = {b} then {{'t': t, 'n': n3}} end as m from s3),
        s1 as (select c, t, e, first_value(m ignore nulls) {after} as n2 from s2),
        lev as (select c, max(case when n2.n.n - t <= {WEEK} then 4 when n2.n.t - t <= {WEEK} then 3
                              when n2.t - t <= {WEEK} then 2 else 1 end) as l from s1 where e = {a} group by c)
        select count(*), count(*) filter (l >= 2), count(*) filter (l >= 3), count(*) filter (l >= 4) from lev
    """
    lists = f"""
        with s as (select c, list(t order by t) filter (e = {a}) as l1, list(t order by t) filter (e = {b}) as l2,
                          list(t order by t) filter (e = {c}) as l3, list(t order by t) filter (e = {d}) as l4
                   from t where e in {STEPS} group by c having count(*) filter (e = {a}) > 0),
        u as (select c, unnest(l1) as t1, l2, l3, l4 from s),
        u2 as (select *, list_filter(l2, lambda x: x > t1)[1] as t2 from u),
        u3 as (select *, list_filter(l3, lambda x: x > t2)[1] as t3 from u2),
        u4 as (select *, list_filter(l4, lambda x: x > t3)[1] as t4 from u3),
        lev as (select c, max(case when t4 - t1 <= {WEEK} then 4 when t3 - t1 <= {WEEK} then 3
                              when t2 - t1 <= {WEEK} then 2 else 1 end) as l from u4 group by c)
        select count(*), count(*) filter (l >= 2), count(*) filter (l >= 3), count(*) filter (l >= 4) from lev
    """
    best("funnel", runs, {"windows": lambda: rows(windows)[0], "lists": lambda: rows(lists)[0]})
    lag = "select e, lag(e) over (partition by c order by t) as a from t"
    best(
        "transitions",
        runs,
        {
            "lag": lambda: rows(f"select a, e, count(*) from ({lag}) where a is not null group by all order by all"),
            "positional join": lambda: rows(
                "select x.e as a, y.e as e, count(*) from t x positional join (select c, e from t offset 1) y "
                "where x.c = y.c group by all order by all"
            ),
        },
    )
    retention = (
        "select f, w - f as k, count(*) from (select c, w, min(w) over (partition by c) as f from "
        "(select distinct c, (day + 3) // 7 as w from t)) group by all order by all"
    )
    joined = (
        "with d as (select distinct c, (day + 3) // 7 as w from t), m as (select c, min(w) as f from d group by c) "
        "select f, w - f as k, count(*) from d join m using (c) group by all order by all"
    )
    best("weekly retention", runs, {"window": lambda: rows(retention), "join": lambda: rows(joined)})
    best(
        "daily unique customers",
        runs,
        {
            "count distinct": lambda: rows("select day, count(distinct c) from t group by day order by day"),
            "distinct first": lambda: rows(
                "select day, count(*) from (select distinct c, day from t) group by day order by day"
            ),
        },
    )
    stages = "([" + ", ".join(str(STAGE_OF.get(e, 0)) for e in range(64)) + "]::utinyint[])"
    best(
        "current stages",
        runs,
        {
            "group by": lambda: rows(
                f"select s, l, count(*) from (select max(x) as s, (select max(t) from t) - max(t) filter (x > 0) "
                f">= {LAPSES} as l from (select c, t, {stages}[e + 1] as x from t) group by c) where s > 0 "
                "group by all order by all"
            )
        },
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
