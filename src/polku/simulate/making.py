"""Make a world: events in Parquet, in files of about a million rows, and the truth beside them.

People are told in blocks; a block is drawn, told, delivered and written before the next one, so memory does not grow
with the world. Each obstacle's true effect comes from telling the same block again without it, counting only.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from polku.errors import UsageError
from polku.language import N_
from polku.simulate import vocabulary as v
from polku.simulate.browsers import DESKTOP_BROWSERS, MOBILE_BROWSERS
from polku.simulate.calendar import Calendar, arrivals, calendar
from polku.simulate.costs import FILE as COSTS_FILE
from polku.simulate.costs import Spending
from polku.simulate.noise import USUAL, Noise, Sent, crawl, send
from polku.simulate.people import PERSON, draw
from polku.simulate.rows import table
from polku.simulate.setting import TIMEZONE, Setting, setting
from polku.simulate.truth import Truth, effects

#: People in a block: about a million events. Even, because neighbours 2k and 2k + 1 may share a computer.
BLOCK: Final = 50_000
MONTH: Final = dt.timedelta(days=30.4375)
FORMAT: Final = 1
#: Columns that hardly repeat: a dictionary of them would only cost.
UNIQUE: Final = ("event_id", "time", "received_at", "session_id")

Progress = Callable[[int, int, int], None]


@dataclasses.dataclass(frozen=True)
class World:
    """Everything that decides a world: the same World is the same bytes.

    ``end``: aware; events are told up to ``until`` (``end`` when None), so that a world can be continued: what happens
    before ``end`` does not depend on ``until``. ``obstacles``: those in the way, None for all.
    """

    kind: str = "shop"
    customers: int = 3000
    months: float = 18
    seed: int = 1
    end: dt.datetime = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    until: dt.datetime | None = None
    obstacles: tuple[str, ...] | None = None
    noise: Noise = USUAL

    def __post_init__(self) -> None:
        if self.customers < 1:
            raise UsageError(
                N_("A world needs at least one customer; {customers} was asked for."), customers=self.customers
            )
        if not 0 < self.months <= 120:
            raise UsageError(
                N_("A world lasts from a part of a month to 120 months; {months} was asked for."), months=self.months
            )
        if self.end.tzinfo is None:
            raise UsageError(N_("The end of a world needs a time zone; {end} has none."), end=self.end.isoformat())
        self.setting.switches(self.obstacles)

    @property
    def setting(self) -> Setting:
        return setting(self.kind)

    @property
    def start(self) -> dt.datetime:
        return self.end - self.months * MONTH

    def facts(self) -> dict[str, Any]:
        """The same as plain values, for ``world.json``."""
        return {
            "polku_world": FORMAT,
            "kind": self.kind,
            "customers": self.customers,
            "months": self.months,
            "seed": self.seed,
            "end": self.end.astimezone(dt.UTC).isoformat(),
            "obstacles": list(self.obstacles) if self.obstacles is not None else None,
            "noise": dataclasses.asdict(self.noise),
        }


@dataclasses.dataclass(frozen=True)
class Block:
    """One block of people, told. rows: ROW[n] by person; changes: CHANGE[m]; totals: float64[TOTALS]."""

    first: int
    people: npt.NDArray[np.void]
    first_bot: int
    bots: int
    rows: npt.NDArray[np.void]
    changes: npt.NDArray[np.void]
    totals: npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a world holds and where it was written. ``effects`` is ``truth/effects.json``."""

    folder: Path
    world: World
    events: int
    files: tuple[Path, ...]
    bots: int
    effects: dict[str, Any]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        return {
            **self.world.facts(),
            "folder": str(self.folder),
            "events": self.events,
            "files": [str(f) for f in self.files],
            "bots": self.bots,
            "effects": self.effects,
            "seconds": round(self.seconds, 3),
        }


def micros(moment: dt.datetime) -> int:
    """Microseconds since 1970 UTC, exactly."""
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


