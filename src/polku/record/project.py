"""A project: a folder with its map, its settings and its record, opened as one thing.

>>> with open_project("shop/") as project:                                    # doctest: +SKIP
...     project.sql("select event, count(*) from events group by all")
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import sqlalchemy as sa

from polku.access.audit import Audit
from polku.access.keys import Keys
from polku.errors import MapError, NotAProject, ProjectError
from polku.journey.model import Journey
from polku.journey.templates.start import BEGUN
from polku.language import N_, Reader, choose
from polku.record import erasure, tables, whereabouts
from polku.record.changes import Changes, Changing, Position
from polku.record.clock import now
from polku.record.consents import Consents
from polku.record.contacts import Contacts
from polku.record.costs import Costs
from polku.record.erased import Erased
from polku.record.history import History, Snapshot
from polku.record.identity import Identities
from polku.record.inbox import Inbox
from polku.record.mover import Mover
from polku.record.permission import Permission
from polku.record.published import Published
from polku.record.quarantine import Caps
from polku.record.settings import Settings, load_settings
from polku.record.state import State
from polku.record.whereabouts import Whereabouts

__all__ = ["Changes", "Position", "Project", "create_project", "open_project"]

MAP_FILE = "journey.yaml"
DATA = ".polku"


class Project:
    """An open project; see ``open_project``. ``language`` is the reader's ("fi" or "en")."""

    def __init__(self, folder: Path, settings: Settings, language: str, where: Whereabouts | None = None) -> None:
        self.folder = folder
        self.data = folder / DATA
        self.settings = settings
        self.language = language
        self.backup: Path | None = None
        self.where = where = where or Whereabouts()
        url = where.state or f"sqlite:///{(self.data / 'state.db').as_posix()}"
        self.state = State(url, settings.record.busy)
        self.history = History(where.history or self.data / "history", self.state, self.data, settings.record)
        self.inbox = Inbox(self.state, settings.collect.bots == "keep")
        told = settings.identity
        caps = Caps(told.users, told.users_per_device, told.devices)
        self.identities = Identities(self.state, self.history, self.inbox, self.data / "cache", caps)
        self.history.observer = self.identities
        self.costs = Costs(self.state)
        self.contacts = Contacts(self.state, settings.privacy.country, told.nobody)
        self.consents = Consents(self.state)
        self.erased = self.history.erased = Erased(self.state, self.contacts)
        self.permission = Permission(self.contacts, self.erased, self.consents, settings.consent)
        self.keys = Keys(self.state)
        self.audit = Audit(self.state)
        self.mover = Mover(self.state, self.history, self.inbox, self.identities)
        self.published = Published(self.state, self.map_file, self.data)
        self._changing = Changing(self.state, self.history, self.inbox, self.identities)
        self._journey: tuple[tuple[int, int], Journey] | None = None

    # -- the map --------------------------------------------------------------------------------------------------

    @property
    def map_file(self) -> Path:
        return self.folder / MAP_FILE

    def journey(self) -> Journey:
        """The map, read and checked (MapError tells all its faults); read again when the file has changed."""
        from polku.journey.load import load_journey

        try:
            found = self.map_file.stat()
        except FileNotFoundError as fault:
            raise MapError(
                N_("There is no map at {file}. Make one with: polku init {folder}"),
                file=str(self.map_file),
                folder=str(self.folder),
            ) from fault
        mark = (found.st_mtime_ns, found.st_size)
        if self._journey is None or self._journey[0] != mark:
            self._journey = (mark, load_journey(self.map_file))
        return self._journey[1]

    def subject(self) -> str:
        """Whose journey this is, ``person`` or ``account``; ``person`` while there is no map."""
        return self.journey().subject if self.map_file.exists() else "person"

    def keep_map(self, author: str) -> int:
        """Keep the map's present text as a version, when it differs from the last one. Returns the version's number."""
        text = self.map_file.read_text(encoding="utf-8")
        fingerprint = hashlib.sha256(text.encode("utf-8")).hexdigest()
        table = tables.journey_versions
        with self.state.write() as connection:
            last = connection.execute(sa.select(table.c.id, table.c.fingerprint).order_by(table.c.id.desc())).first()
            if last is not None and last.fingerprint == fingerprint:
                return int(last.id)
            done = connection.execute(
                sa.insert(table).values(text=text, fingerprint=fingerprint, author=author, time=now())
            )
            assert done.inserted_primary_key is not None
            return int(done.inserted_primary_key[0])

    def map_saved(self, author: str) -> None:
        """The map's file was edited by a page or a command: it is kept as a version, and where servers share the
        project it is published, so that all of them follow. Raises ProjectError when another one was published since.
        """
        if self.published.shared:
            self.published.publish(author)
        else:
            self.keep_map(author)

    def reader(self) -> Reader:
        """How this project's reader wants numbers, money and times written."""
        if not self.map_file.exists():
            return Reader(self.language)
        journey = self.journey()
        return Reader(self.language, journey.timezone, journey.currency)

    # -- the record -----------------------------------------------------------------------------------------------

    def position(self) -> Position:
        """Where the record stands now; cheap: it changes whenever anything arrives."""
        return self._changing.position()

    def changes(self, since: Position | None, columns: Sequence[str]) -> Changes:
        """What happened after ``since`` (None: everything): rows, merges, undos, erasures. See Changes."""
        return self._changing.changes(since, columns)

    def events_of(
        self, customers: Collection[int], columns: Sequence[str], position: Position | None = None
    ) -> pa.RecordBatchReader:
        """Rows that carry any id of these customers, as of ``position``. See Changing.events_of."""
        return self._changing.events_of(customers, columns, position)

    def look(self, columns: Sequence[str]) -> tuple[Snapshot, pa.Table]:
        """History's files and the inbox's events that are not in them, as of one moment."""
        return self._changing.look(columns)

    def sql(self, text: str) -> pa.Table:
        """Run a query (DuckDB's SQL) over the views ``events``, ``identities``, ``profiles``, ``costs``, read only.

        Raises UsageError when the query does not run.
        """
        from polku.record import query  # here: opening a project must not wait for DuckDB

        return query.run(self, text)

    def close(self) -> None:
        """Give everything back."""
        self.state.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, _: TracebackType | None) -> None:
        self.close()


