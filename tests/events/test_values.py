"""Amounts as people write them, with the numbers they mean."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.events.refusals import Refusal
from polku.events.values import decimal_evidence, read_amount, read_values

READABLE = [
    ("12", 12, None),
    ("-5", -5, None),
    ("+5", 5, None),
    ("−5", -5, None),
    ("(5.00)", -5, None),
    ("5-", -5, None),
    ("1299.5", 1299.5, None),
    ("1 299,50 €", 1299.5, "EUR"),
    ("1\u00a0299,50\u00a0€", 1299.5, "EUR"),
    ("1\u202f299,50", 1299.5, None),
    ("1 299,50", 1299.5, None),
    ("1,299.50", 1299.5, None),
    ("1.299,50", 1299.5, None),
    ("1'299.50", 1299.5, None),
    ("$1,234,567", 1234567, "USD"),
    ("$12", 12, "USD"),
    ("-€5", -5, "EUR"),
    ("€ -5", -5, "EUR"),
    ("12 EUR", 12, "EUR"),
    ("12 eur", 12, "EUR"),
    ("12,50 euroa", 12.5, "EUR"),
    ("12 SEK", 12, "SEK"),
    ("(1 299,50 €)", -1299.5, "EUR"),
    ("12,-", 12, None),
    ("1,29", 1.29, None),
    ("0,299", 0.299, None),
    (".5", 0.5, None),
    ("5.", 5, None),
    ("1e5", 100000, None),
    ("1 000 000", 1000000, None),
    ("1.299", 1.299, None),
]


@pytest.mark.parametrize(("text", "number", "currency"), READABLE)
def test_readable(text: str, number: float, currency: str | None) -> None:
    found = read_amount(text)
    assert (found.number, found.currency, found.refused) == (number, currency, 0)


REFUSED = [
    ("abc", Refusal.UNREADABLE_VALUE),
    ("5 kpl", Refusal.UNREADABLE_VALUE),
    ("1.2.3", Refusal.UNREADABLE_VALUE),
    ("1,23,4", Refusal.UNREADABLE_VALUE),
    ("--5", Refusal.UNREADABLE_VALUE),
    ("€", Refusal.UNREADABLE_VALUE),
    ("12:30", Refusal.UNREADABLE_VALUE),
    ("1,299", Refusal.DECIMAL_MARK),
    ("nan", Refusal.VALUE_NOT_FINITE),
    ("-Infinity", Refusal.VALUE_NOT_FINITE),
    ("1e400", Refusal.VALUE_NOT_FINITE),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_refused(text: str, reason: Refusal) -> None:
    assert read_amount(text).refused == reason
    assert read_values(pa.array([text])).refused.tolist() == [reason]


@pytest.mark.parametrize(
    ("texts", "mark"),
    [
        (["1,299", "1,299.50"], "."),
        (["1,299", "3,5"], ","),
        (["1.299", "1.299,50"], ","),
        (["12", "1,299"], None),
        ([], None),
    ],
)
def test_the_column_tells_the_decimal_mark(texts: list[str], mark: str | None) -> None:
    assert decimal_evidence(pa.array(texts, pa.string())) == mark


def test_the_mark_settles_what_the_text_leaves_open() -> None:
    assert read_values(pa.array(["1,299"]), ".").amount.tolist() == [1299]
    assert read_values(pa.array(["1,299"]), ",").amount.tolist() == [1.299]
    assert read_values(pa.array(["1.299"]), ",").amount.tolist() == [1299]


def test_empty_is_no_value_and_not_refused() -> None:
    read = read_values(pa.array(["", None, " ", "3"]))
    assert read.refused.tolist() == [0, 0, 0, 0]
    assert [math.isnan(a) for a in read.amount] == [True, True, True, False]


def test_typed_columns_nan_is_missing_and_infinite_is_refused() -> None:
    assert read_values(pa.array([1, None])).amount[0] == 1
    read = read_values(pa.array([1.5, float("nan"), float("inf"), None]))
    assert read.refused.tolist() == [0, 0, Refusal.VALUE_NOT_FINITE, 0]


@given(st.floats(-1e12, 1e12).map(lambda x: round(x, 2)))
@settings(deadline=None)
def test_every_way_of_writing_gives_the_same_number(number: float) -> None:
    english = f"{number:,.2f}"
    finnish = english.replace(",", "\u00a0").replace(".", ",") + " €"
    german = english.replace(",", "_").replace(".", ",").replace("_", ".")
    for text in (english, finnish, german, f"{number:.2f}", f"${english}"):
        assert read_amount(text).number == pytest.approx(number, abs=1e-9), text


@given(st.text(max_size=20))
@settings(deadline=None, max_examples=300)
def test_no_text_breaks_it(text: str) -> None:
    try:
        array = pa.array([text], pa.string())
    except UnicodeEncodeError:
        return
    read = read_values(array)
    assert read.refused[0] or not math.isinf(read.amount[0])
