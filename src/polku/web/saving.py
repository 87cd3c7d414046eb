"""Saving a measure's view to the map: as an entry under ``measures``, with comments and order of the file kept.

Nothing is written before the new text has been checked, nor over what somebody else has written meanwhile: then both
are shown and the reader decides.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import difflib
import hashlib
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request

from polku.access.entrance import is_loopback
from polku.errors import UsageError
from polku.journey.document import Document
from polku.journey.model import Journey, MeasureGoal
from polku.language import N_
from polku.measures.catalogue import CATALOGUE
from polku.measures.definition import Measure, Option, written
from polku.measures.periods import named_period
from polku.web.answers import Answers
from polku.web.guard import may
from polku.web.options import PERIODS, MapOptions

#: Texts of the map that pages were drawn of, so that a reader can be shown what changed since.
MOST_KEPT = 16


def entry_of(
    journey: Journey, measure: Measure, used: dict[str, Any], shared: MapOptions | None = None
) -> dict[str, Any]:
    """A measure with its options as it is written under ``measures``: what differs from the measure's own defaults.

    The usual options stand beside ``kind``, where they name touchpoints; the others under ``options``. ``shared`` gives
    the period, persona and segment of the page.
    """
    entry: dict[str, Any] = {"kind": measure.name, **({} if shared is None else _shared_of(shared))}
    options: dict[str, Any] = {}
    for option in measure.options:
        value = used.get(option.name)
        if value is None or value == option.default:
            continue
        (entry if beside(journey, option, value) else options)[option.name] = plain(option, value)
    return {**entry, **({"options": options} if options else {})}


def _shared_of(options: MapOptions) -> dict[str, str]:
    """Period, persona and segment as the map writes them; all time and everyone are left out."""
    period = options.period
    if period == "custom":
        after = "" if options.end is None else (options.end + dt.timedelta(days=1)).isoformat()
        period = f"{options.start or ''}..{after}"
    found = {"period": None if period == "all" else period, "persona": options.persona, "segment": options.segment}
    return {k: v for k, v in found.items() if v}


def saved_shared(own: MeasureGoal, asked: Mapping[str, str], as_of: dt.datetime, timezone: str) -> dict[str, str]:
    """Period, persona and segment of a measure of the map as a URL writes them, but for what the URL has ``asked``."""
    found = {k: v for k, v in (("persona", own.persona), ("segment", own.segment)) if v is not None and k not in asked}
    if own.period is None or asked.keys() & {"period", "since", "until"}:
        return found
    if own.period in PERIODS:
        return {**found, "period": own.period}
    zone = ZoneInfo(timezone)
    period = named_period(own.period, as_of, zone)
    found["period"] = "custom"
    if period.start is not None:
        found["since"] = period.start.astimezone(zone).date().isoformat()
    if period.end is not None:
        found["until"] = (period.end.astimezone(zone).date() - dt.timedelta(days=1)).isoformat()
    return found


def beside(journey: Journey, option: Option, value: Any) -> bool:
    ids = journey.touchpoint_ids
    if option.name in ("from", "to"):
        return option.kind in ("step", "goal") and value in ids
    if option.name == "steps":
        return option.kind == "steps" and all(step in ids for step in value)
    if option.name == "within":
        return option.kind == "duration"
    return option.name == "by" and value in ("customer", "session")


def plain(option: Option, value: Any) -> Any:
    """An option's value as people write it in the map: 7d, a list of steps, a number."""
    if option.kind == "duration":
        return written(option, value)
    return list(value) if isinstance(value, tuple) else value


def id_of(title: str) -> str:
    """The id of what is called ``title``.

    >>> id_of("Ensimmäinen tilaus, 7 pv!"), id_of("7 days"), id_of("???")
    ('ensimmainen_tilaus_7_pv', 'm_7_days', '')
    """
    letters = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    found = re.sub(r"[^a-z0-9]+", "_", letters).strip("_")[:58].strip("_")
    return found if not found or found[0].isalpha() else f"m_{found}"


def mark_of(content: bytes) -> str:
    """Which text of the map a page was drawn of."""
    return hashlib.blake2b(content, digest_size=12).hexdigest()


class Seen:
    """The last texts of the map (or of pieces of content) that pages were drawn of, by their mark."""

    def __init__(self) -> None:
        self._texts: collections.OrderedDict[str, bytes] = collections.OrderedDict()

    def note(self, file: Path) -> str:
        return self.keep(file.read_bytes())

    def keep(self, content: bytes) -> str:
        mark = mark_of(content)
        self._texts[mark] = content
        self._texts.move_to_end(mark)
        while len(self._texts) > MOST_KEPT:
            self._texts.popitem(last=False)
        return mark

    def text(self, mark: str) -> bytes | None:
        return self._texts.get(mark)


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. ``changed``: somebody wrote the file meanwhile (their changes as a diff, where they are known);
    ``added`` is what would be written, or was.
    """

    id: str
    added: str
    saved: bool
    changed: str | None = None
    mark: str = ""
    faults: tuple[str, ...] = ()
    line: int | None = None


def save(file: Path, seen: Seen, mark: str, entry: dict[str, Any], title: str, target: str, language: str) -> Outcome:
    """Write the measure into the map's file, unless the file is another than the reader saw or would have faults.

    Raises UsageError for a name that is none or is taken, MapError when the file was written in the same moment.
    """
    id = id_of(title)
    if not id:
        raise UsageError(N_("Give the measure a name with letters, for example: First order within a week."))
    content = file.read_bytes()
    document = Document(content, file)
    measures = document.data.get("measures") if isinstance(document.data, dict) else None
    if id in CATALOGUE or id in (measures or {}):
        raise UsageError(N_("There is a measure {id} already; give another name."), id=id)
    new = {"kind": entry["kind"], "title": title.strip(), **{k: v for k, v in entry.items() if k != "kind"}}
    if target.strip():
        new["target"] = target.strip()
    if isinstance(measures, dict):
        document.set(("measures", id), new)
    else:
        document.set(("measures",), {id: new})
    added = diff(content.decode("utf-8", "replace"), document.text)
    faults = tuple(f.text(language) for f in document.faults if f.severity == "error")
    if faults:
        return Outcome(id, added, False, None, mark_of(content), faults)
    if mark_of(content) != mark:
        before = seen.text(mark)
        changed = "" if before is None else diff(before.decode("utf-8", "replace"), content.decode("utf-8", "replace"))
        return Outcome(id, added, False, changed, seen.note(file))
    document.save()
    return Outcome(id, added, True, None, mark_of(document.content), (), document.place(("measures", id)).line)


def diff(old: str, new: str) -> str:
    """What changed from ``old`` to ``new``, line by line."""
    found = difflib.unified_diff(old.splitlines(), new.splitlines(), "", "", n=2, lineterm="")
    return "\n".join(line for line in found if not line.startswith(("---", "+++")))


def may_edit(request: Request, answers: Answers) -> bool:
    """Whether this reader may save: by their role, and by the setting ``edits`` of where from."""
    if not may(request, "edit") or answers.edits == "none":
        return False
    return answers.edits == "all" or (request.client is not None and is_loopback(request.client.host))
