"""What a step of a path is: a touchpoint of the map, an event, or a stage."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.journey.model import Text, titled
from polku.kernels.columns import frozen
from polku.language import N_
from polku.measures.definition import known
from polku.measures.view import View

#: What steps may be called by.
OF = ("touchpoint", "event", "stage")
#: What answers call the beginning and the end of a path, and all steps that are not shown.
START, END, REST = "path_start", "path_end", "rest"
NOTHING = {
    "touchpoint": N_("There are no steps to follow: no touchpoint of the map has been met."),
    "event": N_("There are no steps to follow: no event has happened yet."),
    "stage": N_("There are no steps to follow: no touchpoint of any stage has been met."),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Alphabet:
    """``symbol`` int16[codes] gives the step of each code, -1 none; ``names`` and ``titles`` are those of the steps."""

    of: str
    symbol: npt.NDArray[np.int16]
    names: tuple[str, ...]
    titles: tuple[Text, ...]

    def __len__(self) -> int:
        return len(self.names)

    def place(self, name: str) -> int:
        """The number of a step. Raises MeasureError with the nearest name."""
        if name not in self.names:
            name = _apart(name, self.of)
        return known(name, self.names, N_("There is no step {name!r} here.{meant} There are: {known}."))


def alphabet_of(view: View, of: str | None = None) -> Alphabet:
    """The steps of the view's trails; ``of`` is by default touchpoint, and event for trails without a map.

    A stage stands for all its touchpoints: a step to it is a step to one of them. Raises MeasureError for another word,
    and where nothing was seen.
    """
    tables, journey = view.trails.tables, view.journey
    of = of or ("touchpoint" if any(journey.touchpoint_ids) else "event")
    known(of, OF, N_("Steps cannot be told by {name!r}.{meant} There are: {known}."))
    if of == "event":
        names = tuple(sorted(set(tables.code_event)))
        symbol = [names.index(event) for event in tables.code_event]
        titles: tuple[Text, ...] = names
    else:
        touch = np.asarray(view.rules.code_touchpoint, np.int64)
        if of == "touchpoint":
            names, symbol = journey.touchpoint_ids, touch.tolist()
            titles = tuple(titled(t) for _, _, t in journey.touchpoints())
        else:
            home = np.append(np.asarray(view.rules.stage_of, np.int64), -1)  # touchpoint -1, none, is the last
            names, titles = journey.stage_ids, tuple(titled(s) for s in journey.stages)
            symbol = home[touch].tolist()
    if not names or not symbol:
        raise MeasureError(NOTHING[of])
    return Alphabet(of, np.asarray(frozen(symbol, np.int16)), tuple(_apart(n, of) for n in names), titles)


def _apart(name: str, of: str) -> str:
    """A step's name, told apart from the words that answers have for what is none.

    >>> _apart("cart", "event"), _apart("path_start", "event")
    ('cart', 'path_start (event)')
    """
    return f"{name} ({of})" if name in (START, END, REST) else name
