"""A kill at any instant: what guidance decided is there whole or not at all, and nothing is decided twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from guidance.shop import DAY, HOUR
from guidance.test_live import CART
from polku.record import steps

TESTS = Path(__file__).parents[1]
STEPS = ("guidance written", "guidance committed")


class Died(Exception):
    pass


def outcome(made):
    return [(m["rule"], m["customer"], m["state"]) for m in made.outbox()], made.notes(), made.timers()


def lead(made, kill=None):
    """Two customers leave carts, one comes back; ``kill(number)`` is called before each look at the record."""
    deeds = [
        lambda: made.event("anna", "Product Added", tick=False),
        lambda: made.event("bert", "Product Added", tick=False),
        lambda: made.event("bert", "Order Completed", tick=False),
        lambda: None,
    ]
    for number, deed in enumerate(deeds):
        deed()
        if kill is not None:
            kill(number)
        made.wait(HOUR)
    if kill is not None:
        kill(len(deeds))
    made.wait(DAY)


def test_dying_between_writes_changes_nothing(shop, monkeypatch):
    """Before each look at the record guidance dies twice: just before its transaction is written, and just after."""
    plain, made = shop(CART), shop(CART)
    for one in (plain, made):
        one.consent("anna")
        one.consent("bert")
    lead(plain)

    def kill(_):
        for step in STEPS:

            def listen(moment, step=step):
                if moment == step:
                    raise Died

            monkeypatch.setattr(steps, "listener", listen)
            with pytest.raises(Died):
                made.tick()
            monkeypatch.setattr(steps, "listener", None)

    lead(made, kill)
    assert outcome(made) == outcome(plain)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_real_kill(shop):
    step = "guidance written"
    made = shop(CART)
    made.consent("anna")
    made.event("anna", "Product Added")
    made.now += 5 * HOUR
    command = [sys.executable, "-m", "guidance.dying", str(made.folder), str(made.now), step]
    died = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    made.tick()
    made.wait(DAY)
    assert [(m["rule"], m["state"]) for m in made.outbox()] == [("cart_reminder", "waiting")]
    assert made.notes("anna") == ["entered", "waits", "late", "treated", "message", "done"]


def test_of_two_processes_one_writes(shop):
    from polku.guidance.live import Live

    made = shop(CART)
    made.consent("anna")
    other = Live(made.project)
    made.event("anna", "Product Added", tick=False)
    made.now += 5 * HOUR
    made.tick()
    other.catch_up(made.now)
    assert len(made.outbox()) == 1
