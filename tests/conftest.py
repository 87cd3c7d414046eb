"""Servers that tests of several rooms share: one of each for a session, started when first asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from backends import postgres as postgresql
from backends import s3


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgresql.Postgres]:
    """A PostgreSQL server. Without the program: skipped; with CI=true that is a failure."""
    programs = postgresql.find()
    if programs is None:
        if os.environ.get("CI") == "true":
            pytest.fail("there is no PostgreSQL here; scripts/find_postgres.py tells how to get one")
        pytest.skip("there is no PostgreSQL here")
    with postgresql.serving(programs) as server:
        yield server


@pytest.fixture(scope="session")
def store() -> Iterator[s3.Store]:
    """An S3-compatible store, and the environment of this process pointed at it."""
    with s3.serving() as found, pytest.MonkeyPatch.context() as patch:
        for name, value in found.environment.items():
            patch.setenv(name, value)
        yield found
