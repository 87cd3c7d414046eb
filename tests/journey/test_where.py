"""One table of cases, and every engine that runs a ``where`` gives the same answer: true, false or null."""

# ruff: noqa: E501  (rows of the tables of cases stay on one line)

import json
import math
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polku.errors import ExpressionError
from polku.journey.where import parse_where
from polku.journey.where_closure import lower, upper

T, F, N = True, False, None


def p(**properties: Any) -> dict[str, Any]:
    return {"properties": properties}


def c(**context: Any) -> dict[str, Any]:
    return {"context": context}


CASES: list[tuple[dict[str, Any], str, bool | None]] = [
    # columns
    ({"event": "page"}, "event = 'page'", T),
    ({"event": "page"}, "event = 'Page'", F),
    ({"event": "page"}, "event != 'page'", F),
    ({"event": "page"}, "event <> 'cart'", T),
    ({}, "event = 'page'", N),
    ({"channel": None}, "channel = 'web'", N),
    ({"channel": None}, "channel is null", T),
    ({"source": "shop"}, "source is not null", T),
    ({"value": 10}, "value >= 10", T),
    ({"value": 9.99}, "10 <= value", F),
    ({"value": None}, "value > 0 or value <= 0", N),
    ({"event": "it's"}, "event = 'it''s'", T),
    ({"event": 'say "x"; drop table events --'}, "event = 'say \"x\"; drop table events --'", T),
    ({"event": "Öljy \U0001f600"}, "event = 'Öljy \U0001f600'", T),
    ({"event": "back\\slash"}, "event = 'back\\slash'", T),
    # a JSON number is a number, a text is a text
    (p(price=10), "properties.price > 9", T),
    (p(price="10"), "properties.price > 9", N),
    (p(price="10"), "properties.price > '9'", F),
    (p(price="10"), "properties.price::number > 9", T),
    (p(price="10"), "cast(properties.price as number) > 9", T),
    (p(price=10), "properties.price = '10'", N),
    (p(price=10), "properties.price != '10'", N),
    (p(price=10), "properties.price::text = '10'", T),
    (p(price=10.0), "properties.price = 10", T),
    (p(price=-0.5), "properties.price = -0.5", T),
    (p(price=9007199254740993), "properties.price = 9007199254740992", T),
    (p(price=10**30), "properties.price > 1e29", T),
    (p(price=1e-7), "properties.price < 0.000001", T),
    # booleans
    (p(new=True), "properties.new = true", T),
    (p(new=True), "properties.new", T),
    (p(new=False), "not properties.new", T),
    (p(new="true"), "properties.new", N),
    (p(new="true"), "properties.new = true", N),
    (p(new="True"), "properties.new::boolean", T),
    (p(new=1), "properties.new = true", N),
    (p(new=1), "properties.new::boolean", T),
    (p(new=2), "properties.new::boolean", N),
    (p(new=True), "properties.new = 1", N),
    (p(new=True), "properties.new::number = 1", T),
    (p(new=False), "properties.new::text = 'false'", T),
    (p(new=False), "properties.new < true", T),
    # missing, null, objects
    ({}, "properties.x = 1", N),
    (p(), "properties.x = 1", N),
    (p(x=None), "properties.x = 1", N),
    (p(x=None), "properties.x is null", T),
    (p(), "properties.x is null", T),
    (p(x=0), "properties.x is null", F),
    (p(x=""), "properties.x is null", F),
    (p(x=""), "properties.x = ''", T),
    (p(x={}), "properties.x is null", F),
    (p(x=[1]), "properties.x = 1", N),
    (p(x={"y": 1}), "properties.x = 1", N),
    (p(x={"y": 1}), "properties.x::text is null", T),
    (p(x={"y": {"z": "deep"}}), "properties.x.y.z = 'deep'", T),
    (p(x="flat"), "properties.x.y = 'deep'", N),
    (p(x=[{"y": 1}]), "properties.x.y = 1", N),
    ({"properties": None}, "properties.x is null", T),
    # names
    ({"properties": {"utm-source": "a"}}, "properties.\"utm-source\" = 'a'", T),
    ({"properties": {"with.dot": "a"}}, "properties.\"with.dot\" = 'a'", T),
    ({"properties": {"koko nimi": "ä"}}, "properties.\"koko nimi\" = 'ä'", T),
    ({"properties": {"it's": 1}}, 'properties."it\'s" = 1', T),
    ({"properties": {"0": 1}}, 'properties."0" = 1', T),
    ({"properties": {"$x": 1}}, 'properties."$x" = 1', T),
    ({"properties": {"#": 1, "a[0]": 2}}, 'properties."#" = 1 and properties."a[0]" = 2', T),
    (p(Size="M"), "properties.Size = 'M'", T),
    (p(size="M"), "properties.Size = 'M'", N),
    (p(order=1, group=2, end=3, date="d"), "properties.order = 1 and properties.group = 2 and properties.date = 'd'", T),
    ({"properties": {"select": 1}}, 'properties."select" = 1', T),
    # context and traits
    (c(campaign={"source": "instagram"}), "context.campaign.source = 'instagram'", T),
    (c(campaign={"source": "Instagram"}), "lower(context.campaign.source) in ('instagram', 'facebook')", T),
    (c(campaign=None), "context.campaign.source = 'instagram'", N),
    (c(traits={"segment": "fashion"}), "traits.segment = 'fashion'", T),
    (c(traits={"address": {"city": "Oulu"}}), "traits.address.city = 'Oulu'", T),
    (c(traits={}), "traits.segment = 'fashion'", N),
    # and, or, not: three-valued
    (p(a=1), "properties.a = 1 and properties.b = 1", N),
    (p(a=2), "properties.a = 1 and properties.b = 1", F),
    (p(a=1), "properties.a = 1 or properties.b = 1", T),
    (p(a=2), "properties.a = 1 or properties.b = 1", N),
    (p(), "not properties.b = 1", N),
    (p(a=1), "not (properties.a = 1 and properties.a = 2)", T),
    (p(a=1, b=2), "properties.a = 1 and properties.b = 2 or properties.c = 3", T),
    # in, between
    (p(s="M"), "properties.s in ('S', 'M')", T),
    (p(s="L"), "properties.s in ('S', 'M')", F),
    (p(s="L"), "properties.s not in ('S', 'M')", T),
    (p(), "properties.s not in ('S', 'M')", N),
    (p(s=1), "properties.s in ('S', 1)", T),
    (p(s=2), "properties.s in ('S', 1)", N),
    (p(s=5), "properties.s between 5 and 6", T),
    (p(s=7), "properties.s not between 5 and 6", T),
    (p(s="5"), "properties.s between 5 and 6", N),
    (p(s="b"), "properties.s between 'a' and 'c'", T),
    # like
    (p(s="summer dress"), "properties.s like 'summer%'", T),
    (p(s="Summer dress"), "properties.s like 'summer%'", F),
    (p(s="SUMMER ÄÖ"), "properties.s ilike 'summer äö'", T),
    (p(s="ä"), "properties.s like '_'", T),
    (p(s="\U0001f600"), "properties.s like '_'", T),
    (p(s="a\nb"), "properties.s like 'a%b'", T),
    (p(s="a.b"), "properties.s like 'a_b'", T),
    (p(s="axb"), "properties.s like 'a.b'", F),
    (p(s="50%"), "properties.s like '50%'", T),
    (p(s="[x]*"), "properties.s like '[x]*'", T),
    (p(s="abc"), "properties.s not like '%b%'", F),
    (p(s="abc"), "properties.s not ilike '%Q%'", T),
    (p(s=5), "properties.s like '5'", N),
    (p(s=5), "properties.s::text like '5'", T),
    (p(), "properties.s not like '5'", N),
    (p(s="İstanbul"), "properties.s ilike 'istanbul'", T),
    (p(s="it's"), "properties.s like 'it''s%'", T),
    # lower, upper
    (p(s="ÄÖÅ"), "lower(properties.s) = 'äöå'", T),
    (p(s="straße"), "upper(properties.s) = 'STRAẞE'", T),
    (p(s="ΣΑΣ"), "lower(properties.s) = 'σασ'", T),
    (p(s=5), "lower(properties.s) = '5'", N),
    (p(s=5), "lower(properties.s::text) = '5'", T),
    # casts to number and text
    (p(s=" 12.50 "), "properties.s::number = 12.5", T),
    (p(s="1e3"), "properties.s::number = 1000", T),
    (p(s="1_000"), "properties.s::number is null", T),
    (p(s="12,5"), "properties.s::number is null", T),
    (p(s="inf"), "properties.s::number is null", T),
    (p(s="nan"), "properties.s::number is null", T),
    (p(s="1e999"), "properties.s::number > 1e308", T),
    (p(s=float("-inf")), "properties.s < -1e308", T),
    (p(s=10**400), "properties.s = properties.t::number", N),
    (p(s="-1e999", t=1), "properties.s::number < properties.t", T),
    (p(s=""), "properties.s::number is null", T),
    (p(s="٣"), "properties.s::number is null", T),
    (p(s=None), "properties.s::number is null", T),
    (p(s=[1]), "properties.s::number is null", T),
    (p(s=10.5), "properties.s::text = '10.5'", T),
    (p(s=1e20), "properties.s::text = '1e+20'", T),
    (p(s=10.0), "properties.s::text = '10'", T),
    ({"value": 20.0}, "value::text like '2%'", T),
    (p(s="7"), "properties.s::number::text = '7'", T),
    # moments
    (p(d="2026-12-24"), "properties.d::timestamp < '2026-12-25'", T),
    (p(d="2026-12-24T18:00:00+02:00"), "properties.d::timestamp = '2026-12-24T16:00:00Z'", T),
    (p(d="2026-12-24 18:00"), "properties.d::timestamp = timestamp '2026-12-24 18:00:00'", T),
    (p(d="2026-12-24T18:00:00.25-0530"), "properties.d::timestamp = '2026-12-24T23:30:00.250000'", T),
    (p(d="2026-02-30"), "properties.d::timestamp is null", T),
    (p(d="24.12.2026"), "properties.d::timestamp is null", T),
    (p(d="2026-12-24T24:00"), "properties.d::timestamp is null", T),
    (p(d=1700000000), "properties.d::timestamp is null", T),
    (p(d="2026-01-02", e="2026-01-03"), "properties.d::timestamp < properties.e::timestamp", T),
    # two fields
    (p(a=1, b=1.0), "properties.a = properties.b", T),
    (p(a="1", b=1), "properties.a = properties.b", N),
    (p(a="x", b="y"), "properties.a < properties.b", T),
    (p(a=True, b=False), "properties.a > properties.b", T),
    (p(a=None, b=None), "properties.a = properties.b", N),
    (p(a=[1], b=[1]), "properties.a = properties.b", N),
    ({"event": "a", "source": "a"}, "event = source", T),
    ({"event": "a", "properties": {"x": "a"}}, "properties.x = event", T),
    ({"value": 3, "properties": {"x": 2}}, "properties.x < value", T),
    # code points, not the alphabet
    (p(a="Z"), "properties.a < 'a'", T),
    (p(a="ä"), "properties.a > 'z'", T),
    ({}, "1 = 1", T),
    ({}, "true", T),
    ({}, "'b' > 'a' and not false", T),
]  # fmt: skip

