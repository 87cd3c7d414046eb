"""JSON Lines: one object a line. What stands in no column that Polku reads becomes ``properties``, nested as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from polku.errors import SourceError
from polku.events.refusals import Refusal
from polku.events.text import strings
from polku.language import N_
from polku.sources.csv import LONGEST_LINE, REPLACED, mark, mark_broken, readable
from polku.sources.files import BLOCK, Blocks, find_encoding, known_encoding
from polku.sources.raw import LINE, REASON, BadLine, Lines, RawBatch, Shape

SAMPLE_LINES = 2_000


class JsonLinesSource:
    """One file of JSON Lines, opened; its columns are the keys of its first lines."""

    def __init__(self, path: Path, compression: str | None, encoding: str | None = None) -> None:
        self.path = path
        self.size = path.stat().st_size
        self._compression = compression
        self._encoding = known_encoding(encoding) if encoding else find_encoding(path, compression)
        head = next(iter(Blocks(path, compression, self._encoding, 1 << 20)), b"")
        self._sample = []
        for line in head.split(b"\n")[:SAMPLE_LINES]:
            try:
                value = json.loads(line.decode("utf-8", "replace"))
                json.dumps(value, ensure_ascii=False).encode("utf-8")  # halves of surrogate pairs are no text
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict):
                self._sample.append(value)
        if not self._sample:
            raise SourceError(
                N_("{path} holds no JSON objects in its first lines; JSON Lines has one object a line."), path=str(path)
            )
        names = dict.fromkeys(k for row in self._sample for k in row)
        self.columns = tuple(n for n in names if n not in (LINE, REASON))
        self.shape = Shape("jsonl", self.columns, compression, self._encoding)

    def close(self) -> None:
        """Nothing is held open between batches."""

    def sample(self) -> pa.Table:
        return pa.table({c: pa.array([_cell(row.get(c)) for row in self._sample], pa.string()) for c in self.columns})

    def batches(
        self, roles: Sequence[str], keep: Sequence[str] | None = None, typed: Sequence[str] = ()
    ) -> Iterator[RawBatch]:
        texts = [r for r in roles if r not in typed]
        values = [*typed, *(k for k in keep or () if k not in roles)]
        carry, line = b"", 1
        reading = Blocks(self.path, self._compression, self._encoding, BLOCK)
        source = iter(reading)
        current = next(source, b"")
        with duckdb.connect() as connection:
            while True:
                following = next(source, b"")
                data = carry + current if carry else current
                end = len(data) if not following else data.rfind(b"\n") + 1
                if not end and len(data) > LONGEST_LINE:
                    raise SourceError(
                        N_("{path} has a line of more than {size} MB: it is not a text of lines."),
                        path=str(self.path),
                        size=LONGEST_LINE >> 20,
                    )
                carry, data = data[end:], data[:end]
                yield self._batch(connection, data, line, texts, values, keep is None, not following, reading.done)
                line += data.count(b"\n")
                if not following:
                    return
                current = following

    def _batch(
        self,
        connection: Any,
        data: bytes,
        line: int,
        roles: Sequence[str],
        extra: Sequence[str],
        whole: bool,
        final: bool,
        done: int,
    ) -> RawBatch:
        raw = np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8)
        breaks = np.flatnonzero(raw == 10)
        starts = np.concatenate(([0], breaks + 1)).astype(np.int64)
        ends = np.concatenate((breaks, [len(data)])).astype(np.int64)
        lines = line + np.arange(len(starts), dtype=np.int64)
        filled = np.array(
            [bool(data[a:b].strip()) for a, b in zip(starts.tolist(), ends.tolist(), strict=True)], dtype=np.bool_
        )
        starts, ends, lines = starts[filled], ends[filled], lines[filled]
        reasons = np.zeros(len(starts), np.uint8)
        mark(reasons, starts, data, b"\0", Refusal.NUL_BYTES)
        if self._encoding in ("utf-8", "ascii"):
            mark_broken(reasons, starts, ends, data)
        else:
            mark(reasons, starts, data, REPLACED, Refusal.BAD_ENCODING)
        table = self._read(connection, raw, starts, ends, reasons, roles, extra, whole)
        if final and len(starts) and int(ends[-1]) == len(data) and reasons[-1] == Refusal.NOT_JSON:
            reasons[-1] = Refusal.TRUNCATED
        good = reasons == 0
        bad = tuple(
            BadLine(int(lines[i]), Refusal(int(reasons[i])), readable(data[int(starts[i]) : int(ends[i])]))
            for i in np.flatnonzero(~good).tolist()
        )
        table = table.filter(pa.array(good))
        columns = {c: table.column(f"r{i}").combine_chunks().cast(pa.string()) for i, c in enumerate(roles)}
        columns |= {c: table.column(f"k{i}").combine_chunks().cast(pa.string()) for i, c in enumerate(extra)}
        rest = None if not whole else table.column("rest").combine_chunks().cast(pa.string())
        return RawBatch(
            columns, lines[good], bad, frozenset(extra), rest, Lines(data, starts[good], ends[good]), done=done
        )

    def _read(
        self,
        connection: Any,
        raw: npt.NDArray[np.uint8],
        starts: npt.NDArray[np.int64],
        ends: npt.NDArray[np.int64],
        reasons: npt.NDArray[np.uint8],
        roles: Sequence[str],
        extra: Sequence[str],
        whole: bool,
    ) -> pa.Table:
        """One row a line: ``r0...`` (roles as text), ``k0...`` (kept columns as JSON), ``rest``. Marks what is no
        object.
        """
        texts = _texts(raw, starts, ends, reasons)
        parts = [f"json_extract_string(j, {_pointer(c)}) as r{i}" for i, c in enumerate(roles)]
        parts += [
            f"cast(nullif(cast(json_extract(j, {_pointer(c)}) as varchar), 'null') as varchar) as k{i}"
            for i, c in enumerate(extra)
        ]
        if whole:
            patch = json.dumps(dict.fromkeys([*roles, *extra, LINE, REASON]), ensure_ascii=False).replace("'", "''")
            parts.append(f"cast(json_merge_patch(j, '{patch}') as varchar) as rest")
        connection.register("lines", pa.table({"l": texts, "n": pa.array(np.arange(len(starts)))}))
        query = (
            "with valid as ("
            "select n, case when l is not null and json_valid(l) then cast(l as json) end as j from lines"
            "), typed as ("
            "select n, j is null as broken, json_type(j) as kind, case when json_type(j) = 'OBJECT' then j end as j "
            "from valid) "
            f"select n, broken, kind, cast(j as varchar) as whole{''.join(', ' + p for p in parts)} from typed "
            "order by n"
        )
        table = connection.sql(query).to_arrow_table()
        connection.unregister("lines")
        fine = reasons == 0
        broken = np.asarray(table.column("broken").combine_chunks(), dtype=np.bool_)
        objects = np.asarray(
            pc.fill_null(pc.equal(table.column("kind"), "OBJECT"), False).combine_chunks(), dtype=np.bool_
        )
        reasons[fine & broken] = Refusal.NOT_JSON
        reasons[fine & ~broken & ~objects] = Refusal.NOT_AN_OBJECT
        # DuckDB reads NaN and Infinity, which are not JSON and which others cannot read back
        odd = pc.fill_null(pc.match_substring_regex(table.column("whole"), r"[\[:,]\s*-?(?i:nan|inf)"), False)
        for at in np.flatnonzero(np.asarray(odd.combine_chunks(), dtype=np.bool_)).tolist():
            try:
                json.loads(texts[at].as_py(), parse_constant=_no_constant)
            except ValueError:
                reasons[at] = Refusal.NOT_JSON
        return table


def _no_constant(word: str) -> Any:
    raise ValueError(word)


def _texts(
    raw: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    reasons: npt.NDArray[np.uint8],
) -> pa.Array:
    """The lines as an Arrow array; refused ones null. Lines lie one after another, so only their ends differ."""
    if not len(starts):
        return pa.array([], pa.string())
    if not reasons.any() and np.array_equal(starts[1:], ends[:-1] + 1):
        # each text takes its line end along, which is a blank to JSON
        return strings(raw, np.append(starts, ends[-1]))
    data = raw.tobytes()
    return pa.array(
        [
            None if r else data[a:b].decode("utf-8")
            for a, b, r in zip(starts.tolist(), ends.tolist(), reasons.tolist(), strict=True)
        ],
        pa.string(),
    )


def _pointer(name: str) -> str:
    """The name as a JSON pointer (RFC 6901) in SQL."""
    return "'/" + name.replace("~", "~0").replace("/", "~1").replace("'", "''") + "'"


def _cell(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
