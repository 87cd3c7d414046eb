"""The families of measures by name: what people read above them, and the page of the docs that tells of them."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterator, Mapping

from polku.language import N_
from polku.measures.catalogue import FAMILIES
from polku.measures.definition import Measure


@dataclasses.dataclass(frozen=True, slots=True)
class Family:
    """A family of measures. ``docs`` is the path of its page under docs/."""

    title: str
    docs: str


#: Every family that there is, or is to come; one that stands in the catalogue must stand here (a test says so).
TITLES: Mapping[str, Family] = {
    "stages": Family(N_("Stages and leaving"), "measures.md"),
    "sessions": Family(N_("Sessions and visits"), "measures/sessions.md"),
    "funnels": Family(N_("Funnels"), "measures/funnel.md"),
    "paths": Family(N_("Paths"), "measures/paths.md"),
    "retention": Family(N_("Retention"), "measures/retention.md"),
    "value": Family(N_("Value of customers"), "measures/value.md"),
    "attribution": Family(N_("Attribution"), "measures/attribution.md"),
    "content": Family(N_("Content"), "measures/content.md"),
    "acquisition": Family(N_("Acquisition"), "measures/acquisition.md"),
    "leads": Family(N_("Leads"), "measures/leads.md"),
    "personas": Family(N_("Personas"), "measures/personas.md"),
    "experiments": Family(N_("Experiments"), "measures/experiments.md"),
    "obstacles": Family(N_("Obstacles"), "measures/obstacles.md"),
    "forecast": Family(N_("What if"), "measures/what-if.md"),
    "feeling": Family(N_("Feeling"), "measures/feeling.md"),
}


def families() -> Iterator[tuple[str, Family, tuple[Measure, ...]]]:
    """Every family of the catalogue with its measures, in the order in which people meet them."""
    for name in FAMILIES:
        yield name, TITLES[name], importlib.import_module(f"polku.measures.{name}").MEASURES
