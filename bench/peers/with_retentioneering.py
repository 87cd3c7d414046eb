"""retentioneering, its tracking off: the funnel without a window, and transitions."""

from __future__ import annotations

import sys

import pandas as pd
from asked import STEPS, ask
from retentioneering import Eventstream


def main(data: str, runs: int) -> None:
    frame = pd.read_parquet(data)
    names = {e: f"e{e:02}" for e in range(64)}
    stream = Eventstream(
        pd.DataFrame(
            {
                "user_id": frame["customer"],
                "event": frame["e"].map(names),
                "timestamp": pd.to_datetime(frame["t"], unit="s"),
            }
        ),
        schema={"path_cols": ["user_id"], "event_col": "event", "timestamp_col": "timestamp"},
    )
    steps = [names[s] for s in STEPS]
    ask("funnel without a window", runs, lambda: [int(s["unique_paths"]) for s in stream.funnel_data(steps)["steps"]])

    def transitions() -> list[list[int]]:
        counts = stream.transition_graph_data(edge_weight="count")
        found = [
            [int(a[1:]), int(b[1:]), int(n)]
            for (a, b), n in counts.stack().items()
            if n and a.startswith("e") and b.startswith("e")
        ]
        return sorted(found)

    ask("transitions", runs, transitions)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
