"""Simulated shops in which a rule's true effect is known, and what its proof says of them.

A person's luck is looked up and not drawn, so everybody's life can be told twice: with the rule's letters and without
them. Of those whom the rule reaches the difference between the two is the truth. The record holds one of the two lives
of each, as the engine deals them (treated or held out), imported as any file is; that is all that Polku sees, and the
interval of its proof should hold the truth, at all looks together.

    PYTHONPATH=tests python tests/guidance/worlds.py 200
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from polku.guidance import proof as proofs
from polku.guidance.holdout import held_out
from polku.guidance.past import Past, happenings_of
from polku.guidance.past import World as Pasts
from polku.guidance.replay import candidates, drive
from polku.guidance.rules import Rule, compile_rules
from polku.kernels.experiments import UNLIMITED
from polku.measures.view import View, view_of
from polku.record.hashes import COLUMNS, id_hash
from polku.record.project import Project, create_project
from polku.simulate import vocabulary as v
from polku.simulate.making import Teller, World
from polku.simulate.noise import Noise
from polku.simulate.people import NEVER
from polku.sources.importing import import_files
from polku.sources.mapping import Mapping
from polku.statistics.rates import normal_quantile
from polku.statistics.sequential import confidence_sequence
from polku.trails.resolve import Resolver

F64 = npt.NDArray[np.float64]
MICRO, DAY = 1_000_000, 86_400
END = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
#: Nobody shares a computer and no clock is wrong: then a life hangs on nobody else's, and moments are true ones.
NOISE = Noise(household=0.0, wrong_clock=0.0)
MAP = """
polku: 1
title: Shop
timezone: Europe/Helsinki
stages:
  - id: visit
    touchpoints:
      - {id: cart, match: {event: [Product Added, Cart Viewed]}}
      - {id: order, match: {event: Order Completed}, value: revenue}
measures:
  cart_to_order: {kind: conversion, from: cart, to: order, within: 7d}
guidance:
  - id: cart_reminder
    when: {reached: cart, without: order, for: 4h}
    only_if: {consent: email}
    send: {channel: email, content: content/cart.fi.md}
    holdout: 30 %
    judge_by: cart_to_order
    state: on
"""
WEEK = 7 * DAY
#: How often the proof is looked at, evenly from the first entry to the end.
LOOKS = 8


@dataclasses.dataclass(frozen=True)
class Look:
    """One look at one figure: the truth for those who were there to be counted, and what the proof said."""

    people: int
    truth: float
    value: float | None
    low: float | None
    high: float | None

    @property
    def held(self) -> bool:
        """Whether the interval holds the truth; one that is not given claims nothing."""
        return self.low is None or self.high is None or self.low <= self.truth <= self.high

    @property
    def width(self) -> float:
        """Of the interval; endless where none is given."""
        return float("inf") if self.low is None or self.high is None else self.high - self.low

    @property
    def in_ordinary(self) -> bool:
        """Whether the ordinary interval, which may be read once, holds the truth: it is narrower by a known factor."""
        assert self.value is not None
        assert self.high is not None
        unit = confidence_sequence(0.0, 1.0, self.people, 0.95, proofs.TUNED_FOR).high
        assert unit is not None
        error = (self.high - self.value) / unit
        return abs(self.value - self.truth) <= normal_quantile(0.95) * error


@dataclasses.dataclass(frozen=True)
class Found:
    """One world. ``looks``: by figure (difference in share, euros a treated customer), in order of time."""

    seed: int
    entered: int
    held_out: int
    looks: dict[str, list[Look]]
    seconds: float
    added: list[float]  # what the letters added in all: customers who ordered, euros

    def held(self, figure: str) -> bool:
        """Whether every look's interval holds the truth."""
        return all(look.held for look in self.looks[figure])


def lives(world: World, reminded: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.void], pa.Table]:
    """What people do who are ``reminded`` from these moments on (microseconds): the true rows, and as they arrive."""
    teller = Teller(world)
    block = teller.block(0, world.customers)
    block.people["reminded"] = reminded
    rows = teller.tell(block.people)[0]
    return rows, teller.deliver(dataclasses.replace(block, rows=rows))[1]


