"""Lifetime value: fits on 1 million customers whose truth is known, and the measures over the benchmark's shop.

python bench/value.py --events 20000000

The fit is told from plain arrays to parameters: equal histories are counted together first.
"""

from __future__ import annotations

import argparse

import numpy as np
import numpy.typing as npt
from shop import shop_with, tell, timed

GROUP = "Lifetime value"
CUSTOMERS = 1_000_000
#: r, alpha (days), a, b; customers came over a year and are watched to its end.
TRUTH = {"r": 0.8, "alpha": 20.0, "a": 0.8, "b": 2.5}
DAYS = 365


def world(
    customers: int, seed: int = 3
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Frequency, recency and age in days of people who live by BG/NBD."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(TRUTH["r"], 1 / TRUTH["alpha"], customers)
    leaves = rng.beta(TRUTH["a"], TRUTH["b"], customers)
    age = rng.integers(1, DAYS, customers).astype(float)
    time, last = np.zeros(customers), np.zeros(customers)
    count = np.zeros(customers, np.int64)
    there = np.arange(customers)
    while len(there):
        time[there] += rng.exponential(1 / rate[there])
        there = there[time[there] <= age[there]]
        count[there] += 1
        last[there] = time[there]
        there = there[rng.random(len(there)) >= leaves[there]]
    days = np.minimum(np.ceil(last), age)
    return np.minimum(count, days.astype(np.int64)), days, age  # purchases of a day are one


def main() -> None:
    from polku.measures.ask import measure_view
    from polku.measures.view import view_of
    from polku.record.project import open_project
    from polku.statistics.btyd.bgnbd import fit_bgnbd
    from polku.statistics.btyd.fitting import Fit
    from polku.statistics.btyd.gammagamma import fit_gammagamma
    from polku.statistics.btyd.histories import histories
    from polku.statistics.btyd.mbgnbd import fit_mbgnbd
    from polku.statistics.btyd.paretonbd import fit_paretonbd
    from polku.trails import open_trails

    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000_000)
    options = parser.parse_args()
    frequency, recency, age = world(CUSTOMERS)
    rows, _ = histories(frequency, recency, age)
    note = f"{len(rows):,} distinct histories"
    for name, fit in (("BG/NBD", fit_bgnbd), ("MBG/NBD", fit_mbgnbd), ("Pareto/NBD", fit_paretonbd)):
        found: list[object] = []

        def work(fit=fit, found=found) -> None:  # type: ignore[no-untyped-def]  # fits of different models
            found.append(fit(histories(frequency, recency, age)[0]))

        tell(GROUP, f"{name}: fit on 1 million customers", "Polku", timed(work, 3), CUSTOMERS, note)
        if not isinstance(found[0], Fit):
            raise SystemExit(f"{name} did not fit: {found[0]}")
        if name == "BG/NBD":
            # days are whole and purchases of a day one, so the truth is met to a few percent and not to the interval
            told = found[0].parameters
            off = max(abs(told[k] / TRUTH[k] - 1) for k in TRUTH)
            if off > 0.1:
                raise SystemExit(f"BG/NBD found {told}, the truth is {TRUTH}")
    again = frequency > 0
    rng = np.random.default_rng(4)
    mean = rng.gamma(6.0 * frequency[again], 1.0) / frequency[again] * 15.0 / rng.gamma(4.0, 1.0, int(again.sum()))
    seconds = timed(lambda: fit_gammagamma(frequency[again], mean), 3)
    tell(GROUP, "Gamma-Gamma: fit on those who came back", "Polku", seconds, int(again.sum()))
    with open_project(shop_with(options.events)) as project:
        trails, journey = open_trails(project), project.journey()
        asked = {"from": "Order Completed"}
        for name in ("value", "rfm", "lifetime", "acquisition", "payback"):

            def measure(name: str = name) -> None:
                measure_view(view_of(trails, journey, project=project), name, asked)

            measure()
            tell(GROUP, f"the measure {name}", "Polku", timed(measure, 3), trails.events, "all of it, nothing kept")


if __name__ == "__main__":
    main()
