"""The kinds of measures that a map may name, and the options of each: data, for the map knows nothing of measures.

``measure_kinds.json`` is written from the catalogue by ``scripts/write_measure_kinds.py``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from polku.journey import values
from polku.journey.fault import Fault
from polku.journey.fault import Path as MapPath
from polku.journey.sketch import Sketch, Spot
from polku.language import N_

FILE = Path(__file__).with_name("measure_kinds.json")
#: Options that stand beside ``kind`` as well, for they are the usual ones.
BESIDE = ("from", "to", "steps", "within", "by")
Faults = Iterator[Fault]


@functools.cache
def kinds() -> Mapping[str, Any]:
    """Kind to ``one_rate`` (whether it gives the one rate that a target needs) and ``options``."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def has_one_rate(kind: object) -> bool:
    return isinstance(kind, str) and bool(kinds().get(kind, {}).get("one_rate"))


def asked(measure: Spot, option: str) -> object:
    """What a measure of the map says for an option, beside ``kind`` or under ``options``."""
    inside = measure.data.get("options")
    found = measure.data.get(option) if option in BESIDE else None
    return found if found is not None else inside.get(option) if isinstance(inside, dict) else None


def measures_are_known(map: Sketch) -> Faults:
    """A measure of the map is one that there is, and its options are that measure's, with values that fit."""
    for measure in map.named("measures").values():
        kind = measure.data.get("kind")
        if not isinstance(kind, str):
            continue  # its shape is told already
        if kind not in kinds():
            yield map.unknown(
                "value.choice",
                N_("{found!r} is not known here; did you mean {nearest!r}? There are {known}"),
                N_("{found!r} is not known here; there are {known}"),
                (*measure.path, "kind"),
                kind,
                list(kinds()),
            )
            continue
        options = measure.data.get("options")
        for name, value in options.items() if isinstance(options, dict) else ():
            path: MapPath = (*measure.path, "options", name)
            known = kinds()[kind]["options"]
            if name not in known:
                yield map.unknown(
                    "measure.option",
                    N_("this kind of measure has no option {found!r}; did you mean {nearest!r}?"),
                    N_("this kind of measure has no option {found!r}; it has {known}"),
                    path,
                    str(name),
                    list(known),
                )
            elif name in BESIDE and measure.data.get(name) is not None:
                yield map.fault("measure.twice", N_("{name!r} stands beside kind already"), path, name=name)
            elif value is not None:
                yield from fits(map, path, known[name], value)


def fits(map: Sketch, path: MapPath, option: Mapping[str, Any], value: Any) -> Faults:
    """Whether a value is one that the option takes."""
    kind, text = option["kind"], str(value)
    if kind in ("steps", "texts"):
        if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(v, (dict, list)) for v in value)):
            yield map.fault("measure.value", N_("a list of names is needed here"), path)
        return
    if isinstance(value, (dict, list)):
        yield map.fault("measure.value", N_("one value is needed here"), path)
    elif kind == "choice" and text not in option["choices"]:
        yield map.unknown(
            "measure.value",
            N_("{found!r} does not fit here; did you mean {nearest!r}?"),
            N_("{found!r} does not fit here; choose one of {known}"),
            path,
            text,
            option["choices"],
        )
    elif kind == "flag" and not isinstance(value, bool):
        yield map.fault("measure.value", N_("{found!r} is neither true nor false"), path, found=text)
    elif kind == "number" and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        yield map.fault("measure.value", N_("{found!r} is not a whole number above 0"), path, found=text)
    elif kind == "real" and (isinstance(value, bool) or not isinstance(value, (int, float))):
        yield map.fault("measure.value", N_("{found!r} is not a number"), path, found=text)
    elif kind in ("duration", "share", "day"):
        read = {"duration": values.duration, "share": values.share, "day": values.day}[kind]
        try:
            read(value)
        except values.UnreadableError as reason:
            yield map.fault("value.unreadable", reason.message, path, **reason.facts)
        except ValueError:
            yield map.fault("measure.value", N_("{found!r} does not fit here"), path, found=text)
