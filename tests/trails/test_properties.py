"""Properties as columns of the trails: the same as looking each event up, whatever happened to the record."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import polku.trails.property_store as storing
import polku.trails.refresh as refreshing
from polku.errors import MeasureError
from polku.trails.layout import Trails
from polku.trails.people import trails_of
from polku.trails.properties import (
    Facts,
    StoredFacts,
    facts_of,
    name_of,
    place_of,
    properties_of,
    property_names,
    trait_of,
)
from polku.trails.property_store import PropertyStore
from polku.trails.property_values import Wordbook, names_of, values_of
from polku.trails.seqcodes import pages_of, seq_codes

from .maps import SHOP
from .record import MemoryRecord, row
from .test_refresh import USERS, World, open_
from .test_refresh import steps as happenings

PLACES = [("properties", "revenue"), ("properties", "path"), ("context", "page", "path"), ("properties", "nowhere")]


# -- the words of JSON -----------------------------------------------------------------------------------------------

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=4),
    st.sampled_from(['a"b', "a\\b", "ä", "€", "10", "10.0", "{", "]", "true", "\n"]),
)
objects = st.dictionaries(
    st.sampled_from(["a", "b", "ä", "a b"]),
    st.one_of(
        scalars, st.lists(scalars, max_size=2), st.dictionaries(st.sampled_from(["a", "c"]), scalars, max_size=2)
    ),
    max_size=4,
)


def word(value: Any) -> str:
    """A scalar as its word, in plain Python; "" when it is no value."""
    if value is None or isinstance(value, (list, dict)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def at(value: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


@settings(deadline=None, max_examples=150)
@given(rows=st.lists(st.one_of(st.none(), objects), max_size=12), ascii_only=st.booleans(), dictionary=st.booleans())
def test_words_are_those_of_json(rows: list[Any], ascii_only: bool, dictionary: bool) -> None:
    """Any JSON: escapes, nesting, numbers written in several ways, nulls; also as Arrow's dictionary."""
    texts = pa.array([None if r is None else json.dumps(r, ensure_ascii=ascii_only) for r in rows], pa.string())
    # Names with signs that JSON escapes are looked for as history writes them: in UTF-8.
    keys = [("a",), ("a", "c"), ("a b",), *([] if ascii_only else [("ä",)])]
    column = texts.dictionary_encode() if dictionary else texts
    found = values_of(pa.table({"properties": column}), [("properties", *k) for k in keys])
    for key, values in zip(keys, found, strict=True):
        words = ["", *values.words.to_pylist()]
        assert [words[c] for c in values.codes] == [word(at(r, key)) for r in rows]
    counted = names_of(pa.table({"event": ["e"] * len(rows), "properties": column}), ["properties"])
    for key in keys:
        many = sum(word(at(r, key)) != "" for r in rows)
        assert counted.get(("e", ("properties", *key)), 0) == many


@settings(deadline=None)
@given(batches=st.lists(st.lists(st.text(min_size=1, max_size=3), max_size=30), max_size=6))
def test_words_are_numbered_once(batches: list[list[str]]) -> None:
    book, numbers = Wordbook(), {}
    for batch in batches:
        codes = book.take(pa.array(batch, pa.large_string())).tolist()
        for w, code in zip(batch, codes, strict=True):
            assert numbers.setdefault(w, code) == code
    words = book.words().to_pylist()
    assert words == ["", *sorted(numbers, key=numbers.__getitem__)]
    assert Wordbook(book.words()).take(pa.array(words[1:], pa.large_string())).tolist() == list(range(1, len(words)))


def test_a_wordbook_grows() -> None:
    book = Wordbook()
    many = pa.array([f"w{i}" for i in range(5000)], pa.large_string())
    assert book.take(many.slice(0, 3000)).tolist() == list(range(1, 3001))
    assert book.take(many).tolist() == list(range(1, 5001))


