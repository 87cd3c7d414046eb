"""Taking a backup while servers collect, move and import.

The order is that of a crash, which the record knows how to get over: first the state as of one moment, then history as
of a later one. What was moved between the two stands in both, as after a death in the middle of a move, and the
restored project's first move drops it from the inbox; nothing stands in neither. History's files never change, so only
those that the place lacks are copied; one that goes meanwhile (a vacuum, an erasure) means a look at a newer version.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from polku.backups import vault
from polku.backups.dump import dumped
from polku.backups.manifest import DATA, ERASED, FILE, Manifest, Part, manifests
from polku.errors import RecordError, UsageError
from polku.language import N_
from polku.record import tables
from polku.record.clock import moment, now
from polku.record.objectstore import Store
from polku.record.place import Place
from polku.record.steps import reached

if TYPE_CHECKING:
    from polku.record.history import Snapshot
    from polku.record.project import Project

#: (done, in all, what is being done)
Progress = Callable[[float, float | None, str], None]
#: How often history is looked at again because a file went while it was copied.
LOOKS = 10
#: The word under which the state keeps where backups are, so that erasures reach them.
WORD = "backup_places"
#: The counter of how many erased ids those places know.
NOTED = "erasures_noted"
#: Of the project's own folder.
KEPT = ("journey.yaml", "polku.toml")
FOLDERS = ("content",)


def place_of(project: Project | None, where: str | Path) -> Place:
    """A place for backups: a folder or a URL, with the project's settings of its object store."""
    record = project.settings.record if project is not None else None
    return Place(where, Store(record.endpoint, record.region) if record is not None else None)


def take(project: Project, to: str | Path, *, keep: int = 0, progress: Progress | None = None) -> Manifest:
    """Back the project up to ``to``. ``keep``: how many backups stay there (0: all). Returns what was made.

    Raises UsageError for a place inside the project's data or with another project's backups, RecordError when history
    keeps changing.
    """
    tell = progress or (lambda done, total, what: None)
    place = place_of(project, to)
    _fit(project, place)
    name = f"{moment(now()):%Y%m%dT%H%M%S%f}Z"
    parts: list[Part] = []

    def put(under: str, content: bytes) -> None:
        parts.append(Part(f"{name}/{under}", *vault.write(place, f"{name}/{under}", content)))

    _ = project.contacts.addresses  # makes the secret of the hashes, without which later erasures could not be told
    _remember(project, place)  # before the state is read: the backup itself knows of it too
    tell(0, None, N_("Copying the state"))
    with project.state.read() as connection:
        form = connection.execute(sa.text("select version_num from alembic_version")).scalar_one()
        waiting = connection.execute(sa.select(sa.func.coalesce(sa.func.sum(tables.inbox.c.rows), 0))).scalar_one()
        for table, content in dumped(connection):
            put(f"state/{table}.parquet", content)
    reached("state backed up")
    for file, content in _folder(project):
        put(f"folder/{file}", content)
    snapshot, data, log = _history(project, place, tell)
    for file, content in log:
        put(f"log/{file}", content)
    reached("history backed up")
    made = Manifest(
        name, moment(now()).isoformat(), installed("polku"), str(form), snapshot.version, snapshot.rows, int(waiting),
        tuple(parts), tuple(data),
    )  # fmt: skip
    vault.write(place, f"{name}/{FILE}", made.text().encode())
    note_erasures(project, [place])
    if keep:
        prune(place, keep)
    project.audit.note("", "backup.made", name, {"place": place.uri, "events": made.events})
    return made


def note_erasures(project: Project, places: list[Place] | None = None) -> int:
    """Tell every place with backups of this project who was erased, as keyed hashes. Returns how many places.

    From then on no backup there brings them back. Raises OSError when a place cannot be reached.
    """
    chosen = places if places is not None else [place_of(project, where) for where in _places(project)]
    if not chosen:
        return 0
    columns = tables.erased.c
    with project.state.read() as connection:
        rows = connection.execute(sa.select(tables.erased).order_by(columns.hash)).mappings().all()
    content = json.dumps([dict(row) for row in rows]).encode()
    for place in chosen:
        vault.write(place, ERASED, content)
    if places is None:
        with project.state.write() as connection:
            project.state.set_counter(connection, NOTED, len(rows))
    return len(chosen)


