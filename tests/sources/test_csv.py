"""CSV files as they are found in the world: how each is read, and which of its lines are refused."""

# ruff: noqa: E501 - a table reads better in one line a case
from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from polku.errors import SourceError
from polku.events.refusals import Refusal
from polku.sources.csv import CsvSource, guess_delimiter, looks_like_header, unique_names
from polku.sources.files import find_encoding
from polku.sources.scan import scan

Write = Callable[..., Path]


def rows_of(
    path: Path, compression: str | None = None, **asked: str
) -> tuple[list[tuple[int, list[str | None]]], list[tuple[int, Refusal]]]:
    """(line, cells) of the rows and (line, reason) of the lines that are none."""
    rows, bad = [], []
    source = CsvSource(path, compression, **asked)
    for batch in source.batches(source.columns, block=64):
        cells = zip(*(c.to_pylist() for c in batch.columns.values()), strict=True)
        rows += list(zip(batch.lines.tolist(), map(list, cells), strict=True))
        bad += [(b.line, b.reason) for b in batch.bad]
    return rows, bad


HEAD = "a,b\n"
NASTY: list[tuple[str, bytes, list[tuple[int, list[str | None]]], list[tuple[int, Refusal]]]] = [
    ("plain", b"a,b\n1x,2\n3,4\n", [(2, ["1x", "2"]), (3, ["3", "4"])], []),
    ("no end of line", b"a,b\n1x,2", [(2, ["1x", "2"])], []),
    ("windows", b"a,b\r\n1x,2\r\n3,4\r\n", [(2, ["1x", "2"]), (3, ["3", "4"])], []),
    ("old mac", b"a,b\r1x,2\r3,4", [(2, ["1x", "2"]), (3, ["3", "4"])], []),
    ("mark", b"\xef\xbb\xbfa,b\n\xc3\xa4,2\n", [(2, ["ä", "2"])], []),
    ("empty lines", b"\n\na,b\n\n1x,2\n\n\n3,4\n\n", [(5, ["1x", "2"]), (8, ["3", "4"])], []),
    ("empty cells", b'a,b\n,2\n"",x\n', [(2, [None, "2"]), (3, [None, "x"])], []),
    ("truncated", b"a,b,c\nx,y,z\nx,y", [(2, ["x", "y", "z"])], [(3, Refusal.TRUNCATED)]),
    ("too few", b"a,b,c\nx,y\nx,y,z\n", [(3, ["x", "y", "z"])], [(2, Refusal.TOO_FEW_COLUMNS)]),
    ("too many", b"a,b\nx,y,z\nx,y\n", [(3, ["x", "y"])], [(2, Refusal.TOO_MANY_COLUMNS)]),
    ("quoted", b'a,b\n"x,""y""",2\n', [(2, ['x,"y"', "2"])], []),
    ("quote inside", b'a,b\n5" nail,2\n', [(2, ['5" nail', "2"])], []),
    ("lines in a cell", b'a,b\n"x\ny\n",2\n3,4\n', [(2, ["x\ny\n", "2"]), (5, ["3", "4"])], []),
    ("open quote", b'a,b\n"x,2\n3,4\n5,6\n', [(3, ["3", "4"]), (4, ["5", "6"])], [(2, Refusal.OPEN_QUOTE)]),
    ("open quote at the end", b'a,b\n3,4\n"x,2', [(2, ["3", "4"])], [(3, Refusal.TRUNCATED)]),
    ("two open quotes", b'a,b\n"x,2\n3,4\n"y,6\n7,8\n', [(3, ["3", "4"]), (5, ["7", "8"])], [(2, Refusal.OPEN_QUOTE), (4, Refusal.OPEN_QUOTE)]),
    ("nul", b"a,b\nx\0,2\n3,4\n", [(3, ["3", "4"])], [(2, Refusal.NUL_BYTES)]),
    ("one bad byte", b"a,b\n\xc3\xa4,\xc3\xb6\n\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4,1\nx\xe4,2\n3,4\n", [(2, ["ä", "ö"]), (3, ["ä" * 10, "1"]), (5, ["3", "4"])], [(4, Refusal.BAD_ENCODING)]),
    ("excel", b"sep=;\r\na;b\r\nx;2\r\n", [(3, ["x", "2"])], []),
    ("only a header", b"a,b\n", [], []),
    ("only a header, no end", b"a,b", [], []),
]  # fmt: skip


@pytest.mark.parametrize(("content", "rows", "bad"), [case[1:] for case in NASTY], ids=[case[0] for case in NASTY])
def test_nasty(write: Write, content: bytes, rows: object, bad: object) -> None:
    assert rows_of(write("f.csv", content)) == (rows, bad)


@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("cp1252", "cp1252"),
        ("utf-16", "utf-16-le"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
    ],
)
def test_encodings(write: Write, encoding: str, found: str) -> None:
    text = "asiakas;määrä\nÄiti;5 €\nYrjö;6\n"
    path = write("f.csv", text.encode(encoding))
    assert find_encoding(path, None) == found
    assert rows_of(path) == ([(2, ["Äiti", "5 €"]), (3, ["Yrjö", "6"])], [])


