"""Ids, JSON and names: the pieces of an event."""

from __future__ import annotations

import base64
import json
from collections import Counter as Tally

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.events.columns import as_names, relabel
from polku.events.ids import Counter, content_hashes, made_ids
from polku.events.jsontext import are_objects, encoded, joined, merged
from polku.events.refusals import TEXTS, Refusal
from polku.language import translate


def test_ids_are_part_of_the_format_on_disk() -> None:
    """Changing these means that every file imported before would be stored again."""
    columns = {
        "time": pa.array([1_291_184_760_000_000, 1_291_184_760_000_000]),
        "event": pa.array(["Order Completed", "page"]),
        "user_id": pa.array(["17850", None]),
        "value": pa.array([15.3, None]),
        "properties": pa.array(['{"InvoiceNo":"536365"}', None]),
    }
    hashes = content_hashes(columns)
    assert made_ids(hashes, np.zeros(2, np.uint32)).to_pylist() == FIXED


FIXED = ["ZdFGgMltSHw", "Gfo3st3FzNc"]


def test_ids_are_base64url() -> None:
    hashes = np.array([0, 1, 2**64 - 1, 0x0123456789ABCDEF], np.uint64)
    expected = [base64.urlsafe_b64encode(int(h).to_bytes(8, "big")).decode().rstrip("=") for h in hashes]
    assert made_ids(hashes, np.zeros(4, np.uint32)).to_pylist() == expected
    assert made_ids(hashes[:1], np.array([100], np.uint32)).to_pylist() == [expected[0] + ".100"]


def test_a_column_that_is_absent_or_null_or_a_dictionary_hashes_the_same() -> None:
    time = pa.array([5, 6])
    plain = content_hashes({"time": time, "event": pa.array(["a", "b"])})
    nulls = {"currency": pa.nulls(2, pa.string()), "value": pa.array([None, None], pa.float64())}
    words = pa.array(["a", "b"]).dictionary_encode()
    assert content_hashes({"time": time, "event": words, **nulls}).tolist() == plain.tolist()


def test_no_amount_and_an_amount_of_nothing_differ() -> None:
    columns = {"time": pa.array([5, 5, 5]), "event": pa.array(["a"] * 3), "value": pa.array([None, 0.0, -0.0])}
    nothing, zero, minus_zero = content_hashes(columns).tolist()
    assert nothing != zero == minus_zero


@given(st.lists(st.lists(st.integers(0, 30), max_size=60), max_size=8))
@settings(deadline=None)
def test_counter_counts_over_batches(batches: list[list[int]]) -> None:
    counter, seen = Counter(), Tally[int]()
    for batch in batches:
        expected = []
        for key in batch:
            expected.append(seen[key])
            seen[key] += 1
        assert counter.earlier(np.array(batch, np.uint64)).tolist() == expected
    assert len(counter) == len(seen)


def test_counter_grows() -> None:
    counter = Counter()
    keys = np.arange(100_000, dtype=np.uint64)
    assert not counter.earlier(keys).any()
    assert (counter.earlier(keys) == 1).all()


@given(
    st.lists(st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=12)), min_size=1, max_size=20),
    st.booleans(),
)
@settings(deadline=None)
def test_json_of_any_text_is_json(texts: list[str | None], loose: bool) -> None:
    whole = joined([encoded('a "name"', pa.array(texts, pa.string()), loose)], len(texts)).to_pylist()
    for text, made in zip(texts, whole, strict=True):
        if text is None:
            assert made is None
            continue
        value = json.loads(made)['a "name"']
        if loose and not isinstance(value, str):
            assert json.loads(text.lower()) == value
        else:
            assert value == text


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("price", "12.50", 12.5),
        ("price", "-3", -3),
        ("price", "012", "012"),
        ("price", "1e5", "1e5"),
        ("price", "12345678901234567890", "12345678901234567890"),
        ("ok", "True", True),
        ("ok", "false", False),
        ("product_id", "12", "12"),
        ("StockCode", "12", "12"),
        ("postinumero", "00100", "00100"),
        ("note", "", ""),
    ],
)
def test_texts_of_csv_get_types_by_themselves(name: str, text: str, value: object) -> None:
    found = json.loads(joined([encoded(name, pa.array([text]), loose=True)], 1)[0].as_py())[name]
    assert found == value
    assert type(found) is type(value)


def test_typed_columns_as_json() -> None:
    table = pa.table(
        {
            "i": [1, None],
            "f": [1.5, float("nan")],
            "b": [True, None],
            "s": ["1", None],
            "l": [[1, 2], None],
            "o": [{"x": {"y": "ä"}}, None],
        }
    )
    pieces = [encoded(n, table.column(n).combine_chunks()) for n in table.column_names]
    whole = joined(pieces, 2).to_pylist()
    assert json.loads(whole[0]) == {"i": 1, "f": 1.5, "b": True, "s": "1", "l": [1, 2], "o": {"x": {"y": "ä"}}}
    assert whole[1] is None


def test_rows_that_say_nothing_stay_rows() -> None:
    pieces = [encoded("a", pa.array(["x", None, None, "y"])), encoded("b", pa.array([None, None, "z", "w"]))]
    assert joined(pieces, 4).to_pylist() == ['{"a":"x"}', None, '{"b":"z"}', '{"a":"y","b":"w"}']


def test_objects_only() -> None:
    texts = pa.array(['{ "a" : 1 }', "[1]", "x", None, '"a"', "{}"])
    assert are_objects(texts).to_pylist() == ['{"a":1}', None, None, None, None, "{}"]


def test_merging_keeps_what_stands_in_one() -> None:
    a = pa.array(['{"page":{"path":"/"},"x":1}', None, None])
    b = pa.array(['{"page":{"title":"T"},"x":2}', '{"y":1}', None])
    first, second, third = merged([a, b]).to_pylist()
    assert json.loads(first) == {"page": {"path": "/", "title": "T"}, "x": 2}
    assert (second, third) == ('{"y":1}', None)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (pa.array(["a", " b ", "", None, "\u00a0c\u00a0"]), ["a", "b", None, None, "c"]),
        (pa.array(["17850.0", "x.0", "-1.0", "1.05"]), ["17850", "x.0", "-1", "1.05"]),
        (pa.array([1, None]), ["1", None]),
        (pa.array([1.0, float("nan"), None]), ["1", None, None]),
        (pa.array([1.5, 2.0]), ["1.5", "2"]),
        (pa.array([" a", "a", None]).dictionary_encode(), ["a", "a", None]),
        (pa.array([], pa.string()), []),
        (pa.nulls(2), [None, None]),
    ],
)
def test_names(values: pa.Array, names: list[str | None]) -> None:
    assert as_names(values).to_pylist() == names


def test_relabel_makes_equal_words_one() -> None:
    words = pa.array(["view", "View", None, "x"]).dictionary_encode()
    made = relabel(words, ["Product Viewed", "Product Viewed", None])
    assert made.to_pylist() == ["Product Viewed", "Product Viewed", None, None]
    assert made.dictionary.to_pylist() == ["Product Viewed"]


@pytest.mark.parametrize("reason", list(Refusal))
def test_every_reason_has_its_text_in_both_languages(reason: Refusal) -> None:
    assert reason.text("en") == TEXTS[reason]
    assert translate("fi", TEXTS[reason]) != TEXTS[reason]
