"""Numbers by `seq`: a file of codes over stretches of seqs, in which the code of an event is found by its arrival.

Seqs are dense where events arrived together and far apart between; only pages that hold an event are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.lib.format import open_memmap

from polku.kernels.compiled import kernel

U32 = npt.NDArray[np.uint32]
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SeqCodes:
    """``codes`` uint32[n], 0 = none; stretch k holds the seqs from ``first[k]`` on at ``codes[at[k]:at[k + 1]]``."""

    first: I64  # [k] ascending
    at: I64  # [k + 1]
    codes: U32

    def place(self, seq: I64, local: U32, number: U32) -> None:
        """Write ``number[local]`` at the places of ``seq``, where ``local`` is not 0."""
        if len(self.first):
            _place(self.first, self.at, self.codes, seq, local, number)

    def gather(self, seq: npt.NDArray[np.unsignedinteger] | I64, seq_base: int, out: U32) -> None:
        """Write the codes of events of ``seq + seq_base`` into ``out``; events that are not here keep what they have.

        >>> codes = seq_codes(np.array([1], np.int64), 2)
        >>> codes.place(np.array([5, 7], np.int64), np.array([1, 2], np.uint32), np.array([0, 30, 40], np.uint32))
        >>> out = np.zeros(3, np.uint32)
        >>> codes.gather(np.array([7, 6, 5], np.int64), 0, out)
        >>> out.tolist()
        [40, 0, 30]
        """
        if len(self.first):
            _gather(self.first, self.at, self.codes, seq, np.int64(seq_base), out)

    def present(self) -> tuple[I64, U32]:
        """The seqs that have a code, ascending, and their codes."""
        where = np.flatnonzero(self.codes)
        stretch = np.searchsorted(self.at, where, "right") - 1
        return self.first[stretch] + where - self.at[stretch], np.asarray(self.codes[where])


def pages_of(seqs: Iterable[I64], bits: int) -> I64:
    """The pages (of 2 ** bits seqs) in which any of ``seqs`` lies, ascending."""
    return np.unique(np.concatenate([np.unique(s >> bits) for s in seqs] or [np.empty(0, np.int64)]))


def seq_codes(pages: I64, bits: int, file: Path | None = None) -> SeqCodes:
    """Empty codes over ``pages`` (see :func:`pages_of`); in ``file``, memory-mapped, when one is given."""
    starts = np.flatnonzero(np.diff(pages, prepend=pages[:1] - 2) != 1)
    first = (pages[starts] << bits).astype(np.int64)
    at = np.append(starts, len(pages)).astype(np.int64) << bits
    if file is None or not len(pages):
        return SeqCodes(first, at, np.zeros(int(at[-1]), np.uint32))
    # Pages of the file that are never written to are holes: they cost no room on the disk.
    return SeqCodes(first, at, np.asarray(open_memmap(file, mode="w+", dtype=np.uint32, shape=(int(at[-1]),))))


def index_file(file: Path) -> Path:
    return file.with_suffix(".index.npy")


def save_index(codes: SeqCodes, file: Path) -> None:
    """Write the stretches of ``codes``, whose numbers stand in ``file``."""
    np.save(index_file(file), np.stack([np.append(codes.first, 0), codes.at]), allow_pickle=False)
    if not file.exists():
        np.save(file, codes.codes, allow_pickle=False)


def load(file: Path) -> SeqCodes:
    """Codes from ``file``, memory-mapped. Raises FileNotFoundError, or ValueError when it was cut short."""
    index = np.load(index_file(file), allow_pickle=False)
    codes: U32 = np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
    if len(codes) != index[1, -1]:
        raise ValueError(f"{file.name} holds {len(codes)} codes where {index[1, -1]} are told of")
    return SeqCodes(index[0, :-1].copy(), index[1].copy(), codes)


def remove_files(file: Path) -> Sequence[Path]:
    """The files of codes in ``file``."""
    return [file, index_file(file)]


@kernel
def _stretch(first, seq, near):  # type: ignore[no-untyped-def]
    """The stretch that ``seq`` could lie in, looked for beside ``near`` first; -1 below all."""
    if first[near] <= seq and (near + 1 == len(first) or seq < first[near + 1]):
        return near
    low, high = 0, len(first)
    while low < high:
        middle = (low + high) // 2
        if first[middle] <= seq:
            low = middle + 1
        else:
            high = middle
    return low - 1


@kernel
def _place(first, at, codes, seq, local, number):  # type: ignore[no-untyped-def]
    near = 0
    for i in range(len(seq)):
        if local[i] == 0:
            continue
        k = _stretch(first, seq[i], near)
        if k < 0:
            continue
        near = k
        j = at[k] + seq[i] - first[k]
        if j < at[k + 1]:
            codes[j] = number[local[i]]


@kernel
def _gather(first, at, codes, seq, seq_base, out):  # type: ignore[no-untyped-def]
    near, lowest = 0, first[0]
    behind = first[-1] + at[-1] - at[-2]
    for i in range(len(seq)):
        s = np.int64(seq[i]) + seq_base
        if s < lowest or s >= behind:
            continue
        k = _stretch(first, s, near)
        near = k
        j = at[k] + s - first[k]
        if j < at[k + 1] and codes[j] != 0:
            out[i] = codes[j]
