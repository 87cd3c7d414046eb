"""Polars: a frame in memory sorted by customer and time, two threads."""

from __future__ import annotations

import sys

import polars as pl
from asked import DAY, LAPSES, STAGE_OF, STEPS, WEEK, best


def main(data: str, runs: int) -> None:
    frame = (
        pl.read_parquet(data)
        .select(
            c=pl.col("customer").cast(pl.UInt32),
            t=pl.col("t").cast(pl.UInt32),
            e=pl.col("e").cast(pl.UInt8),
            day=(pl.col("t") // DAY).cast(pl.UInt16),
        )
        .with_columns(pl.col("c").set_sorted())
    )

    def rows(lazy: pl.LazyFrame) -> list[list[int]]:
        return [[int(x) for x in row] for row in lazy.collect().rows()]

    def funnel() -> list[int]:
        # from the last step backwards: of each event the earliest chain of later steps, filled in from below
        steps = frame.lazy().filter(pl.col("e").is_in(STEPS))
        chain = pl.lit(None, pl.UInt32)
        ends: list[pl.Expr] = []
        table = steps
        for place in (3, 2, 1):
            names = [f"n{k}" for k in range(place + 2, 5)]
            found = [pl.when(pl.col("e") == STEPS[place]).then(pl.col("t")).alias(f"m{place + 1}")]
            found += [pl.when(pl.col("e") == STEPS[place]).then(pl.col(n)).alias(f"m{n[1:]}") for n in names]
            table = table.with_columns(found)
            filled = [f"m{place + 1}", *(f"m{n[1:]}" for n in names)]
            # what a chain lacks must not be filled from a later one: each step's own rows say where it ends
            table = table.with_columns(
                pl.when(pl.col("e") == STEPS[place]).then(pl.int_range(pl.len(), dtype=pl.UInt32)).alias("row")
            ).with_columns(pl.col("row").backward_fill().shift(-1).over("c").alias("row"))
            table = table.with_columns([pl.col(n).gather(pl.col("row")).alias(f"n{n[1:]}") for n in filled]).drop(
                filled
            )
        del chain, ends
        t = pl.col("t")
        level = (
            pl.when(pl.col("n4") - t <= WEEK).then(4).when(pl.col("n3") - t <= WEEK).then(3)
            .when(pl.col("n2") - t <= WEEK).then(2).otherwise(1)
        )  # fmt: skip
        levels = table.filter(pl.col("e") == STEPS[0]).group_by("c").agg(level.max().alias("l"))
        counts = [(pl.col("l") >= k).sum().alias(str(k)) for k in range(1, 5)]
        return rows(levels.select(counts))[0]

    best("funnel", runs, {"filled from below": funnel})
    pair = frame.lazy().select(a="e", e=pl.col("e").shift(-1), same=pl.col("c") == pl.col("c").shift(-1))
    best(
        "transitions",
        runs,
        {"shift": lambda: rows(pair.filter("same").group_by("a", "e").agg(n=pl.len()).sort("a", "e"))},
    )
    weeks = frame.lazy().select("c", w=(pl.col("day") + 3) // 7).unique()
    first = weeks.with_columns(f=pl.col("w").min().over("c"))
    sorted_weeks = (
        frame.lazy()
        .select("c", w=(pl.col("day") + 3) // 7)
        .filter((pl.col("c") != pl.col("c").shift(1)).fill_null(True) | (pl.col("w") != pl.col("w").shift(1)))
        .with_columns(f=pl.col("w").first().over("c"))
    )

    def grid(lazy: pl.LazyFrame) -> list[list[int]]:
        return rows(lazy.group_by("f", k=pl.col("w") - pl.col("f")).agg(n=pl.len()).sort("f", "k"))

    best("weekly retention", runs, {"unique": lambda: grid(first), "changes": lambda: grid(sorted_weeks)})
    changes = frame.lazy().filter(
        (pl.col("c") != pl.col("c").shift(1)).fill_null(True) | (pl.col("day") != pl.col("day").shift(1))
    )
    best(
        "daily unique customers",
        runs,
        {
            "n_unique": lambda: rows(frame.lazy().group_by("day").agg(n=pl.col("c").n_unique()).sort("day")),
            "changes": lambda: rows(changes.group_by("day").agg(n=pl.len()).sort("day")),
        },
    )
    stage = pl.col("e").replace_strict(STAGE_OF, default=0, return_dtype=pl.UInt8)
    now = int(frame.select(pl.col("t").max()).item())
    current = (
        frame.lazy()
        .with_columns(x=stage)
        .filter(pl.col("x") > 0)
        .group_by("c")
        .agg(s=pl.col("x").max(), late=(now - pl.col("t").max()) >= LAPSES)
        .group_by("s", "late")
        .agg(n=pl.len())
        .sort("s", "late")
    )
    best("current stages", runs, {"group_by": lambda: rows(current)})


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
