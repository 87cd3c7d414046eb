"""Any table becomes the same trails: what libraries hand over, how times are written, what is said when it fails."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import polku.trails.layers as layers
from polku.errors import MeasureError, TrailsError
from polku.measures.view import view_of
from polku.trails.layout import Trails

from .told import told

RAW: dict[str, list[Any]] = {
    "who": ["b", "a", "b", None, "a"],
    "at": [np.datetime64("2026-01-01T10:00:00", "us") + np.timedelta64(m, "m") for m in (30, 10, 20, 5, 10)],
    "what": ["buy", "view", "view", "view", "buy"],
    "money": [9.5, None, None, None, None],
    "platform": ["ios", "web", None, "web", "web"],
    "more": [[1]] * 5,
}
TABLE = pa.table(RAW)


def trails(table: Any, **given: Any) -> Trails:
    named = {"customer": "who", "time": "at", "event": "what", "value": "money", "properties": ["platform"]}
    return Trails.from_table(table, **(named | given))


def parquet(folder: Path, **how: Any) -> Path:
    folder.mkdir(exist_ok=True)
    pq.write_table(TABLE.slice(0, 3), folder / "1.parquet", **how)
    pq.write_table(TABLE.slice(3), folder / "2.parquet", **how)
    return folder


KINDS: dict[str, Callable[[Path], Any]] = {
    "arrow": lambda _: TABLE,
    "chunks": lambda _: pa.concat_tables([TABLE.slice(0, 2), TABLE.slice(2)]),
    "batch": lambda _: TABLE.to_batches()[0],
    "reader": lambda _: TABLE.to_reader(max_chunksize=2),
    "dataset": lambda folder: ds.dataset(parquet(folder)),
    "pandas": lambda _: TABLE.to_pandas(),
    "pandas with its time as index": lambda _: TABLE.to_pandas().set_index("at"),
    "pandas categories": lambda _: pd.DataFrame(RAW).astype({"who": "category", "what": "category"}),
    "polars": lambda _: pl.DataFrame(TABLE),
    "polars, lazy": lambda _: pl.DataFrame(TABLE).lazy(),
    "polars categories": lambda _: pl.DataFrame(TABLE).with_columns(pl.col("who", "what").cast(pl.Categorical)),
    "duckdb": lambda _: duckdb.sql("select * from TABLE_").set_alias("t"),
    "stream": lambda _: Stream(),
    "path": lambda folder: str(parquet(folder) / "*.parquet"),
    "folder": parquet,
    "paths": lambda folder: sorted(parquet(folder).glob("*")),
}
TABLE_ = TABLE  # as DuckDB finds it


class Stream:
    """Somebody else's table: nothing but Arrow's C stream."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return TABLE.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("kind", KINDS)
def test_every_table_gives_the_same_trails(kind: str, tmp_path: Path) -> None:
    found = trails(KINDS[kind](tmp_path / "files"))
    expected = trails(TABLE)
    assert told(found) == told(expected)
    assert found.names is not None
    assert found.names.to_pylist() == ["b", "a"]
    assert (found.events, found.without_customer, found.tables.touchpoints) == (4, 1, ("buy", "view"))
    platform = view_of(found).property("platform")
    assert [platform.words[int(c)] for c in platform.codes[0]] == ["", "ios", "web", "web"]
    assert view_of(found).property("properties.platform").counts().sum() == 4


def test_an_empty_text_names_nobody() -> None:
    table = TABLE.set_column(0, "who", pa.array(["b", "a", "b", "", "a"]))
    found = trails(table)
    assert told(found) == told(trails(TABLE))
    assert (found.events, found.without_customer, view_of(found).property("platform").counts().sum()) == (4, 1, 4)


FRAME = TABLE.to_pandas()
MENDABLE: dict[str, tuple[pd.DataFrame, str]] = {
    "several kinds": (FRAME.assign(who=["a", 1, "b", None, 2.5]), "'who' holds values of several kinds"),
    "two of a name": (pd.concat([FRAME, FRAME[["who"]]], axis=1), "several columns called 'who'"),
    "endless": (FRAME.assign(money=[1.0, np.nan, -np.inf, 2.0, np.inf]), "the first is in row 2"),
}


@pytest.mark.parametrize("fault", MENDABLE)
def test_a_column_that_cannot_be_read_is_named(fault: str) -> None:
    table, said = MENDABLE[fault]
    with pytest.raises(TrailsError, match=said):
        trails(table)