def orders(rows: npt.NDArray[np.void], at: npt.NDArray[np.int64]) -> tuple[F64, F64]:
    """Of each person whether they ordered within a week after the second ``at`` (0: not asked), and for how much; of
    orders that are known to be theirs."""
    known = (rows["kind"] == v.ORDER) & (rows["ids"] != v.BY_NOBODY) & (rows["person"] >= 0)
    person, second = rows["person"][known], rows["time"][known] // MICRO
    inside = (at[person] > 0) & (second > at[person]) & (second <= at[person] + WEEK)
    ordered, money = np.zeros(len(at)), np.zeros(len(at))
    ordered[person[inside]] = 1.0
    np.add.at(money, person[inside], np.round(rows["value"][known][inside], 2))
    return ordered, money


def dealt(project: Project, view: View, rule: Rule) -> proofs.Entries:
    """Whom the rule would have reached first when, and how the engine dealt them: by a replay over the record."""
    world = Pasts(project, view, rule, 0, view.as_of * MICRO, None)
    first: dict[int, tuple[int, bool]] = {}
    for bucket, row, moves, segments in candidates(world):
        past = Past(world, bucket, row, happenings_of(world, bucket, row, moves, segments), moves)
        notes = [n for way in drive(rule, past, world.end) for n in way.notes if n.what in proofs.ARMS]
        if notes:
            note = min(notes, key=lambda n: n.known)
            first[past.customer] = (note.known // MICRO, note.what == "held_out")
    order = sorted(first)
    return proofs.Entries(
        np.array(order, np.int64),
        np.array([first[c][0] for c in order], np.int64),
        np.array([first[c][1] for c in order], np.bool_),
        np.full(len(order), int(UNLIMITED), np.int64),
    )


def tried(seed: int, people: int = 12_000, months: float = 1.5, looks: int = LOOKS) -> Found:
    """One world: made, recorded, and its rule's proof looked at ``looks`` times."""
    begun = time.perf_counter()
    world = World("shop", people, months, seed, END, noise=NOISE)
    with tempfile.TemporaryDirectory() as folder:
        shop = Path(folder) / "shop"
        shop.mkdir()
        (shop / "journey.yaml").write_text(MAP, encoding="utf-8")
        with create_project(shop, "en") as project:
            return _tried(project, world, looks, begun)


def _tried(project: Project, world: World, looks: int, begun: float) -> Found:
    rule = compile_rules(project.journey())[0]
    names = [f"K{10_000_000 + n}" for n in range(world.customers)]
    # the shop's list of customers comes first: so everybody has their key, and their group, before anything happens
    listed = project.folder / "customers.csv"
    day = (world.start - dt.timedelta(days=1)).isoformat()
    listed.write_text("time,event,user_id\n" + "".join(f"{day},Customer Listed,{n}\n" for n in names), encoding="utf-8")
    import_files(project, listed)
    ids = {column: pa.nulls(len(names), pa.string()) for column in COLUMNS.values()} | {"user_id": pa.array(names)}
    keys = Resolver(project.identities.table(), "person", id_hash)(pa.table(ids))
    held = np.array([held_out(int(key), rule.id, rule.holdout) for key in keys])
    start = int(world.start.timestamp()) * MICRO
    _, arrived = lives(world, np.where(held, NEVER, start))
    file = project.folder / "events.parquet"
    pq.write_table(arrived, file)
    import_files(project, file, Mapping(consent_source="form"))
    view = view_of(project, as_of=END)
    entries = dealt(project, view, rule)
    person = {int(key): n for n, key in enumerate(keys)}
    who = np.array([person[int(c)] for c in entries.customer], np.int64)
    assert (entries.held == held[who]).all()
    at = np.zeros(world.customers, np.int64)
    at[who] = entries.at
    with_letters, without = (
        orders(lives(world, np.full(world.customers, reminded))[0], at) for reminded in (start, NEVER)
    )
    found: dict[str, list[Look]] = {"share": [], "money": []}
    for part in range(1, looks + 1):
        last = int(entries.at.min() + (view.as_of - entries.at.min()) * part / looks)
        up = entries.at + WEEK <= last
        seen = dataclasses.replace(view, as_of=last)
        read = proofs.proof_of(seen, rule, _upto(entries, last), messages=proofs.Funnel({}, 0, {}))
        assert read.treated.reached.denominator + read.held_out.reached.denominator == int(up.sum())
        for k, (name, told) in enumerate((("share", read.difference), ("money", read.money))):
            truth = float((with_letters[k] - without[k])[who[up]].mean()) if up.any() else 0.0
            found[name].append(Look(int(up.sum()), truth, told.value, told.low, told.high))
    return Found(
        world.seed, len(entries.customer), int(entries.held.sum()), found, time.perf_counter() - begun,
        [float((with_letters[k] - without[k])[who].sum()) for k in range(2)],
    )  # fmt: skip


def _upto(entries: proofs.Entries, last: int) -> proofs.Entries:
    there = entries.at <= last
    return proofs.Entries(entries.customer[there], entries.at[there], entries.held[there], entries.until[there])


@dataclasses.dataclass(frozen=True)
class Coverage:
    """Of so many worlds, in how many the intervals held the truth; by figure (share, money).

    ``always``: at every look, which is what the always-valid interval promises in 95 of 100. ``once``: the ordinary
    95 % interval, read at the last look only. ``width``: of the always-valid interval at the last look, on average,
    beside ``truth``: what a letter adds for those whom the rule reaches.
    """

    worlds: int
    entered: int
    always: dict[str, float]
    once: dict[str, float]
    width: dict[str, float]
    truth: dict[str, float]

    @property
    def least(self) -> float:
        """The coverage that chance alone may leave of a promise of 95 %: three standard errors below it."""
        return 0.95 - 3 * math.sqrt(0.95 * 0.05 / self.worlds)


def coverage(found: Sequence[Found]) -> Coverage:
    """What many worlds say together."""
    people = sum(f.entered for f in found)
    told: dict[str, dict[str, float]] = {"always": {}, "once": {}, "width": {}, "truth": {}}
    for k, figure in enumerate(("share", "money")):
        last = [f.looks[figure][-1] for f in found]
        read = [look for look in last if look.value is not None]
        told["always"][figure] = sum(f.held(figure) for f in found) / len(found)
        told["once"][figure] = sum(look.in_ordinary for look in read) / len(read)
        told["width"][figure] = float(np.mean([look.width for look in read]))
        told["truth"][figure] = sum(f.added[k] for f in found) / people
    return Coverage(len(found), people, **told)


def main(arguments: Sequence[str] | None = None) -> int:
    """Try so many worlds, each in a process that lives on; what is known is kept in the file, so that it goes on."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    asked.add_argument("worlds", type=int, nargs="?", default=200)
    asked.add_argument("--file", type=Path, default=Path("worlds.jsonl"))
    asked.add_argument("--processes", type=int, default=1)
    given = asked.parse_args(arguments)
    found = [read(line) for line in given.file.read_text().splitlines()] if given.file.exists() else []
    left = sorted(set(range(1, given.worlds + 1)) - {f.seed for f in found})
    with ProcessPoolExecutor(given.processes) as pool, given.file.open("a") as file:
        for one in pool.map(tried, left):
            found.append(one)
            file.write(json.dumps(dataclasses.asdict(one)) + "\n")
            file.flush()
            print(f"{len(found)}/{given.worlds}  {one.entered} entered, {one.seconds:.0f} s", file=sys.stderr)
    told = coverage([f for f in found if f.seed <= given.worlds])
    print(json.dumps(dataclasses.asdict(told), indent=2))
    return int(min(told.always.values()) < told.least or min(told.once.values()) < told.least)


def read(line: str) -> Found:
    """A line of the file."""
    told: dict[str, Any] = json.loads(line)
    looks = {figure: [Look(**look) for look in looks] for figure, looks in told.pop("looks").items()}
    return Found(**told, looks=looks)


if __name__ == "__main__":
    sys.exit(main())
