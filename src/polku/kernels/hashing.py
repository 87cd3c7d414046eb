"""A stable 64-bit hash of strings and of rows of numbers, over Arrow buffers, without the GIL.

It is part of the format on disk (event ids, identities), so it never changes: a test holds it to fixed values.
The mixing is that of wyhash's and splitmix64's family (Steele, Lea and Flood, OOPSLA 2014): multiply, xor-shift.
"""

from __future__ import annotations

import numba as nb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from polku.kernels.compiled import kernel

M1 = np.uint64(0xBF58476D1CE4E5B9)
M2 = np.uint64(0x94D049BB133111EB)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@nb.njit(cache=True, inline="always")
def mix(x):  # type: ignore[no-untyped-def]
    """splitmix64's finaliser: every bit of the input changes about half of the output's."""
    x = (x ^ (x >> np.uint64(30))) * M1
    x = (x ^ (x >> np.uint64(27))) * M2
    return x ^ (x >> np.uint64(31))


@kernel
def _hash_bytes(data, offsets, seed, out):  # type: ignore[no-untyped-def]
    for i in range(len(offsets) - 1):
        start, end = np.int64(offsets[i]), np.int64(offsets[i + 1])
        h = mix((seed + M2) ^ (np.uint64(end - start) * GOLDEN))
        j = start
        while j + 8 <= end:
            word = np.uint64(0)
            for k in range(8):
                word |= np.uint64(data[j + k]) << np.uint64(8 * k)
            h = mix(h ^ word) + GOLDEN
            j += 8
        word = np.uint64(0)
        shift = np.uint64(0)
        while j < end:
            word |= np.uint64(data[j]) << shift
            shift += np.uint64(8)
            j += 1
        out[i] = mix(h ^ word)


@kernel
def combine(h, column):  # type: ignore[no-untyped-def]
    """Fold ``column`` (uint64[n]) into the row hashes ``h`` (uint64[n]), in place; the order of columns matters.

    Either may be raw small numbers: ``h`` is mixed before it meets ``column``, so that 1 and 2 are not 2 and 1.
    """
    for i in range(len(h)):
        h[i] = mix(mix(h[i] + GOLDEN) ^ column[i])


def hash_strings(values: pa.Array | pa.ChunkedArray, seed: int = 0) -> npt.NDArray[np.uint64]:
    """uint64[n] of a string or binary Arrow array; a null is 0, an empty string is not; dictionaries once a word.

    >>> hash_strings(pa.array(["a", None, "a"])).tolist()[1]
    0
    """
    if isinstance(values, pa.ChunkedArray):
        if values.num_chunks == 1:
            values = values.chunk(0)
        else:
            return np.concatenate([hash_strings(c, seed) for c in values.chunks] or [np.empty(0, np.uint64)])
    if pa.types.is_dictionary(values.type):
        words = np.append(hash_strings(values.dictionary, seed), np.uint64(0))
        codes = pc.fill_null(values.indices.cast(pa.int64()), len(words) - 1).to_numpy(zero_copy_only=False)
        taken: npt.NDArray[np.uint64] = words[codes]
        return taken
    out = np.zeros(len(values), np.uint64)
    if pa.types.is_null(values.type) or not len(values):
        return out
    if not (pa.types.is_string(values.type) or pa.types.is_binary(values.type)):
        values = values.cast(pa.large_string() if not pa.types.is_large_binary(values.type) else pa.large_binary())
    wide = pa.types.is_large_string(values.type) or pa.types.is_large_binary(values.type)
    _, offset_buffer, data_buffer = values.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64 if wide else np.int32)[
        values.offset : values.offset + len(values) + 1
    ]
    data = (
        np.frombuffer(data_buffer, np.uint8) if data_buffer is not None and data_buffer.size else np.zeros(1, np.uint8)
    )
    _hash_bytes(data, offsets, np.uint64(seed), out)
    if values.null_count:
        out[np.asarray(values.is_null())] = 0
    return out
