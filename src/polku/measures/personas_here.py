"""How many customers of each persona stand in each stage now: the persona lane of the living map."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import numpy.typing as npt

from polku.kernels import fold
from polku.kernels.columns import Columns
from polku.measures.result import Count
from polku.measures.view import View, persona_masks

I64 = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class PersonaHere:
    """One persona that the map can tell apart: its customers by stage, not lapsed, at the view's moment."""

    id: str
    stages: tuple[Count, ...]  # in the map's order


def personas_here(view: View) -> tuple[PersonaHere, ...]:
    """The personas with a ``where``, in the map's order; under a persona filter that one alone.

    A customer stands behind each persona whose ``where`` their traits meet, so personas may overlap.
    """
    told = [id for id, persona in view.journey.personas.items() if persona.where is not None]
    if view.persona is not None:
        told = [id for id in told if id == view.persona]
    if not told or (view.profiles is None and view.project is None):
        return ()
    stages = len(view.journey.stages)
    here = view.map(functools.partial(_stage_now, view))
    found = []
    for id in told:
        counts = np.zeros(stages, np.int64)
        for at, mask in zip(here, persona_masks(view, id), strict=True):
            counts += np.bincount(at[mask] + 1, minlength=stages + 1)[1:]
        listed = dataclasses.replace(view, persona=id)
        found.append(
            PersonaHere(
                id,
                tuple(
                    Count(int(n), listed.select("stage", stage.id, "now"))
                    for n, stage in zip(counts, view.journey.stages, strict=True)
                ),
            )
        )
    return tuple(found)


def _stage_now(view: View, bucket: Columns) -> I64:
    """int64[C]: the stage where each customer stands now; -1 for outside, lapsed, and those not in the view."""
    rows = np.asarray(fold.current(bucket, view.rules, view.paying(), view.as_of))
    there = (rows[:, fold.C_EVENTS] > 0) & (rows[:, fold.C_LAPSED] == 0) & ~bucket.skip
    return np.where(there, rows[:, fold.C_STAGE], -1)
