"""Folding large trails aside: the layers become one base in a thread of its own, while others refresh and read.

The thread pins a generation, writes the new base into a folder that no generation names, and only then takes the lock
of the store: customers who changed meanwhile are masked in the new base, and it takes the place of the layers it was
made of. Where these are in force no longer (a build, an erasure, another fold), what was made is thrown away.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import numpy as np

from polku.record.steps import reached
from polku.trails.feed import Feed
from polku.trails.gathering import Keys
from polku.trails.layers import Layer, open_layer
from polku.trails.lock import locked
from polku.trails.matching import Matching
from polku.trails.refresh import Refresher, due, standing
from polku.trails.sorting import Rows
from polku.trails.store import Generation, Store

#: Seconds that whoever has just opened the trails has the machine to themselves; less when the process ends before.
QUIET = 5.0
#: Seconds to wait for a refresh that is under way when the new base is finished.
PATIENCE = 60.0

_waiting: set[Path] = set()
_guard = threading.Lock()


def fold_later(store: Store, feed: Feed, matching: Matching) -> threading.Thread | None:
    """Fold on a thread of its own, a little later; None when this process is about to do so already."""
    with _guard:
        if store.folder in _waiting:
            return None
        _waiting.add(store.folder)

    def work() -> None:
        try:
            threading.main_thread().join(QUIET)
            if sys.platform == "linux":  # there a priority is a thread's own
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
            fold_aside(store, feed, matching)
        except OSError:
            return  # the disk is full, or an erasure took what was being written: the next refresh asks again
        finally:
            with _guard:
                _waiting.discard(store.folder)

    thread = threading.Thread(target=work, name=f"fold {store.folder}")
    thread.start()
    return thread


def fold_aside(store: Store, feed: Feed, matching: Matching) -> Generation | None:
    """Fold the generation in force; gives the one that follows, None when there was nothing to fold or it was in vain.

    Raises FileNotFoundError when what it writes was removed by an erasure.
    """
    refresher = Refresher(store, feed, matching, threads=1)
    with locked(store.aside_lock) as held:
        if not held:
            return None  # another process does it
        store.clear_aside()
        before = store.open()
        if before is None or before.manifest.fingerprint != matching.fingerprint or not due(before.layers):
            return None
        try:
            folder = refresher.fold(before.layers, Rows.empty(), folder=store.aside / "base").folder
            reached("trails: folded aside")
            with locked(store.lock, PATIENCE) as mine:
                return _exchange(refresher, before, folder) if mine else None
        finally:
            store.clear_aside()


def _exchange(refresher: Refresher, before: Generation, folder: Path) -> Generation | None:
    """Put the base made of ``before`` in the place of its layers; the caller holds the lock of the store."""
    store = refresher.store
    now = store.open()
    if now is None or now.manifest.fingerprint != before.manifest.fingerprint:
        return None
    if now.layers[0].name != before.layers[0].name:
        return None
    final = store.layer_folder(store.next_name("L"))
    folder.rename(final)
    reached("trails: folded layer named")
    base = open_layer(final)
    mask, _ = standing(base, _changed(before, now))
    old = {layer.name for layer in before.layers}
    layers = [base.masked(mask), *(layer for layer in now.layers if layer.name not in old)]
    return refresher.follow(now, layers)


def _changed(before: Generation, now: Generation) -> Keys:
    """Customers who stood in a layer of ``before`` and now stand elsewhere, or nowhere."""
    still: dict[str, Layer] = {layer.name: layer for layer in now.layers}
    gone = [np.empty(0, np.int64)]
    for layer in before.layers:
        later = still.get(layer.name)
        for b, bucket in enumerate(layer.buckets):
            left = np.ones(bucket.customers, np.bool_) if bucket.masked is None else ~bucket.masked
            if later is not None:
                masked = later.buckets[b].masked
                left = left & masked if masked is not None else np.zeros(bucket.customers, np.bool_)
            gone.append(bucket.customer[left])
    return np.unique(np.concatenate(gone))
