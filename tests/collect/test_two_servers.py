"""Two servers, as on two machines: a folder each, one PostgreSQL, one bucket; one is killed at random moments."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from polku.jobs import Ledger, jobs
from polku.record.project import create_project, open_project

from .server import TESTS, Process
from .test_kill import stored, told, under_load

pytestmark = [pytest.mark.long, pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")]
SETTINGS = "[record]\nlease = 2\n[inbox]\nseconds = 1\nevents = 40\nfiles = 3\n"
MAP = """\
polku: 1
title: A shop
stages:
  - id: all
    touchpoints:
      - {id: product, match: {event: Product Viewed}}
"""


@pytest.mark.parametrize("kills", [2, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(7200)])])
def test_one_of_two_dies_and_nothing_is_lost_nor_twice(kills: int, tmp_path: Path, postgres, store) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        (folder / "polku.toml").write_text(SETTINGS, encoding="utf-8")
    (folders[0] / "journey.yaml").write_text(MAP, encoding="utf-8")
    state, history = postgres.database(), store.bucket() + "/history"
    for folder in folders:  # the second has no map, and takes that of the first
        open_project(folder, state=state, history=history).close()
    file = tmp_path / "told"
    file.touch()
    chance = random.Random(kills)
    servers = [Process(folder) for folder in folders]
    ports = [server.port for server in servers]
    command = [sys.executable, "-m", "collect.loader", ",".join(map(str, ports)), str(file), "6"]
    loader = subprocess.Popen(command, cwd=TESTS)
    try:
        under_load(file)  # the first start on a machine compiles kernels, in both
        for kill in range(kills):
            time.sleep(chance.uniform(0.3, 1.5))
            one = kill % 2
            servers[one].kill()
            before = len(told(file, "="))
            until = time.monotonic() + 60
            while len(told(file, "=")) < before + 50:
                assert time.monotonic() < until, "the other server does not take over"
                time.sleep(0.02)
            servers[one] = Process(folders[one], ports[one])
            assert servers[one].port == ports[one]
        loader.send_signal(signal.SIGTERM)
        assert loader.wait(60) == 0
        begun, acknowledged = told(file, "+"), told(file, "=")
        assert sorted(begun) == sorted(acknowledged)
        maps = []
        for server in servers:  # both show the same, whoever moved what
            with httpx.Client(base_url=server.url, timeout=300) as client:
                until = time.monotonic() + 120
                while True:  # who asks while the trails are refreshed gets those before
                    told_map = client.get("/api/map").raise_for_status().json()
                    if told_map["events"] == len(begun) or time.monotonic() > until:
                        break
                    time.sleep(0.2)
                maps.append(told_map)
        assert {told.pop("as_of") for told in maps}
        assert maps[0] == maps[1]
        assert maps[0]["events"] == len(begun)
        assert [server.stop() for server in servers] == ["", ""]
    finally:
        loader.kill()
        loader.wait()
        for server in servers:
            server.kill()
    with open_project(folders[0]) as project:
        while project.mover.move().version is not None:
            pass
        found, seqs = stored(project)
        assert found == Counter(dict.fromkeys(begun, 1)), "lost, or twice"
        assert len(seqs) == len(set(seqs))
        status = {s.name: s for s in Ledger(project.state).all(jobs(project))}
        assert status["move"].runs > 0
        assert (status["move"].failures, status["move"].reason) == (0, None)
    with open_project(folders[1]) as other, create_project(folders[0]) as one:
        assert other.journey() == one.journey()
        assert other.history.rows() == one.history.rows() == len(begun)


def test_the_command_ends_in_order_at_sigterm(tmp_path: Path, postgres) -> None:
    """``polku serve`` as an operator runs it: options, the address as JSON, SIGTERM."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "journey.yaml").write_text(MAP, encoding="utf-8")
    command = [sys.executable, "-m", "polku", "serve", str(folder), "--port", "0", "--json"]
    where = ["--state", postgres.database(empty=True), "--history", str(tmp_path / "history")]
    process = subprocess.Popen([*command, *where], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        told = ""
        while not told.rstrip().endswith("}"):
            line = process.stdout.readline()
            assert line, "it ended"
            told += line
        url = json.loads(told)["url"]
        body = {"type": "track", "event": "Product Viewed", "messageId": "m1", "anonymousId": "a1", "writeKey": "any"}
        assert httpx.post(f"{url}v1/track", json=body, timeout=60).status_code == 200
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, "", "")
    finally:
        process.kill()
        process.wait()
    with open_project(folder) as project:  # which knows where its record is
        assert stored(project)[0] == Counter({"m1": 1})
        assert project.state.url.get_backend_name() == "postgresql"
