"""Funnels' published figures: the modes of ClickHouse over ecom, and a funnel of tables without times."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from measures.test_realdata import DATA, DAY, FIRST, ecom_trails
from polku.measures.funnels.funnel import funnel
from polku.measures.funnels.trend import funnel_trend
from polku.measures.view import view_of
from polku.trails.layout import Trails

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not Path(DATA).is_dir(), reason="the real data is not beside the repository"),
]


@pytest.fixture(scope="module")
def ecom():
    with gzip.open(DATA / "ecom" / "ecom.csv.gz", "rt", encoding="utf-8") as f:
        return list(csv.DictReader(f))


@pytest.fixture(scope="module")
def trails(ecom):
    return ecom_trails(ecom)


def window_funnel(times_steps, steps, window, mode):
    """ClickHouse's windowFunnel over (time, step from 1, 0 for none), sorted by both, in one of its modes."""
    stamps = [None] * steps
    begun = False
    for time, step in sorted(times_steps):
        place = step - 1
        if step == 0:
            if mode == "strict_order" and begun:
                break
            continue
        if place == 0:
            stamps[0], begun = (time, time), True
        elif mode == "strict_deduplication" and stamps[place] is not None:
            break
        elif mode == "strict_order" and begun and stamps[place - 1] is None:
            return stamps.index(None)
        elif stamps[place - 1] is not None:
            first, before = stamps[place - 1]
            if time <= first + window and not (mode == "strict_increase" and before >= time):
                stamps[place] = (first, time)
    return max((k + 1 for k in range(steps) if stamps[k] is not None), default=0)


def by_session(ecom, trails):
    """Of every session of ecom its events as (time, step from 1, 0 for none)."""
    from measures.test_realdata import seconds

    found: dict[str, list[tuple[int, int]]] = {}
    for row in ecom:
        step = FIRST.index(row["event"]) + 1 if row["event"] in FIRST else 0
        moment = seconds(row["timestamp"], "%Y-%m-%d %H:%M:%S")
        found.setdefault(row["session_id"], []).append((moment, step))
    return found


def test_increasing_is_strict_increase_but_for_one_session_that_it_loses(ecom, trails):
    """ClickHouse keeps one newest event a step: a second `catalog` of the very second of `product_view` hides the
    first, which was earlier. Polku finds the first; trying every chain agrees with Polku.
    """
    sessions = by_session(ecom, trails)
    levels = {s: window_funnel(e, 4, DAY, "strict_increase") for s, e in sessions.items()}
    assert [sum(v > k for v in levels.values()) for k in range(4)] == [2837, 2105, 601, 135]
    assert funnel(view_of(trails), FIRST, DAY, "session", order="increasing").reached == [2837, 2106, 601, 135]
    rising = {
        s for s, events in sessions.items()
        if any(a < b <= a + DAY for a, k in events if k == 1 for b, m in events if m == 2)
    }  # fmt: skip
    assert len(rising) == 2106
    assert len(rising - {s for s, v in levels.items() if v >= 2}) == 1


def test_strict_is_not_clickhouses_strict_order(ecom, trails):
    """strict_order gives up at the first thing between and lets a step repeat; Polku's strict tries every start."""
    levels = [window_funnel(e, 4, DAY, "strict_order") for e in by_session(ecom, trails).values()]
    assert [sum(v > k for v in levels) for k in range(4)] == [2837, 907, 67, 2]
    assert funnel(view_of(trails), FIRST, DAY, "session", order="strict").reached == [2837, 1315, 71, 2]
    followed: dict[str, list[str]] = {}
    for row in ecom:
        followed.setdefault(row["session_id"], []).append(row["event"])
    two = sum(any(e[i : i + 2] == list(FIRST[:2]) for i in range(len(e))) for e in followed.values())
    three = sum(any(e[i : i + 3] == list(FIRST[:3]) for i in range(len(e))) for e in followed.values())
    assert (two, three) == (1315, 71)