COLUMNS = "event VARCHAR, source VARCHAR, channel VARCHAR, value DOUBLE, properties VARCHAR, context VARCHAR"


def as_json(value: Any) -> str | None:
    """JSON has no word for infinity, but numbers that are too large."""
    return None if value is None else json.dumps(value).replace("-Infinity", "-1e400")


def in_duckdb(events: list[dict[str, Any]], expressions: list[str]) -> list[bool | None]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'Asia/Tokyo'")  # the reader's zone must not matter
        connection.execute(f"CREATE TABLE h ({COLUMNS})")
        answers = []
        for event, expression in zip(events, expressions, strict=True):
            row = [event.get(n) for n in ("event", "source", "channel", "value")]
            row += [as_json(event.get(n)) for n in ("properties", "context")]
            connection.execute("DELETE FROM h")
            connection.execute("INSERT INTO h VALUES (?, ?, ?, ?, ?, ?)", row)
            found = connection.execute(f"SELECT {parse_where(expression).to_duckdb()} FROM h").fetchone()
            assert found is not None
            answers.append(found[0])
        return answers


@pytest.mark.parametrize(("event", "expression", "expected"), CASES)
def test_the_closure_gives_the_table(event: dict[str, Any], expression: str, expected: bool | None) -> None:
    assert parse_where(expression).compile()(event) is expected


