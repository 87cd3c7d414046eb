"""Whole paths, against a plain reading and published counts."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings

from measures.paths.test_transitions import MAP, PEOPLE, steps
from measures.small_world import trails
from polku.measures.ask import measure
from polku.measures.customers import customers_behind
from polku.measures.result import Period
from polku.trails.layout import Trails, moment

DATA = Path(__file__).parents[4] / "shared" / "data"


def found(answer) -> dict[str, int]:
    return {" ".join(v.steps): v.count.n for v in answer.variants}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"ad view view cart": 1, "view cart order": 1}),
        ({"collapse": "yes"}, {"ad view cart": 1, "view cart order": 1}),
        ({"by": "session"}, {"ad view view cart": 1, "view": 1, "cart order": 1}),
        ({"of": "stage", "collapse": "yes"}, {"see buy": 2}),
        ({"of": "event", "limit": 1}, {"other": 1}),
    ],
)
def test_people_as_lists(options, expected):
    answer = measure(trails(MAP, PEOPLE, buckets=2), "variants", journey=MAP, **options)
    if "limit" in options:
        assert (len(answer.variants), answer.distinct) == (1, 3)
    else:
        assert found(answer) == expected


def test_figures_of_all_paths():
    answer = measure(trails(MAP, PEOPLE), "variants", journey=MAP)
    assert (answer.paths, answer.distinct, answer.mean_length, answer.longest) == (2, 2, 3.5, 4)
    assert (answer.duration.median, answer.mean_duration) == ((50 + 4090) / 2, (50 + 4090) / 2)
    nobody = measure(trails(MAP, [[(1, "other")]]), "variants", journey=MAP)
    assert (nobody.paths, nobody.mean_length, nobody.duration.median) == (0, None, None)


@settings(deadline=None)
@given(steps)
def test_paths_are_those_of_a_plain_reading(people):
    made = trails(MAP, people, buckets=2, codes=["ad"])
    period = Period(moment(5), moment(35))
    answer = measure(made, "variants", journey=MAP, of="event", period=period)
    paths = Counter(" ".join(name for time, name in p if 5 <= time < 35) for p in people)
    del paths[""]
    assert found(answer) == dict(paths)
    for variant in answer.variants:
        who = {line.customer - 1 for line in customers_behind(made, MAP, variant.count.behind).lines}
        same = [" ".join(n for t, n in p if 5 <= t < 35) == " ".join(variant.steps) for p in people]
        assert who == {c for c, is_same in enumerate(same) if is_same}


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not beside the repository")
def test_counts_that_others_published():
    with (DATA / "helpdesk_log" / "helpdesk.csv").open(encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    table = pa.table({k: [r[k] for r in rows] for k in ("CaseID", "ActivityID")}).append_column(
        "time", pa.array([r["CompleteTimestamp"] for r in rows]).cast(pa.timestamp("s"))
    )
    made = Trails.from_table(table, customer="CaseID", time="time", event="ActivityID")
    answer = made.variants()
    assert (answer.paths, answer.distinct, answer.longest) == (3804, 154, 14)
    assert round(answer.mean_length, 4) == 3.6041
    assert list(found(answer).items())[:5] == [
        ("1 8 6", 2173), ("1 8 9 6", 276), ("1 8 9 8 6", 222), ("1 1 8 6", 207), ("1 6", 146),
    ]  # fmt: skip
    assert (round(answer.mean_duration / 86400, 4), round(answer.duration.median / 86400, 4)) == (8.7982, 3.9278)
    pairs = {(t.source, t.target): t.count.n for t in made.transitions(limit=100).transitions}
    assert [pairs["1", "8"], pairs["8", "6"], pairs["8", "9"], pairs["9", "8"], pairs["1", "1"]] == [
        3483, 3286, 851, 519, 394,
    ]  # fmt: skip
    assert (pairs["path_start", "1"], pairs["6", "path_end"]) == (3644, 3804)