def test_repeats_that_end_are_strict_deduplication_but_for_one_tie(ecom, trails):
    """ClickHouse sorts events of one second by step: in one session the catalog before the view that came first."""
    sessions = by_session(ecom, trails)
    levels = {s: window_funnel(e, 4, DAY, "strict_deduplication") for s, e in sessions.items()}
    assert [sum(v > k for v in levels.values()) for k in range(4)] == [2837, 2108, 289, 53]
    found = funnel(view_of(trails), FIRST, DAY, "session", repeats="end")
    assert found.reached == [2837, 2108, 290, 53]
    usual = funnel(view_of(trails), FIRST, DAY, "session")
    assert found.conversion.pending < usual.conversion.pending


def test_the_notebooks_call(trails):
    assert trails.funnel(list(FIRST), within="1d").reached == [600, 591, 386, 123]
    assert trails.funnel(list(FIRST), within="1d", by="session", order="increasing").reached[0] == 2837


def test_a_breakdown_and_a_trend_of_ecom_add_up(ecom):
    from measures.test_realdata import seconds

    columns = {name: [r[name] for r in ecom] for name in ("user_id", "event", "session_id", "platform")}
    columns["time"] = [seconds(r["timestamp"], "%Y-%m-%d %H:%M:%S") for r in ecom]
    made = Trails.from_table(pa.table(columns), customer="user_id", time="time", event="event", session="session_id",
                             properties=["platform"])  # fmt: skip
    found = funnel(view_of(made), FIRST, DAY, breakdown="platform")
    assert len(found.groups) == 3
    assert [sum(g.reached[k].n for g in found.groups) for k in range(4)] == found.reached == [600, 591, 386, 123]
    trend = funnel_trend(view_of(made), FIRST, DAY, interval="month")
    assert [sum(p.reached[k].n for p in trend.points) for k in range(4)] == found.reached


PAGES = ("home", "search", "payment", "confirmation")
WHOLE = {"Desktop": [60_200, 30_100, 3010, 150], "Mobile": [30_200, 15_100, 3020, 302]}
SEXES = {"Female": [45_075, 22_676, 3100, 241], "Male": [45_325, 22_524, 2930, 211]}


def test_a_funnel_of_tables_without_times():
    """page_funnel: who saw each page, no moments. In any order, and in that of the rows, as they are published."""

    def table(name):
        with gzip.open(DATA / "page_funnel" / f"{name}_table.csv.gz", "rt", encoding="utf-8") as f:
            return list(csv.DictReader(f))

    users = {r["user_id"]: r for r in table("user")}
    files = ("home_page", "search_page", "payment_page", "payment_confirmation")
    seen = [(r["user_id"], page) for name, page in zip(files, PAGES, strict=True) for r in table(name)]
    for rows, order in ((seen, "ordered"), (seen[::-1], "any")):
        made = Trails.from_table(
            pa.table(
                {
                    "user": [u for u, _ in rows], "page": [p for _, p in rows], "at": [0] * len(rows),
                    "device": [users[u]["device"] for u, _ in rows], "sex": [users[u]["sex"] for u, _ in rows],
                }
            ),
            customer="user", time="at", event="page", properties=["device", "sex"],
        )  # fmt: skip
        for name, counts in (("device", WHOLE), ("sex", SEXES)):
            found = funnel(view_of(made), PAGES, order=order, breakdown=name)
            assert found.reached == [90_400, 45_200, 6030, 452]
            assert {g.name: [n.n for n in g.reached] for g in found.groups} == counts
    mobile = next(g for g in funnel(view_of(made), PAGES, order="any", breakdown="device").groups if g.name == "Mobile")
    assert round(mobile.conversion.value, 4) == 0.01
    assert mobile.difference.low > 0
    assert funnel(view_of(made), PAGES, order="increasing").reached == [90_400, 0, 0, 0]
