"""Scores as people write them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Final

from polku.language import N_, Reader
from polku.measures.feeling.feeling import written
from polku.surveys.results import SCORED, Answered

KIND_NAMES: Final[Mapping[str, str]] = {"nps": N_("NPS"), "csat": N_("CSAT"), "ces": N_("CES")}


def scored(answered: Answered | None, reader: Reader) -> tuple[str, str]:
    """A question's score as people write it ("NPS 34"), and its interval; "" where there is none."""
    if answered is None or answered.score is None or answered.score.value is None:
        return "", ""
    show = functools.partial(written, SCORED[answered.kind], reader)
    low, high = answered.score.low, answered.score.high
    interval = "" if low is None or high is None else reader("{low} to {high}", low=show(low), high=show(high))
    return f"{reader(KIND_NAMES[answered.kind])} {show(answered.score.value)}", interval
