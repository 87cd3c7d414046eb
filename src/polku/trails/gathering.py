"""Taking customers out of layers: whole trails from several places become rows again, each copied once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polku.kernels.compiled import kernel
from polku.trails.build import Span, by_bucket
from polku.trails.layout import Bucket
from polku.trails.sorting import MICRO, Rows, arrange_unique

Keys = npt.NDArray[np.int64]
NO_MICROS, NO_VALUE = np.empty(0, np.uint32), np.empty(0, np.float64)
for _array in (NO_MICROS, NO_VALUE):
    _array.setflags(write=False)  # as a layer's own are: one compiled kernel for both


@dataclass(frozen=True, eq=False)
class Piece:
    """Customers of one bucket: those at its rows ``which`` int64[k], under ``keys`` int64[k] (by default their own)."""

    bucket: Bucket
    seq_base: int
    which: Keys
    keys: Keys

    @property
    def events(self) -> int:
        offsets = self.bucket.offsets
        return int((offsets[self.which + 1] - offsets[self.which]).sum())

    def take(self, chosen: npt.NDArray[np.bool_]) -> Piece:
        return Piece(self.bucket, self.seq_base, self.which[chosen], self.keys[chosen])


@kernel
def _fill(offsets, which, keys, time, micros, seq, seq_base, code, page, origin, session, hashes, value, at, out):  # type: ignore[no-untyped-def]
    customers, times, seqs, codes, pages, origins, sessions, values = out
    for k in range(len(which)):
        for i in range(offsets[which[k]], offsets[which[k] + 1]):
            customers[at] = keys[k]
            t = np.int64(time[i]) * MICRO
            if len(micros) > 0:
                t += np.int64(micros[i])
            times[at] = t
            seqs[at] = np.int64(seq[i]) + seq_base
            codes[at] = code[i]
            pages[at] = page[i]
            origins[at] = origin[i]
            sessions[at] = hashes[session[i]]
            if len(values) > 0:
                values[at] = value[i] if len(value) > 0 else np.nan
            at += 1
    return at


def filled(pieces: Sequence[Piece], more: Rows | None = None) -> Rows:
    """The events of all pieces, and ``more`` behind them."""
    more = Rows.empty() if more is None else more
    if not pieces:
        return more
    n = len(more) + sum(p.events for p in pieces)
    value = more.value is not None or any(p.bucket.value is not None for p in pieces)
    out = Rows(
        np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.uint16),
        np.empty(n, np.uint32), np.empty(n, np.uint32), np.empty(n, np.uint64), np.empty(n if value else 0, np.float64),
    )  # fmt: skip
    columns = (out.customer, out.time, out.seq, out.code, out.page, out.origin, out.session, out.value)
    at = 0
    for p in pieces:
        b = p.bucket
        micros = NO_MICROS if b.micros is None else b.micros
        values = NO_VALUE if b.value is None else b.value
        at = _fill(
            b.offsets, p.which, p.keys, b.time, micros, b.seq, p.seq_base, b.code, b.page, b.origin, b.session,
            b.session_hash, values, at, columns,
        )  # fmt: skip
    if len(more):
        out.customer[at:], out.time[at:], out.seq[at:], out.code[at:] = more.customer, more.time, more.seq, more.code
        out.page[at:], out.origin[at:], out.session[at:] = more.page, more.origin, more.session
        if out.value is not None and value:
            out.value[at:] = np.nan if more.value is None else more.value
    return out if value else Rows(*columns[:-1], None)


def gathered(
    pieces: Sequence[Piece], fresh: Rows, buckets: int, *, unique: bool, threads: int
) -> tuple[list[Rows], Span]:
    """The rows of each of ``buckets`` new buckets; ``unique``: what stands there twice (same seq) counts once."""
    chunk = by_bucket(fresh, buckets)
    targets = _by_target(pieces, buckets)
    micros = any(p.bucket.micros is not None for p in pieces) or bool((fresh.time % MICRO).any())

    def of(b: int) -> tuple[Rows, Span]:
        rows = filled(targets[b], chunk.rows.take(slice(int(chunk.start[b]), int(chunk.start[b + 1]))))
        rows = arrange_unique(rows) if unique else rows
        return rows, Span.of([rows], micros)

    if threads > 1 and buckets > 1:
        with ThreadPoolExecutor(threads) as pool:
            made = list(pool.map(of, range(buckets)))
    else:
        made = [of(b) for b in range(buckets)]
    return [rows for rows, _ in made], Span.joined(span for _, span in made)


def _by_target(pieces: Sequence[Piece], buckets: int) -> list[list[Piece]]:
    """The pieces of each new bucket. Mostly a piece goes whole into one, as numbers of buckets are powers of two."""
    targets: list[list[Piece]] = [[] for _ in range(buckets)]
    for piece in pieces:
        if not len(piece.which):
            continue
        target = piece.keys & (buckets - 1)
        if (target == target[0]).all():
            targets[int(target[0])].append(piece)
            continue
        for b in np.unique(target).tolist():
            targets[b].append(piece.take(target == b))
    return targets
