"""What lies around a funnel: where its customers first came from, and what they met between two steps."""

from __future__ import annotations

import numpy as np

from polku.kernels.compiled import kernel
from polku.kernels.sessions import far_apart


@kernel
def first_origin(columns, gap, as_of):  # type: ignore[no-untyped-def]
    """int64[C]: the first origin that an event of the customer's first session names, 0 when none does.

    The first session as in :mod:`polku.kernels.sessions` (its rule for events without a session of their own, ``gap``
    seconds), found without making all the others.
    """
    out = np.zeros(len(columns.offsets) - 1, np.int64)
    session, origin, time = columns.session, columns.origin, columns.time
    for c in range(len(out)):
        low, high = columns.offsets[c], columns.offsets[c + 1]
        if low == high or columns.skip[c]:
            continue
        own = session[low]
        inside = True
        for i in range(low, high):
            if np.int64(time[i]) > as_of or (not inside and own == 0):
                break
            if session[i] > 0:
                inside = session[i] == own
            elif i > low and far_apart(columns, i - 1, i, gap):
                inside = False
            if inside and origin[i] > 0:
                out[c] = origin[i]
                break
    return out


@kernel
def names_between(columns, segments, segment, begin, end, until, name_of, names):  # type: ignore[no-untyped-def]
    """bool[R, names]: which names a row met after its event ``begin`` and before its event ``end``.

    ``segment``, ``begin``, ``end`` int64[R]; where ``end`` is -1, up to the moment ``until`` int64[R], that included.
    ``name_of`` int64[codes]: the name of an event, -1 for none.
    """
    out = np.zeros((len(segment), names), np.bool_)
    mingled = len(segments.order) > 0
    for r in range(len(segment)):
        v = segment[r]
        low = segments.starts[v] if mingled else begin[r] + 1
        for j in range(low, segments.ends[v]):
            i = segments.order[j] if mingled else j
            if i <= begin[r]:
                continue
            if (end[r] >= 0 and i >= end[r]) or np.int64(columns.time[i]) > until[r]:
                break
            name = name_of[columns.code[i]]
            if name >= 0:
                out[r, name] = True
    return out


@kernel
def counts_between(columns, segments, segment, begin, end, until, went, name_of, names):  # type: ignore[no-untyped-def]
    """int64[2, names]: rows that did not go on (0) and that did (1, ``went`` bool[R]) which met each name; the rest as
    in :func:`names_between`, without a matrix of rows by names.
    """
    out = np.zeros((2, names), np.int64)
    seen = np.full(names, -1, np.int64)
    mingled = len(segments.order) > 0
    for r in range(len(segment)):
        v = segment[r]
        low = segments.starts[v] if mingled else begin[r] + 1
        for j in range(low, segments.ends[v]):
            i = segments.order[j] if mingled else j
            if i <= begin[r]:
                continue
            if (end[r] >= 0 and i >= end[r]) or np.int64(columns.time[i]) > until[r]:
                break
            name = name_of[columns.code[i]]
            if name >= 0 and seen[name] != r:
                seen[name] = r
                out[np.int64(went[r]), name] += 1
    return out
