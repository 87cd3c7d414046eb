"""Every measure by name: commands, pages, the API and the notebook are made from this one list.

A family of measures is a folder beside this file; its ``__init__`` declares what is in it and computes nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType

from polku.measures.definition import Measure

#: The families, in the order in which people meet them.
FAMILIES = (
    "stages",
    "sessions",
    "funnels",
    "paths",
    "retention",
    "value",
    "acquisition",
    "leads",
    "personas",
    "attribution",
    "content",
    "experiments",
    "obstacles",
    "forecast",
    "feeling",
)

CATALOGUE: Mapping[str, Measure] = MappingProxyType(
    {
        measure.name: measure
        for family in FAMILIES
        for measure in importlib.import_module(f"polku.measures.{family}").MEASURES
    }
)


def family_of(name: str) -> str:
    """The family that a measure of the catalogue stands in.

    >>> family_of("funnel")
    'funnels'
    """
    return next(
        family
        for family in FAMILIES
        if any(m.name == name for m in importlib.import_module(f"polku.measures.{family}").MEASURES)
    )
