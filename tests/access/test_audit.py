"""The audit log: rows are added, form one chain, and a change anywhere in it shows."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import sqlalchemy as sa

from polku.access.audit import Audit
from polku.record import tables
from polku.record.state import State


def fill(state: State, rows: int = 5) -> Audit:
    audit = Audit(state)
    for i in range(rows):
        audit.note("anna" if i % 2 else "cli", "key.created", f"key {i}", {"name": f"ä{i}"}, address="::1")
    return audit


def test_rows_come_back_the_latest_first(state: State) -> None:
    audit = fill(state)
    audit.note("anna", "sign-in.failed", "anna", address="10.0.0.1")
    entries = audit.entries()
    assert [e.id for e in entries] == [6, 5, 4, 3, 2, 1]
    assert (entries[1].facts, entries[1].about, entries[1].address) == ({"name": "ä4"}, "key 4", "::1")
    assert [e.id for e in audit.entries(limit=2, before=4)] == [3, 2]
    assert [e.id for e in audit.entries(action="sign-in")] == [6]
    assert [e.id for e in audit.entries(actor="cli")] == [5, 3, 1]
    assert audit.check().broken is None


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("update audit set actor = 'somebody' where id = 3", 3),
        ("update audit set facts = '{}' where id = 1", 1),
        ("update audit set time = time + 1 where id = 5", 5),
        ("delete from audit where id = 3", 4),
        ("delete from audit where id = 5", 5),
        ("update audit set hash = 'x' where id = 2", 2),
        ("update audit set id = 9 where id = 5", 9),
    ],
)
def test_a_change_shows(state: State, change: str, broken: int) -> None:
    audit = fill(state)
    head = audit.check()
    assert (head.rows, head.broken) == (5, None)
    with state.write() as connection:
        connection.execute(sa.text(change))
    assert audit.check().broken == broken


def test_the_deed_and_its_row_stand_or_fall_together(state: State) -> None:
    audit = Audit(state)

    def fail(connection: Any) -> None:
        audit.note("anna", "user.role", "ben", connection=connection)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), state.write() as connection:
        fail(connection)
    assert audit.entries() == []
    assert audit.check() == audit.check()
    assert audit.check().broken is None


def test_writers_at_once_make_one_chain(state: State) -> None:
    def write() -> None:
        fill(state, 10)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    chain = Audit(state).check()
    assert (chain.rows, chain.broken) == (40, None)
    with state.read() as connection:
        assert connection.execute(sa.select(sa.func.max(tables.audit.c.id))).scalar() == 40


def test_texts_of_any_characters_keep_the_chain_whole(state: State) -> None:
    audit = Audit(state)
    for text in ("\x00", "\udc80", "ä\u2028\U0001f600", "x" * 300, "' or 1=1 --", ""):
        audit.note(text, "sign-in.failed", text, {text: text}, address=text)
    chain = audit.check()
    assert (chain.rows, chain.broken) == (6, None)


def test_an_action_that_nobody_declared_is_a_mistake_of_the_code(state: State) -> None:
    with pytest.raises(ValueError, match=r"audit\.ACTIONS"):
        Audit(state).note("anna", "made.up")