def erasures_wait(project: Project) -> bool:
    """Whether a place with backups does not know yet of everyone who was erased."""
    with project.state.read() as connection:
        if not project.state.meta(connection, WORD):
            return False
        count = connection.execute(sa.select(sa.func.count()).select_from(tables.erased)).scalar_one()
        return int(count) != project.state.counter(connection, NOTED)


def prune(place: Place, keep: int) -> int:
    """Delete all but the last ``keep`` backups, and history's files that no backup needs. Returns how many went."""
    all_of_them = manifests(place)
    gone, left = all_of_them[:-keep], all_of_them[-keep:]
    for manifest in gone:
        place.fs.delete_file(place.at(f"{manifest.name}/{FILE}"))  # first: from here on it is none
        place.fs.delete_dir(place.at(manifest.name))
    if gone:
        needed = {part.name for manifest in left for part in manifest.data}
        for name in vault.names(place, DATA):
            if name not in needed:
                place.fs.delete_file(place.at(name))
    return len(gone)


def _fit(project: Project, place: Place) -> None:
    if place.folder is not None and place.folder.resolve().is_relative_to(project.data.resolve()):
        raise UsageError(
            N_("{place} is inside the project's own data, which a backup is to outlive. Choose another folder."),
            place=str(place.folder),
        )
    if place.folder is not None:
        place.folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        known = place.read("project").decode()
        if known != _identity(project):
            raise UsageError(
                N_("The backups at {place} are of another project. Choose a folder of its own for this one."),
                place=place.uri,
            )
        return
    vault.write(place, "project", _identity(project).encode())


def _identity(project: Project) -> str:
    """The Delta table's own id: it stays through every restore."""
    return str(project.history.table().metadata().id)


def _remember(project: Project, place: Place) -> None:
    known = _places(project)
    if place.uri not in known:
        with project.state.write() as connection:
            project.state.set_meta(connection, WORD, json.dumps([*known, place.uri]))


def _places(project: Project) -> list[str]:
    with project.state.read() as connection:
        kept = project.state.meta(connection, WORD)
    return list(json.loads(kept)) if kept else []


def _folder(project: Project) -> Iterator[tuple[str, bytes]]:
    """Files of the project's folder that are the person's own, and the refused rows that wait to be mended."""
    files = [project.folder / name for name in KEPT]
    for name in FOLDERS:
        files += sorted((project.folder / name).rglob("*"))
    for file in files:
        if file.is_file():
            yield file.relative_to(project.folder).as_posix(), file.read_bytes()
    for file in sorted((project.data / "refused").rglob("*")):
        if file.is_file():
            yield f".polku/{file.relative_to(project.data).as_posix()}", file.read_bytes()


def _history(project: Project, place: Place, tell: Progress) -> tuple[Snapshot, list[Part], list[tuple[str, bytes]]]:
    """Copy history's files as of one version, and read the log up to it."""
    source = project.history.place
    known = {part.name: part for manifest in manifests(place) for part in manifest.data}
    for _ in range(LOOKS):
        snapshot = project.history.snapshot()
        parts: list[Part] = []
        try:
            for number, file in enumerate(snapshot.files):
                tell(number, len(snapshot.files), N_("Copying history"))
                name = f"{DATA}/{file.path}"
                if name not in known:
                    known[name] = Part(name, *vault.copy(source, file.path, place, name))
                parts.append(known[name])
            return snapshot, parts, _log(source, snapshot.version)
        except FileNotFoundError:
            continue  # replaced and removed while we copied
    raise RecordError(N_("History keeps changing, so no backup could be made of it. Try again in a while."))


def _log(source: Place, version: int) -> list[tuple[str, bytes]]:
    """Delta's log files up to a version: commits and checkpoints, which carry their version in their names."""
    found: list[tuple[str, bytes]] = []
    for name in vault.names(source, "_delta_log"):
        base = name.rsplit("/", 1)[1]
        if base[:20].isdigit() and int(base[:20]) <= version and not base.endswith(".tmp"):
            found.append((name.removeprefix("_delta_log/"), source.read(name)))
    return found