def test_duckdb_gives_the_table() -> None:
    answers = in_duckdb([e for e, _, _ in CASES], [x for _, x, _ in CASES])
    wrong = [(case, answer) for case, answer in zip(CASES, answers, strict=True) if answer is not case[2]]
    assert not wrong


def test_traits_of_profiles_stand_in_a_column_of_their_own() -> None:
    where = parse_where("traits.segment = 'vip'")
    assert where.compile()({"traits": {"segment": "vip"}}) is True
    with duckdb.connect() as connection:
        sql = where.to_duckdb({"traits": "p.traits"})
        found = connection.execute(f'SELECT {sql} FROM (SELECT \'{{"segment": "vip"}}\'::JSON AS traits) p').fetchone()
    assert found == (True,)


REFUSED = [
    ("", "empty", 1),
    ("evnt = 'x'", "'event'", 1),
    ("event = 'x' and siz = 1", "properties.siz", 17),
    ('event = "Order Completed"', "single quotes", 9),
    ("context = 'x'", "holds many", 1),
    ("event.x = 'x'", "no parts", 1),
    ("event = 5", "text is compared with a number", 1),
    ("'10' > 9", "text is compared with a number", 1),
    ("value = 'x'", "number is compared with a text", 1),
    ("event = null", "is null", 1),
    ("event in ('a', null)", "is null", 1),
    ("event", "not a condition", 1),
    ("value like '1%'", "needs a text", 1),
    ("properties.a::int = 1", "no kind 'int'", 1),
    ("properties.a::date = '2026-01-01'", "no kind 'date'", 1),
    ("properties.a::timestamp > 5", "timestamp is compared with a number", 1),
    ("properties.a::timestamp > properties.b", "::timestamp", 1),
    ("properties.a::timestamp > 'soon'", "not a moment", 27),
    ("value::timestamp > '2026-01-01'", "cannot be cast", 1),
    ("now() > 1", "now", 1),
    ("event = 'a' union select 1", "not part of where", 1),
    ("(event = 'a') is null", "not part of where", 2),
    ("event in (select 1)", "list", 1),
    ("properties['a'] = 1", "dots", 1),
    ("properties.a-b = 1", "double quotes", 1),
    ("properties.* = 1", "names and dots", 1),
    ('properties."*" = 1', "cannot be the name", 1),
    ("value + 1 = 2", "not part of where", 1),
    ("event like 'a' escape 'b'", "not part of where", 1),
    ("event = 'a'; drop table x", "without ;", 12),
    ("event = 'a", "quotation mark", 9),
    ("event = ", "read at '='", 7),
    ("properties.select = 1", "double quotes", 12),
    ("(" * 5000, "longer than", 4001),
    ("(" * 100, "nested", 41),
    ("not " * 500 + "true", "nested", 1),
    ("value = 1e999", "too large", 9),
    ("properties.a::text::number::text::number = 1", "too many", 1),
]


