"""Every moment at which a process changes a project's files: what the code says, what the interpreter sees.

A moment is told before the change happens. Files that native code writes (Parquet, Delta's log, SQLite's pages) are
seen by the moments on both sides of them: the code's own (polku.record.steps), the renames, and the state's commits.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from polku.record import steps

#: Told of each moment, and how to leave the file that is about to be written begun and empty (None: no file is).
Listener = Callable[[str, Callable[[], None] | None], None]
CHANGES = {"os.rename": "rename", "os.remove": "remove", "os.rmdir": "remove", "os.mkdir": "make", "os.link": "link"}
MAKES = os.O_CREAT | os.O_TRUNC
#: What differs from run to run in a name.
CHANCE = re.compile(r"[0-9a-f]{8,}|\d+|(?<=/)[^/]+(?=\.(npy|md|parquet)$)|(?<=/\.journey\.).*")


def kind_of(moment: str) -> str:
    """The moment without what one death stands for many of: numbers, names of chance, which column, which text."""
    return CHANCE.sub("#", moment)


def watch(folder: Path, listener: Listener) -> None:
    """Tell ``listener`` of every moment in ``folder`` from here to the end of the process (a hook cannot be taken off).

    A file that is made or emptied is two moments: before it, and when it is there with nothing in it.
    """
    root = folder.absolute()
    looking = False

    def name(path: Any, at: int = -1) -> str | None:
        if isinstance(path, int):
            return None
        text = os.fsdecode(path)
        if at not in (-1, None):  # relative to an open folder: shutil.rmtree
            return text
        path = Path(text).absolute()
        return str(path.relative_to(root)) if path.is_relative_to(root) else None

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal looking
        if looking:
            return
        if event == "open":
            path, _, flags = args
            if isinstance(flags, int) and flags & MAKES and (known := name(path)):

                def begin() -> None:
                    nonlocal looking
                    looking = True
                    with contextlib.suppress(OSError):
                        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | (flags & (os.O_TRUNC | os.O_EXCL)), 0o644))
                    looking = False

                listener(f"write {known}", None)
                listener(f"begun {known}", begin)
        elif event in CHANGES:
            at = args[-1] if event in ("os.remove", "os.rmdir") else -1
            if known := name(args[0], at):
                listener(f"{CHANGES[event]} {known}", None)
        elif event == "sqlite3.connect" and (known := name(args[0])):
            listener(f"connect {known}", None)

    sys.addaudithook(hook)

    @sa.event.listens_for(Engine, "commit")
    def committing(connection: Connection) -> None:
        if connection.get_execution_options().get("polku_write"):
            listener("commit of the state", None)

    steps.listener = lambda moment: listener(moment, None)
