"""A shop with a counter and a phone, as a project of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from polku.record.project import Project, create_project

MAP = Path(__file__).parent / "journey.yaml"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "shop").mkdir()
    shutil.copy(MAP, tmp_path / "shop" / "journey.yaml")
    with create_project(tmp_path / "shop", "en") as made:
        yield made