class Teller:
    """Tells the people of one world. Kept apart from writing, so that the live demo uses it too."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.setting = world.setting
        self.on = world.setting.switches(world.obstacles)
        self.horizon = micros(world.until or world.end)
        self.span = (micros(world.start), micros(world.end))
        self.calendar: Calendar = calendar(self.setting.seasons, world.start, world.until or world.end, TIMEZONE)
        self.model = self.setting.model()

    def people(self, first: int, count: int, span: tuple[int, int] | None = None) -> npt.NDArray[np.void]:
        """PERSON[count]; ``span``: when they first come, the world's start and end unless given (microseconds UTC)."""
        s = self.setting
        return draw(
            self.world.seed,
            first,
            count,
            self.calendar,
            span or self.span,
            [p[1] for p in s.personas],
            [p[3] for p in s.personas],
            MOBILE_BROWSERS,
            DESKTOP_BROWSERS,
            self.world.noise.household,
            self.world.noise.wrong_clock,
        )

    def tell(
        self, people: npt.NDArray[np.void]
    ) -> tuple[npt.NDArray[np.void], npt.NDArray[np.void], npt.NDArray[np.float64]]:
        """(rows, changes, totals) of ``people``; writes what obstacles they met into them."""
        rows, changes = np.zeros(max(len(people), 64) * 40, v.ROW), np.zeros(max(len(people), 64) * 8, v.CHANGE)
        lives, totals, done = np.zeros(1, v.LIFE), np.zeros(v.TOTALS), 0
        on = np.array(self.on)
        while True:
            done = self.setting.kernel(
                rows, changes, lives, people, done, self.world.seed, self.horizon, self.calendar, self.model, on, totals
            )
            if done == len(people):
                break
            rows, changes = (np.concatenate([a, np.zeros_like(a)]) for a in (rows, changes))
        return rows[: lives["n"][0]], changes[: lives["changes"][0]], totals

    def count_without(self, people: npt.NDArray[np.void], obstacle: int) -> npt.NDArray[np.float64]:
        """Totals of the same people, had the obstacle not been there; -1 for none of them."""
        on = np.array(self.on)
        on[slice(None) if obstacle < 0 else obstacle] = False
        totals, lives = np.zeros(v.TOTALS), np.zeros(1, v.LIFE)
        self.setting.kernel(
            np.zeros(0, v.ROW), np.zeros(0, v.CHANGE), lives, people.copy(), 0, self.world.seed, self.horizon,
            self.calendar, self.model, on, totals,
        )  # fmt: skip
        return totals

    def block(self, first: int, count: int) -> Block:
        """People ``first`` to ``first + count - 1`` and the bots that come with them."""
        people = self.people(first, count)
        rows, changes, totals = self.tell(people)
        every = self.world.noise.people_a_bot
        first_bot, last_bot = (-(-first // every), -(-(first + count) // every)) if every else (0, 0)
        crawled = crawl(
            first_bot, last_bot - first_bot, self.world.seed, self.calendar, arrivals(self.calendar, *self.span)[1],
            self.horizon, len(self.setting.pages),
        )  # fmt: skip
        return Block(first, people, first_bot, last_bot - first_bot, np.concatenate([rows, crawled]), changes, totals)

    def blocks(self) -> Iterator[Block]:
        for first in range(0, self.world.customers, BLOCK):
            yield self.block(first, min(BLOCK, self.world.customers - first))

    def deliver(self, block: Block) -> tuple[Sent, pa.Table]:
        """The block's events as they arrive, and the same as history's columns."""
        sent = send(block.rows, block.people, block.first, self.world.seed, self.world.noise)
        return sent, table(sent, block.people, block.first, self.world.seed, self.setting)


def _make_room(folder: Path) -> None:
    """An empty folder, or one that a world stood in before, which is replaced."""
    if folder.is_dir() and any(folder.iterdir()):
        unfinished = all(p.name in ("truth", COSTS_FILE) or p.name.startswith("events-") for p in folder.iterdir())
        if not (folder / "world.json").is_file() and not unfinished:
            raise UsageError(
                N_("{folder} holds other files; give an empty folder or one with an earlier world."), folder=str(folder)
            )
        for old in folder.glob("events-*.parquet"):
            old.unlink()
        shutil.rmtree(folder / "truth", ignore_errors=True)
        for name in ("world.json", COSTS_FILE):
            (folder / name).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)


def write(folder: Path, world: World, progress: Progress | None = None) -> Summary:
    """Write ``world`` to ``folder``: ``events-0001.parquet`` ..., ``costs.csv``, ``truth/`` and, when all is done,
    ``world.json``.

    ``progress(people told, people in all, events so far)`` is called after each block. Raises UsageError when the
    folder holds something else.
    """
    began = time.perf_counter()
    _make_room(folder)
    teller = Teller(world)
    world_setting = teller.setting
    factual = np.zeros(v.TOTALS)
    without = {k: np.zeros(v.TOTALS) for k in (-1, *(i for i, on in enumerate(teller.on) if on))}
    met = np.zeros(len(world_setting.obstacles), np.int64)
    files: list[Path] = []
    spending = Spending(world.seed)
    events = bots = 0
    with Truth(folder / "truth", world_setting, world.seed) as truth:
        for block in teller.blocks():
            sent, arrived = teller.deliver(block)
            files.append(folder / f"events-{len(files) + 1:04d}.parquet")
            pq.write_table(
                arrived, files[-1], compression="snappy", store_schema=False, row_group_size=250_000,
                use_dictionary=[c for c in arrived.column_names if c not in UNIQUE],
            )  # fmt: skip
            spending.take(block.rows)
            truth.stages(block.changes)
            truth.people(block.people, block.bots, block.first_bot, block.rows)
            truth.noise(sent, arrived["event_id"].combine_chunks())
            factual += block.totals
            for k, totals in without.items():
                totals += teller.count_without(block.people, k)
            met += np.array([np.count_nonzero(block.people["met"] >> k & 1) for k in range(len(met))])
            events += arrived.num_rows
            bots += block.bots
            if progress:
                progress(block.first + len(block.people), world.customers, events)
    spending.write(folder)
    told = effects(world_setting, teller.on, factual, without, met)
    (folder / "truth" / "effects.json").write_text(
        json.dumps(told, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
    )
    facts = {**world.facts(), "events": events, "files": [f.name for f in files], "bots": bots}
    (folder / "world.json").write_text(json.dumps(facts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return Summary(folder, world, events, tuple(files), bots, told, time.perf_counter() - began)


def world(
    folder: str | Path,
    kind: str = "shop",
    *,
    customers: int = 3000,
    months: float = 18,
    seed: int = 1,
    end: dt.datetime | None = None,
    obstacles: Sequence[str] | None = None,
    noise: Noise | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Make the world ``kind`` (``"shop"`` or ``"studio"``) in ``folder``; see :func:`write`.

    ``end``: now, to the minute, when None; ``obstacles``: names of those in the way, None for all, ``()`` for none.
    Two calls with the same arguments (``end`` given) write the same bytes.
    """
    moment = end or dt.datetime.now(dt.UTC).replace(second=0, microsecond=0)
    spec = World(
        kind, customers, months, seed, moment, None, None if obstacles is None else tuple(obstacles), noise or USUAL
    )
    return write(Path(folder), spec, progress)


__all__ = ["BLOCK", "PERSON", "Block", "Progress", "Summary", "Teller", "World", "micros", "world", "write"]