@settings(deadline=None)
@given(
    seqs=st.sets(st.one_of(st.integers(0, 300), st.integers(10**9, 10**9 + 50)), max_size=40), bits=st.integers(0, 7)
)
def test_codes_are_found_by_seq(seqs: set[int], bits: int) -> None:
    known = np.array(sorted(seqs), np.int64)
    codes = seq_codes(pages_of([known], bits), bits)
    local = (np.arange(len(known)) % 3).astype(np.uint32)
    codes.place(known, local, np.array([0, 7, 9], np.uint32))
    asked = np.array([*range(0, 310), 10**9 - 1, *range(10**9, 10**9 + 60)], np.int64)
    out = np.zeros(len(asked), np.uint32)
    codes.gather(asked - 5, 5, out)
    expected = {int(s): [0, 7, 9][c] for s, c in zip(known, local, strict=True)}
    assert out.tolist() == [expected.get(int(s), 0) for s in asked]
    there, kept = codes.present()
    assert dict(zip(there.tolist(), kept.tolist(), strict=True)) == {s: c for s, c in expected.items() if c}


# -- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("event", ("event",)),
        ("properties.a.b", ("properties", "a", "b")),
        ('properties."a.b"', ("properties", "a.b")),
        ("traits.city", ("context", "traits", "city")),
    ],
)
def test_names_are_those_of_where(name: str, place: tuple[str, ...]) -> None:
    assert place_of(name) == place
    assert name_of(place) == name


@pytest.mark.parametrize(
    ("name", "guess"), [("product_id", "properties.product_id"), ("propertie", "properties"), ("", None),
                        ("properties.", None), ('properties."a', None), ("event.x", None)]
)  # fmt: skip
def test_other_names_are_refused(name: str, guess: str | None) -> None:
    with pytest.raises(MeasureError, match="is no name of a property") as told:
        place_of(name)
    if guess is not None:
        assert told.value.facts["nearest"] == guess


# -- beside the layers of a project ----------------------------------------------------------------------------------


def facts(record: MemoryRecord, folder: Path, trails: Trails) -> StoredFacts:
    return StoredFacts(trails.layers, trails.position or {}, lambda _: PropertyStore(folder, record, threads=2))


def looked_up(trails: Trails, source: Facts, names: list[str]) -> dict[int, dict[str, str]]:
    """seq -> the word of each property, for every unmasked event; names that no event has are left out."""
    out: dict[int, dict[str, str]] = {}
    for name in names:
        try:
            found = properties_of(trails, [name], source)[0]
        except MeasureError:
            continue
        for bucket, codes in zip([b for b in trails.buckets if b.customers], found.codes, strict=True):
            assert len(codes) == bucket.events
            assert bucket.seq is not None
            for i in range(bucket.customers):
                if bucket.masked is not None and bucket.masked[i]:
                    continue
                for k in range(int(bucket.offsets[i]), int(bucket.offsets[i + 1])):
                    word = found.words[int(codes[k])]
                    out.setdefault(int(bucket.seq[k]) + bucket.seq_base, {})[name] = word
    return out


def expected(record: MemoryRecord, names: list[str]) -> dict[int, dict[str, str]]:
    out = {}
    for r in record.all:
        if r["user_id"] is not None:
            told = {"source": r["source"], **{k: json.loads(r[k] or "{}") for k in ("properties", "context")}}
            out[r["seq"]] = {n: word(at(told, place_of(n))) for n in names}
    return out


def compared(record: MemoryRecord, folder: Path, names: list[str]) -> None:
    trails = open_(record, folder)
    found, wanted = looked_up(trails, facts(record, folder, trails), names), expected(record, names)
    for seq, told in wanted.items():
        assert {n: w for n, w in told.items() if w} == {n: w for n, w in found.get(seq, {}).items() if w}
    counted: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for r in record.all:
        for name in names:
            place = place_of(name)
            if place[0] != "source" and word(at(json.loads(r[place[0]] or "{}"), place[1:])):
                counted[r["event"], place] += 1
    told_names = facts(record, folder, trails).names(None)
    assert {k: v for k, v in told_names.items() if k in counted} == dict(counted)


