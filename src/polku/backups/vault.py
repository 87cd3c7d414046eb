"""Files of a backup's place: written whole or not at all, with their checksums."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow.fs as pafs

from polku.errors import RecordError
from polku.language import N_
from polku.record.place import Place, settle

BLOCK = 1 << 22


def copy(source: Place, name: str, target: Place, under: str) -> tuple[int, str]:
    """Copy a file from one place to another; gives its size and SHA-256. FileNotFoundError when it is not there."""
    with source.fs.open_input_stream(source.at(name)) as stream:
        return _write(target, under, iter(lambda: stream.read(BLOCK), b""))


def write(target: Place, name: str, content: bytes) -> tuple[int, str]:
    """Write a file; it is on disk when this returns. Gives its size and SHA-256."""
    return _write(target, name, iter([content]))


def checksum(place: Place, name: str) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    digest = hashlib.sha256()
    with place.fs.open_input_stream(place.at(name)) as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def fetch(source: Place, name: str, wanted: str, target: Place, under: str) -> None:
    """Copy a file whose checksum must be ``wanted``. Raises RecordError when it is another, or gone."""
    try:
        _, found = copy(source, name, target, under)
    except FileNotFoundError as fault:
        raise RecordError(N_("The backup at {where} lacks the file {name}."), where=source.uri, name=name) from fault
    if found != wanted:
        target.fs.delete_file(target.at(under))
        raise RecordError(
            N_("The file {name} of the backup at {where} is damaged: its checksum is another."),
            where=source.uri,
            name=name,
        )


def names(place: Place, under: str) -> list[str]:
    """Every file below a folder, relative to the place; none where there is no folder."""
    root = place.at(under)
    found = place.fs.get_file_info(pafs.FileSelector(root, recursive=True, allow_not_found=True))
    return sorted(f"{under}/{f.path[len(root) + 1 :]}" for f in found if f.type == pafs.FileType.File)


def _write(target: Place, name: str, blocks: Iterator[bytes]) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    if target.folder is None:
        with target.fs.open_output_stream(target.at(name)) as sink:
            for block in blocks:
                sink.write(block)
                digest.update(block)
                size += len(block)
        return size, digest.hexdigest()
    final = target.folder / name
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = final.with_name(f".{final.name}.{uuid.uuid4().hex}")
    try:
        with partial.open("wb") as file:
            for block in blocks:
                file.write(block)
                digest.update(block)
                size += len(block)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(final)
    finally:
        partial.unlink(missing_ok=True)
    settle(Path(final.parent))
    return size, digest.hexdigest()
