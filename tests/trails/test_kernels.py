"""The kernels of trails alone: JSON found as json reads it, sorting as Python sorts, no index out of its array."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.trails.days import offsets
from polku.trails.scan import Keys, distinct, find_keys
from polku.trails.sorting import MICRO, Columns, Rows, arrange_unique, sort_bucket

NAMES = ["page.path", "page.url", "campaign.source", "n", "deep.er.still"]
KEYS = Keys.of(NAMES)

words = st.text(max_size=6) | st.sampled_from(["page", "path", "url", "n", "deep", "er", "still", "campaign", "source"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(words, values, max_size=5)


def read(whole: Any, name: str) -> Any:
    for part in name.split("."):
        if not isinstance(whole, dict) or part not in whole:
            return None
        whole = whole[part]
    return None if isinstance(whole, (dict, list)) else whole


def written(value: Any) -> str | None:
    if value is None:
        return None
    return value if isinstance(value, str) else json.dumps(value)


@settings(deadline=None, max_examples=200)
@given(some=st.lists(objects, min_size=1, max_size=4), ascii=st.booleans(), indent=st.sampled_from([None, 1]))
def test_found_as_json_reads_it(some: list[dict[str, Any]], ascii: bool, indent: int | None) -> None:
    texts = [json.dumps(o, ensure_ascii=ascii, indent=indent) for o in some]
    try:
        array = pa.array([None, *texts])
    except UnicodeEncodeError:  # a lone surrogate is no UTF-8
        return
    found = find_keys(array, KEYS)
    for i, o in enumerate(some):
        for k, name in enumerate(NAMES):
            assert found.word(i + 1, k) == written(read(o, name))


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(alphabet='{}[]",:\\ apge.th01', max_size=30), max_size=5))
def test_broken_json_harms_nothing(texts: list[str]) -> None:
    find_keys(pa.array(texts, pa.string()), KEYS)


rows = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 3, 9, 10**12]), st.integers(0, 5), st.sampled_from([0, 1, 999_999]), st.integers(0, 3)
    ),
    max_size=60,
)


def rows_of(some: list[tuple[int, int, int, int]]) -> Rows:
    n = len(some)
    return Rows(
        np.array([c for c, _, _, _ in some], np.int64),
        np.array([s * MICRO + us for _, s, us, _ in some], np.int64),
        np.arange(n, dtype=np.int64) + 7,
        np.arange(n, dtype=np.uint16),
        np.zeros(n, np.uint32),
        np.zeros(n, np.uint32),
        np.array([s for _, _, _, s in some], np.uint64),
        None,
    )


@settings(deadline=None, max_examples=200)
@given(rows)
def test_sorted_as_python_sorts(some: list[tuple[int, int, int, int]]) -> None:
    out = Columns.new(len(some), micros=True, value=False)
    told = sort_bucket(rows_of(some), out, offsets("UTC"), 7)
    expected = sorted(range(len(some)), key=lambda i: (some[i][0], some[i][1], some[i][2], i))
    assert out.code.tolist() == expected
    assert out.seq.tolist() == expected
    assert out.time.tolist() == [some[i][1] for i in expected]
    assert out.micros.tolist() == [some[i][2] for i in expected]
    assert told.customer.tolist() == sorted({c for c, _, _, _ in some})
    counts = [sum(c == one for c, _, _, _ in some) for one in told.customer.tolist()]
    assert np.diff(told.offsets).tolist() == counts
    assert told.session_hash[out.session].tolist() == [some[i][3] for i in expected]


@settings(deadline=None)
@given(rows, st.lists(st.integers(0, 59), max_size=10))
def test_what_is_told_twice_counts_once(some: list[tuple[int, int, int, int]], again: list[int]) -> None:
    once = rows_of(some)
    which = np.array([i for i in again if i < len(some)], np.int64)
    twice = Rows.join([once, once.take(which)])
    assert sorted(arrange_unique(twice).seq.tolist()) == once.seq.tolist()


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=200))
def test_distinct(numbers: list[int]) -> None:
    codes, first = distinct(np.array(numbers, np.uint64))
    seen = list(dict.fromkeys(numbers))
    assert [seen[c] for c in codes] == numbers
    assert [numbers[i] for i in first] == seen


def test_distinct_grows() -> None:
    numbers = np.arange(300_000, dtype=np.uint64) * np.uint64(2**32)
    codes, first = distinct(numbers)
    assert len(first) == len(numbers)
    assert (codes == np.arange(len(numbers))).all()


CHECKED = """
from tests.trails import test_kernels as t, test_matching as m
t.test_sorted_as_python_sorts()
t.test_found_as_json_reads_it()
t.test_broken_json_harms_nothing()
t.test_what_is_told_twice_counts_once()
m.test_a_very_long_trail()
m.test_buckets_hold_customers_by_their_key()
for event, facts, _ in m.ORIGINS:
    m.one(event, **facts)
"""


def test_with_bounds_checked(tmp_path: Path) -> None:
    """A process of its own, compiled with bounds checks, in a cache of its own."""
    env = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    root = Path(__file__).parent.parent.parent
    subprocess.run([sys.executable, "-c", CHECKED], check=True, env=env, cwd=root, timeout=280)
