"""What travels to workers, and trails made in pieces: all of it without Java."""

from __future__ import annotations

import functools
import math
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from polku.engines.spark import building, coding
from polku.engines.spark.sending import dumps, loads, reference_of
from polku.errors import EngineError, MeasureError
from polku.kernels.columns import Columns
from polku.measures.catalogue import CATALOGUE
from polku.record.project import Project
from polku.shop import Shop
from polku.trails import layers
from polku.trails.matching import Matching
from polku.trails.open import open_store
from polku.trails.people import trails_of
from polku.trails.project_feed import ProjectFeed
from polku.trails.store import Store

from .world import Inline, same_arrays, shop_in


@pytest.fixture(scope="module", autouse=True)
def small_buckets() -> Iterator[None]:
    """Trails of nine hundred events in sixteen buckets, coded in a dozen chunks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, "BUCKET_EVENTS", 60)
        patch.setattr(coding, "CHUNK_ROWS", 150)
        patch.setattr(coding, "GROUP_ROWS", 100)
        patch.setattr(building, "MOST_PIECES", 5)
        patch.setattr(building, "code_there", Inline.read)
        yield


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with shop_in(tmp_path_factory.mktemp("engines") / "shop") as made:
        yield made


@pytest.fixture(scope="module")
def here(project: Project) -> Shop:
    return Shop(project)


@pytest.fixture(scope="module")
def there(project: Project, here: Shop) -> Shop:
    return Shop(project, engine=Inline())


def test_trails_made_in_pieces_are_those_made_here(project: Project, here: Shop, tmp_path: Path) -> None:
    store = Store(tmp_path, flush=False)
    made = open_store(store, ProjectFeed(project), Matching.of(project.journey()), builder=Inline().build_layer)
    assert len(made.buckets) == 16
    same_arrays(here.trails, made)
    layer = tmp_path / "layers" / "L000001"
    assert (
        sorted(p.name for p in layer.iterdir()) == ["durable", "layer.json", "pieces"]
        or not (layer / "durable").exists()
    )
    assert len(list((layer / "pieces").iterdir())) == 5
    again = Store(tmp_path).open()
    assert again is not None
    assert [b.events for b in again.layers[0].buckets] == [b.events for b in made.layers[0].buckets]


def test_nothing_is_left_of_a_build_that_failed(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "sort_there", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        open_store(Store(tmp_path), ProjectFeed(project), Matching.of(project.journey()), builder=Inline().build_layer)
    assert list((tmp_path / "layers").iterdir()) == []


def test_what_people_can_mend_comes_back_as_it_is(project: Project, tmp_path: Path) -> None:
    order = coding.Coding(tmp_path / "elsewhere", Matching.of(project.journey()), (), 4, 100)
    told = pa.Table.from_batches(coding.Code(dumps(order))(iter([])))
    fault = pickle.loads(told.column("fault")[0].as_py())
    assert isinstance(fault, EngineError)
    assert "does not see" in fault.text("en")


def test_more_chunks_than_can_stay_mapped(
    project: Project, here: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coding, "MOST_KEPT", 3)
    made = open_store(
        Store(tmp_path, flush=False), ProjectFeed(project), Matching.of(project.journey()), builder=Inline().build_layer
    )
    same_arrays(here.trails, made)


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_measure_gives_the_same_numbers(name: str, here: Shop, there: Shop) -> None:
    measure = CATALOGUE[name]
    if measure.here_only is not None:
        with pytest.raises(MeasureError, match=name):
            there.measure(name, **measure.example)
        return
    engine: Any = there.engine
    before = engine.tasks
    one, other = (plain(shop.measure(name, **measure.example).to_dict()) for shop in (here, there))
    assert one == other
    assert engine.tasks > before or there._memo, f"{name} does not ask the engine: say why in here_only"


@pytest.mark.parametrize("who", [{"persona": "fashion"}, {"segment": "buyers"}])
def test_filters_travel(who: dict[str, str], here: Shop, there: Shop) -> None:
    one, other = (s.measure("funnel", steps=["one", "two"], within="7d", **who).to_dict() for s in (here, there))
    assert plain(one) == plain(other)
    everyone = here.measure("funnel", steps=["one", "two"], within="7d").to_dict()
    assert plain(one["steps"]) != plain(everyone["steps"])


def test_properties_travel(here: Shop, there: Shop) -> None:
    asked = {"steps": ["two", "red", "order"], "hold": "properties.colour"}
    one, other = (plain(shop.measure("funnel", **asked).to_dict()) for shop in (here, there))
    assert one == other
    assert one != plain(here.measure("funnel", steps=asked["steps"]).to_dict())


def test_the_living_map_and_its_lists_are_the_same(here: Shop, there: Shop) -> None:
    assert plain(there.living(period="all").to_dict()) == plain(here.living(period="all").to_dict())


def plain(value: Any) -> Any:
    """NaN equals NaN."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return "nan" if isinstance(value, float) and math.isnan(value) else value


# -- references ------------------------------------------------------------------------------------------------------


