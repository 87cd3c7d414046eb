"""Layers: sorted columns of some customers on disk, each an immutable directory of ``.npy`` files.

The oldest layer is the base; those above it hold, whole, the customers who changed since. One file a column holds all
buckets of a layer one after the other, so that opening costs a dozen memory maps however many buckets there are.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.format import open_memmap

from polku.record.steps import reached
from polku.trails.days import Offsets
from polku.trails.layout import Bools, Bucket
from polku.trails.sorting import Columns, Rows, Sorted, sort_bucket

#: Events a bucket should hold: few enough to be sorted in a processor's cache, so many that Python's part is nothing.
BUCKET_EVENTS = 400_000
MOST_BUCKETS = 65_536
#: Says that a layer's files have been flushed to the disk.
DURABLE = "durable"
OPTIONAL = ("micros", "value")
#: Of a layer's files.
FORMAT = 2


def buckets_for(events: int) -> int:
    """The number of buckets, a power of two by size.

    >>> buckets_for(10), buckets_for(20_000_000)
    (1, 64)
    """
    buckets = 1
    while buckets < MOST_BUCKETS and buckets * BUCKET_EVENTS < events:
        buckets *= 2
    return buckets


@dataclass(frozen=True, eq=False)
class Layer:
    """An opened layer; ``buckets[b]`` holds the customers whose key is b modulo their number."""

    name: str
    folder: Path
    buckets: tuple[Bucket, ...]
    seq_base: int  # the lowest seq
    seq_last: int  # the highest
    made: int = 0  # when its files were written (nanoseconds since 1970): tells it from an older one of the same name

    @property
    def events(self) -> int:
        return sum(b.events for b in self.buckets)

    @property
    def customers(self) -> int:
        return sum(b.customers for b in self.buckets)

    def masked(self, mask: Bools | None) -> Layer:
        """The same layer with a mask over all its customers, bucket after bucket (None: nobody is masked)."""
        if mask is None:
            return replace(self, buckets=tuple(replace(b, masked=None) for b in self.buckets))
        parts, at = [], 0
        for b in self.buckets:
            part = mask[at : at + b.customers]
            parts.append(replace(b, masked=part if part.any() else None))
            at += b.customers
        return replace(self, buckets=tuple(parts))

    def mask(self) -> Bools:
        """bool[customers], bucket after bucket; a copy that may be changed."""
        return np.concatenate(
            [np.zeros(b.customers, np.bool_) if b.masked is None else b.masked for b in self.buckets]
            or [np.zeros(0, np.bool_)]
        )

    def live_events(self) -> int:
        """Events of the customers who are not masked."""
        return sum(b.events if b.masked is None else int(np.diff(b.offsets)[~b.masked].sum()) for b in self.buckets)


def _read(folder: Path, name: str) -> npt.NDArray[Any]:
    try:
        loaded = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    except ValueError:  # an empty array cannot be mapped
        loaded = np.load(folder / f"{name}.npy", allow_pickle=False)
        loaded.setflags(write=False)
    return np.asarray(loaded)


def open_layer(folder: Path) -> Layer:
    """Map a layer's files.

    Raises FileNotFoundError when it is gone (read CURRENT again), ValueError or KeyError when its files are not of this
    format or not as long as they should be.
    """
    told = json.loads((folder / "layer.json").read_text(encoding="utf-8"))
    if told["format"] != FORMAT:
        raise ValueError(f"{folder.name} is of format {told['format']}")
    made = (folder / "layer.json").stat().st_mtime_ns
    if "pieces" in told:
        pieces = [open_layer(folder / "pieces" / name) for name in told["pieces"]]
        together = tuple(bucket for piece in pieces for bucket in piece.buckets)
        return Layer(folder.name, folder, together, told["seq_base"], told["seq_last"], made)
    columns = {name: _read(folder, name) for name in ("time", "code", "day", "page", "origin", "session", "seq")}
    optional = {name: _read(folder, name) if any(told[name]) else None for name in OPTIONAL}
    customer, offsets, hashes = (_read(folder, name) for name in ("customer", "offsets", "session_hash"))
    events_, customers_, sessions_ = sum(told["events"]), sum(told["customers"]), sum(told["sessions"])
    count = len(told["events"])
    wanted = [(column, events_) for column in (*columns.values(), *(o for o in optional.values() if o is not None))]
    for column, length in (*wanted, (customer, customers_), (offsets, customers_ + count), (hashes, sessions_ + count)):
        if len(column) != length:
            raise ValueError(f"a column of {folder.name} holds {len(column)} values where {length} are told of")
    buckets = []
    e = c = s = 0
    for b, (events, customers, sessions) in enumerate(
        zip(told["events"], told["customers"], told["sessions"], strict=True)
    ):
        span = slice(e, e + events)
        buckets.append(
            Bucket(
                customer=customer[c : c + customers],
                offsets=offsets[c + b : c + b + customers + 1],
                session_hash=hashes[s : s + sessions + 1],
                seq_base=told["seq_base"],
                micros=_some(optional["micros"], told["micros"][b], span),
                value=_some(optional["value"], told["value"][b], span),
                **{name: column[span] for name, column in columns.items()},
            )
        )
        e, c, s = e + events, c + customers, s + sessions + 1
    return Layer(folder.name, folder, tuple(buckets), told["seq_base"], told["seq_last"], made)


def _some(column: npt.NDArray[Any] | None, given: bool, span: slice) -> npt.NDArray[Any] | None:
    return column[span] if given and column is not None else None


def _new(folder: Path, name: str, n: int, dtype: type[np.generic]) -> npt.NDArray[Any]:
    if n == 0:
        np.save(folder / f"{name}.npy", np.empty(0, dtype), allow_pickle=False)
        return np.empty(0, dtype)
    mapped: npt.NDArray[Any] = np.asarray(open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=(n,)))
    return mapped


def _write_columns(
    making: Path,
    sizes: Sequence[int],
    rows_of: Callable[[int], Rows],
    zone: Offsets,
    micros: bool,
    value: bool,
    seqs: tuple[int, int],
    threads: int,
    progress: Callable[[int], None] | None,
) -> tuple[list[Sorted], dict[str, list[bool]]]:
    """Sort every bucket into the layer's files; the maps are closed when this returns."""
    total, start = int(sum(sizes)), np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    wide = seqs[1] - seqs[0] >= 2**32
    files = Columns(
        time=_new(making, "time", total, np.uint32),
        micros=_new(making, "micros", total if micros else 0, np.uint32),
        code=_new(making, "code", total, np.uint16),
        day=_new(making, "day", total, np.uint16),
        page=_new(making, "page", total, np.uint32),
        origin=_new(making, "origin", total, np.uint32),
        session=_new(making, "session", total, np.uint32),
        value=_new(making, "value", total if value else 0, np.float64),
        seq=_new(making, "seq", total, np.int64 if wide else np.uint32),
    )
    has = {name: [False] * len(sizes) for name in OPTIONAL}

    def work(b: int) -> Sorted:
        span = slice(int(start[b]), int(start[b + 1]))
        part = Columns(**{name: column[span] for name, column in vars(files).items()})
        sorted_ = sort_bucket(rows_of(b), part, zone, seqs[0])
        has["micros"][b] = bool(part.micros.any())
        has["value"][b] = bool(len(part.value)) and not bool(np.isnan(part.value).all())
        if progress:
            progress(int(sizes[b]))
        return sorted_

    if threads > 1 and len(sizes) > 1:
        with ThreadPoolExecutor(threads) as pool:
            done = list(pool.map(work, range(len(sizes))))
    else:
        done = [work(b) for b in range(len(sizes))]
    return done, has


