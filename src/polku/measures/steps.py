"""Names that a funnel, a conversion or a source measure is given, as codes of the trails."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, unquote

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.journey.model import Journey, Text, titled
from polku.kernels.columns import frozen
from polku.language import N_
from polku.measures.view import View, known


def codes_of(view: View, name: str) -> npt.NDArray[np.bool_]:
    """bool[codes]: the events that ``name`` means, a touchpoint of the map or else an event's canonical name.

    Raises MeasureError with the nearest name. A touchpoint without any event yet is nobody's, not an error.
    """
    ids = view.journey.touchpoint_ids
    if name in ids:
        return np.asarray(frozen(view.rules.code_touchpoint == ids.index(name), np.bool_))
    events = view.trails.tables.code_event
    if not ids and not events:
        raise MeasureError(N_("There is no touchpoint or event {name!r}: nothing has happened yet."), name=name)
    if name not in events:
        known(
            name,
            [*ids, *sorted(set(events))],
            N_("There is no touchpoint or event {name!r}.{meant} There are: {known}."),
        )
    return np.asarray(frozen([event == name for event in events], np.bool_))


def chain_text(steps: Sequence[str]) -> str:
    """Steps as one name of a selector: ``product>cart>order``."""
    return ">".join(quote(step, safe="") for step in steps)


def chain_of(text: str) -> tuple[str, ...]:
    """The steps of such a name.

    >>> chain_of(chain_text(("Product Viewed", "order")))
    ('Product Viewed', 'order')
    """
    return tuple(unquote(step) for step in text.split(">"))


def title_of(journey: Journey, name: str) -> Text:
    """The title of a touchpoint, or the event's own name."""
    return next((titled(t) for _, _, t in journey.touchpoints() if t.id == name), name)


def goal_of(journey: Journey) -> str:
    """The touchpoint that counts as converting when nobody says which.

    The `to` of the map's first conversion measure, else the first touchpoint that holds money, else the first moment of
    truth. Raises MeasureError when the map has none of them.
    """
    for measure in journey.measures.values():
        if measure.kind == "conversion" and measure.to is not None:
            return measure.to
    for wanted in ("value", "moment_of_truth"):
        for _, _, touchpoint in journey.touchpoints():
            if getattr(touchpoint, wanted):
                return touchpoint.id
    if not journey.touchpoint_ids:
        raise MeasureError(N_("Nothing says what converting is; name an event with `to`, for example to=purchase."))
    raise MeasureError(
        N_("Nothing in this map says what converting is; name it with `to`, one of: {known}."),
        known=", ".join(journey.touchpoint_ids),
    )
