"""The questions, and how a peer's script tells its answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

STEPS = (3, 5, 8, 10)  # Product Viewed, Product Added, Checkout Started, Order Completed: rows of the names
WEEK = 7 * 86400
DAY = 86400
#: The stage that each event leads to, for "current stages": 0 none, 1 to 5.
STAGE_OF = {0: 1, 1: 1, 2: 1, 3: 2, 4: 2, 22: 2, 23: 2, 24: 2, 5: 3, 7: 3, 8: 3, 10: 4, 12: 5, 13: 5}
LAPSES = 60 * DAY


def ask(case: str, runs: int, work: Callable[[], Any], note: str = "") -> None:
    """Warm up once, time ``runs`` runs, and print the answer with them."""
    answer = work()
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    print(json.dumps({"case": case, "seconds": seconds, "answer": answer, "note": note}), flush=True)


def best(case: str, runs: int, ways: dict[str, Callable[[], Any]]) -> None:
    """The quickest of several ways to ask, each tried once warm; all must answer alike."""
    tried = {}
    answers = {}
    for name, work in ways.items():
        work()
        began = time.perf_counter()
        answers[name] = work()
        tried[name] = time.perf_counter() - began
    if any(answer != next(iter(answers.values())) for answer in answers.values()):
        raise SystemExit(f"{case}: the ways do not agree: { {k: str(v)[:200] for k, v in answers.items()} }")
    quickest = min(tried, key=tried.__getitem__)
    ask(case, runs, ways[quickest], f"the quickest of {len(ways)} ways: {quickest}" if len(ways) > 1 else "")
