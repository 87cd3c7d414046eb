"""The log as JSON lines: every line of the server's stderr is an object, and no key stands in it."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from polku.record.project import create_project

from .server import running


def test_every_line_is_an_object(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    with create_project(folder) as project:
        key = project.keys.create("web", ["write"]).text
    (folder / "polku.toml").write_text("[server]\nlog = 'json'\n", encoding="utf-8")
    with running(folder) as server:
        assert httpx.post(f"{server.url}/v1/track", json={"event": "A", "writeKey": key}, timeout=60).status_code == 200
        httpx.get(f"{server.url}/?writeKey={key}", timeout=60)
        lines = server.stop().splitlines()
    told = [json.loads(line) for line in lines]
    assert {"time", "level", "logger", "message"} <= set(told[0])
    assert "uvicorn.error" in {t["logger"] for t in told}
    assert key not in "".join(lines)
