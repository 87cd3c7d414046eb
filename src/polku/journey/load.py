"""Read ``journey.yaml``."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from ruamel.yaml import YAML

from polku.errors import MapError
from polku.journey.model import Journey
from polku.language import N_


def load_journey(path: Path | str) -> Journey:
    """The checked map in the file ``path``; raises MapError with all its faults."""
    with Path(path).open("rb") as file:
        data = YAML(typ="safe", pure=True).load(file)
    try:
        return Journey.model_validate(data)
    except ValidationError as error:
        raise MapError(N_("{file} has faults: {faults}"), file=str(path), faults=str(error)) from error
