"""ClickHouse in a process (chDB): a MergeTree sorted by customer and time."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from typing import Any

from asked import DAY, LAPSES, STAGE_OF, STEPS, WEEK, best
from chdb import session


def main(data: str, runs: int) -> None:
    folder = tempfile.mkdtemp()
    base = session.Session(folder)

    def rows(sql: str) -> list[list[Any]]:
        text = str(base.query(sql + " SETTINGS max_threads = 2", "JSONCompactEachRow"))
        return [[int(x) for x in json.loads(line)] for line in text.splitlines()]

    base.query("CREATE DATABASE b")
    base.query(
        "CREATE TABLE b.t (c UInt32, t UInt32, e UInt8, day UInt16) ENGINE = MergeTree ORDER BY (c, t) "
        "SETTINGS index_granularity = 8192"
    )
    base.query(f"INSERT INTO b.t SELECT customer, t, e, intDiv(t, {DAY}) FROM file('{data}', Parquet)")
    base.query("OPTIMIZE TABLE b.t FINAL")
    conditions = ", ".join(f"e = {s}" for s in STEPS)
    levels = ", ".join(f"countIf(l >= {k})" for k in range(1, len(STEPS) + 1))
    some = f"WHERE e IN {STEPS}"

    def funnel(where: str) -> list[int]:
        inner = f"SELECT windowFunnel({WEEK})(t, {conditions}) AS l FROM b.t {where} GROUP BY c"
        return rows(f"SELECT {levels} FROM ({inner})")[0]

    best("funnel", runs, {"all events": lambda: funnel(""), "the steps' events": lambda: funnel(some)})

    def pairs(inner: str) -> list[list[int]]:
        return rows(f"SELECT a, e, count() FROM ({inner}) GROUP BY a, e ORDER BY a, e")

    window = (
        "SELECT e, c, lagInFrame(e, 1, 255) OVER (PARTITION BY c ORDER BY t ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) "
        "AS a FROM b.t"
    )
    arrays = (
        "SELECT arrayJoin(arrayZip(arrayPopBack(es), arrayPopFront(es))) AS p, p.1 AS a, p.2 AS e FROM "
        "(SELECT c, groupArray(e) AS es FROM (SELECT c, e FROM b.t ORDER BY c, t) GROUP BY c)"
    )
    best(
        "transitions",
        runs,
        {
            "lagInFrame": lambda: pairs(f"SELECT a, e FROM ({window}) WHERE a != 255"),
            "arrays": lambda: pairs(arrays),
        },
    )
    weeks = "SELECT c, groupUniqArray(intDiv(day + 3, 7)) AS w, arrayMin(w) AS f FROM b.t GROUP BY c"
    distinct = (
        "SELECT f, w - f AS k, count() FROM (SELECT c, w, min(w) OVER (PARTITION BY c) AS f FROM "
        "(SELECT DISTINCT c, intDiv(day + 3, 7) AS w FROM b.t)) GROUP BY f, k ORDER BY f, k"
    )
    best(
        "weekly retention",
        runs,
        {
            "groupUniqArray": lambda: rows(
                f"SELECT f, x - f AS k, count() FROM (SELECT f, arrayJoin(w) AS x FROM ({weeks})) "
                "GROUP BY f, k ORDER BY f, k"
            ),
            "distinct": lambda: rows(distinct),
        },
    )
    best(
        "daily unique customers",
        runs,
        {
            "uniqExact": lambda: rows("SELECT day, uniqExact(c) FROM b.t GROUP BY day ORDER BY day"),
            "groupBitmap": lambda: rows("SELECT day, groupBitmap(c) FROM b.t GROUP BY day ORDER BY day"),
            "distinct": lambda: rows(
                "SELECT day, count() FROM (SELECT DISTINCT c, day FROM b.t) GROUP BY day ORDER BY day"
            ),
        },
    )
    stages = ", ".join(str(STAGE_OF.get(e, 0)) for e in range(256))
    now = rows("SELECT max(t) FROM b.t")[0][0]
    best(
        "current stages",
        runs,
        {
            "group by": lambda: rows(
                "SELECT s, l, count() FROM (SELECT max(x) AS s, "
                f"{now} - maxIf(t, x > 0) >= {LAPSES} AS l FROM "
                f"(SELECT c, t, [{stages}][e + 1] AS x FROM b.t) GROUP BY c) WHERE s > 0 GROUP BY s, l ORDER BY s, l"
            )
        },
    )
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
