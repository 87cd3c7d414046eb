from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from polku.record.project import Project, create_project

#: Where the record of a test's project is: in its folder; its state on a server; its history in a bucket besides.
HERE, SERVER, SERVERS = "sqlite", "postgresql", "postgresql-s3"
#: The tests that are about history's files: a bucket costs ten times what a folder does.
ON_S3 = ("test_history",)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "project" in metafunc.fixturenames:
        far = SERVERS if metafunc.module.__name__.rsplit(".", 1)[-1] in ON_S3 else SERVER
        metafunc.parametrize("project", [HERE, far], indirect=True)


@pytest.fixture
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Project]:
    """A project whose record is in its folder, and the same on servers."""
    where = getattr(request, "param", HERE)
    state = history = None
    if where != HERE:
        state = request.getfixturevalue("postgres").database()
    if where == SERVERS:
        history = request.getfixturevalue("store").bucket() + "/history"
    with create_project(tmp_path / "shop", "en", state=state, history=history) as made:
        yield made
