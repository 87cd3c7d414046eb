"""Read ``journey.yaml``."""

from __future__ import annotations

from pathlib import Path

from polku.journey.check import check, checked
from polku.journey.fault import FaultyMapError
from polku.journey.model import Journey
from polku.journey.tree import read_bytes


def load_journey(path: Path | str) -> Journey:
    """The checked map in the file ``path`` (or in the project's folder ``path``).

    Raises FaultyMapError (a MapError) with every fault in ``faults``.
    """
    path = Path(path)
    path = path / "journey.yaml" if path.is_dir() else path
    if not path.is_file():
        raise FaultyMapError(check(path))
    journey, faults = checked(read_bytes(path.read_bytes()), str(path), path.parent)
    if journey is None:
        raise FaultyMapError(faults)
    return journey