NAMES = ["properties.revenue", "properties.path", "context.page.path", "source", "properties.final"]


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=st.lists(
        st.one_of(*[st.sampled_from([("look", 0), ("look", 1)]), happenings.map(lambda s: s[0] if s else ("look", 2))]),
        max_size=14,
    ),
    fold=st.sampled_from([0.0, 0.3, 1e9]),
)
def test_whatever_happens_properties_are_the_events_own(steps: list[tuple[str, Any]], fold: float) -> None:
    """Merges, undos, erasures, late events; asked for at any moment, in layers folded always, sometimes and never."""
    before, refreshing.FOLD = refreshing.FOLD, fold
    try:
        with TemporaryDirectory() as where:
            world, folder = World(), Path(where)
            for what, with_ in steps:
                if what == "look":
                    compared(world.record, folder, NAMES[: 1 + 2 * with_])
                elif what == "refresh":
                    open_(world.record, folder)
                elif what == "log gone":
                    world.record.log_gone = True
                    open_(world.record, folder)
                    world.record.log_gone = False
                else:
                    world.do(what, with_)
            compared(world.record, folder, NAMES)
    finally:
        refreshing.FOLD = before


def some(first: int, users: list[str], **properties: Any) -> list[dict[str, Any]]:
    return [row(first + i, u, 1000 + first + i, "Product Viewed", properties=properties) for i, u in enumerate(users)]


def test_history_is_read_once_for_several_and_never_again(tmp_path: Path) -> None:
    record = MemoryRecord()
    record.add(some(1, USERS, product_id="p1", price=2.5))
    trails = open_(record, tmp_path)
    source = facts(record, tmp_path, trails)
    before = record.wholes
    one, two = properties_of(trails, ["properties.product_id", "properties.price"], source)
    assert (list(one.words), list(two.words)) == (["", "p1"], ["", "2.5"])
    assert record.wholes == before + 1
    record.add(some(50, USERS[:2], product_id="p2"))
    record.merge(USERS[0], USERS[1])
    trails = open_(record, tmp_path)
    source = facts(record, tmp_path, trails)
    found = properties_of(trails, ["properties.product_id"], source)[0]
    assert list(found.words) == ["", "p1", "p2"]
    assert record.wholes == before + 1
    assert [n.name for n in property_names(source)] == ["properties.product_id", "properties.price"]
    assert property_names(source)[0].count == 8
    assert record.wholes == before + 2  # once for the names


def test_news_are_kept_in_few_files(tmp_path: Path) -> None:
    record = MemoryRecord()
    record.add(some(1, USERS, x="a"))
    for k in range(1, 30):
        record.add(some(100 * k, USERS[:3], x=f"x{k % 5}"))
        trails = open_(record, tmp_path)
        properties_of(trails, ["properties.x"], facts(record, tmp_path, trails))
    folder = PropertyStore(tmp_path, record).folder_of(("properties", "x"))
    assert len(list(folder.glob("codes-*[0-9].npy"))) < 8
    assert len(list(folder.glob("words-*"))) == 1
    compared(record, tmp_path, ["properties.x"])


def test_the_words_of_the_erased_are_gone(tmp_path: Path) -> None:
    record = MemoryRecord()
    record.add([*some(1, USERS[:2], x="kept"), row(9, "u5", 5000, "Product Viewed", properties={"x": "her secret"})])
    trails = open_(record, tmp_path)
    assert "her secret" in properties_of(trails, ["properties.x"], facts(record, tmp_path, trails))[0].words
    record.erase("u5")
    trails = open_(record, tmp_path)
    left = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert b"her secret" not in left
    assert list(properties_of(trails, ["properties.x"], facts(record, tmp_path, trails))[0].words) == ["", "kept"]


