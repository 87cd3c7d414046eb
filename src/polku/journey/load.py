"""Read ``journey.yaml``: the checked map, or the document with its comments, order and lines.

A map that was read before, and has not changed, is not parsed and checked again: what was found then lies in the
project's cache (see ``remembered``), which saves every command most of a second.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from polku.journey.fault import FaultyMapError
from polku.journey.model import Journey
from polku.journey.remembered import keep, remembered

if TYPE_CHECKING:
    from polku.journey.document import Document


def map_file(path: Path | str) -> Path:
    """The map's file: ``path`` itself, or ``journey.yaml`` in the folder ``path``."""
    path = Path(path)
    return path / "journey.yaml" if path.is_dir() else path


def load_journey(path: Path | str) -> Journey:
    """The checked map in the file ``path`` (or in the project's folder ``path``).

    Raises FaultyMapError (a MapError) with every fault in ``faults``.
    """
    file = map_file(path)
    content = _read(file)
    journey = remembered(file, content)
    if journey is None:
        journey = _document(content, file).journey
        keep(file, content, journey)
    return journey


def load(path: Path | str) -> Document:
    """The document of the file ``path`` (or of the project's folder); its ``journey`` is read when it is asked for.

    Raises FaultyMapError when there is no readable YAML at all.
    """
    file = map_file(path)
    return _document(_read(file), file)


def _document(content: bytes, file: Path) -> Document:
    from polku.journey.document import Document  # the YAML reader and the rules: not for a map that is remembered

    return Document(content, file)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        from polku.journey.check import check

        raise FaultyMapError(check(file)) from None
