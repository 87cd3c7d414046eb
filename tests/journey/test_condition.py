"""The language of ``enter`` and segments: what it reads, and how it says no."""

# ruff: noqa: E501  (rows of the tables of cases stay on one line)

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.errors import ExpressionError
from polku.journey.condition import EVERY, And, Atom, Condition, Not, Or, atoms, parse_condition

DAY = 86400
ORDER2 = Atom("count", ("order",), ">=", 2, 365 * DAY)

READ: list[tuple[str, Condition]] = [
    ("count(order) >= 2 within 365d", ORDER2),
    ("COUNT( order )>=2 WITHIN 365 d", ORDER2),
    ("count(order) ≥ 2 within 1y", ORDER2),
    ("count(order, counter_sale) > 0", Atom("count", ("order", "counter_sale"), ">", 0)),
    ("sum(order.value) > 500 within 3 months", Atom("sum", ("order",), ">", 500, 90 * DAY)),
    ("sum(order.value, sale.value) <= 2,5", Atom("sum", ("order", "sale"), "<=", 2.5)),
    ("sum(refund.value) < -10", Atom("sum", ("refund",), "<", -10)),
    ("days_since(order) >= 30", Atom("days_since", ("order",), ">=", 30)),
    ("count(*) = 0 within 12h", Atom("count", EVERY, "=", 0, 43200)),
    ("sum(*.value) != 0", Atom("sum", EVERY, "!=", 0)),
    ("count(a) == 1", Atom("count", ("a",), "=", 1)),
    ("count(a) <> 1", Atom("count", ("a",), "!=", 1)),
    (
        "count(a) > 1 and count(b) > 1 or not count(c) > 1",
        Or((And((Atom("count", ("a",), ">", 1), Atom("count", ("b",), ">", 1))), Not(Atom("count", ("c",), ">", 1)))),
    ),
    (
        "count(a) > 1 and (count(b) > 1 or count(c) > 1)",
        And((Atom("count", ("a",), ">", 1), Or((Atom("count", ("b",), ">", 1), Atom("count", ("c",), ">", 1))))),
    ),
    ("not not count(and) > 1", Not(Not(Atom("count", ("and",), ">", 1)))),
    ("count(within) > 1 within 2d\n  and count(value) < 3", And((Atom("count", ("within",), ">", 1, 2 * DAY), Atom("count", ("value",), "<", 3)))),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), READ)
def test_it_reads(text: str, expected: Condition) -> None:
    assert parse_condition(text) == expected


REFUSED = [
    ("", 1, "empty"),
    ("cont(order) > 1", 1, "'count'"),
    ("median(order) > 1", 1, "there are count, sum and days_since"),
    ("order > 1", 1, "there is no 'order'"),
    ("count order > 1", 7, "'('"),
    ("count(order > 1", 13, "')'"),
    ("count() > 1", 7, "missing"),
    ("count(order) 2", 14, "'>='"),
    ("count(order) >= x", 17, "number is missing"),
    ("count(order) >= 2 and", 22, "ends"),
    ("count(order) >= 2 count(b) > 1", 19, "'and'"),
    ("count(order) >= 2 within", 25, "duration"),
    ("count(order) >= 2 within soon", 26, "'soon'"),
    ("count(order) >= 2 within 3 parsecs", 26, "duration"),
    ("count(order) >= 2 within 0d", 26, "duration"),
    ("days_since(order) > 3 within 9d", 23, "no within"),
    ("sum(order) > 3", 5, "order.value"),
    ("sum(order.price) > 3", 10, "only .value"),
    ("count(order.value) > 3", 12, "without .value"),
    ("count(order) > 3 & count(b) > 1", 18, "'&'"),
    ("count(ordr) > 3", 7, "'order'"),
    ("count(order, zzz) > 3", 14, "'zzz'"),
    ("(" * 80, 51, "nested"),
    ("not " * 80, 201, "nested"),
]


@pytest.mark.parametrize(("text", "column", "said"), REFUSED)
def test_it_says_what_is_wrong_and_where(text: str, column: int, said: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_condition(text, ["order", "cart", "b"])
    assert said in str(caught.value)
    assert caught.value.facts["column"] == column
    assert caught.value.text("fi") != str(caught.value)


def test_a_star_is_every_touchpoint_of_the_map() -> None:
    (atom,) = atoms(parse_condition("count(*) > 3", ["a", "b"]))
    assert atom.touchpoints == ("a", "b")


def test_names_know_where_they_stand() -> None:
    found = list(atoms(parse_condition("count(a, bb) > 1 and sum(c.value) > 2")))
    assert [a.columns for a in found] == [(7, 10), (26,)]


@settings(deadline=None, max_examples=400)
@given(st.text(alphabet="countsumdayince_(),.*<>=! 0123wthradonv\n", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_condition(text)
    except ExpressionError as error:
        column = error.facts["column"]
    else:
        column = 1
    assert 1 <= column <= len(text) + 1


def written(condition: Condition) -> str:
    match condition:
        case Atom(function, names, operator, number, within):
            names_ = ", ".join(f"{n}.value" if function == "sum" else n for n in names)
            return f"{function}({names_}) {operator} {number}" + (f" within {within}s" if within else "")
        case Not(part):
            return f"not ({written(part)})"
        case And(parts):
            return " and ".join(f"({written(p)})" for p in parts)
        case Or(parts):
            return " or ".join(f"({written(p)})" for p in parts)


numbers = st.one_of(st.integers(-(10**6), 10**6).map(float), st.floats(0, 1e6).map(lambda x: round(x, 3)))
names = st.lists(st.sampled_from(["order", "cart", "and", "x_1"]), min_size=1, max_size=3).map(tuple)
leaves = st.one_of(
    st.builds(Atom, st.sampled_from(["count", "sum"]), names, st.sampled_from([">=", ">", "<=", "<", "=", "!="]), numbers, st.one_of(st.none(), st.integers(1, 10**8))),
    st.builds(Atom, st.just("days_since"), names, st.sampled_from([">=", "<"]), numbers),
)  # fmt: skip
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=200)
@given(conditions)
def test_what_is_written_is_read_back(condition: Condition) -> None:
    assert parse_condition(written(condition)) == condition
