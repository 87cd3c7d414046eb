"""The map that servers share: the published version in the state, and each server's file as its working copy.

Servers with a state of their own (SQLite) have one folder, and its file is the map. Servers that share a state on
PostgreSQL read the published version: each keeps its file at it, unless the file was edited there and not published.
See docs/adr/map-published.md.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import os
from pathlib import Path

import sqlalchemy as sa

from polku.errors import ProjectError
from polku.journey.document import replace_file
from polku.journey.load import load_journey
from polku.language import N_
from polku.record import tables
from polku.record.clock import moment, now
from polku.record.state import State

#: The word under which the state keeps the number of the published version.
WORD = "published"


@dataclasses.dataclass(frozen=True, slots=True)
class Version:
    """A version of the map that was kept: its text, who published it, when."""

    number: int
    text: str
    fingerprint: str
    author: str
    time: dt.datetime


class Published:
    """The published map of a project, and the file ``file`` that follows it."""

    def __init__(self, state: State, file: Path, data: Path) -> None:
        self.state, self.file = state, file
        self._base = data / "published.json"

    @property
    def shared(self) -> bool:
        """Whether servers share this project, so that the published version is the one to follow."""
        return not self.state.sqlite

    def newest(self) -> Version | None:
        """The published version; None while nothing was published."""
        with self.state.read() as connection:
            return self._newest(connection)

    def publish(self, author: str, force: bool = False) -> Version:
        """Publish the file's text. Raises MapError for a map with faults.

        Raises ProjectError when another version was published since this file was last at one (``force``: over it).
        """
        load_journey(self.file)
        content = self.file.read_bytes()
        text, fingerprint = content.decode("utf-8"), _fingerprint(content)
        table = tables.journey_versions
        with self.state.write() as connection:
            there = self._newest(connection)
            if there is not None and there.fingerprint == fingerprint:
                self._stand_at(there)
                return there
            if there is not None and there.number != self._known()[0] and not force:
                raise ProjectError(
                    N_(
                        "Version {number} of the map was published by {author} since {file} was taken. Look at what "
                        "it changed (polku publish {folder} --show > theirs.yaml; polku compare theirs.yaml {file}), "
                        "bring it into the file, and publish with --force."
                    ),
                    number=there.number,
                    author=there.author,
                    file=str(self.file),
                    folder=str(self.file.parent),
                )
            time = now()
            values = {"text": text, "fingerprint": fingerprint, "author": author, "time": time}
            done = connection.execute(sa.insert(table).values(**values))
            assert done.inserted_primary_key is not None
            number = int(done.inserted_primary_key[0])
            self.state.set_meta(connection, WORD, str(number))
        made = Version(number, text, fingerprint, author, moment(time))
        self._stand_at(made)
        return made

    def waits(self) -> bool:
        """Whether a version was published that this file does not have; cheap."""
        if not self.shared:
            return False
        with self.state.read() as connection:
            word = self.state.meta(connection, WORD)
        return word is not None and (int(word) != self._known()[0] or not self.file.exists())

    def take(self) -> Version | None:
        """Bring the file to the published version; None when it is there already.

        Raises ProjectError when the file was edited and not published: nothing of it is lost, and the other waits.
        """
        there = self.newest()
        if there is None or (there.number == self._known()[0] and self.file.exists()):
            return None
        if self.file.exists():
            mine = _fingerprint(self.file.read_bytes())
            if mine == there.fingerprint:
                self._stand_at(there)
                return None
            if mine != self._known()[1]:
                raise ProjectError(
                    N_(
                        "Version {number} of the map, by {author}, is not taken here: {file} was edited and not "
                        "published. Publish it (polku publish {folder} --force), or delete it to take the other."
                    ),
                    number=there.number,
                    author=there.author,
                    file=str(self.file),
                    folder=str(self.file.parent),
                )
        replace_file(self.file, there.text.encode("utf-8"))
        self._stand_at(there)
        return there

    def _newest(self, connection: sa.Connection) -> Version | None:
        word = self.state.meta(connection, WORD)
        if word is None:
            return None
        table = tables.journey_versions
        row = connection.execute(sa.select(table).where(table.c.id == int(word))).one()
        return Version(int(row.id), row.text, row.fingerprint, row.author, moment(int(row.time)))

    def _known(self) -> tuple[int, str]:
        """The version that this file was last at, and its fingerprint; (0, "") when it never was at one."""
        try:
            kept = json.loads(self._base.read_text(encoding="utf-8"))
            return int(kept["number"]), str(kept["fingerprint"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return 0, ""  # then the file's own text decides

    def _stand_at(self, version: Version) -> None:
        if self._known() == (version.number, version.fingerprint):
            return
        partial = self._base.with_name(f"{self._base.name}.{os.getpid()}")
        partial.write_text(json.dumps({"number": version.number, "fingerprint": version.fingerprint}), encoding="utf-8")
        partial.replace(self._base)


def _fingerprint(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
