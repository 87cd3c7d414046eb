"""What travels to the workers and back: work with what it binds, and references to columns instead of the columns.

A column of a project's trails is part of a memory-mapped file. Such an array is sent as the file's name, where in it
the array begins, and when the file was written; the worker maps the same file from the storage that both see. So a
question costs some hundred bytes a bucket, however many events it has, and everything that is laid out as files beside
the trails (layers, properties) reaches a worker in the same way.

Pickle runs what it reads: a cluster that Polku uses must be one's own, as with everything in Spark.
"""

from __future__ import annotations

import functools
import io
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from polku.errors import EngineError
from polku.language import N_
from polku.trails.layout import Trails

#: Files that one worker process keeps mapped; a question reads some ten of each layer or piece of a layer.
MOST_MAPPED = 4096
#: Arrays smaller than this travel as they are.
SMALL = 512


def dumps(value: Any) -> bytes:
    """``value`` as bytes: functions and classes as Spark sends them, mapped columns as references."""
    from pyspark.cloudpickle import CloudPickler

    class Sender(CloudPickler):  # type: ignore[misc]  # pyspark's cloudpickle is untyped
        def reducer_override(self, obj: Any) -> Any:
            reduced = _reduced(obj)
            return super().reducer_override(obj) if reduced is None else reduced

    sink = io.BytesIO()
    Sender(sink, protocol=5).dump(value)
    return sink.getvalue()


def loads(data: bytes) -> Any:
    """The value of :func:`dumps`, its columns mapped from storage."""
    return pickle.loads(data)


def _reduced(obj: Any) -> tuple[Callable[..., Any], tuple[Any, ...]] | None:
    """How an object travels, where Polku has a better way than pickle's own; None where it has not."""
    if type(obj) is Trails and obj.layers:
        return trails_again, (str(obj.layers[0].folder.parent.parent), obj.generation, obj.as_of)
    if not isinstance(obj, np.ndarray) or obj.nbytes < SMALL:
        return None
    if (reference := reference_of(obj)) is not None:
        return mapped_again, reference
    if obj.dtype == np.bool_ and obj.ndim == 1:
        return bits_again, (zlib.compress(np.packbits(obj).tobytes(), 1), len(obj), not obj.flags.writeable)
    return None


# -- columns ---------------------------------------------------------------------------------------------------------

#: Path, size and time of writing of the file; the array's first byte in it, dtype and shape.
Reference = tuple[str, int, int, int, str, tuple[int, ...]]


def reference_of(array: npt.NDArray[Any]) -> Reference | None:
    """Where the array lies in a mapped file; None when it lies elsewhere, or not in one piece."""
    base: Any = array
    while base is not None and not isinstance(base, np.memmap):
        base = getattr(base, "base", None)
    while base is not None and isinstance(base.base, np.memmap):
        base = base.base
    if base is None or base.filename is None or not array.flags.c_contiguous or array.dtype.hasobject:
        return None
    # np.memmap maps from the page before its offset; its own first byte stands at `offset` in the file.
    begin = array.__array_interface__["data"][0] - base.__array_interface__["data"][0] + base.offset
    try:
        told = Path(base.filename).stat()
    except FileNotFoundError:
        return None  # swept away while it is read here: the columns themselves travel then
    return (str(Path(base.filename).absolute()), told.st_size, told.st_mtime_ns, begin, array.dtype.str, array.shape)


def mapped_again(path: str, size: int, written: int, begin: int, dtype: str, shape: tuple[int, ...]) -> Any:
    """The read-only array that a reference means. EngineError when the file is not the one that was meant."""
    whole = _mapped(path, size, written)
    kind = np.dtype(dtype)
    return whole[begin : begin + kind.itemsize * int(np.prod(shape))].view(kind).reshape(shape)


@functools.lru_cache(MOST_MAPPED)
def _mapped(path: str, size: int, written: int) -> npt.NDArray[np.uint8]:
    """The bytes of a file; the same map for all who ask in this process."""
    try:
        told = Path(path).stat()
        if (told.st_size, told.st_mtime_ns) != (size, written):
            raise FileNotFoundError(path)
        return np.asarray(np.memmap(path, np.uint8, mode="r"))
    except FileNotFoundError:
        raise EngineError(
            N_(
                "A worker does not find {path}. Trails must lie on storage that all machines of the cluster see under "
                "the same name. If they do, they were replaced by newer ones meanwhile: ask again."
            ),
            path=path,
        ) from None


def bits_again(packed: bytes, n: int, frozen: bool) -> npt.NDArray[np.bool_]:
    """bool[n] of packed bits."""
    bits = np.unpackbits(np.frombuffer(zlib.decompress(packed), np.uint8), count=n).view(np.bool_)
    bits.setflags(write=not frozen)
    return bits


@functools.lru_cache(8)
def trails_again(folder: str, generation: str, as_of: Any) -> Trails:
    """Trails as workers see them: what the numbers mean, without any bucket (those come one by one)."""
    from polku.trails.open import tables_of_generation

    try:
        return tables_of_generation(Path(folder), generation, as_of)
    except FileNotFoundError as fault:
        raise EngineError(
            N_(
                "A worker does not find {path}. Trails must lie on storage that all machines of the cluster see under "
                "the same name. If they do, they were replaced by newer ones meanwhile: ask again."
            ),
            path=fault.filename or folder,
        ) from None
