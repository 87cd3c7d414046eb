"""pandas: a frame in memory sorted by customer and time."""

from __future__ import annotations

import sys

import pandas as pd
from asked import DAY, LAPSES, STAGE_OF, ask


def main(data: str, runs: int) -> None:
    frame = pd.read_parquet(data)
    frame["day"] = frame["t"] // DAY

    def listed(series: pd.Series) -> list[list[int]]:
        return [[*map(int, key if isinstance(key, tuple) else (key,)), int(n)] for key, n in series.items()]

    def transitions() -> list[list[int]]:
        same = frame["customer"] == frame["customer"].shift(-1)
        after = frame["e"].shift(-1)[same].astype("int64")
        return listed(pd.DataFrame({"a": frame["e"][same], "e": after}).groupby(["a", "e"]).size())

    def retention() -> list[list[int]]:
        weeks = pd.DataFrame({"c": frame["customer"], "w": (frame["day"] + 3) // 7}).drop_duplicates()
        weeks["f"] = weeks.groupby("c")["w"].transform("min")
        weeks["k"] = weeks["w"] - weeks["f"]
        return listed(weeks.groupby(["f", "k"]).size())

    def stages() -> list[list[int]]:
        known = pd.DataFrame({"c": frame["customer"], "t": frame["t"], "x": frame["e"].map(STAGE_OF)}).dropna()
        found = known.groupby("c").agg(s=("x", "max"), last=("t", "max"))
        found["l"] = (frame["t"].max() - found["last"]) >= LAPSES
        return listed(found.groupby(["s", "l"]).size())

    ask("transitions", runs, transitions)
    ask("weekly retention", runs, retention)
    ask("daily unique customers", runs, lambda: listed(frame.groupby("day")["customer"].nunique()))
    ask("current stages", runs, stages)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
