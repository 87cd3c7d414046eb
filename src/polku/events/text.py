"""The bytes under an Arrow column of text, for kernels that read them without a Python object a row."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

NO_DATA = np.zeros(1, np.uint8)
NO_DATA.flags.writeable = False


class Text(NamedTuple):
    """``data`` uint8[], ``offsets`` int64[n + 1], ``valid`` bool[n]."""

    data: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    valid: npt.NDArray[np.bool_]


def text_of(values: pa.Array) -> Text:
    """The buffers of a string, large_string or binary array (no copy of the text itself).

    >>> text_of(pa.array(["ab", None])).valid.tolist()
    [True, False]
    """
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    if not (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    ):
        values = values.cast(pa.string())
        kind = values.type
    n = len(values)
    wide = pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
    _, offset_buffer, data_buffer = values.buffers()
    if n == 0 or offset_buffer is None:
        return Text(NO_DATA, np.zeros(n + 1, np.int64), np.zeros(n, np.bool_))
    offsets = np.frombuffer(offset_buffer, np.int64 if wide else np.int32)[
        values.offset : values.offset + n + 1
    ].astype(np.int64)
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None and data_buffer.size else NO_DATA
    data = data.view()
    data.flags.writeable = False  # one type for the kernels, whatever the buffer was made of
    valid = np.ones(n, np.bool_) if not values.null_count else np.asarray(values.is_valid(), dtype=np.bool_)
    return Text(data, offsets, valid)


def strings(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], valid: npt.NDArray[np.bool_] | None = None
) -> pa.Array:
    """An Arrow string array over ``data`` (UTF-8, already checked) and ``offsets``; large where it passes 2 GB."""
    n = len(offsets) - 1
    wide = bool(n and offsets[-1] > 2**31 - 1)
    bitmap: Any = None
    nulls = 0
    if valid is not None and not valid.all():
        bitmap = pa.py_buffer(np.packbits(valid, bitorder="little"))
        nulls = int(n - valid.sum())
    kind = pa.large_string() if wide else pa.string()
    stored = offsets if wide else offsets.astype(np.int32)
    return pa.Array.from_buffers(kind, n, [bitmap, pa.py_buffer(stored), pa.py_buffer(data)], nulls)