def write_layer(
    folder: Path,
    sizes: Sequence[int],
    rows_of: Callable[[int], Rows],
    zone: Offsets,
    *,
    micros: bool,
    value: bool,
    seqs: tuple[int, int],
    threads: int,
    progress: Callable[[int], None] | None = None,
) -> Layer:
    """Sort and write a layer: bucket b gets the ``sizes[b]`` rows that ``rows_of(b)`` gives.

    Buckets are done by ``threads`` at once, each into its own part of the files; the result is the same whatever their
    order. ``seqs`` are the lowest and highest seq. The directory gets its name only when it is whole.
    """
    making = folder.with_name(folder.name + ".making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    done, has = _write_columns(making, sizes, rows_of, zone, micros, value, seqs, threads, progress)
    for name, parts_of in (
        ("customer", [d.customer for d in done]),
        ("offsets", [d.offsets for d in done]),
        ("session_hash", [d.session_hash for d in done]),
    ):
        np.save(making / f"{name}.npy", np.concatenate(parts_of), allow_pickle=False)
    reached("trails: columns written")
    told = {
        "format": FORMAT,
        "seq_base": int(seqs[0]),
        "seq_last": int(seqs[1]),
        "events": [int(s) for s in sizes],
        "customers": [len(d.customer) for d in done],
        "sessions": [len(d.session_hash) - 1 for d in done],
        **has,
    }
    (making / "layer.json").write_text(json.dumps(told), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    making.rename(folder)
    reached("trails: layer named")
    return open_layer(folder)


def join_pieces(making: Path, folder: Path, names: Sequence[str], *, seqs: tuple[int, int]) -> Layer:
    """One layer of small ones that stand, in the order of their buckets, under ``making / "pieces"``.

    Machines that write at the same time write a piece each; they have flushed them. ``making`` becomes ``folder``. What
    else lies among the pieces (of an attempt that was given up) is removed.
    """
    for path in (making / "pieces").iterdir():
        if path.name not in names:
            shutil.rmtree(path, ignore_errors=True)
    told = {"format": FORMAT, "seq_base": int(seqs[0]), "seq_last": int(seqs[1]), "pieces": list(names)}
    (making / "layer.json").write_text(json.dumps(told), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    making.rename(folder)
    reached("trails: layer named")
    return open_layer(folder)


# -- flushing --------------------------------------------------------------------------------------------------------


def booted() -> float:
    """When this machine was started (seconds since 1970), or a later moment where sleep does not count as running."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.time() - time.monotonic()


def trusted(folder: Path) -> bool:
    """Whether a layer's bytes are what was written.

    Files that a process wrote are whole for every process after it, even after a kill; only a stop of the machine can
    lose them, and then only those that were not yet flushed.
    """
    return (folder / DURABLE).exists() or (folder / "layer.json").stat().st_mtime > booted() + 2


def flush(folder: Path) -> None:
    """Flush a layer's files to the disk, and leave a mark when that is done."""
    try:
        for file in sorted(folder.iterdir()):
            if file.is_dir():
                continue  # pieces are flushed by the machines that wrote them
            handle = os.open(file, os.O_RDWR | getattr(os, "O_BINARY", 0))
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        (folder / DURABLE).touch()
    except FileNotFoundError:
        return  # folded into another layer meanwhile


def flush_later(folder: Path) -> None:
    """:func:`flush` on a thread of its own."""
    threading.Thread(target=flush, args=(folder,), name=f"flush {folder.name}").start()