def test_columns_travel_as_references(here: Shop) -> None:
    view = here.view()
    column = max((c.time for c in view.columns), key=len)
    assert reference_of(column) is not None
    sent = dumps(list(view.columns))
    again: list[Columns] = loads(sent)
    for one, other in zip(view.columns, again, strict=True):
        for x, y in zip(one, other, strict=True):
            np.testing.assert_array_equal(x, y)
            assert x.dtype == y.dtype
            assert (x.flags.writeable, x.flags.c_contiguous) == (y.flags.writeable, y.flags.c_contiguous)


def test_a_view_travels_light(here: Shop) -> None:
    view = here.view()
    again = loads(dumps(view))
    assert again.columns == ()
    assert again.project is None
    assert again.trails.tables.code_event == view.trails.tables.code_event
    assert again.trails.tables.pages == view.trails.tables.pages
    assert (again.start, again.end, again.as_of) == (view.start, view.end, view.as_of)
    assert len(dumps(view)) < 40_000


def test_a_reference_means_the_file_that_was_sent(tmp_path: Path) -> None:
    file = tmp_path / "column.npy"
    np.save(file, np.arange(1000))
    sent = dumps(np.load(file, mmap_mode="r")[10:900])
    file.rename(tmp_path / "older.npy")
    np.save(file, np.zeros(1001, np.int64))
    with pytest.raises(EngineError, match="does not find"):
        loads(sent)
    (tmp_path / "older.npy").replace(file)
    np.testing.assert_array_equal(loads(sent), np.arange(10, 900))


def test_a_strided_or_small_array_travels_itself(tmp_path: Path) -> None:
    file = tmp_path / "column.npy"
    np.save(file, np.arange(1000))
    mapped = np.load(file, mmap_mode="r")
    assert reference_of(mapped[::2]) is None
    file.unlink()
    np.testing.assert_array_equal(loads(dumps(mapped[::2])), np.arange(0, 1000, 2))


@pytest.mark.parametrize("n", [0, 1, 511, 512, 1003])
def test_masks_travel_as_bits(n: int) -> None:
    mask = np.random.default_rng(n).random(n) < 0.1
    mask.setflags(write=False)
    again = loads(dumps(mask))
    np.testing.assert_array_equal(mask, again)
    assert again.dtype == np.bool_
    if n >= 512:
        assert not again.flags.writeable
        assert len(dumps(mask)) < n


# -- work ------------------------------------------------------------------------------------------------------------


def refused(view: Any, bucket: Columns) -> int:
    raise MeasureError("There is no stage {name!r}.", name="decison")


def counted(bucket: Columns) -> int:
    return len(bucket.time)


def listed(bucket: Columns) -> tuple[int, ...]:
    return tuple(np.unique(bucket.code).tolist())


def weighed(scale: float, bucket: Columns) -> float:
    return float(bucket.time.astype(np.float64).sum()) * scale


def added(bucket: Columns, beside: np.ndarray[Any, Any]) -> int:
    return int(beside.sum()) + len(bucket.time)


def test_sums_are_the_same_to_the_last_bit(here: Shop, there: Shop) -> None:
    work = functools.partial(weighed, 1 / 3)
    assert there.view().sum(work, 0.1) == here.view().sum(work, 0.1)
    assert there.view().map(counted) == here.view().map(counted)


def test_whole_numbers_are_added_up_by_the_workers(here: Shop, there: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    results = Inline.results

    def watched(told: pa.Table, buckets: int) -> list[Any]:
        sent.append(told.num_rows)
        return results(told, buckets)

    monkeypatch.setattr(Inline, "results", staticmethod(watched))
    view = there.view()
    for work, zero in ((counted, 0), (counted, 0.5), (functools.partial(weighed, 1 / 3), 0), (listed, ())):
        assert view.sum(work, zero) == here.view().sum(work, zero)
    tasks, buckets = len(Inline().shares(view.columns)), len(view.columns)
    assert tasks < buckets
    assert sent == [tasks, buckets, buckets, tasks]


def test_what_stands_beside_the_buckets_travels_with_them(here: Shop, there: Shop) -> None:
    beside = [b.code for b in here.view().buckets]
    assert there.view().sum_with(added, 0, beside) == here.view().sum_with(added, 0, beside)


def test_an_error_of_the_work_comes_through_as_it_is(there: Shop) -> None:
    with pytest.raises(MeasureError) as caught:
        there.view().map(functools.partial(refused, there.view()))
    assert caught.value.text("en") == "There is no stage 'decison'."
    assert caught.value.facts == {"name": "decison"}


def test_work_that_cannot_be_sent_is_named(there: Shop) -> None:
    import threading

    with pytest.raises(EngineError, match=r"counted.*cannot be sent"):
        there.view().map(functools.partial(counted, threading.Lock()))  # type: ignore[call-arg]


def test_trails_in_memory_are_refused(there: Shop) -> None:
    from polku.measures.view import view_of

    journey = there.journey
    view = view_of(trails_of(journey, {"anna": [("2026-01-01", "page")]}), journey, engine=there.engine)
    with pytest.raises(EngineError, match="in memory"):
        view.map(counted)


def test_tasks_cover_every_bucket_once(there: Shop) -> None:
    engine, columns = Inline(), there.view().columns
    shares = engine.shares(columns)
    assert [k for first, end in shares for k in range(first, end)] == list(range(len(columns)))
    assert 1 < len(shares) <= len(columns)
