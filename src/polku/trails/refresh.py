"""Keeping trails in step with the record and the map, without reading the past again.

Every customer who changed (a new or late event, a merge, its undo, an erasure) is masked where they stood and stands
whole in a newer layer. Small layers are joined to larger ones, so that each event is written a few times, not at each
refresh; when all layers above the base hold more than :data:`FOLD` of it, everything becomes one base again.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from polku.trails.build import Built, Progress, Span, build_layer, by_bucket, zone_of
from polku.trails.coding import Coder, columns_for
from polku.trails.days import offsets_between
from polku.trails.feed import Feed, News, Part, Resolve
from polku.trails.gathering import Piece, filled, gathered
from polku.trails.layers import Layer, buckets_for, flush, flush_later, write_layer
from polku.trails.layout import Bools
from polku.trails.matching import Matching
from polku.trails.scan import distinct
from polku.trails.sorting import MICRO, Rows
from polku.trails.store import Generation, Manifest, Store, codes_of, retire
from polku.trails.vocabulary import OTHER, Vocabulary

#: Above this share of the base's events, the layers above it are folded in.
FOLD = 0.3
#: A layer is joined to the next newer one when it holds at most this many times as many events.
JOIN = 2.0
#: Trails of at most this many events are folded at once; larger ones aside (polku.trails.folding).
QUICK = 1_000_000
#: More new events than this, and more than are known, are taken in by building anew.
MANY = 2_000_000
#: How often history is looked at again when its files are replaced while they are read.
TRIES = 3

Keys = npt.NDArray[np.int64]


class Builder(Protocol):
    """Makes a base layer of all of history: :func:`polku.trails.build.build_layer`, or the same on a cluster."""

    def __call__(
        self, folder: Path, parts: Sequence[Part], matching: Matching, resolve: Resolve,
        *, threads: int, progress: Progress | None = None,
    ) -> Built: ...  # fmt: skip


@dataclass(frozen=True)
class Refresher:
    """One refresh of one project's trails; the caller holds the lock of the store."""

    store: Store
    feed: Feed
    matching: Matching
    threads: int = 2
    progress: Progress | None = None
    builder: Builder = build_layer

    def run(self) -> Generation:
        """Bring the trails up to the record and the map of this moment, in the cheapest way that is right."""
        now = self.store.open()
        if now is None or now.manifest.position is None:
            return self.build(now)
        known = now.manifest.events + now.manifest.without_customer
        if self.feed.rows() - known > max(MANY, known):
            return self.build(now)  # so much is new that reading all, in threads and part by part, is quicker
        news = self.feed.news(now.manifest.position, self.columns)
        if news is None:
            return self.build(now)
        if now.manifest.fingerprint != self.matching.fingerprint:
            changed = self.rederive(now)
            if changed is None:
                return self.build(now)
            now = changed
        if news.nothing and news.position == now.manifest.position:
            self.store.sweep_old(now.manifest)
            return now
        return self.add(now, news)

    @property
    def columns(self) -> list[str]:
        return sorted({*columns_for(self.matching), "properties"})

    # -- from the beginning ------------------------------------------------------------------------------------------

    def build(self, old: Generation | None) -> Generation:
        """Read all of history."""
        for attempt in range(TRIES):
            whole = self.feed.whole()
            try:
                built = self.builder(
                    self.store.layer_folder(self.store.next_name("L")),
                    whole.parts,
                    self.matching,
                    self.feed.resolver(self.matching.subject),
                    threads=self.threads,
                    progress=self.progress,
                )
                break
            except FileNotFoundError:  # a file of history was replaced and removed meanwhile: look again
                if attempt == TRIES - 1:
                    raise
        self.store.clear_properties()  # the record may be an older one, brought back from a backup
        return self.put_in_force(
            old,
            [built.layer],
            built.vocabulary,
            position=whole.position,
            span=_span(built),
            without_customer=built.without_customer,
            fresh=[built.layer],
            renumbered=True,
        )

    # -- what is new -------------------------------------------------------------------------------------------------

    def add(self, now: Generation, news: News) -> Generation:
        """Put changed customers into a new layer."""
        vocabulary = now.vocabulary()
        resolve = self.feed.resolver(self.matching.subject)
        coder = Coder(self.matching, vocabulary, resolve)
        coded = coder.code(news.rows, lambda: news.rows.column("properties"))
        fresh = coded.rows
        without = now.manifest.without_customer + coded.without_customer
        moved = _survivors(news.moved)
        # One who was parted from another may have been merged into a third since: then the third is read again too.
        dirty = set(news.dirty) | {moved[c] for c in news.dirty if c in moved}
        again = np.array(sorted(dirty - set(news.erased)), np.int64)
        if len(again):  # their past has to be read again: whose event is whose has changed
            fresh = fresh.take(~np.isin(fresh.customer, again))
            fresh = Rows.join([fresh, self.read_again(coder, again, news.position)])
        erased = np.array(sorted(news.erased), np.int64)
        if len(erased):
            fresh = fresh.take(~np.isin(fresh.customer, erased))
        # Taken out of where they stand: all who changed. Put in again: those whose old events still are theirs.
        changed = _distinct(np.concatenate([fresh.customer, again, erased, _keys(moved.keys()), _keys(moved.values())]))
        lost = np.union1d(again, erased)
        layers = list(now.layers)
        pieces: list[Piece] = []
        count = len(fresh)
        while len(layers) > 1 and layers[-1].live_events() <= JOIN * count:
            pieces += (joined := taken(layers.pop(), None, lost, moved))
            count += sum(p.events for p in joined)
        kept: list[Layer] = []
        for layer in layers:
            mask, which = standing(layer, changed)
            kept.append(layer.masked(mask) if mask is not None else layer)
            pieces += taken(layer, which, lost, moved)
        count = len(fresh) + sum(p.events for p in pieces)
        # What was told twice counts once.
        unique = bool(len(fresh)) and int(fresh.seq.min()) <= max(layer.seq_last for layer in now.layers)
        rows, span = gathered(pieces, fresh, buckets_for(count), unique=unique, threads=self.threads)
        kept = [kept[0], *(layer for layer in kept[1:] if layer.live_events())]
        above = span.events + sum(layer.live_events() for layer in kept[1:])
        many = above > FOLD * max(1, kept[0].events)
        # Masked rows are still on the disk: an erasure has to write the layers that held them anew.
        if len(erased) or (many and above + kept[0].events <= QUICK):
            layers_now = [self.fold(kept, Rows.join([r for r in rows if len(r)]))]
        elif span.events:
            layers_now = [*kept, self.write(rows, span)]
        else:
            layers_now = kept
        return self.put_in_force(
            now,
            layers_now,
            vocabulary,
            position=news.position,
            span=_ends(layers_now) if len(erased) else _widened(now.manifest, fresh),
            without_customer=without,
            fresh=[la for la in layers_now if la not in kept],
            at_once=bool(len(erased)),
        )

    def read_again(self, coder: Coder, customers: Keys, position: dict[str, int]) -> Rows:
        """All events of some customers, from history. What is also news is kept once (same seq)."""
        table = self.feed.events_of(customers.tolist(), self.columns, position)
        theirs = table.take(np.flatnonzero(np.isin(coder.resolve(table), customers)))
        return coder.code(theirs, functools.partial(theirs.column, "properties")).rows

    def write(self, rows: Sequence[Rows], span: Span) -> Layer:
        """A new layer of some customers' whole trails; ``rows`` are those of each bucket."""
        return write_layer(
            self.store.layer_folder(self.store.next_name("L")),
            [len(r) for r in rows],
            rows.__getitem__,
            zone_of(self.matching, span),
            micros=span.micros,
            value=span.value,
            seqs=span.seqs,
            threads=self.threads,
        )

    # -- folding -----------------------------------------------------------------------------------------------------

    def fold(
        self,
        layers: Sequence[Layer],
        rows: Rows,
        change: Callable[[Rows], Rows] | None = None,
        folder: Path | None = None,
    ) -> Layer:
        """One base of all unmasked customers of ``layers`` and of ``rows``; ``change`` may give rows other numbers."""
        total = len(rows) + sum(layer.live_events() for layer in layers)
        buckets = buckets_for(total)
        chunk = by_bucket(rows, buckets)

        def rows_of(b: int) -> Rows:
            pieces = []
            for layer in layers:
                count = len(layer.buckets)
                for source in range(b % count, count, buckets):
                    bucket = layer.buckets[source]
                    chosen = _chosen(bucket.customer, bucket.masked, buckets, b, count)
                    if len(chosen):
                        pieces.append(Piece(bucket, layer.seq_base, chosen, bucket.customer[chosen]))
            joined = filled(pieces, chunk.rows.take(slice(int(chunk.start[b]), int(chunk.start[b + 1]))))
            return joined if change is None else change(joined)

        sizes = np.diff(chunk.start)
        for layer in layers:
            for bucket in layer.buckets:
                lengths = np.diff(bucket.offsets)
                if bucket.masked is not None:
                    lengths = np.where(bucket.masked, 0, lengths)
                sizes = sizes + np.bincount(bucket.customer % buckets, lengths, buckets).astype(np.int64)
        span = Span.of([rows])
        ends = [span.times] if len(rows) else []
        seqs = [span.seqs] if len(rows) else []
        for layer in layers:
            for bucket in layer.buckets:
                if bucket.events:
                    assert bucket.seq is not None  # layers have it
                    ends.append((int(bucket.time.min()) * MICRO, int(bucket.time.max()) * MICRO))
                    seqs.append((int(bucket.seq.min()) + layer.seq_base, int(bucket.seq.max()) + layer.seq_base))
        first, last = (min(e[0] for e in ends), max(e[1] for e in ends)) if ends else (0, 0)
        return write_layer(
            folder or self.store.layer_folder(self.store.next_name("L")),
            sizes.tolist(),
            rows_of,
            offsets_between(self.matching.timezone, first // MICRO, last // MICRO),
            micros=span.micros or any(b.micros is not None for la in layers for b in la.buckets),
            value=span.value or any(b.value is not None for la in layers for b in la.buckets),
            seqs=(min(s[0] for s in seqs), max(s[1] for s in seqs)) if seqs else (0, 0),
            threads=self.threads,
        )

    # -- another map -------------------------------------------------------------------------------------------------

    def rederive(self, now: Generation) -> Generation | None:
        """The same events under a changed map, from codes and pages alone; None when history has to be read again."""
        old, matching = now.manifest, self.matching
        if old.subject != matching.subject:
            return None
        if any(event == OTHER for event, _, _, _ in old.codes):
            return None  # names that share one code cannot be told apart any more
        known = {key: i for i, key in enumerate(old.matchers)}
        vocabulary = now.vocabulary()
        fresh = Vocabulary((), vocabulary.page_words, vocabulary.origins, vocabulary.currencies)
        by_page = any(m.paths and m.key not in known for m in matching.matchers)
        number = np.zeros(len(old.codes), np.int64)
        split: set[int] = set()  # codes of page views that become several, by their page
        for i, (event, channel, met, value_property) in enumerate(old.codes):
            if by_page and event == "page":
                split.add(i)
                continue
            new = matching.rederive(known, event, channel, None, frozenset(met))
            if new is None or matching.value_property(new) != value_property:
                return None
            number[i] = fresh.code((event, channel, new), matching)
        one_to_one = not split and len(fresh.codes) == len(old.codes) and (number == np.arange(len(number))).all()
        if one_to_one and old.timezone == matching.timezone:
            return self.follow(now, list(now.layers), fresh)
        of_pair: dict[int, int] = {}
        if split:
            for pair in self.pairs(now, split):
                code, page = pair >> 32, pair & 0xFFFFFFFF
                event, channel, met, value_property = old.codes[code]
                path = vocabulary.page_words[page]
                new = matching.rederive(known, event, channel, path, frozenset(met))
                if new is None or matching.value_property(new) != value_property:
                    return None
                of_pair[pair] = fresh.code((event, channel, new), matching)
        pairs = np.array(sorted(of_pair), np.int64)
        numbers = np.array([of_pair[p] for p in sorted(of_pair)], np.uint16)
        splits = np.isin(np.arange(len(old.codes)), sorted(split))

        def change(rows: Rows) -> Rows:
            if not len(rows):
                return rows
            code = number.astype(np.uint16)[rows.code]
            if len(pairs):
                which = np.flatnonzero(splits[rows.code])
                pair = (rows.code[which].astype(np.int64) << 32) | rows.page[which]
                code[which] = numbers[np.searchsorted(pairs, pair)]
            return dataclasses.replace(rows, code=code)

        return self.follow(now, [self.fold(now.layers, Rows.empty(), change)], fresh)

    @staticmethod
    def pairs(now: Generation, split: set[int]) -> list[int]:
        """Every (code << 32 | page) that occurs among the codes to be split, in order."""
        found: set[int] = set()
        wanted = np.zeros(len(now.manifest.codes), np.bool_)
        wanted[sorted(split)] = True
        for layer in now.layers:
            for bucket in layer.buckets:
                chosen = np.flatnonzero(wanted[bucket.code])
                pair = (bucket.code[chosen].astype(np.uint64) << np.uint64(32)) | bucket.page[chosen]
                _, first = distinct(pair)
                found.update(int(p) for p in pair[first])
        return sorted(found)

    # -- the next generation -----------------------------------------------------------------------------------------

    def follow(self, now: Generation, layers: list[Layer], vocabulary: Vocabulary | None = None) -> Generation:
        """A generation of the same events as ``now`` in other layers, or under other codes."""
        old = now.manifest
        there = {layer.name for layer in now.layers}
        return self.put_in_force(
            now,
            layers,
            vocabulary or now.vocabulary(),
            position=old.position,
            span=(old.first, old.last),
            without_customer=old.without_customer,
            fresh=[layer for layer in layers if layer.name not in there],
        )

    def put_in_force(
        self,
        old: Generation | None,
        layers: list[Layer],
        vocabulary: Vocabulary,
        *,
        position: dict[str, int] | None,
        span: tuple[int | None, int | None],
        without_customer: int,
        fresh: Sequence[Layer],
        at_once: bool = False,
        renumbered: bool = False,
    ) -> Generation:
        name = self.store.next_name("G")
        # Numbers of pages are only ever added to, except when all is built anew.
        same = old is not None and not renumbered and len(old.pages) == len(vocabulary.page_words)
        pages = old.manifest.pages if same and old is not None else self.store.write_pages(vocabulary.page_words)
        masks = self.store.write_masks(name, layers)
        before = old.manifest if old is not None else None
        names = tuple(layer.name for layer in layers)
        manifest = Manifest(
            generation=name,
            position=position,
            pages=pages,
            layers=names,
            masks=masks,
            events=sum(layer.live_events() for layer in layers),
            without_customer=without_customer,
            first=span[0],
            last=span[1],
            retired=retire(before, {pages, *names}),
            **codes_of(vocabulary, self.matching),
        )
        self.store.put_in_force(manifest)
        self.store.sweep(manifest, at_once=at_once)
        for layer in fresh if self.store.flush else ():
            flush_later(layer.folder) if self.threads > 1 else flush(layer.folder)
        opened = self.store.open()
        assert opened is not None  # we hold the lock and have just written it
        return opened


def due(layers: Sequence[Layer]) -> bool:
    """Whether the layers above the base hold so much that they should be folded into it."""
    return sum(layer.live_events() for layer in layers[1:]) > FOLD * max(1, layers[0].events)


def taken(layer: Layer, which: Sequence[Keys] | None, lost: Keys, moved: dict[int, int]) -> list[Piece]:
    """A layer's unmasked customers (those at rows ``which`` of each bucket; None: all) under the keys of now."""
    pieces = []
    for b, bucket in enumerate(layer.buckets):
        rows = np.arange(bucket.customers) if which is None else which[b]
        if bucket.masked is not None:
            rows = rows[~bucket.masked[rows]]
        keys = bucket.customer[rows]
        if len(lost):
            stay = ~np.isin(keys, lost)
            rows, keys = rows[stay], keys[stay]
        if len(rows):
            pieces.append(Piece(bucket, layer.seq_base, rows, _renamed(keys, moved)))
    return pieces


def standing(layer: Layer, customers: Keys) -> tuple[Bools | None, list[Keys]]:
    """Where ``customers`` (ascending) stand unmasked in a layer: the mask with them (None: nobody), rows by bucket."""
    which: list[Keys] = []
    mask = None
    start = 0
    count = len(layer.buckets)
    bucket_of = (customers % count).astype(np.uint16)
    grouped = customers[np.argsort(bucket_of, kind="stable")]
    ends = np.cumsum(np.bincount(bucket_of, minlength=count))
    for b, bucket in enumerate(layer.buckets):
        theirs = grouped[ends[b - 1] if b else 0 : ends[b]]
        at = np.searchsorted(bucket.customer, theirs)
        inside = at < bucket.customers
        at, theirs = at[inside], theirs[inside]
        at = at[bucket.customer[at] == theirs]
        if bucket.masked is not None:
            at = at[~bucket.masked[at]]
        which.append(at)
        if len(at):
            mask = layer.mask() if mask is None else mask
            mask[start + at] = True
        start += bucket.customers
    return mask, which


def _keys(keys: Iterable[int]) -> Keys:
    return np.array(sorted(keys), np.int64)


def _distinct(keys: Keys) -> Keys:
    """Ascending, one of each. Sorted at once: numpy's own ``unique`` fills a hash table before it sorts."""
    keys = np.sort(keys)
    return keys[np.diff(keys, prepend=keys[:1] - 1) > 0]


def _survivors(moved: Mapping[int, int]) -> dict[int, int]:
    """Merges followed to their end: 7 to 5 and 5 to 2 is 7 to 2 and 5 to 2."""
    steps = dict(moved)
    out = {}
    for key in steps:
        seen, at = {key}, steps[key]
        while at in steps and at not in seen:
            seen.add(at)
            at = steps[at]
        out[key] = at
    return out


def _renamed(keys: Keys, moved: dict[int, int]) -> Keys:
    if not moved:
        return keys
    old = _keys(moved.keys())
    new = np.array([moved[int(k)] for k in old], np.int64)
    at = np.minimum(np.searchsorted(old, keys), len(old) - 1)
    return np.where(old[at] == keys, new[at], keys)


def _chosen(customer: Keys, masked: Bools | None, buckets: int, b: int, count: int) -> Keys:
    stay = np.ones(len(customer), np.bool_) if masked is None else ~masked
    if buckets > count:
        stay &= customer % buckets == b
    return np.flatnonzero(stay)


def _span(built: Built) -> tuple[int | None, int | None]:
    return built.span.times if built.span.events else (None, None)


def _ends(layers: Sequence[Layer]) -> tuple[int | None, int | None]:
    """The first and last moment in unmasked layers."""
    ends: list[int] = []
    for bucket in (b for layer in layers for b in layer.buckets if b.events):
        for at in (int(bucket.time.argmin()), int(bucket.time.argmax())):
            second = int(bucket.time[at])
            same = bucket.time == second
            micros = np.zeros(1, np.int64) if bucket.micros is None else bucket.micros[same].astype(np.int64)
            ends += [second * MICRO + int(micros.min()), second * MICRO + int(micros.max())]
    return (min(ends), max(ends)) if ends else (None, None)


def _widened(manifest: Manifest, rows: Rows) -> tuple[int | None, int | None]:
    """The first and last moment with these rows besides."""
    if not len(rows):
        return manifest.first, manifest.last
    low, high = int(rows.time.min()), int(rows.time.max())
    return (
        low if manifest.first is None else min(low, manifest.first),
        high if manifest.last is None else max(high, manifest.last),
    )
