"""A map as it is written: its text with comments, order and lines, edits, and a save that is all or nothing."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polku.errors import MapError, nearest
from polku.journey import edit
from polku.journey import excerpt as excerpts
from polku.journey.check import checked
from polku.journey.fault import Fault, FaultyMapError, Place
from polku.journey.fault import Path as MapPath
from polku.journey.model import Journey
from polku.journey.tree import Tree, read_bytes
from polku.language import N_

BOM = b"\xef\xbb\xbf"


class Document:
    """A map as it is written. Edits keep comments, order and everything else that they are not about.

    >>> document = Document("title: Shop   # ours\\nstages: [{id: a, touchpoints: [{id: b, match: {event: page}}]}]\\n")
    >>> document.set(("title",), "Our shop")
    >>> document.text.splitlines()[0]
    'title: Our shop   # ours'
    """

    def __init__(self, content: bytes | str, file: Path | None = None) -> None:
        self.file = file
        self._loaded = content.encode() if isinstance(content, str) else content
        self._tree = _read(self._loaded)
        if self._tree.data is None:
            raise FaultyMapError(self._check()[1])

    def _check(self) -> tuple[Journey | None, list[Fault]]:
        name = str(self.file) if self.file else "journey.yaml"
        return checked(self._tree, name, self.file.parent if self.file else None)

    @property
    def text(self) -> str:
        """The text as it stands now, edits included."""
        return self._tree.text

    @property
    def content(self) -> bytes:
        """The bytes that ``save`` writes: those that were read, where nothing was edited."""
        return (BOM if self._loaded.startswith(BOM) else b"") + self._tree.text.encode()

    @property
    def data(self) -> Any:
        """The map as plain values. Change it with the edits below, not in place."""
        return self._tree.data

    @property
    def faults(self) -> list[Fault]:
        """Every fault of the text as it stands now."""
        return self._check()[1]

    @property
    def journey(self) -> Journey:
        """The checked map; raises FaultyMapError where it has errors."""
        journey, faults = self._check()
        if journey is None:
            raise FaultyMapError(faults)
        return journey

    @property
    def lines(self) -> Mapping[MapPath, Place]:
        """Where each part begins, by its path: ``lines[("stages", 1, "touchpoints", 0)].line``."""
        return self._tree.places

    def place(self, path: MapPath) -> Place:
        """Where the part at ``path`` begins; the nearest part around it where the file has no such."""
        return self._tree.place(path)

    def set(self, path: MapPath, value: Any) -> None:
        """Write ``value`` at ``path``, as a new key where there is none. Raises MapError where that cannot be."""
        self._tree = edit.set_value(self._tree, path, value)

    def append(self, path: MapPath, value: Any) -> None:
        """Add ``value`` to the end of the list at ``path``."""
        self.insert(path, self._length(path), value)

    def insert(self, path: MapPath, index: int, value: Any) -> None:
        """Add ``value`` to the list at ``path``, before its item ``index``."""
        self._tree = edit.insert(self._tree, (*path, index), value)

    def remove(self, path: MapPath) -> None:
        """Take away the part at ``path``; comments above it stay."""
        self._tree = edit.remove(self._tree, path)

    def excerpt(self, path: MapPath) -> excerpts.Excerpt:
        """The text of the item at ``path`` by itself, with its comments."""
        return excerpts.excerpt(self._tree, path)

    def put(self, path: MapPath, text: str) -> None:
        """Write ``text`` as the item at ``path`` of a list, or as a new one at its end. Raises MapError."""
        around = self._list(path[:-1])
        if isinstance(path[-1], int) and path[-1] < len(around):
            self._tree = excerpts.replaced(self._tree, path, text)
        else:
            self._tree = excerpts.appended(self._tree, path[:-1], text)

    def add_touchpoint(self, stage: str, touchpoint: Mapping[str, Any], before: str | None = None) -> None:
        """A new touchpoint at the end of ``stage``, or before the touchpoint ``before``."""
        self._tree = edit.insert(self._tree, self._slot(stage, before), touchpoint)

    def _slot(self, stage: str, before: str | None) -> MapPath:
        """The place in the list of touchpoints of ``stage`` that stands before ``before``, or at its end."""
        path = (*self._stage(stage), "touchpoints")
        if before is None:
            return (*path, self._length(path))
        found = self.find(before)
        if found[:-1] != path:
            raise MapError(N_("The touchpoint {id!r} is not in the stage {stage!r}."), id=before, stage=stage)
        return found

    def move_touchpoint(self, id: str, stage: str, before: str | None = None) -> None:
        """Move the touchpoint ``id`` to the end of ``stage``, or before the touchpoint ``before`` there."""
        self._tree = edit.move(self._tree, self.find(id), self._slot(stage, before))

    def find(self, id: str) -> MapPath:
        """The path of the touchpoint ``id``; raises MapError with the nearest one where there is none."""
        known: dict[str, MapPath] = {}
        for s, stage in enumerate(self._list(("stages",))):
            for t, touchpoint in enumerate(self._list(("stages", s, "touchpoints")) if isinstance(stage, dict) else ()):
                if isinstance(touchpoint, dict):
                    known.setdefault(str(touchpoint.get("id")), ("stages", s, "touchpoints", t))
        if id not in known:
            raise MapError(
                N_("There is no touchpoint {id!r} in this map. Nearest: {nearest}."),
                id=id,
                nearest=nearest(id, known) or "-",
            )
        return known[id]

    def _stage(self, id: str) -> MapPath:
        ids = [s.get("id") if isinstance(s, dict) else None for s in self._list(("stages",))]
        if id not in ids:
            near = nearest(id, [i for i in ids if isinstance(i, str)]) or "-"
            raise MapError(N_("There is no stage {id!r} in this map. Nearest: {nearest}."), id=id, nearest=near)
        return ("stages", ids.index(id))

    def _list(self, path: MapPath) -> list[Any]:
        try:
            found = self._tree.at(path)
        except (KeyError, IndexError, TypeError):
            return []
        return found if isinstance(found, list) else []

    def _length(self, path: MapPath) -> int:
        return len(self._list(path))

    def save(self, file: Path | None = None, faulty: bool = False) -> None:
        """Write the document to its file (or to ``file``), all or nothing.

        Raises FaultyMapError when the map has errors (unless ``faulty``), and MapError when the file was changed by
        someone else since it was read.
        """
        target = file or self.file
        if target is None:
            raise MapError(N_("This map has no file; say where to save it."))
        if not faulty:
            _ = self.journey
        if file is None and (not target.exists() or target.read_bytes() != self._loaded):
            raise MapError(
                N_("{file} was changed by someone else meanwhile; read it again and repeat the edit."), file=str(target)
            )
        replace_file(target, self.content)
        self.file, self._loaded = target, self.content


@functools.lru_cache(maxsize=4)
def _read(content: bytes) -> Tree:
    """The tree of a content; edits make new trees, so that one that was read before, as it is while somebody edits a
    map on a page, need not be read again."""
    return read_bytes(content)


def replace_file(target: Path, content: bytes) -> None:
    """Write ``content`` to ``target`` so that a reader, or a crash, sees the old file or the new one, never a part."""
    target = target.resolve()  # a link stays a link
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        else:
            temporary.chmod(0o644)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
