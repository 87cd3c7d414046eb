"""Trails told in words, so that two builds can be compared whatever their numbers and layers."""

from __future__ import annotations

import math
from typing import Any

from polku.trails.layout import Trails


def told(trails: Trails) -> dict[int, list[tuple[Any, ...]]]:
    """customer -> [(seconds, micros, event, channel, touchpoint, fails, day, page, origin, session, value)]."""
    tables = trails.tables
    names = (*tables.touchpoints, None)  # -1 is None
    pages = list(tables.pages)
    out: dict[int, list[tuple[Any, ...]]] = {}
    for b in trails.buckets:
        assert list(b.customer) == sorted(set(b.customer.tolist()))
        assert int(b.offsets[0]) == 0
        assert int(b.offsets[-1]) == b.events
        for i, customer in enumerate(b.customer.tolist()):
            if b.masked is not None and b.masked[i]:
                continue
            assert customer not in out, "a customer stands in two places"
            sessions: dict[int, int] = {0: 0}
            events = []
            for k in range(int(b.offsets[i]), int(b.offsets[i + 1])):
                code = int(b.code[k])
                value = math.nan if b.value is None else float(b.value[k])
                events.append(
                    (
                        int(b.time[k]),
                        0 if b.micros is None else int(b.micros[k]),
                        tables.code_event[code],
                        tables.code_channel[code],
                        names[int(tables.code_touchpoint[code])],
                        names[int(tables.code_fails[code])],
                        int(b.day[k]),
                        pages[int(b.page[k])],
                        tables.origins[int(b.origin[k])],
                        sessions.setdefault(int(b.session[k]), len(sessions)),
                        None if math.isnan(value) else value,
                    )
                )
            assert events, "a customer without events"
            out[customer] = events
    assert sum(len(e) for e in out.values()) == trails.events
    return out
