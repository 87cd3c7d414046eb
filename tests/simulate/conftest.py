"""Worlds that the tests look at: made once for all of them."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polku.simulate import Summary, world

END = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Made:
    """A world on disk and its tables."""

    summary: Summary

    @cached_property
    def events(self) -> pa.Table:
        return pa.concat_tables(pq.read_table(f) for f in self.summary.files)

    def truth(self, name: str) -> pa.Table:
        return pq.read_table(self.summary.folder / "truth" / f"{name}.parquet")

    @property
    def effects(self) -> dict[str, Any]:
        told = json.loads((self.summary.folder / "truth" / "effects.json").read_text(encoding="utf-8"))
        assert told == self.summary.effects
        return told


def made(folder: Path, kind: str = "shop", customers: int = 4000, **more: Any) -> Made:
    return Made(world(folder, kind, customers=customers, seed=more.pop("seed", 3), end=more.pop("end", END), **more))


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(tmp_path_factory.mktemp("studio"), "studio")


@pytest.fixture(scope="session", params=["shop", "studio"])
def either(request: pytest.FixtureRequest) -> Made:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Made)
    return found
