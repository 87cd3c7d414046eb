"""What was found when a map was read and checked, kept in the project's cache so that the next start is quick.

One small JSON file: the journey, and the trees of its ``where``s. It counts only for the same bytes of the map and the
same code of this room; anything else in it, or amiss with it, and the map is read anew.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from polku.journey import where_tree
from polku.journey.model import Journey
from polku.journey.where import Where, parse_where, remember

NODES = {
    node.__name__: node
    for node in (
        where_tree.Field, where_tree.Literal, where_tree.Cast, where_tree.Fold, where_tree.Compare, where_tree.Like,
        where_tree.IsNull, where_tree.Truth, where_tree.And, where_tree.Or, where_tree.Not,
    )
}  # fmt: skip


def remembered(file: Path, content: bytes) -> Journey | None:
    """The journey of a map with this ``content``, None when it has to be read; its ``where``s are known after this."""
    try:
        kept = json.loads(_place(file).read_text(encoding="utf-8"))
        if kept["of"] != _mark(content):
            return None
        journey = Journey.model_validate(kept["journey"])
        remember(Where(text, decoded(tree)) for text, tree in kept["wheres"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError):
        return None  # no cache, or not one that we wrote
    return journey


def keep(file: Path, content: bytes, journey: Journey) -> None:
    """Keep ``journey`` for the next start, where the map belongs to a project: beside it lies ``.polku``."""
    place = _place(file)
    data = json.loads(journey.model_dump_json(by_alias=True))
    if not place.parent.parent.is_dir() or Journey.model_validate(data) != journey:
        return
    wheres = {text: encoded(parse_where(text).root) for text in _wheres(journey)}
    kept = json.dumps({"of": _mark(content), "journey": data, "wheres": wheres}, ensure_ascii=False)
    try:
        place.parent.mkdir(exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".journey.", dir=place.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(kept)
        Path(name).replace(place)
    except OSError:
        return  # a project that may only be read, or a full disk: the next start reads the map again


def _place(file: Path) -> Path:
    return file.parent / ".polku" / "cache" / "journey.json"


@functools.cache
def _code() -> str:
    """A mark of the code that reads maps, so that a newer Polku reads them again."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return "".join(f"{f.name}:{f.stat().st_size}:{f.stat().st_mtime_ns};" for f in files)


def _mark(content: bytes) -> str:
    return hashlib.sha256(_code().encode() + b"\0" + content).hexdigest()


def _wheres(journey: Journey) -> list[str]:
    spots: list[Any] = [*journey.personas.values(), *journey.roles.values()]
    for _, _, touchpoint in journey.touchpoints():
        spots += [*touchpoint.match, *touchpoint.fails, journey.felt_at(touchpoint)]
    return sorted({spot.where for spot in spots if spot is not None and spot.where is not None})


def encoded(node: Any) -> Any:
    """A part of a ``where``'s tree as JSON: ``[class, *fields]``, tuples as ``{"of": [...]}``."""
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        return [type(node).__name__, *(encoded(getattr(node, f.name)) for f in dataclasses.fields(node))]
    if isinstance(node, tuple):
        return {"of": [encoded(one) for one in node]}
    return {"moment": node.isoformat()} if isinstance(node, dt.datetime) else node


def decoded(data: Any) -> Any:
    """The opposite of ``encoded``."""
    if isinstance(data, list):
        return NODES[data[0]](*(decoded(one) for one in data[1:]))
    if isinstance(data, dict):
        if "moment" in data:
            return dt.datetime.fromisoformat(data["moment"])
        return tuple(decoded(one) for one in data["of"])
    return data
