"""Funnels over the benchmark's shop, warm: the usual one beside one pass over the plain columns, and its refinements.
python bench/funnels.py --events 20000000
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import numba as nb
import numpy as np
from shop import shop_with, tell, timed

GROUP = "Funnels, warm"
STEPS = ("Product Viewed", "Product Added", "Checkout Started", "Order Completed")
WEEK = 7 * 86400
RUNS = 9
REFINED: dict[str, dict[str, Any]] = {
    "strict": {"order": "strict"},
    "each step later": {"order": "increasing"},
    "any order": {"order": "any"},
    "a step may be left out": {"optional": ("2",)},
    "times between": {"gaps": ("2:..1d", "3:1min..2d")},
    "without an event": {"without": ("Support Requested",)},
    "by session": {"by": "session"},
    "every start": {"starts": "every"},
    "by first source": {"breakdown": "source"},
}


@nb.njit(nogil=True)
def one_pass(time: Any, code: Any) -> Any:
    """Read every byte of both columns once."""
    total = np.uint64(0)
    for i in range(len(time)):
        total += time[i]
    for i in range(len(code)):
        total += code[i]
    return total


def main() -> None:
    from polku.engines.threads import over_buckets
    from polku.measures.funnels.correlation import funnel_correlation
    from polku.measures.funnels.funnel import funnel
    from polku.measures.funnels.times import time_to_convert
    from polku.measures.funnels.trend import funnel_trend
    from polku.measures.view import view_of
    from polku.record.project import open_project
    from polku.trails import open_trails

    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000_000)
    options = parser.parse_args()
    with open_project(shop_with(options.events)) as project:
        trails, journey = open_trails(project), project.journey()

        def view() -> Any:
            return view_of(trails, journey, project=project)  # a new one each time: nothing is shared between runs

        columns = [(c.time, c.code.astype(np.uint8)) for c in view().columns]

        def plain() -> None:
            over_buckets(lambda both: one_pass(*both), columns)

        def usual() -> None:
            funnel(view(), STEPS, WEEK)

        plain()
        usual()
        passes: list[float] = []
        usuals: list[float] = []
        for _ in range(RUNS):  # turn by turn, so that both meet the same disturbances
            passes += timed(plain, 1)
            usuals += timed(usual, 1)
        tell(GROUP, "one pass over time and code, 5 bytes an event", "Numba", passes, trails.events)
        ratio = statistics.median(usuals) / statistics.median(passes)
        note = f"{ratio:.1f} times one pass; fastest {min(usuals):.4f} s"
        tell(GROUP, "4 steps in order, 7 days", "Polku", usuals, trails.events, note)
        for name, refined in REFINED.items():

            def work(refined: dict[str, Any] = refined) -> None:
                funnel(view(), STEPS, WEEK, **refined)

            work()
            tell(GROUP, name, "Polku", timed(work, 3), trails.events)
        for measure in (funnel_trend, time_to_convert, funnel_correlation):

            def ask(measure: Any = measure) -> None:
                more = {"properties": ()} if measure is funnel_correlation else {}
                measure(view(), STEPS, WEEK, **more)

            ask()
            tell(GROUP, measure.__name__, "Polku", timed(ask, 3), trails.events)


if __name__ == "__main__":
    main()
