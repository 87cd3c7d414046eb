"""The trails' folder: layers, generations, and ``CURRENT`` that names the one in force.

    CURRENT                       the name of a generation; replaced atomically
    lock                          held by the one process that refreshes
    lock.aside, aside/            held by the one process that folds, and what it writes (polku.trails.folding)
    layers/L000001/               sorted columns, immutable (polku.trails.layers)
    properties/                   columns that were asked for besides (polku.trails.property_store)
    pages/P000001.arrow           the page table, shared by generations that add no page
    generations/G000001-5f2c90aa/ manifest.json: layers, position in the record, codes, origins; masks of the layers

A generation is written whole before ``CURRENT`` names it, so a stop between any two writes leaves the older one in
force, and what the newer one had begun is swept away by the next refresh. Readers pin a generation by mapping its
files: those stay readable when the directory is removed meanwhile. Trails are derived: what a power cut has spoilt
(a layer without its mark, a manifest that does not read) is built anew.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from polku.record.steps import reached
from polku.trails.layers import Layer, open_layer, trusted
from polku.trails.layout import Bools, Origin
from polku.trails.lock import locked
from polku.trails.matching import Matching
from polku.trails.vocabulary import Vocabulary

#: Format of the folder, in every manifest and layer; trails of another one are built anew.
FORMAT = 2
#: What reading files of an unknown layout, or cut short, raises.
UNREADABLE = (ValueError, KeyError, TypeError, IndexError, AttributeError, EOFError)
#: Seconds that files of an older generation stay for readers that are just opening it.
GRACE = 60.0


@dataclass(frozen=True)
class Manifest:
    """What one generation is made of; JSON on disk."""

    generation: str
    position: dict[str, int] | None
    fingerprint: str  # of the matchers (Matching.fingerprint)
    subject: str
    timezone: str
    matchers: tuple[str, ...]  # keys, in the numbers that codes use
    codes: tuple[
        tuple[str, str | None, tuple[int, ...], str | None], ...
    ]  # event, channel, matchers met, value's property
    origins: tuple[Origin, ...]
    currencies: tuple[str, ...]
    pages: str  # file under pages/
    layers: tuple[str, ...]  # oldest first
    masks: tuple[str, ...]  # layers that have a mask in this generation
    events: int
    without_customer: int
    first: int | None  # microseconds since 1970 UTC
    last: int | None
    touchpoints: tuple[str, ...]
    code_touchpoint: tuple[int, ...]
    code_fails: tuple[int, ...]
    retired: tuple[tuple[str, float], ...] = ()  # files no longer needed, and since when (seconds since 1970)
    format: int = FORMAT

    @classmethod
    def from_json(cls, text: str) -> Manifest | None:
        """The manifest, or None when it is of another format. Raises one of ``UNREADABLE`` when it is no manifest."""
        raw: dict[str, Any] = json.loads(text)
        if raw.get("format") != FORMAT:
            return None
        for name in ("matchers", "currencies", "layers", "masks", "touchpoints", "code_touchpoint", "code_fails"):
            raw[name] = tuple(raw[name])
        raw["codes"] = tuple((e, c, tuple(met), v) for e, c, met, v in raw["codes"])
        raw["origins"] = tuple((s, m, n) for s, m, n in raw["origins"])
        raw["retired"] = tuple((name, at) for name, at in raw["retired"])
        return cls(**raw)

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)


@dataclass(frozen=True, eq=False)
class Generation:
    """An opened generation: its manifest, its layers with their masks, its pages."""

    manifest: Manifest
    layers: tuple[Layer, ...]
    pages: pa.Array

    def vocabulary(self) -> Vocabulary:
        """The tables, ready to grow."""
        m = self.manifest
        return Vocabulary(
            [(event, channel, frozenset(met)) for event, channel, met, _ in m.codes],
            self.pages.to_pylist(),
            m.origins,
            m.currencies,
        )


class Store:
    """The trails' folder of a project. ``flush``: have layers on the disk soon, so that they outlive a power cut."""

    def __init__(self, folder: Path, flush: bool = True) -> None:
        self.folder = folder
        self.flush = flush
        self.current = folder / "CURRENT"
        self.lock = folder / "lock"
        self.aside_lock = folder / "lock.aside"
        self.aside = folder / "aside"

    def layer_folder(self, name: str) -> Path:
        return self.folder / "layers" / name

    def generation_folder(self, name: str) -> Path:
        return self.folder / "generations" / name

    def pages_file(self, name: str) -> Path:
        return self.folder / "pages" / name

    def current_name(self) -> str | None:
        try:
            return self.current.read_text(encoding="utf-8").strip() or None
        except FileNotFoundError:
            return None

    def next_name(self, kind: str) -> str:
        """A name that no layer, generation or page file ever had: one more than the highest seen."""
        folder = {"L": "layers", "G": "generations", "P": "pages"}[kind]
        there = [p.name.split(".")[0].split("-")[0] for p in (self.folder / folder).glob(f"{kind}*")]
        if kind == "G" and (now := self.current_name()):
            there.append(now.split("-")[0])
        highest = max((int(n[1:]) for n in there if n[1:].isdigit()), default=0)
        # Results are cached under a generation's name, which must stay unique when the folder is deleted and made anew.
        return f"{kind}{highest + 1:06d}" + (f"-{uuid.uuid4().hex[:8]}" if kind == "G" else "")

    # -- reading -----------------------------------------------------------------------------------------------------

    def open(self, tries: int = 20) -> Generation | None:
        """The generation in force, or None when there is none that can be used: whoever refreshes builds anew then.

        A generation that is removed while it is being opened has a successor: CURRENT is read again.
        """
        for _ in range(tries):
            name = self.current_name()
            if name is None:
                return None
            try:
                return self._open(name)
            except UNREADABLE:
                return None  # cut short by a power cut, or of a layout that this version does not know
            except FileNotFoundError:
                if self.current_name() == name:
                    return None  # not replaced: the files were lost; whoever holds the lock builds anew
        return None

    def _open(self, name: str) -> Generation | None:
        folder = self.generation_folder(name)
        manifest = Manifest.from_json((folder / "manifest.json").read_text(encoding="utf-8"))
        if manifest is None:
            return None
        layers = []
        for layer_name in manifest.layers:
            path = self.layer_folder(layer_name)
            if not trusted(path):
                return None
            mask: Bools | None = None
            if layer_name in manifest.masks:
                mask = np.load(folder / f"mask-{layer_name}.npy", allow_pickle=False)
                mask.setflags(write=False)
            layer = open_layer(path)
            if mask is not None and len(mask) != layer.customers:
                raise ValueError(f"the mask of {layer_name} is of another length")
            layers.append(layer.masked(mask))
        return Generation(manifest, tuple(layers), self._read_pages(manifest.pages))

    def read(self, name: str) -> tuple[Manifest, pa.Array]:
        """A generation's manifest and page table, without its layers. FileNotFoundError when it is gone."""
        file = self.generation_folder(name) / "manifest.json"
        manifest = Manifest.from_json(file.read_text(encoding="utf-8"))
        if manifest is None:
            raise FileNotFoundError(str(file))
        return manifest, self._read_pages(manifest.pages)

    def _read_pages(self, name: str) -> pa.Array:
        with pa.memory_map(str(self.pages_file(name))) as source, pa.ipc.open_file(source) as reader:
            column = reader.read_all().column(0)
        return column.chunk(0) if column.num_chunks else pa.array([], pa.large_string())

    # -- writing (under the lock) ------------------------------------------------------------------------------------

    def write_pages(self, words: Sequence[str]) -> str:
        """Write a page table; returns its file's name."""
        name = self.next_name("P") + ".arrow"
        path = self.pages_file(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.table({"page": pa.array(words, pa.large_string())})
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=max(1, table.num_rows))
        reached("trails: pages written")
        return name

    def write_masks(self, generation: str, layers: Sequence[Layer]) -> tuple[str, ...]:
        """Write the masks of the layers that have one into a generation's folder; returns those layers' names."""
        folder = self.generation_folder(generation)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with_mask = []
        for layer in layers:
            if any(b.masked is not None for b in layer.buckets):
                np.save(folder / f"mask-{layer.name}.npy", layer.mask(), allow_pickle=False)
                with_mask.append(layer.name)
        reached("trails: masks written")
        return tuple(with_mask)

    def put_in_force(self, manifest: Manifest) -> None:
        """Write the manifest and let CURRENT name it: from here on every reader sees this generation."""
        folder = self.generation_folder(manifest.generation)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
        reached("trails: manifest written")
        fresh = self.current.with_suffix(".new")
        fresh.write_text(manifest.generation + "\n", encoding="utf-8")
        reached("trails: CURRENT prepared")
        _replace(fresh, self.current)
        reached("trails: CURRENT replaced")

    def sweep_old(self, manifest: Manifest) -> None:
        """Remove what an earlier refresh left for readers that were just opening it, once its grace is over."""
        now = time.time()
        if any(now - since >= GRACE and self._exists(name) for name, since in manifest.retired):
            self.sweep(manifest)

    def _exists(self, name: str) -> bool:
        return any((self.folder / folder / name).exists() for folder in ("generations", "layers", "pages"))

    def sweep(self, manifest: Manifest, at_once: bool = False) -> None:
        """Remove what no generation in force or in its grace needs: older generations, folded layers, stopped work."""
        now = time.time()
        keep = {manifest.generation, manifest.pages, *manifest.layers}
        if not at_once:
            keep.update(name for name, since in manifest.retired if now - since < GRACE)
        for folder in ("generations", "layers", "pages"):
            for path in sorted((self.folder / folder).glob("*")):
                if path.name not in keep:
                    _remove(path)
                    reached("trails: swept one")
        if at_once:
            self.clear_properties()
        if self.aside.exists():
            with locked(self.aside_lock) as idle:
                if idle or at_once:  # left by a process that died; or made of what may not be kept
                    self.clear_aside()

    def clear_properties(self) -> None:
        """Remove the properties beside the layers: those of a record that is another one now."""
        _remove(self.folder / "properties")

    def clear_aside(self) -> None:
        """Remove what was folded aside and is not used; who is still writing there finds it gone and gives up."""
        _remove(self.aside)


