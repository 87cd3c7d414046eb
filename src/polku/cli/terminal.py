"""Where commands write: text for people, JSON for programs, progress on stderr, all in the reader's language."""

from __future__ import annotations

import json
import locale
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from polku.errors import UsageError
from polku.language import LANGUAGES, Reader, choose

#: The language asked for before the command: ``polku --language fi status``.
WISH: ContextVar[str | None] = ContextVar("WISH", default=None)
#: The time zone asked for before the command: ``polku --timezone UTC status``.
WISH_ZONE: ContextVar[str | None] = ContextVar("WISH_ZONE", default=None)
#: The language that the running command speaks, once it is known: errors are told in it too.
SPOKEN: ContextVar[str | None] = ContextVar("SPOKEN", default=None)
#: What a long job calls to say how far it is: (done, total or None, what it is doing).
Progress = Callable[[float, float | None, str], None]


def system_language() -> str | None:
    """The language of the person's session: POLKU_LANGUAGE, then LC_ALL, LC_MESSAGES, LANG, then the system's own."""
    for name in ("POLKU_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if (value := os.environ.get(name)) and value.split(".")[0] not in ("C", "POSIX"):
            return value
    return locale.getlocale()[0]


def wished_language(arguments: list[str]) -> str:
    """The language to speak before any command is read: ``--language``, else the session's, else English."""
    for i, argument in enumerate(arguments):
        if argument == "--language" and i + 1 < len(arguments):
            return choose([arguments[i + 1]])
        if argument.startswith("--language="):
            return choose([argument.partition("=")[2]])
    return choose([system_language()])


class Terminal:
    """One command's way to its reader."""

    def __init__(
        self, *, as_json: bool = False, language: str | None = None, project_language: str | None = None
    ) -> None:
        language = language or WISH.get()
        if language is not None and language not in LANGUAGES:
            raise UsageError("There is no language {language!r}; Polku speaks fi and en.", language=language)
        self.as_json = as_json
        self.reader = Reader(language or choose([project_language, system_language()]))
        SPOKEN.set(self.reader.language)
        self.out = Console(soft_wrap=True, highlight=False)
        self.err = Console(stderr=True, soft_wrap=True, highlight=False)

    def of(self, timezone: str, currency: str) -> Terminal:
        """The same terminal, with money as the map has it and times in ``timezone``."""
        self.reader = Reader(self.reader.language, timezone, currency)
        return self

    def data(self, value: Any) -> None:
        """One JSON document on stdout: UTF-8, no NaN, keys in the order given."""
        sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str, allow_nan=False) + "\n")

    def say(self, text: str, /, **facts: Any) -> None:
        """A line for a person; with ``--json`` nothing is said."""
        if not self.as_json:
            self.out.print(escape(self.reader(text, **facts)))

    def note(self, text: str, /, **facts: Any) -> None:
        """A side remark on stderr, also with ``--json``, so that stdout stays one document."""
        self.err.print(escape(self.reader(text, **facts)), style="dim")

    def print(self, renderable: Any) -> None:
        if not self.as_json:
            self.out.print(renderable)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """A progress bar that appears when the job takes more than a second, on a terminal only."""
        if not self.err.is_terminal:
            yield lambda done, total, what: None
            return
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        bar = Bar(*columns, console=self.err, transient=True)
        task = bar.add_task("", total=None)
        import time

        began, shown = time.monotonic(), False

        def tell(done: float, total: float | None, what: str) -> None:
            nonlocal shown
            bar.update(task, completed=done, total=total, description=self.reader(what))
            if not shown and time.monotonic() - began > 1:
                bar.start()
                shown = True

        try:
            yield tell
        finally:
            if shown:
                bar.stop()


def facts_of(pairs: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values for JSON: paths as text."""
    return {k: str(v) if isinstance(v, Path) else v for k, v in pairs.items()}
