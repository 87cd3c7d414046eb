"""Opening a project's trails: refreshed when something changed, mapped from disk, shared by readers."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from polku.errors import ProjectBusy, TrailsError
from polku.language import N_
from polku.trails.build import Progress, build_layer
from polku.trails.feed import Feed
from polku.trails.folding import fold_later
from polku.trails.layout import Tables, Trails, Words, default_as_of, moment
from polku.trails.lock import locked
from polku.trails.matching import Matching
from polku.trails.refresh import Builder, Refresher, due
from polku.trails.sorting import MICRO
from polku.trails.store import Generation, Store
from polku.trails.vocabulary import frozen_numbers

if TYPE_CHECKING:
    from polku.record.project import Project

#: Seconds to wait for another process that builds a project's first trails.
PATIENCE = 600.0

_opened: dict[Path, Trails] = {}
_guard = threading.Lock()


def open_trails(
    project: Project,
    refresh: bool = True,
    progress: Progress | None = None,
    as_of: dt.datetime | None = None,
    builder: Builder | None = None,
) -> Trails:
    """The trails of a project, in one generation that stays as it is while it is used.

    ``refresh``: first take in what is new in the record and in the map. Only one process does so at a time; others
    get the generation in force. ``progress(what, done, total)`` is told of long work. ``as_of`` defaults to now, or to
    the last event's time when history ended more than two days ago. ``builder`` makes them when all of history has to
    be read: an engine's own, where they are made on a cluster. ``late`` of what comes back tells that another was just
    taking news in, and that they are without it.

    Raises TrailsError when there are no trails yet and ``refresh`` is off, ProjectBusy when another process has been
    building the first ones for too long.
    """
    from polku.trails.project_feed import ProjectFeed

    store = Store(project.folder / ".polku" / "trails")
    journey = project.journey()
    return open_store(
        store, ProjectFeed(project), Matching.of(journey), refresh=refresh, progress=progress, as_of=as_of,
        builder=builder,
    )  # fmt: skip


def open_store(
    store: Store,
    feed: Feed,
    matching: Matching,
    *,
    refresh: bool = True,
    progress: Progress | None = None,
    as_of: dt.datetime | None = None,
    threads: int | None = None,
    builder: Builder | None = None,
) -> Trails:
    """:func:`open_trails` of any record that can feed them."""
    generation: Generation | None = None
    if refresh:
        wait = 0.0 if store.current_name() else PATIENCE
        with locked(store.lock, wait) as held:
            if held:
                generation = Refresher(
                    store, feed, matching, threads or os.cpu_count() or 1, progress, builder or build_layer
                ).run()
                if due(generation.layers):
                    fold_later(store, feed, matching)
            elif wait:
                raise ProjectBusy(
                    N_("Another process is still building the trails in {folder}. Try again when it is done."),
                    folder=str(store.folder),
                )
    late = refresh and generation is None
    generation = generation or store.open()
    if generation is None:
        raise TrailsError(
            N_("There are no trails in {folder} yet. Open them with refresh, or run polku status once."),
            folder=str(store.folder),
        )
    return dataclasses.replace(trails_of_generation(store.folder, generation, as_of), late=late)


def trails_of_generation(folder: Path, generation: Generation, as_of: dt.datetime | None = None) -> Trails:
    """An opened generation as Trails; the same arrays for all who ask in this process."""
    m = generation.manifest
    with _guard:
        trails = _opened.get(folder)
        if trails is None or trails.generation != m.generation:
            trails = _opened[folder] = _made(generation)
    return dataclasses.replace(trails, as_of=as_of if as_of is not None else default_as_of(trails.last))


def tables_of_generation(folder: Path, name: str, as_of: dt.datetime) -> Trails:
    """A generation without its buckets: what its numbers mean, for a process that maps buckets one by one.

    Raises FileNotFoundError when it is gone.
    """
    manifest, pages = Store(folder).read(name)
    return dataclasses.replace(_made(Generation(manifest, (), pages)), as_of=as_of)


def _made(generation: Generation) -> Trails:
    m = generation.manifest
    first, last = (None if t is None else moment(t / MICRO) for t in (m.first, m.last))
    return Trails(
        buckets=tuple(b for layer in generation.layers for b in layer.buckets if b.customers),
        tables=Tables(
            touchpoints=m.touchpoints,
            code_event=tuple(event for event, _, _, _ in m.codes),
            code_touchpoint=frozen_numbers(m.code_touchpoint),
            code_fails=frozen_numbers(m.code_fails),
            code_channel=tuple(channel for _, channel, _, _ in m.codes),
            pages=Words(generation.pages),
            origins=m.origins,
            currencies=m.currencies,
        ),
        position=m.position,
        as_of=default_as_of(last),
        first=first,
        last=last,
        events=m.events,
        without_customer=m.without_customer,
        generation=m.generation,
        timezone=m.timezone,
        layers=generation.layers,
    )
