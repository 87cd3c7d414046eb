"""Making a project of a backup: in a folder that is not there yet, on a database and a bucket that are empty.

What a restored project does not do: it sends nothing by itself (the word ``restored_at`` in its state says since when
it is another), nobody is signed in, no job is under way. Keys, people and consents are as they were; who was erased
since the backup is erased again; trails are built anew.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import deltalake
import sqlalchemy as sa

from polku.backups import vault
from polku.backups.dump import load, tables_of
from polku.backups.manifest import DATA, ERASED, Manifest, manifests
from polku.backups.manifest import read as read_manifest
from polku.backups.taking import Progress, place_of
from polku.errors import NewerProject, RecordError, UsageError
from polku.language import N_
from polku.record import tables, whereabouts
from polku.record.clock import now
from polku.record.place import Place
from polku.record.settings import load_settings
from polku.record.state import FORMAT, State
from polku.record.steps import reached

if TYPE_CHECKING:
    from polku.record.project import Project


@dataclasses.dataclass(frozen=True, slots=True)
class Restored:
    """What was made: the backup that it was made of, and how many customers were erased again."""

    manifest: Manifest
    folder: Path
    erased: int


def verify(
    where: str | Path | Place, name: str | None = None, progress: Progress | None = None
) -> tuple[Manifest, list[str]]:
    """Read every file of a backup (the last one where none is named); gives it and the names of damaged files."""
    place = where if isinstance(where, Place) else place_of(None, where)
    manifest = _chosen(place, name)
    damaged: list[str] = []
    parts = (*manifest.files, *manifest.data)
    for number, part in enumerate(parts):
        if progress:
            progress(number, len(parts), N_("Checking the backup"))
        try:
            if vault.checksum(place, part.name) != part.sha256:
                damaged.append(part.name)
        except FileNotFoundError:
            damaged.append(part.name)
    return manifest, damaged


def restore(
    where: str | Path,
    folder: str | Path,
    name: str | None = None,
    *,
    state: str | None = None,
    history: str | None = None,
    progress: Progress | None = None,
) -> Restored:
    """Make a project in ``folder`` of the backup ``name`` (the last one by default) at ``where``.

    ``state`` and ``history`` say where its record goes, as in open_project; by default into the folder. Raises
    UsageError when anything is there already, RecordError when the backup is damaged: then nothing was made.
    """
    from polku.record.project import open_project

    tell = progress or (lambda done, total, what: None)
    place, folder = place_of(None, where), Path(folder).absolute()
    manifest = _chosen(place, name)
    if manifest.format > FORMAT:
        raise NewerProject(
            N_("The backup {name} was made by a newer Polku; restore it with that one."), name=manifest.name
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            N_("{folder} is not empty, and nothing is written over. Restore into a folder that is not there yet."),
            folder=str(folder),
        )
    _whole(place, manifest)
    work = folder.with_name(f".{folder.name}.restoring-{uuid.uuid4().hex}")
    try:
        data = work / ".polku"
        data.mkdir(parents=True)
        _bring_folder(place, manifest, work)
        # where the original had its record is not where this one goes: two projects on one database would be one
        asked = whereabouts.find(
            data, dataclasses.replace(load_settings(work).record, state="", history=""), state, history
        )
        _own_record(work, asked)
        target, url = (
            Place(asked.history or data / "history"),
            asked.state or f"sqlite:///{(data / 'state.db').as_posix()}",
        )
        _refuse_what_is_there(target, url)
        _bring_history(place, manifest, target, tell)
        reached("history restored")
        _bring_state(place, manifest, url, tell)
        reached("state restored")
        whereabouts.remember(data, asked)
        if folder.exists():
            folder.rmdir()
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    tell(0, None, N_("Opening the project"))
    with open_project(folder, state=state, history=history) as project:
        erased = _erase_again(project, place)
        project.audit.note("", "backup.restored", manifest.name, {"place": place.uri, "erased": erased})
    return Restored(manifest, folder, erased)


def _chosen(place: Place, name: str | None) -> Manifest:
    if name is not None:
        return read_manifest(place, name)
    found = manifests(place)
    if not found:
        raise RecordError(N_("There is no backup at {where}."), where=place.uri)
    return found[-1]


def _bring_folder(place: Place, manifest: Manifest, work: Path) -> None:
    target, prefix = Place(work), f"{manifest.name}/folder/"
    for part in manifest.files:
        if part.name.startswith(prefix):
            name = part.name.removeprefix(prefix)
            vault.fetch(place, part.name, part.sha256, target, name)


def _own_record(work: Path, asked: whereabouts.Whereabouts) -> None:
    """``polku.toml`` must not lead to the original's database and history."""
    found = load_settings(work).record
    if not found.state and not found.history:
        return
    file = work / "polku.toml"
    lines, section = [], ""
    for line in file.read_text(encoding="utf-8").splitlines():
        section = line.strip() if line.strip().startswith("[") else section
        far = section == "[record]" and line.split("=")[0].strip() in ("state", "history")
        lines.append(f"# {line}" if far else line)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _bring_history(place: Place, manifest: Manifest, target: Place, tell: Progress) -> None:
    for number, part in enumerate(manifest.data):
        tell(number, len(manifest.data), N_("Copying history"))
        vault.fetch(place, part.name, part.sha256, target, part.name.removeprefix(f"{DATA}/"))
    prefix = f"{manifest.name}/log/"
    # in order of the versions, so that a death leaves a table of an older one and never a log with a hole
    for part in sorted((p for p in manifest.files if p.name.startswith(prefix)), key=lambda p: p.name):
        vault.fetch(place, part.name, part.sha256, target, f"_delta_log/{part.name.removeprefix(prefix)}")


