"""The server process itself: started, asked, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from polku.record.project import Project

from . import world
from .conftest import Site

SCRIPT = """
import sys
from polku.record.project import open_project
from polku.web.serve import serve
with open_project(sys.argv[1]) as project:
    serve(project, "127.0.0.1", 0, lambda url, moved: print(url, flush=True))
print("stopped in order", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to the whole console, the tests included")
def test_ctrl_c_stops_it_in_order(tmp_path: Path) -> None:
    world.make(tmp_path / "shop").close()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "shop")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx.get(url + "health", timeout=60).json()["status"] == "ok"
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert out.strip() == "stopped in order"
    assert errors == ""


def test_foreign_names_are_refused(site: Site) -> None:
    assert site.get("/", Host="evil.example").status_code == 421
    assert site.get("/", Host="localhost:8000").status_code == 200


def test_a_taken_port_is_said(site: Site, shop: Project) -> None:
    import threading

    from polku.web.serve import serve

    port = urlsplit(site.url).port
    assert port is not None
    stop, told = threading.Event(), []

    def on_ready(url: str, moved: bool) -> None:
        told.append((url, moved))
        stop.set()

    # in a thread of its own: a browser that other tests keep open holds this thread's event loop
    serving = threading.Thread(target=serve, args=(shop, "127.0.0.1", port, on_ready), kwargs={"stop": stop})
    serving.start()
    serving.join(60)
    assert not serving.is_alive()
    (url, moved) = told[0]
    assert moved
    assert urlsplit(url).port != port