def open_project(
    folder: str | Path, language: str | None = None, *, state: str | None = None, history: str | None = None
) -> Project:
    """Open the project in ``folder``; ``language`` ("fi", "en") is the reader's wish, else the project's.

    ``state`` (a database's URL) and ``history`` (a folder or URL) say where the record is when that is not in the
    settings; see polku.record.whereabouts.

    What a crash left is put right; an older format is migrated after a backup (``project.backup`` names it). Raises
    NotAProject (with the projects nearby), NewerProject, ProjectError (settings).
    """
    path = Path(folder).absolute()
    if not (path / MAP_FILE).is_file() and not (path / DATA).is_dir():
        if not _comes_to_others(path, state):
            raise _not_a_project(path)
        path.mkdir(parents=True, exist_ok=True)
    return _open(path, language, state, history)


def create_project(
    folder: str | Path, language: str | None = None, *, state: str | None = None, history: str | None = None
) -> Project:
    """Open ``folder`` as a project, making what is missing of its record; ``init`` writes map and settings."""
    path = Path(folder).absolute()
    path.mkdir(parents=True, exist_ok=True)
    return _open(path, language, state, history)


def _open(path: Path, language: str | None, state: str | None, history: str | None) -> Project:
    settings = load_settings(path)
    data = path / DATA
    if not data.is_dir():
        data.mkdir()
    ignore = data / ".gitignore"
    if not ignore.exists() or not ignore.stat().st_size:  # empty: whoever was writing it was stopped
        ignore.write_text("*\n", encoding="utf-8")
    where = whereabouts.find(data, settings.record, state, history)
    project = Project(path, settings, choose([language, settings.language]), where)
    try:
        _refuse_a_second_state(project)
        project.backup = project.state.migrate(data / "backups")
        project.contacts.ready()
        project.history.create()
        if where.state or where.history:
            _belong_together(project)
            whereabouts.remember(data, where)
        if project.published.shared:
            _with_the_others(project)
        project.history.clean_staging()
        project.identities.catch_up()
        erasure.finish(project)
        if project.map_file.is_file():  # the map comes last: whoever began the project got to the end of it
            (path / BEGUN).unlink(missing_ok=True)
    except BaseException:
        project.close()
        raise
    return project


def _comes_to_others(path: Path, state: str | None) -> bool:
    """Whether a folder without a project is that of one more server: its state is elsewhere and has a map."""
    if path.is_file():
        return False
    where = whereabouts.find(path / DATA, load_settings(path).record, state)
    if not where.state or where.state.startswith("sqlite"):
        return False
    there = State(where.state)
    try:
        return there.format() is not None and Published(there, path / MAP_FILE, path / DATA).newest() is not None
    finally:
        there.close()


def _refuse_a_second_state(project: Project) -> None:
    """An empty database is not taken for the state of a project that has one in its folder."""
    if project.state.sqlite or not (project.data / "state.db").exists() or project.state.format() is not None:
        return
    raise ProjectError(
        N_(
            "The database {where} is empty, and this project has its state in {file}. Move it: polku backup {folder} "
            "--to FOLDER, then polku restore FOLDER NEW-FOLDER --state URL."
        ),
        where=project.state.where,
        file=str(project.data / "state.db"),
        folder=str(project.folder),
    )


def _belong_together(project: Project) -> None:
    """A state knows its history by the Delta table's own id: servers that share a state must share the history too."""
    identity = str(project.history.table().metadata().id)
    with project.state.write() as connection:
        known = project.state.meta(connection, "history")
        if known is None:
            project.state.set_meta(connection, "history", identity)
    if known is not None and known != identity:
        raise ProjectError(
            N_(
                "The history at {history} is not the one that the state in {state} belongs to. All servers of a "
                "project share one history: give the same --history to each."
            ),
            history=project.history.place.uri,
            state=project.state.where,
        )


def _with_the_others(project: Project) -> None:
    """Have the map that the servers share. The first of them publishes its own."""
    if project.published.newest() is None:
        if project.map_file.is_file():
            with contextlib.suppress(MapError):  # told to whoever reads the map; the others have nothing to read yet
                project.published.publish("polku")
    elif not project.map_file.exists():
        project.published.take()


def _not_a_project(path: Path) -> NotAProject:
    if not path.exists():
        return NotAProject(
            N_("There is no folder {folder}. Make a project with: polku init {folder}"), folder=str(path)
        )
    if path.is_file():
        return NotAProject(N_("{folder} is a file; give the folder of a project."), folder=str(path))
    near = [p for p in sorted(path.iterdir()) if p.is_dir() and (p / MAP_FILE).is_file()]
    if (path.parent / MAP_FILE).is_file():
        near.append(path.parent)
    if near:
        return NotAProject(
            N_("{folder} is not a project: it has no {file}. There is one in {near}."),
            folder=str(path), file=MAP_FILE, near=", ".join(str(p) for p in near[:5]),
        )  # fmt: skip
    return NotAProject(
        N_("{folder} is not a project: it has no {file}. Make one with: polku init {folder}"),
        folder=str(path),
        file=MAP_FILE,
    )
