"""Addresses out of the columns of a file, before its rows become events; rows of the erased are told apart.

By columns and distinct values: a column is only looked at value by value when its bytes hold an ``@``, a ``%40`` or a
``+`` before a digit, or when its name says that phone numbers stand in it. A file without any costs one look at memory.
"""

from __future__ import annotations

import dataclasses
import json
import re
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from polku.events import jsontext
from polku.events.pipeline import Batch
from polku.events.plan import Plan
from polku.events.refusals import Refusal
from polku.record.contacts import Contact, Key, Kind, key_of
from polku.sources.raw import RawBatch

if TYPE_CHECKING:
    from polku.record.project import Project

_PLUS: Final = re.compile(rb"\+\d|%2[Bb]\d")
_PHONE_KEY: Final = re.compile(rb'(?i)(?:phone|number|mobile|tel|gsm|cell|nnykk|puh)[^"]*"\s*:')
#: What the columns of addresses are called that the step adds for ``context.ids``; no file's column begins so.
ADDED: Final = "\0polku "
#: What stands where an id was an address that is nobody's (polku.record.placeholders): a word for nobody.
NOBODY: Final = "nobody"


class Private:
    """One import's addresses: :meth:`clean` each batch before the pipeline, :meth:`bar` it after."""

    def __init__(self, project: Project, received: int, source: str) -> None:
        self._addresses = project.contacts.addresses
        self._erased = project.erased
        self._any_erased = project.erased.refresh()
        self._received, self._source = received, source
        self._found: dict[tuple[Kind, str], str] = {}
        self._dropped: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def contacts(self) -> list[Contact]:
        """The customers' own addresses that were taken out."""
        at = self._received
        return [
            Contact(kind, hashed, plain, at, at, self._source)
            for (kind, hashed), plain in self._found.items()
            if (kind, hashed) not in self._dropped
        ]

    def drop(self, ids: Iterable[tuple[str, str]]) -> None:
        """Keep no address of these (kind, value) ids: their row is not kept, or no longer as theirs."""
        with self._lock:
            self._dropped.update(ids)

    def keep(self, project: Project) -> None:
        """Store them; the rows they were taken from are in history."""
        found = self.contacts()
        if found:
            with project.state.write() as connection:
                project.contacts.write(connection, found)

    def clean(self, raw: RawBatch, plan: Plan) -> tuple[RawBatch, Plan]:
        """The batch without plain addresses; the plan puts the customer's own into ``context.ids``."""
        ids: dict[Kind, Any] = {}
        columns = dict(raw.columns)
        names = set(raw.json)
        skipped = {*plan.time, *plan.value, plan.event_id, plan.received_at}
        who = {plan.customer, plan.anonymous, plan.account}
        for name, values in raw.columns.items():
            if name in skipped or not len(values) or values.null_count == len(values):
                continue
            *above, last = name.split(".")  # JSON Lines: a column of a place in an object
            key, about = key_of(last), all(key_of(part).about for part in above)
            if key.phone and (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
                values = (values.cast(pa.int64(), safe=False) if pa.types.is_floating(values.type) else values).cast(
                    pa.string()
                )
            if pa.types.is_nested(values.type):
                if not self._nested_may(values):
                    continue
                values = jsontext.to_json(values)
                names.add(name)
            if not _is_text(values):
                continue
            if not (key.phone or _may_hold(values, key.about or name in names or name == plan.context)):
                continue
            if name in (plan.properties, plan.context):
                columns[name] = self._objects(values, ids, None, about=True)
            elif name in names or _is_objects(values):
                columns[name] = self._objects(values, ids, last, about=about)
            else:
                own = (about and key.own is not None) or name in who
                columns[name] = self._values(values, key, own, ids, whole=name in who)
        rest = raw.rest
        if rest is not None and _is_text(rest) and _may_hold(rest, True):
            rest = self._objects(rest, ids, None, about=True)
        for kind, hashes in ids.items():
            columns[f"{ADDED}{kind}"] = pa.array(hashes, pa.string())
            plan = dataclasses.replace(plan, places=(*plan.places, (f"{ADDED}{kind}", ("ids", kind))))
        return dataclasses.replace(raw, columns=columns, rest=rest, json=frozenset(names)), plan

    def bar(self, raw: RawBatch, batch: Batch) -> Batch:
        """The batch without the rows of customers who were erased; they are refused with their reason."""
        if not self._any_erased or not batch.table.num_rows:
            return batch
        barred = self._erased.rows(batch.table)
        kept = np.flatnonzero(batch.refused == 0)
        for kind in ("email", "phone"):
            hashes = raw.columns.get(f"{ADDED}{kind}")
            if hashes is not None:
                barred |= self._erased.among(kind, hashes.take(pa.array(kept)))
        if not barred.any():
            return batch
        for kind in ("email", "phone"):
            hashes = raw.columns.get(f"{ADDED}{kind}")
            if hashes is not None:
                theirs = hashes.take(pa.array(kept[barred])).to_pylist()
                self.drop((kind, hashed) for hashed in theirs if hashed is not None)
        refused = batch.refused.copy()
        refused[kept[barred]] = Refusal.ERASED
        stay = pa.array(~barred)
        return Batch(
            batch.table.filter(stay),
            None if batch.own is None else batch.own.filter(stay),
            None if batch.hashes is None else batch.hashes[~barred],
            refused,
        )

    # -- values ------------------------------------------------------------------------------------------------------

    def _values(self, values: pa.Array, key: Key, own: bool, ids: dict[Kind, Any], *, whole: bool) -> pa.Array:
        """A column of texts with its addresses replaced, distinct value by distinct value.

        ``whole``: the column is an id itself, so that its address need not stand in ``context.ids`` too.
        """
        words = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
        fresh: list[str | None] = []
        kinds: list[Kind | None] = []
        for word in words.dictionary.to_pylist():
            if whole and isinstance(word, str) and self._addresses.is_nobody(word):
                cleaned, kind = NOBODY, None
            else:
                cleaned, kind = self._value(word, key, own) if isinstance(word, str) else (word, None)
            fresh.append(cleaned)
            kinds.append(kind)
        for kind in {k for k in kinds if k is not None} if own and not whole else ():
            bare = pa.array(
                [w.partition(":")[2] if w and k == kind else None for w, k in zip(fresh, kinds, strict=True)],
                pa.string(),
            )
            taken = bare.take(words.indices).to_numpy(zero_copy_only=False)
            _fill(ids, kind, taken)
        made = pa.DictionaryArray.from_arrays(words.indices, pa.array(fresh, pa.string()))
        return made if pa.types.is_dictionary(values.type) else made.dictionary_decode()

    def _value(self, word: str, key: Key, own: bool) -> tuple[str, Kind | None]:
        """A value, and of which kind it is when all of it is an address."""
        for kind in ("email", "phone"):
            if (kind == "email" and "@" not in word) or (kind == "phone" and not (key.phone or word.startswith("+"))):
                continue
            found = self._addresses.found(kind, word)
            if found is not None:
                if kind == "email" and self._addresses.is_nobody(word):
                    return f"{kind}:{found[1]}", None
                if own:
                    with self._lock:
                        self._found[(kind, found[1])] = found[0]
                return f"{kind}:{found[1]}", kind
        if key.phone:
            holder = {"phone": word}
            self._addresses.clean(holder, about=False)
            return holder["phone"], None
        return self._addresses.clean_text(word), None

    def _objects(self, texts: pa.Array, ids: dict[Kind, Any], name: str | None, *, about: bool) -> pa.Array:
        """A column of JSON with its addresses replaced; ``name``: the key under which the values stand, if any."""
        always = name is not None and key_of(name).phone
        plain = texts.cast(pa.string()) if pa.types.is_dictionary(texts.type) else texts
        fresh = plain.to_pylist()
        read: dict[str, tuple[str, tuple[tuple[Kind, str, str], ...]]] = {}
        for row, text in enumerate(fresh):
            if text is None or not (always or _text_may_hold(text)):
                continue
            if text not in read:
                read[text] = self._object(text, name, about)
            fresh[row], own = read[text]
            for kind, hashed, address in own:
                with self._lock:
                    self._found[(kind, hashed)] = address
                _fill(ids, kind, None, len(fresh))
                ids[kind][row] = ids[kind][row] or hashed
        return pa.array(fresh, pa.string())

    def _object(self, text: str, name: str | None, about: bool) -> tuple[str, tuple[tuple[Kind, str, str], ...]]:
        try:
            value: Any = json.loads(text)
        except (ValueError, RecursionError):
            return self._addresses.clean_text(text), ()  # the pipeline tells what is wrong with it
        holder: dict[str, Any] = {"value": value if name is None else {name: value}}
        if isinstance(holder["value"], dict):
            own = self._addresses.clean(holder["value"], about)
        else:
            own = self._addresses.clean(holder, about=False)
        value = holder["value"] if name is None else holder["value"][name]
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")), tuple(own)

    def _nested_may(self, values: pa.Array) -> bool:
        if pa.types.is_struct(values.type):
            return any(
                key_of(values.type.field(n).name).phone or self._nested_may(values.field(n))
                for n in range(values.type.num_fields)
            )
        if pa.types.is_nested(values.type):
            flat = values.keys if pa.types.is_map(values.type) else values.flatten()
            inner = values.items if pa.types.is_map(values.type) else flat
            return self._nested_may(flat) or self._nested_may(inner)
        return _is_text(values) and _may_hold(values, False)


def _fill(ids: dict[Kind, Any], kind: Kind, values: Any, rows: int = 0) -> None:
    """Put hashes where no column before this one gave any."""
    if values is None:
        ids.setdefault(kind, np.full(rows, None, np.object_))
    elif kind not in ids:
        ids[kind] = np.where(values == None, None, values)  # noqa: E711 (an array's own comparison)
    else:
        ids[kind] = np.where(ids[kind] == None, values, ids[kind])  # noqa: E711


def _is_text(values: pa.Array) -> bool:
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_objects(values: pa.Array) -> bool:
    """Whether the first value is a JSON object or list."""
    texts = values.dictionary if pa.types.is_dictionary(values.type) else values
    first = next((at for at in range(len(texts)) if texts[at].is_valid), None)
    return first is not None and texts[first].as_py().lstrip()[:1] in ("{", "[")


def _may_hold(values: pa.Array, objects: bool) -> bool:
    """Whether the bytes of a column may hold an address; ``objects``: they are JSON, with keys of their own."""
    texts = values.dictionary if pa.types.is_dictionary(values.type) else values
    if not len(texts):
        return False
    data = texts.buffers()[-1]
    if data is None:
        return False
    offsets = np.frombuffer(texts.buffers()[1], np.int64 if pa.types.is_large_string(texts.type) else np.int32)
    view = memoryview(data)[int(offsets[texts.offset]) : int(offsets[texts.offset + len(texts)])]
    if re.search(b"@", view) or re.search(b"%40", view) or _PLUS.search(view):
        return True
    return objects and _PHONE_KEY.search(view) is not None


def _text_may_hold(text: str) -> bool:
    return "@" in text or "%40" in text or "+" in text or _PHONE_KEY.search(text.encode("utf-8", "replace")) is not None


def is_erased(reason: Refusal) -> bool:
    """Whether nothing but the count of a refused row may be kept."""
    return reason in (Refusal.ERASED, Refusal.NO_CONSENT)
