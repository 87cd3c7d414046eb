"""Attribution of 1 million paths, and attribution, content and what-if over the benchmark's shop.

python bench/attribution.py --events 20000000
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from shop import shop_with, tell, timed

GROUP = "Attribution, content, what if"
PATHS, CHANNELS, BUCKETS = 1_000_000, 10, 8
DAY = 86400


def trails_of_paths(seed: int = 5) -> Any:
    """Trails of a million people with one path each of 1, 2, ... touches (mean 2.9), of whom 8 % convert."""
    from polku.trails.layout import Bucket, Tables, Trails, Words, moment

    rng = np.random.default_rng(seed)
    made = []
    for b in range(BUCKETS):
        n = PATHS // BUCKETS
        won = rng.random(n) < 0.08
        touches = rng.geometric(0.35, n)
        length = touches + won
        offsets = np.append(0, np.cumsum(length)).astype(np.int64)
        code = rng.integers(0, CHANNELS, offsets[-1]).astype(np.uint16)
        code[offsets[1:][won] - 1] = CHANNELS
        place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], length)
        time = (place * rng.integers(60, DAY, n).repeat(length)).astype(np.uint32)
        value = np.where(code == CHANNELS, rng.gamma(4.0, 15.0, len(code)), np.nan)
        none = np.zeros(len(code), np.uint32)
        made.append(
            Bucket(
                np.arange(b, PATHS, BUCKETS, dtype=np.int64)[:n], offsets, time, None, code,
                (time // DAY).astype(np.uint16), none, none, none, value,
            )
        )  # fmt: skip
    names = tuple([f"channel {c}" for c in range(CHANNELS)] + ["order"])
    codes = np.full(len(names), -1, np.int16)
    tables = Tables((), names, codes, codes, (None,) * len(names), Words([""]), ((None, None, None),), ())
    events = sum(b.events for b in made)
    last = max(int(b.time.max()) for b in made)
    return Trails(tuple(made), tables, None, moment(last), moment(0), moment(last), events, 0)


def main() -> None:
    from polku.measures.ask import measure_view
    from polku.measures.view import view_of
    from polku.record.project import open_project
    from polku.trails import open_trails

    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000_000)
    options = parser.parse_args()
    trails = trails_of_paths()
    for name, asked in (
        ("Markov", {"models": "markov"}),
        ("Markov of order 3", {"models": "markov", "order": "3"}),
        ("Shapley of 10 channels", {"models": "shapley"}),
        ("all eight models", {}),
    ):
        given = {"to": "order", "by": "event", "within": "400d", "count_pending": "yes", **asked}

        def attribute(given: dict[str, str] = given) -> Any:
            return measure_view(view_of(trails), "attribution", given)

        found = attribute()
        paths = found.conversion.denominator + found.untouched.n
        if paths != PATHS:
            raise SystemExit(f"{paths} paths, not {PATHS}")
        credited = [sum(c.credits[m].conversions.value for c in found.channels) for m in range(len(found.models))]
        if max(abs(c - found.conversion.numerator) for c in credited) > 1e-3:
            raise SystemExit(f"credits do not add up to the conversions: {credited}")
        tell(GROUP, f"{name}: 1 million paths", "Polku", timed(attribute, 5), PATHS, "with intervals, from the trails")
    with open_project(shop_with(options.events)) as project:
        trails, journey = open_trails(project), project.journey()
        for name, asked in (("attribution", {}), ("what_if", {}), ("content", {"by": "page"})):

            def measure(name: str = name, asked: dict[str, str] = asked) -> None:
                measure_view(view_of(trails, journey, project=project), name, asked)

            measure()
            tell(GROUP, f"the measure {name}", "Polku", timed(measure, 3), trails.events, "all of it, nothing kept")


if __name__ == "__main__":
    main()
