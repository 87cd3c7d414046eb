"""The server process itself: started, asked, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from . import world

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