@pytest.mark.parametrize(("text", "said", "column"), REFUSED)
def test_what_is_not_listed_is_refused_with_its_place(text: str, said: str, column: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_where(text)
    assert said in str(caught.value)
    assert caught.value.facts["column"] == column
    assert caught.value.text("fi")


def test_fields_know_where_they_stand() -> None:
    fields = parse_where("event = 'x' and (context.campaign.source = 'y' or lower(traits.city) = 'z')").fields
    assert [(f.path, f.column) for f in fields] == [
        (("event",), 1),
        (("context", "campaign", "source"), 18),
        (("traits", "city"), 57),
    ]


def test_a_where_is_a_value() -> None:
    assert parse_where("event = 'x'") == parse_where("event = 'x'")
    assert hash(parse_where("event = 'x'")) == hash(parse_where("event = 'x'"))


def test_letters_change_as_in_duckdb() -> None:
    letters = "".join(chr(i) for i in range(1, 0x2000) if chr(i).isalpha())
    with duckdb.connect() as connection:
        found = connection.execute("SELECT lower(?), upper(?)", [letters, letters]).fetchone()
    assert found == (lower(letters), upper(letters))


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
    st.sampled_from(["1", " 2.5", "true", "FALSE", "2026-01-01", "2026-01-01T10:00+02", "%", "_", "'"]),
    st.just([1]),
    st.just({"y": 1}),
)
SHAPES = [
    "properties.a {op} {literal}", "properties.a {op} properties.b", "properties.a::number {op} 1.5",
    "properties.a::text {op} {text}", "properties.a::boolean {op} true", "properties.a::timestamp {op} '2026-01-01 08:00'",
    "properties.a::number::text {op} properties.b::text", "properties.a like {text} or properties.b ilike {text}",
    "not (properties.a in ({literal}, {text}) and properties.b between 0 and 5)", "lower(properties.a) {op} lower(properties.b::text)",
    "properties.a is null or properties.b {op} {literal}",
]  # fmt: skip


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(values, values), min_size=1, max_size=8), st.data())
def test_closure_and_duckdb_agree_on_anything(pairs: list[tuple[Any, Any]], data: st.DataObject) -> None:
    text = "'" + data.draw(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)).replace("'", "''") + "'"  # fmt: skip
    number = data.draw(st.floats(-1e6, 1e6).filter(math.isfinite))
    expression = data.draw(st.sampled_from(SHAPES)).format(
        op=data.draw(st.sampled_from(["=", "!=", "<", "<=", ">", ">="])),
        literal=data.draw(st.sampled_from([text, repr(number), "true", "0"])),
        text=text,
    )
    events = [p(a=a, b=b) for a, b in pairs]
    meets = parse_where(expression).compile()
    assert [meets(e) for e in events] == in_duckdb(events, [expression] * len(events))


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="eventprois.='()<>\" %:;-1 ndorlik\n", max_size=60))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        parse_where(text)
    except ExpressionError as error:
        column = error.facts["column"]
    else:
        column = 1
    assert 1 <= column <= len(text) + 1
