"""What a backup consists of.

A place holds any number of backups of one project::

    <name>/manifest.json     the list of files with sizes and checksums; written last: a backup without it is none
    <name>/state/*.parquet   the state's tables, as of one moment
    <name>/log/*             history's Delta log up to the backup's version
    <name>/folder/*          journey.yaml, polku.toml, content/, refused/
    data/day=.../*.parquet   history's files, each once, however many backups need it: they never change
    erased.json              keyed hashes of everyone erased since: no backup brings them back
"""

from __future__ import annotations

import dataclasses
import json

import pyarrow.fs as pafs

from polku.errors import RecordError
from polku.language import N_
from polku.record.place import Place

FILE = "manifest.json"
DATA = "data"
ERASED = "erased.json"
#: The layout above; a reader refuses a later one.
LAYOUT = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One file: its name in the backup's place, its size in bytes, its SHA-256."""

    name: str
    size: int
    sha256: str


@dataclasses.dataclass(frozen=True, slots=True)
class Manifest:
    """One backup. format: the state's; version: history's; events: in history and in the inbox; made: ISO 8601, UTC."""

    name: str
    made: str
    polku: str
    format: str
    version: int
    events: int
    waiting: int
    files: tuple[Part, ...]
    data: tuple[Part, ...]
    layout: int = LAYOUT

    @property
    def size(self) -> int:
        """Bytes of all its files, those shared with other backups included."""
        return sum(part.size for part in (*self.files, *self.data))

    def text(self) -> str:
        """As JSON."""
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"


def read(place: Place, name: str) -> Manifest:
    """The manifest of a backup. Raises RecordError when there is none, or a later Polku wrote it."""
    try:
        told = json.loads(place.read(f"{name}/{FILE}"))
    except FileNotFoundError as fault:
        raise RecordError(
            N_("There is no backup {name} at {where}. Backups there: {names}."),
            name=name,
            where=place.uri,
            names=", ".join(m.name for m in manifests(place)) or "-",
        ) from fault
    except ValueError as fault:
        raise RecordError(
            N_("The list of the backup {name} at {where} is damaged."), name=name, where=place.uri
        ) from fault
    if told.get("layout", 0) > LAYOUT:
        raise RecordError(N_("The backup {name} was made by a newer Polku; restore it with that one."), name=name)
    parts = {key: tuple(Part(**part) for part in told.pop(key)) for key in ("files", "data")}
    if any(".." in part.name.split("/") or part.name.startswith("/") for part in (*parts["files"], *parts["data"])):
        raise RecordError(N_("The list of the backup {name} at {where} is damaged."), name=name, where=place.uri)
    return Manifest(**told, files=parts["files"], data=parts["data"])


def manifests(place: Place) -> tuple[Manifest, ...]:
    """Every backup at a place, the oldest first."""
    root = place.at("").rstrip("/")
    found = place.fs.get_file_info(pafs.FileSelector(root, allow_not_found=True))
    names = sorted(f.base_name for f in found if f.type == pafs.FileType.Directory and f.base_name != DATA)
    return tuple(read(place, name) for name in names if place.exists(f"{name}/{FILE}"))