def test_a_large_table_stands_in_many_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that measures use every core; properties find their rows there too."""
    rng = np.random.default_rng(3)
    n = 5_000
    table = pa.table(
        {
            "who": rng.integers(0, 300, n),
            "at": rng.integers(1_767_225_600, 1_767_325_600, n),
            "what": pa.array(["x", "y", "z"]).take(pa.array(rng.integers(0, 3, n))),
            "n": np.arange(n),
        }
    )
    named: dict[str, Any] = {"customer": "who", "time": "at", "event": "what"}
    one = Trails.from_table(table, **named)
    monkeypatch.setattr(layers, "BUCKET_EVENTS", 500)
    many = Trails.from_table(table, **named, properties=["n"])
    assert len(many.buckets) == 16
    assert told(many) == told(one)
    view = view_of(many)
    at, rows = table["at"].to_numpy(), view.numbers("n")
    for bucket, row in zip(view.buckets, rows, strict=True):
        assert (at[row.astype(np.int64)] == bucket.time).all()


SECOND = 1_767_261_600  # 2026-01-01 10:00 UTC


@pytest.mark.parametrize(
    "times",
    [
        pa.array([SECOND, SECOND + 60]),
        pa.array([SECOND * 1000, (SECOND + 60) * 1000]),
        pa.array([SECOND * 10**6, (SECOND + 60) * 10**6]),
        pa.array([SECOND * 10**9, (SECOND + 60) * 10**9]),
        pa.array([SECOND + 0.0, SECOND + 60.0]),
        pa.array([SECOND * 1000.0, (SECOND + 60) * 1000.0]),
        pa.array(["2026-01-01 10:00", "2026-01-01T10:01:00Z"]),
        pa.array(["1.1.2026 klo 10.00", "1.1.2026 12:01+02:00"]),
        pa.array(["2026-01-01 10:00", "2026-01-01 10:01"]).dictionary_encode(),
        pa.array([SECOND * 10**9, (SECOND + 60) * 10**9], pa.timestamp("ns")),
        pa.array([SECOND, SECOND + 60], pa.timestamp("s", "Europe/Helsinki")),
    ],
    ids=lambda a: f"{a.type} {a[0]}",
)
def test_times_in_any_clothes(times: pa.Array) -> None:
    table = pa.table({"who": ["a", "a"], "at": times, "what": ["x", "y"]})
    found = Trails.from_table(table, customer="who", time="at", event="what")
    assert found.buckets[0].time.tolist() == [SECOND, SECOND + 60]


def test_days_and_parts_of_a_second() -> None:
    def of(times: pa.Array) -> Trails:
        return Trails.from_table(
            pa.table({"who": ["a"], "at": times, "what": ["x"]}), customer="who", time="at", event="what"
        )

    assert of(pa.array([dt.date(2026, 1, 1)])).buckets[0].time.tolist() == [SECOND - 36_000]
    for times in (pa.array([SECOND + 0.25]), pa.array([SECOND * 1000 + 250]), pa.array(["2026-01-01 10:00:00.25"])):
        micros = of(times).buckets[0].micros
        assert micros is not None
        assert micros.tolist() == [250_000]


def test_customers_that_are_numbers() -> None:
    """A pandas column of ids with holes is floats: 17850.0 is called 17850, and NaN is nobody."""
    frame = pl.DataFrame({"who": [17850.0, math.nan, None, 2.0], "at": [1, 2, 3, 4], "what": ["x"] * 4})
    for table in (frame, frame.to_pandas()):
        found = Trails.from_table(table, customer="who", time="at", event="what")
        assert found.names is not None
        assert (found.names.to_pylist(), found.without_customer) == (["17850", "2"], 2)


def test_an_empty_table() -> None:
    found = trails(TABLE.slice(0, 0))
    assert (found.events, found.customers, found.first) == (0, 0, None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"customer": "whom"}, r"no column 'whom'. It has who, at, what, money, platform, more. → who\?"),
        ({"properties": ["platfrom"]}, r"→ platform\?"),
        ({"time": "what"}, "4 texts in the column 'what' are no times that can be read; the first is 'buy' in row 0"),
        ({"time": "more"}, "holds list<.*>, not times"),
        ({"value": "platform"}, "holds string, not numbers"),
        ({"event": "platform"}, "1 rows have nothing in the column 'platform'; the first is row 2"),
    ],
)
def test_what_does_not_fit_is_told(given: dict[str, Any], said: str) -> None:
    with pytest.raises(TrailsError, match=said):
        trails(TABLE.filter(TABLE["who"].is_valid()) if "event" in given else TABLE, **given)


def test_times_that_trails_cannot_hold() -> None:
    for times in (pa.array([-1]), pa.array([dt.date(1969, 1, 1)]), pa.array([dt.date(2200, 1, 1)])):
        with pytest.raises(TrailsError, match="before 1970 or after 2106"):
            Trails.from_table(
                pa.table({"who": ["a"], "at": times, "what": ["x"]}), customer="who", time="at", event="what"
            )
    table = pa.table({"who": ["a"], "at": [math.nan], "what": ["x"]})
    with pytest.raises(TrailsError, match="NaN"):
        Trails.from_table(table, customer="who", time="at", event="what")


def test_files_that_are_not_there_or_not_parquet(tmp_path: Path) -> None:
    with pytest.raises(TrailsError, match="no files at"):
        trails(tmp_path / "*.parquet")
    (tmp_path / "x.csv").write_text("who,at\n")
    with pytest.raises(TrailsError, match="cannot be read as Parquet"):
        trails(tmp_path / "x.csv")
    with pytest.raises(TrailsError, match="A int is no table"):
        trails(7)


def test_without_properties_that_is_said() -> None:
    view = view_of(trails(TABLE, properties=()))
    with pytest.raises(MeasureError, match="No event has the property 'platform'"):
        view.property("platform")
    assert [n.name for n in view_of(trails(TABLE)).property_names()] == ["properties.platform"]
