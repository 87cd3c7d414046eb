"""Timers under restarts, clock changes, downtimes, deaths: each fires exactly once, in order; late ones say so."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from guidance.shop import DAY, HOUR
from polku.guidance.live import Live
from polku.record import steps, tables

TESTS = Path(__file__).parents[1]
RULES = """
  - id: soon
    when: {reached: cart, for: 50min, per: cart_id}
    send: {channel: email, content: content/soon.en.md}
    holdout: 0 %
    state: on
  - id: later
    when: {reached: cart, for: 3h, per: cart_id}
    priority: 5
    do: [{send: {channel: webhook}}, {wait: 2h}, {task: Call}]
    holdout: 0 %
    state: on
  - id: daily
    when: {every: day, at: "13:30"}
    do: [{task: Look}]
    state: on
"""
POLICY = "contact_policy: {quiet_hours: null}"


class Died(Exception):
    pass


def story(seed: int, carts: int):
    """What happens: (what, microseconds) in order. The clock of the machine may be set back and forth."""
    chance = random.Random(seed)
    deeds = [("cart", 0)]
    for _ in range(carts):
        deeds.append((chance.choice(["cart", "cart", "wait", "wait", "back", "away", "restart", "die", "die"]),
                      chance.choice([HOUR // 60, HOUR // 3, HOUR, 5 * HOUR])))  # fmt: skip
    return [*deeds, ("wait", 2 * DAY), ("wait", DAY)]


def live_through(made, seed: int, carts: int, monkeypatch, kill: bool = False) -> list[int]:
    """Live the story; gives when each cart was met (microseconds), in order."""
    chance, met = random.Random(seed), []
    made.wait(5 * DAY)  # so that the clock is never set back to before the rules were on
    for what, span in story(seed, carts):
        if what == "cart":
            met.append(made.now)
            made.event("anna", "Product Added", cart_id=f"c{len(met)}")
        elif what == "wait":
            made.wait(span)
        elif what == "back":
            made.wait(-span)
        elif what == "away":
            made.now += span  # nobody looks meanwhile
        elif what == "restart":
            made.live = Live(made.project, made.live.batch)
            made.wait(span)
        else:
            made.now += span
            step = chance.choice(["guidance written", "guidance committed"])
            if kill:
                command = [sys.executable, "-m", "guidance.dying", str(made.folder), str(made.now), step]
                died = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=False)
                assert died.returncode == -signal.SIGKILL, died.stderr
            else:

                def listen(moment, step=step):
                    if moment == step:
                        raise Died

                monkeypatch.setattr(steps, "listener", listen)
                with pytest.raises(Died):
                    made.tick()
                monkeypatch.setattr(steps, "listener", None)
    return met


def held(made, met: list[int]) -> None:
    """Each cart has had exactly what is due, at its moment or late and saying so, and nothing waits."""
    outbox, runs = made.outbox(), made.runs()
    assert Counter((m["rule"], m["channel"]) for m in outbox if m["rule"] != "daily") == {
        ("soon", "email"): len(met), ("later", "webhook"): len(met), ("later", "task"): len(met),
    }  # fmt: skip
    assert made.timers() == 0
    assert {r["status"] for r in runs} == {"done"}
    days = [r["entered_at"] for r in runs if r["rule"] == "daily"]
    assert len(days) == len(set(days))
    with made.project.state.read() as connection:
        notes = connection.execute(sa.select(tables.run_notes).order_by(tables.run_notes.c.id)).all()
    by_run: dict[int, list] = {}
    for note in notes:
        by_run.setdefault(note.run, []).append(note)
    for run in runs:
        told = by_run[run["id"]]
        due = None
        for note in told:
            if note.what == "waits":
                due = json.loads(note.facts)["until"]
            elif note.what == "late":
                assert note.time == due
                assert note.known - due > HOUR // 60
            elif note.what in ("message", "treated") and due is not None:
                assert note.known >= due
                late = any(n.what == "late" and n.known == note.known for n in told)
                assert late == (note.known - due > HOUR // 60)
    # of timers that fired in one look, the earlier moment first; within a second the higher priority
    fired: dict[int, list] = {}
    for note in notes:
        if note.what == "late":
            fired.setdefault(note.known, []).append(note)
    for together in fired.values():
        moments = [note.time // 1_000_000 for note in together]
        assert moments == sorted(moments)


@pytest.mark.parametrize("seed", [3, 8])
def test_each_timer_fires_exactly_once(shop, monkeypatch, seed):
    made = shop(RULES, POLICY)
    held(made, live_through(made, seed, 14, monkeypatch))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_each_timer_fires_exactly_once_through_real_kills(shop, monkeypatch, seed):
    made = shop(RULES, POLICY)
    held(made, live_through(made, 100 + seed, 40, monkeypatch, kill=True))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_each_timer_fires_exactly_once_on_postgresql(shop, monkeypatch, postgres, seed):
    made = shop(RULES, POLICY, state=postgres.database())
    held(made, live_through(made, 200 + seed, 40, monkeypatch))
