"""The files of a refresh, in ``.polku/audiences/NAME/NUMBER/``: of each platform all members, who came, who went.

They are written before the refresh is noted in the state: a folder without its refresh is nobody's and goes.
"""

from __future__ import annotations

import csv
import dataclasses
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from polku.audiences.hashing import COLUMNS
from polku.errors import UsageError
from polku.language import N_

if TYPE_CHECKING:
    from polku.record.project import Project

MEMBERS, ADDED, REMOVED = "members", "added", "removed"
KINDS: Final = (MEMBERS, ADDED, REMOVED)
KIND_WORDS: Final[dict[str, str]] = {
    MEMBERS: N_("everybody on the list"), ADDED: N_("who came since the refresh before"),
    REMOVED: N_("who is to be removed"),
}  # fmt: skip
#: Days that the files of a refresh are kept; the last refresh's stay.
DAYS: Final = 30


@dataclasses.dataclass(frozen=True, slots=True)
class Written:
    """A file of a refresh. ``rows``: people in it, without the head."""

    platform: str
    kind: str
    rows: int

    @property
    def name(self) -> str:
        return file_name(self.platform, self.kind)


def file_name(platform: str, kind: str) -> str:
    """What a file is called.

    >>> file_name("meta", "added")
    'meta-added.csv'
    """
    return f"{platform}-{kind}.csv"


def root(project: Project) -> Path:
    """Where the files of all lists are."""
    return project.data / "audiences"


def folder_of(project: Project, audience: str, number: int) -> Path:
    """Where the files of one refresh are."""
    return root(project) / audience / str(number)


def file_of(project: Project, audience: str, number: int, name: str) -> Path:
    """A file of a refresh. Raises UsageError for one that there is not, or not any more."""
    known = [file_name(platform, kind) for platform in COLUMNS for kind in KINDS]
    found = folder_of(project, audience, number) / name
    if name not in known or not found.is_file():
        raise UsageError(
            N_("There is no file {name} of the refresh {number} of {audience}; files are kept for {days} days."),
            name=name, number=number, audience=audience, days=DAYS,
        )  # fmt: skip
    return found


class Writer:
    """Writes the files of a refresh, row by row: a long list is never whole in memory."""

    def __init__(self, folder: Path, platforms: Sequence[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._open: dict[tuple[str, str], tuple[TextIO, Any]] = {}
        self._rows: dict[tuple[str, str], int] = {}
        for kind in KINDS:
            for platform in platforms:
                path = folder / file_name(platform, kind)
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # nobody else reads it here
                file = os.fdopen(handle, "w", encoding="utf-8", newline="")
                out = csv.writer(file, lineterminator="\n")
                out.writerow(COLUMNS[platform])
                self._open[(platform, kind)] = (file, out)
                self._rows[(platform, kind)] = 0

    def row(self, platform: str, kind: str, values: Sequence[str]) -> None:
        """One person of a file; what is missing at the end of the columns is empty."""
        full = [*values, *[""] * (len(COLUMNS[platform]) - len(values))]
        self._open[(platform, kind)][1].writerow(full)
        self._rows[(platform, kind)] += 1

    def writes(self, platform: str) -> bool:
        """Whether the list still goes to a platform."""
        return (platform, MEMBERS) in self._open

    def close(self) -> list[Written]:
        """What was written."""
        for file, _ in self._open.values():
            file.close()
        return [Written(platform, kind, count) for (platform, kind), count in self._rows.items()]


def clear(project: Project, audience: str, kept: Iterable[int]) -> int:
    """Delete the folders of refreshes that are not to be kept. Returns how many went."""
    numbers = {str(number) for number in kept}
    folder = root(project) / audience
    gone = 0
    for found in sorted(folder.iterdir()) if folder.is_dir() else ():
        if found.name not in numbers:
            shutil.rmtree(found, ignore_errors=True)
            gone += 1
    return gone