def test_an_encoding_that_is_asked_for(write: Write) -> None:
    path = write("f.csv", "a,b\nŠ,2\n".encode("iso-8859-15"))
    assert rows_of(path, encoding="iso-8859-15") == ([(2, ["Š", "2"])], [])
    with pytest.raises(SourceError, match="There is no encoding 'utf-99'"):
        CsvSource(path, None, "utf-99")


def test_packed(write: Write) -> None:
    path = write("f.csv.gz", gzip.compress(b"a,b\nx,2\n"))
    assert rows_of(path, "gzip") == ([(2, ["x", "2"])], [])
    cut = write("g.csv.gz", gzip.compress(b"a,b\nx,2\n" * 9999)[:-20])
    with pytest.raises(SourceError, match="cannot be unpacked to its end"):
        rows_of(cut, "gzip")


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a;b\n1,5;2\n", ";"),
        ("a,b\n1,2\n", ","),
        ("a\tb\n1,5\t2\n", "\t"),
        ("a|b\n1|2\n", "|"),
        ("a\n1\n", ","),
        ('"a;x",b\n"1;2",3\n', ","),
    ],
)
def test_delimiters(text: str, delimiter: str) -> None:
    assert guess_delimiter(text) == delimiter


def test_a_delimiter_that_is_asked_for(write: Write) -> None:
    path = write("f.txt", "a#b\nx#2\n")
    assert rows_of(path, delimiter="#") == ([(2, ["x", "2"])], [])
    tabs = write("t.txt", "a\tb\nx\t2\n")
    assert rows_of(tabs, delimiter="tab") == ([(2, ["x", "2"])], [])
    with pytest.raises(SourceError, match="is not one character"):
        CsvSource(path, None, None, "##")


def test_headers() -> None:
    assert looks_like_header(["user_id", "time"])
    assert not looks_like_header(["u1", "2026-01-01 10:00"])
    assert not looks_like_header(["u1", "12,50"])
    assert unique_names(["a", "a", "", " b "]) == ("a", "a_2", "column3", "b")


def test_a_file_without_a_header(write: Write) -> None:
    path = write("f.csv", "u1,page,2026-01-01\nu2,page,2026-01-02\n")
    source = CsvSource(path, None)
    assert (source.shape.columns, source.shape.header) == (("column1", "column2", "column3"), False)
    assert len(rows_of(path)[0]) == 2


def test_a_file_that_is_no_text(write: Write) -> None:
    path = write("f.csv", b"a,b\n" + b"x" * (30 << 20))
    source = CsvSource(path, None)
    with pytest.raises(SourceError, match="it is not a text of lines"):
        list(source.batches(source.columns))


CELL = st.text(st.sampled_from("ab ,;\"'\n\r\tä€0"), max_size=6)


@given(
    st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=12),
    st.sampled_from([",", ";"]),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(deadline=None, max_examples=300)
def test_what_a_writer_writes_is_read(rows: list[list[str]], delimiter: str, ending: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=ending, quoting=csv.QUOTE_ALL)
    writer.writerows([["x", "y", "z"], *rows])
    found = scan(out.getvalue().encode(), delimiter, '"', 3)
    assert found.fields.tolist() == [3] * (len(rows) + 1)
    assert not found.open.any()


@given(st.binary(max_size=400), st.integers(1, 40))
@settings(deadline=None, max_examples=400)
@example(b'a,"b\n"x\n', 3)
@example(b'"a\r', 1)
def test_scanning_in_blocks_is_scanning_at_once(content: bytes, size: int) -> None:
    """Any bytes, cut anywhere: the same rows."""
    whole = scan(content, ",", '"', 2)
    at, line, carry, found = 0, 1, b"", []
    while True:
        block, at = content[at : at + size], at + size
        data, final = carry + block, at >= len(content)
        part = scan(data, ",", '"', 2, line, final)
        found += [
            (data[a:b], f, n, o)
            for a, b, f, n, o in zip(part.starts, part.ends, part.fields, part.lines, part.open, strict=True)
        ]
        carry, line = data[part.consumed :], part.line
        if final:
            break
    assert not carry
    assert found == [
        (content[a:b], f, n, o)
        for a, b, f, n, o in zip(whole.starts, whole.ends, whole.fields, whole.lines, whole.open, strict=True)
    ]


PIECES = st.lists(
    st.sampled_from(["a", ",", ";", '"', '""', "\n", "\r\n", "\r", "\0", "ä", "1", " ", "x,y\n", '"p\nq",r\n']),
    max_size=60,
)


@given(PIECES, st.sampled_from(["utf-8", "cp1252", "utf-16"]))
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_is_read_to_its_end(tmp_path: Path, pieces: list[str], encoding: str) -> None:
    """Never a crash; every line that is not empty is in exactly one row or one refusal, in order."""
    text = "h,k\n" + "".join(pieces)
    path = tmp_path / "f.csv"
    path.write_bytes(text.encode(encoding))
    rows, bad = rows_of(path, delimiter=",", encoding=encoding)
    lines = sorted([line for line, _ in rows] + [line for line, _ in bad])
    assert len(set(lines)) == len(lines)
    plain = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert all(1 < line <= len(plain) and plain[line - 1] for line in lines)
    if '"' not in text:
        assert lines == [n for n, line in enumerate(plain, 1) if line and n > 1]
