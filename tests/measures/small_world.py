"""Trails of a few people from short lists of events, without any matching: (second, touchpoint or event, value)."""

from __future__ import annotations

import numpy as np

from polku.journey.model import Journey
from polku.trails.layout import Bucket, Tables, Trails, Words, moment

NAN = float("nan")


def journey_of(*stages, **more) -> Journey:
    """A map from (id, [touchpoint ids], {further fields}); every touchpoint matches the event of its own name."""
    made = []
    for id, touchpoints, *rest in stages:
        parts = [t if isinstance(t, dict) else {"id": t} for t in touchpoints]
        made.append(
            {"id": id, "touchpoints": [{"match": {"event": p["id"]}, **p} for p in parts], **(rest[0] if rest else {})}
        )
    return Journey.model_validate({"title": "Small", "timezone": "UTC", "stages": made, **more})


def trails(journey: Journey, people, buckets: int = 1, as_of: int | None = None, last=None, codes=None) -> Trails:
    """``people``: a list of customers, each a list of (second, name[, value[, {page, origin, session, micros}]]).

    Customer ``c`` (from 0) stands in bucket ``c % buckets``. A name that is no touchpoint is an event off the map;
    a name
    such as ``!cart`` says that the touchpoint failed.
    """
    ids = journey.touchpoint_ids
    names = sorted({e[1] for p in people for e in p} | set(codes or ()))
    code = {name: i for i, name in enumerate(names)}
    touch = [ids.index(n) if n in ids else -1 for n in names]
    fails = [ids.index(n[1:]) if n.startswith("!") and n[1:] in ids else -1 for n in names]
    pages, origins = [""], [(None, None, None)]

    def row(table, value):
        if value not in table:
            table.append(value)
        return table.index(value)

    made = []
    for b in range(buckets):
        mine = [c for c in range(len(people)) if c % buckets == b]
        rows = [
            (e[0], e[1], e[2] if len(e) > 2 and e[2] is not None else NAN, e[3] if len(e) > 3 else {})
            for c in mine
            for e in sorted(people[c], key=lambda e: (e[0], e[3].get("micros", 0) if len(e) > 3 else 0))
        ]
        time = np.array([r[0] for r in rows], np.uint32)
        values = np.array([r[2] for r in rows], np.float64)
        micros = np.array([r[3].get("micros", 0) for r in rows], np.uint32)
        made.append(
            Bucket(
                np.array([c + 1 for c in mine], np.int64),
                np.cumsum([0, *(len(people[c]) for c in mine)]).astype(np.int64),
                time,
                micros if micros.any() else None,
                np.array([code[r[1]] for r in rows], np.uint16),
                (time // 86400).astype(np.uint16),
                np.array([row(pages, r[3].get("page", "")) for r in rows], np.uint32),
                np.array([row(origins, r[3].get("origin", (None, None, None))) for r in rows], np.uint32),
                np.array([r[3].get("session", 0) for r in rows], np.uint32),
                None if np.isnan(values).all() else values,
            )
        )
    times = [e[0] for p in people for e in p]
    at = as_of if as_of is not None else max(times, default=0)
    tables = Tables(
        ids,
        tuple(names),
        np.array(touch, np.int16),
        np.array(fails, np.int16),
        (None,) * len(names),
        Words(pages),
        tuple(origins),
        (),
    )
    return Trails(
        tuple(made),
        tables,
        None,
        moment(at),
        moment(min(times)) if times else None,
        moment(max(times)) if times else None,
        len(times),
        0,
    )