def _bring_state(place: Place, manifest: Manifest, url: str, tell: Progress) -> None:
    state = State(url)
    try:
        state.migrate_to(manifest.format)
        parts = {part.name.rsplit("/", 1)[1].removesuffix(".parquet"): part for part in manifest.files
                 if part.name.startswith(f"{manifest.name}/state/")}  # fmt: skip
        with state.write() as connection:
            there = {table.name: table for table in tables_of(connection)}
            if missing := sorted(set(parts) - set(there)):
                raise RecordError(N_("The backup has tables that its format lacks: {names}."), names=", ".join(missing))
            for number, table in enumerate(there.values()):
                tell(number, len(there), N_("Copying the state"))
                if table.name in parts:
                    content = place.read(parts[table.name].name)
                    load(state, connection, table, content)
            state.set_meta(connection, "restored_at", str(now()))
            state.set_meta(connection, "restored_from", manifest.name)
    finally:
        state.close()


def _refuse_what_is_there(target: Place, url: str) -> None:
    """Before anything is written: an empty place for history, an empty database."""
    if deltalake.DeltaTable.is_deltatable(target.uri, target.options):
        raise UsageError(
            N_("There is a history at {where} already, and nothing is written over. Choose another place."),
            where=target.uri,
        )
    state = State(url)
    try:
        if state.format() is not None:
            raise UsageError(
                N_("There is a state at {where} already, and nothing is written over. Choose an empty database."),
                where=state.where,
            )
    finally:
        state.close()


def _whole(place: Place, manifest: Manifest) -> None:
    """Read the backup's own files once before anything is written; history's are checked while they are copied."""
    for part in manifest.files:
        try:
            found = vault.checksum(place, part.name)
        except FileNotFoundError as fault:
            raise RecordError(
                N_("The backup at {where} lacks the file {name}."), where=place.uri, name=part.name
            ) from fault
        if found != part.sha256:
            raise RecordError(
                N_("The file {name} of the backup at {where} is damaged: its checksum is another."),
                where=place.uri,
                name=part.name,
            )


def _erase_again(project: Project, place: Place) -> int:
    """Erase everyone whose keyed hashes the place was told of since the backup. Returns how many customers."""
    from polku.record.erasure import forget

    try:
        told = json.loads(place.read(ERASED))
    except FileNotFoundError:
        return 0
    known = tables.erased.c
    project.identities.catch_up(inbox=True)
    with project.state.read() as connection:
        have = set(connection.execute(sa.select(known.hash)).scalars())
        people = connection.execute(sa.select(tables.identities.c.kind, tables.identities.c.value,
                                              tables.identities.c.customer)).all()  # fmt: skip
    new = {row["hash"]: row for row in told if row["hash"] not in have}
    if not new:
        return 0
    customers = sorted({int(p.customer) for p in people if project.erased.hash(p.kind, p.value) in new})
    done = 0
    for customer in customers:
        with contextlib.suppress(UsageError):  # two numbers of one person: gone with the first
            forget(project, f"#{customer}", "polku restore")
            done += 1
    with project.state.write() as connection:  # and those of whom this backup knew nothing yet
        have = set(connection.execute(sa.select(known.hash)).scalars())
        rows = [row for row in new.values() if row["hash"] not in have]
        if rows:
            project.state.insert_many(connection, tables.erased, {name: [r[name] for r in rows] for name in rows[0]})
            project.state.reserve(connection, "erased", len(rows))
    return done
