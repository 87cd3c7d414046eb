"""At most once: a sender that is killed at any moment sends nothing twice, and forgets nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from polku.guidance.sending import send
from polku.guidance.switch import turn

from . import receivers, shop

#: Dies by kill -9 when the sender has come to a step for the n-th time.
DYING = """
import os, signal, sys
from polku.record import steps
from polku.record.project import open_project
import polku.guidance.sending as sending

step, left = sys.argv[2], int(sys.argv[3])
before = sending.reached

def reached(what):
    global left
    if what == step:
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

sending.reached = reached
with open_project(sys.argv[1]) as project:
    sending.send(project, 600)  # however slow the machine is, the step is come to
"""
PEOPLE = [f"k{n}" for n in range(50)]


@pytest.mark.parametrize("step", ["messages claimed", "messages delivered", "messages finished"])
def test_killed_at_any_step_nothing_leaves_twice(tmp_path: Path, step: str) -> None:
    with receivers.http() as gateway, receivers.smtp() as (box, port):
        more = f'[[channels]]\nname = "crm"\nurl = "{gateway.url}"\npurpose = "none"\nsecret = "POLKU_CHANNEL_CRM"'
        folder = tmp_path / "shop"
        environment = os.environ | {"POLKU_CHANNEL_CRM": "hush"}
        with shop.make(folder, port, more=more) as project:
            turn(project, True, "anna")
            people = shop.customers(project, *PEOPLE)
            shop.put(project, *(shop.message(one, n) for n, one in enumerate(people)))
            shop.put(project, *(shop.message(one, 100 + n, channel="crm") for n, one in enumerate(people[:20])))
        done = subprocess.run(
            [sys.executable, "-c", DYING, str(folder), step, "2"], env=environment, capture_output=True
        )
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("POLKU_CHANNEL_CRM", "hush")
            with shop.open_project(folder) as project:
                # what a receiver was too busy for is tried again when its time has come
                for _ in range(20):
                    send(project, 600)
                    found = shop.fates(project)
                    if "waiting" not in {one.state for one in found.values()}:
                        break
                    shop.due_now(project)
        letters = box.recipients
        assert len(letters) == len(set(letters))  # none twice
        mails = [found[f"{n}:0:a"] for n in range(50)]
        unknown = [f for f in mails if (f.state, f.reason) == ("failed", "unknown")]
        sent = [f for f in mails if f.state == "sent"]
        assert len(unknown) + len(sent) == 50
        assert len(unknown) <= 32
        assert len(letters) >= len(sent)
        assert len(letters) == len(sent) + (len(unknown) if step == "messages delivered" else 0)
        # a receiver that knows keys may hear one twice, under the same key, and misses none
        assert {f.state for key, f in found.items() if int(key.split(":")[0]) >= 100} == {"sent"}
        assert {h["idempotency-key"] for h, _ in gateway.requests} == {f"{100 + n}:0:a" for n in range(20)}
