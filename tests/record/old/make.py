"""Writes ``state-<format>.sql``, a project's state in an older format, for the tests of migration."""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from pathlib import Path

from tests.record.events import event, stored

from polku.record.project import create_project
from polku.record.state import State


def main(form: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with create_project(folder) as project:
            stored(project, event("h1", 5, user="anna", anonymous="cookie-1"))
            project.inbox.append([event("w1", 9, anonymous="cookie-1")])
        path = Path(folder) / ".polku" / "state.db"
        state = State(f"sqlite:///{path.as_posix()}")
        with state.write() as connection:
            # The fixture travels without its history; what it observed of it is forgotten.
            state.set_counter(connection, "history_observed", 0)
        state.migrate_to(form)
        state.close()
        with sqlite3.connect(path) as database:
            text = "\n".join(database.iterdump())
        database.close()
    (Path(__file__).parent / f"state-{form}.sql").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
