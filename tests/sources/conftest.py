"""Projects and files to import into them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from polku.record.project import Project, create_project
from polku.sources.importing import ImportReport, Mapping, import_files

MAP = """\
polku: 1
title: A shop
timezone: Europe/Helsinki
stages:
  - id: decision
    touchpoints:
      - {id: order, match: {event: Order Completed}}
"""
NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
REAL = Path(__file__).parents[3] / "shared" / "data"


def make_project(folder: Path, text: str = MAP) -> Project:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "journey.yaml").write_text(text, encoding="utf-8")
    return create_project(folder)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with make_project(tmp_path / "shop") as made:
        yield made


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of the test and give its path; text is written as UTF-8."""

    def make(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return path

    return make


def bring(project: Project, files: Any, **said: Any) -> ImportReport:
    return import_files(project, files, Mapping(**said), received_at=NOW)


def stored(project: Project, *columns: str) -> list[tuple[Any, ...]]:
    """History's rows in order of arrival."""
    table = project.history.read([*columns, "seq"]).read_all().sort_by("seq")
    return list(zip(*(table.column(c).to_pylist() for c in columns), strict=True))


def real(name: str) -> Path:
    """A file of the real data; the test is skipped where the folder is not there."""
    path = REAL / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path