def test_files_cut_short_or_of_another_version_are_made_again(tmp_path: Path) -> None:
    record = MemoryRecord()
    record.add(some(1, USERS, x="a"))
    trails = open_(record, tmp_path)
    source = facts(record, tmp_path, trails)
    properties_of(trails, ["properties.x"], source)
    folder = PropertyStore(tmp_path, record).folder_of(("properties", "x"))
    column = next(folder.glob("L*.npy"))
    for spoilt in (column, folder / "told.json", next(folder.glob("words-*"))):
        before = spoilt.read_bytes()
        spoilt.write_bytes(before[: len(before) // 2])
        assert properties_of(trails, ["properties.x"], source)[0].counts().tolist() == [0, 6]


def test_what_no_event_has_is_told_with_what_they_have(tmp_path: Path) -> None:
    record = MemoryRecord()
    record.add(some(1, USERS, product_id="p1"))
    trails = open_(record, tmp_path)
    with pytest.raises(MeasureError, match=r"→ properties.product_id\? Seen so far: properties.product_id"):
        properties_of(trails, ["properties.prodct_id"], facts(record, tmp_path, trails))


def test_too_many_different_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "MOST_WORDS", 3)
    record = MemoryRecord()
    record.add([row(i, "u1", i, "e", properties={"x": f"v{i}"}) for i in range(1, 6)])
    trails = open_(record, tmp_path)
    with pytest.raises(MeasureError, match="more than 3 different values"):
        properties_of(trails, ["properties.x"], facts(record, tmp_path, trails))


# -- in memory -------------------------------------------------------------------------------------------------------


def test_people_have_properties() -> None:
    """Names, kinds and numbers by hand."""
    trails = trails_of(
        SHOP,
        {
            "anna": [
                (
                    "2026-01-01 10:00",
                    "Product Added",
                    {"properties": {"n": 2.0, "ok": True}, "value": 5, "source": "shop"},
                ),
                ("2026-01-01 09:00", "page", {"path": "/", "context": {"traits": {"city": "Oulu"}}, "channel": "web"}),
                ("2026-01-01 11:00", "page", {"path": "/b", "context": {"traits": {"city": "Turku"}}}),
            ],
            "bo": [("2026-01-01 10:30", "page", {"path": "/", "properties": {"n": "1e1", "l": [1]}})],
        },
    )
    source = facts_of(trails)

    def words(name: str) -> list[list[str]]:
        found = properties_of(trails, [name], source)[0]
        return [[found.words[int(c)] for c in codes] for codes in found.codes]

    assert words("properties.n") == [["", "2", "", "1e1"]]
    assert words("properties.ok") == [["", "true", "", ""]]
    assert words("event") == [["page", "Product Added", "page", "page"]]
    assert words("value") == [["", "5", "", ""]]
    assert words("source") == [["", "shop", "", ""]]
    assert words("channel") == [["web", "", "", ""]]
    assert words("context.page.path") == [["/", "", "/b", "/"]]
    assert words("traits.city") == [["Oulu", "", "Turku", ""]]
    numbers = properties_of(trails, ["properties.n"], source)[0].numbers()[0]
    assert numbers[[1, 3]].tolist() == [2.0, 10.0]
    assert np.isnan(numbers[[0, 2]]).all()
    city = trait_of(trails, "city", None, source)
    assert [city.words[int(c)] for c in city.codes[0]] == ["Turku", ""]


def test_traits_of_profiles() -> None:
    trails = trails_of(SHOP, {u: [("2026-01-01", "page")] for u in ("anna", "bo", "cy")})
    profiles = pa.table({"customer": [3, 1], "traits": ['{"age": 30, "city": "Oulu"}', '{"city": "Oulu"}']})
    city = trait_of(trails, "traits.city", profiles, None)
    assert [city.words[int(c)] for c in city.codes[0]] == ["Oulu", "", "Oulu"]
    assert trait_of(trails, "age", profiles, None).numbers()[0][2] == 30
    with pytest.raises(MeasureError, match=r"no customer has the trait|No customer.*traits.city\?.*traits.age"):
        trait_of(trails, "citty", profiles, None)
