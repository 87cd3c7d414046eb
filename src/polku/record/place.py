"""Where history's files are: a local folder or object storage by URL, behind one small face."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.request import url2pathname

import pyarrow.fs as pafs

from polku.record.objectstore import Store, connect


class Place:
    """A folder, by path or URL. ``uri`` and ``options``: Delta's; ``fs``, ``root``: Arrow's; ``folder``: None if far.

    >>> Place("/data/history").at("day=2026-01-01/x.parquet")
    '/data/history/day=2026-01-01/x.parquet'
    """

    def __init__(self, where: str | Path, store: Store | None = None) -> None:
        text = str(where)
        self.options: dict[str, str] = {}
        if "://" in text and not text.startswith("file://"):
            self.uri = text.rstrip("/")
            self.fs, self.root, self.options = connect(self.uri, store or Store())
        else:
            path = url2pathname(text.removeprefix("file://")) if text.startswith("file://") else text
            folder = Path(path).absolute()
            self.fs, self.root, self.uri = pafs.LocalFileSystem(), folder.as_posix(), str(folder)
        self.folder: Path | None = Path(self.root) if isinstance(self.fs, pafs.LocalFileSystem) else None

    def at(self, relative: str) -> str:
        """The file system's path of a file of this place."""
        return f"{self.root}/{relative}" if self.root else relative

    def url(self, relative: str) -> str:
        """What other tools open: a path when local, a URL otherwise."""
        return self.at(relative) if self.folder else f"{self.uri.rstrip('/')}/{relative}"

    def exists(self, relative: str) -> bool:
        """Whether the file is there now."""
        return bool(self.fs.get_file_info(self.at(relative)).type != pafs.FileType.NotFound)

    def read(self, relative: str) -> bytes:
        """The file's bytes; FileNotFoundError when it is not there."""
        with self.fs.open_input_stream(self.at(relative)) as file:
            return bytes(file.read())

    def bring(self, local: Path, relative: str) -> None:
        """Move a finished local file here under its final name; on disk when this returns."""
        if self.folder:
            target = self.folder / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            settle(local)
            local.replace(target)
            return
        with local.open("rb") as source, self.fs.open_output_stream(self.at(relative)) as target_stream:
            while block := source.read(1 << 22):
                target_stream.write(block)
        local.unlink()

    def settle(self, relative: str) -> None:
        """Have a local file (or folder) on disk before anything relies on it; object storage has it already."""
        if self.folder:
            settle(self.folder / relative)


def settle(path: Path) -> None:
    """fsync a file or a folder. Windows cannot sync a folder; its file system journals names."""
    if path.is_dir():
        if sys.platform == "win32":
            return
        handle = os.open(path, os.O_RDONLY)
    else:
        handle = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