def retire(
    old: Manifest | None, keep: Mapping[str, object] | set[str], now: float | None = None
) -> tuple[tuple[str, float], ...]:
    """The names that the next generation no longer needs, each with the moment since when."""
    if old is None:
        return ()
    now = time.time() if now is None else now
    before = [(n, at) for n, at in old.retired if now - at < 2 * GRACE]
    fresh = [(n, now) for n in (old.generation, old.pages, *old.layers) if n not in keep]
    return tuple(before + fresh)


def _replace(source: Path, target: Path) -> None:
    """Rename over ``target`` atomically; Windows refuses for as long as another process reads the file."""
    for _ in range(100):
        try:
            source.replace(target)
        except PermissionError:
            time.sleep(0.02)
        else:
            return
    source.replace(target)


def _remove(path: Path) -> None:
    """Remove a file or folder; what cannot be removed now is taken by the next sweep.

    A layer's flush may just be leaving its mark in it, and Windows keeps a mapped file.
    """
    for _ in range(10):
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.02)
        else:
            return


def codes_of(vocabulary: Vocabulary, matching: Matching) -> dict[str, Any]:
    """The manifest's fields that say what the codes are under a map."""
    return {
        "fingerprint": matching.fingerprint,
        "subject": matching.subject,
        "timezone": matching.timezone,
        "matchers": tuple(m.key for m in matching.matchers),
        "codes": tuple((e, c, tuple(sorted(met)), matching.value_property(met)) for e, c, met in vocabulary.codes),
        "origins": tuple(vocabulary.origins),
        "currencies": tuple(sorted(vocabulary.currencies)),
        "touchpoints": matching.touchpoints,
        "code_touchpoint": tuple(matching.touchpoint(met) for _, _, met in vocabulary.codes),
        "code_fails": tuple(matching.failed(met) for _, _, met in vocabulary.codes),
    }
