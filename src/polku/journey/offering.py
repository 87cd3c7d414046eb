"""Rules about ``offers:``: names that exist, earnings that are whole, levels that rise, conditions that parse."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from polku.errors import ExpressionError
from polku.journey.campaigning import ID
from polku.journey.names import Faults
from polku.journey.sketch import Sketch, Spot
from polku.journey.where import parse_where
from polku.language import N_

NO_POOL = (
    N_("there is no pool of codes {found!r} in this map; did you mean {nearest!r}?"),
    N_("there is no pool of codes {found!r} in this map; there are {known}"),
)


def _offers(map: Sketch) -> Spot:
    found = map.root.data.get("offers")
    return Spot(("offers",), found if isinstance(found, dict) else {})


def _under(map: Sketch, *keys: str) -> Spot:
    found: object = _offers(map).data
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return Spot(("offers", *keys), found if isinstance(found, dict) else {})


def names_are_ids(map: Sketch) -> Faults:
    """Pools and levels are asked for in content: ``{{ code.first_order }}``."""
    for section in (_under(map, "codes"), _under(map, "loyalty", "levels")):
        for name in section.data:
            if not ID.fullmatch(str(name)):
                message = N_("{found!r} cannot be an id; use small letters, digits and _, beginning with a letter")
                yield map.fault("value.id", message, (*section.path, name), key_of=True, found=str(name))


def rewards_are_whole(map: Sketch) -> Faults:
    """A reward is points of the programme, or a code of a pool of this map: one of the two."""
    pools = list(map_pools(map))
    for spot in _under(map, "referral").parts("reward"):
        given = [key for key in ("points", "code") if spot.data.get(key) is not None]
        if len(given) != 1:
            yield map.fault("offers.reward", N_("a reward is either points or the code of a pool"), spot.path)
        for path, name in spot.texts("code"):
            if name not in pools:
                yield map.unknown("name.pool", *NO_POOL, path, name, pools)
        if spot.data.get("points") is not None and not _under(map, "loyalty").data:
            message = N_("points need a loyalty programme: loyalty with earn")
            yield map.fault("offers.points", message, (*spot.path, "points"))


def map_pools(map: Sketch) -> Iterator[str]:
    """The names of the pools of codes."""
    yield from (str(name) for name in _under(map, "codes").data)


def earnings_are_whole(map: Sketch) -> Faults:
    """An earning gives points either by money or by the piece."""
    for spot in _under(map, "loyalty").parts("earn"):
        given = [key for key in ("per", "points") if spot.data.get(key) is not None]
        if len(given) != 1:
            message = N_("say either per (points for each unit of money) or points (for each event)")
            yield map.fault("offers.earning", message, spot.path)
        if spot.data.get("every") is not None and spot.data.get("times") is None:
            message = N_("every needs times: how often at most within that time")
            yield map.fault("offers.every", message, (*spot.path, "every"))


def levels_rise(map: Sketch) -> Faults:
    """Two levels that begin at the same points would be one."""
    seen: dict[object, str] = {}
    levels = _under(map, "loyalty", "levels")
    for name in levels.data:
        spot = next(iter(levels.parts(str(name))), None)
        begins = spot.data.get("from") if spot is not None else None
        if spot is not None and begins is not None and begins in seen:
            message = N_("the level {other!r} begins at {points} points already")
            yield map.fault("offers.levels", message, (*spot.path, "from"), other=seen[begins], points=str(begins))
        if begins is not None:
            seen.setdefault(begins, str(name))


def wheres_parse(map: Sketch) -> Faults:
    """Every ``where`` of offers is of the where language."""
    for spot in (_under(map, "referral"), _under(map, "loyalty"), *_under(map, "loyalty").parts("earn")):
        text = spot.text("where")
        if text is None:
            continue
        try:
            parse_where(text)
        except ExpressionError as error:
            facts = {k: v for k, v in error.facts.items() if k not in ("column", "text")}
            path = (*spot.path, "where")
            yield map.fault("where.syntax", error.message, path, column=error.facts["column"], **facts)


RULES: tuple[Callable[[Sketch], Faults], ...] = (
    names_are_ids,
    rewards_are_whole,
    earnings_are_whole,
    levels_rise,
    wheres_parse,
)
