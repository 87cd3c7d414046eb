"""A state of the tests' own, emptied before each, and cheap passwords."""

from __future__ import annotations

from collections.abc import Iterator

import argon2
import pytest
import sqlalchemy as sa

from polku.access import passwords
from polku.record import tables
from polku.record.state import State


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("state")
    if request.param == "sqlite":
        url = f"sqlite:///{(folder / 'state.db').as_posix()}"
    else:
        url = request.getfixturevalue("postgres").database()
    made = State(url)
    made.migrate(folder)
    made.close()
    return url


@pytest.fixture
def state(url: str) -> Iterator[State]:
    made = State(url)
    with made.write() as connection:
        for table in (tables.keys, tables.audit, tables.counters, tables.users, tables.sessions, tables.links):
            connection.execute(sa.delete(table))
    yield made
    made.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 with the least work: what is tested is not how long a guess takes."""
    monkeypatch.setattr(passwords, "HASHER", argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    passwords._nobody.cache_clear()
