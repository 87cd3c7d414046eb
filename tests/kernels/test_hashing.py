"""Hashes are on disk: the same words give the same numbers in every version, and different ones different numbers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from polku.kernels.hashing import combine, hash_strings

WORDS = ["", "a", "polku", "asiakas-12345", "eight888", "nine99999", "ä€😀"]


def test_fixed_values():
    assert [f"{h:016x}" for h in hash_strings(pa.array([*WORDS, None])).tolist()] == [
        "cc9906237c04c32a",
        "9aa707bdd7bc517b",
        "0bbbf5a4174f1306",
        "a42832834a9fcb15",
        "7865310a8cb10103",
        "587788f883fc2d40",
        "3d1a63cdd7b6d7d0",
        "0000000000000000",
    ]
    assert [f"{h:016x}" for h in hash_strings(pa.array(WORDS[:2]), 7).tolist()] == [
        "3662d6e142eb5f5c",
        "a4c8872129911d7a",
    ]
    rows = np.array([0, 1, 2**63], np.uint64)
    combine(rows, np.array([0, 2, 5], np.uint64))
    assert [f"{h:016x}" for h in rows.tolist()] == ["48218226ff3cd4bf", "081a5c1377856b73", "b90e5de3a7bef12f"]


def test_every_layout_of_arrow_hashes_alike():
    plain = pa.array([*WORDS, None, "a"])
    expected = hash_strings(plain).tolist()
    for same in (
        plain.cast(pa.large_string()),
        plain.dictionary_encode(),
        plain.cast(pa.binary()),
        pa.chunked_array([plain.slice(0, 3), plain.slice(3)]),
        pa.concat_arrays([pa.array(["before"]), plain]).slice(1),
    ):
        assert hash_strings(same).tolist() == expected


def test_small_numbers_do_not_collide():
    """Codes and times of whole seconds come as they are, as the first column and as the next."""
    a, b = (x.ravel().astype(np.uint64) for x in np.meshgrid(np.arange(1000), np.arange(1000)))
    for columns in ([a, b], [a, b, a]):
        for mixed in (np.zeros(len(a), np.uint64), columns[0].copy()):
            for column in columns[1:] if mixed.any() else columns:
                combine(mixed, column)
            assert len(np.unique(mixed)) == len(a)
