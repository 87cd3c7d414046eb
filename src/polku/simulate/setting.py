"""One kind of world: everything that the general parts (people, noise, rows, truth) need to know of shop or studio."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from polku.errors import UsageError, nearest
from polku.language import N_
from polku.simulate.calendar import Seasons
from polku.simulate.shop_model import Obstacle

TIMEZONE = "Europe/Helsinki"
CURRENCY = "EUR"


@dataclasses.dataclass(frozen=True)
class Setting:
    """A kind of world. ``kernel`` and ``model`` are the generative model; the rest are words for its numbers."""

    kind: str
    host: str
    seasons: Seasons
    personas: tuple[tuple[str, float, str, float], ...]  # id, share, segment trait, share of old phones
    obstacles: tuple[Obstacle, ...]
    kernel: Callable[..., int]
    model: Callable[[], Any]
    pages: tuple[str, ...]
    items: tuple[dict[str, Any], ...]  # properties of products, videos and lessons, by number
    searches: tuple[str, ...]
    survey: dict[str, str]  # what an answer says besides its score, as the survey of the template asks it
    form: str
    coupon: str

    def switches(self, obstacles: tuple[str, ...] | None) -> tuple[bool, ...]:
        """One switch an obstacle: which of them stand in the way. None is all of them.

        Raises UsageError for a name that this world does not have.
        """
        known = [o.id for o in self.obstacles]
        if obstacles is None:
            return (True,) * len(known)
        for name in obstacles:
            if name not in known:
                raise UsageError(
                    N_("The world {kind!r} has no obstacle {obstacle!r}. It has {known}; nearest: {nearest}."),
                    obstacle=name,
                    kind=self.kind,
                    known=", ".join(known),
                    nearest=nearest(name, known) or known[0],
                )
        return tuple(name in obstacles for name in known)


def setting(kind: str) -> Setting:
    """The setting ``"shop"`` or ``"studio"``; imported when asked for, as its kernels take seconds to compile once.

    Raises UsageError for another word.
    """
    if kind == "shop":
        from polku.simulate.shop_setting import SETTING

        return SETTING
    if kind == "studio":
        from polku.simulate.studio_setting import SETTING as STUDIO

        return STUDIO
    raise UsageError(N_("There is no world {kind!r}. The worlds are shop and studio."), kind=kind)
