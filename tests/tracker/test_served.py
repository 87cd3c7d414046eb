"""How polku.js is served: small, made of its source, for pages of any origin."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from polku.tracker import modules, tracker
from web.conftest import Site

#: At most so many bytes, compressed.
MOST = 5000
ROOT = Path(__file__).parents[2]


def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_tracker", ROOT / "scripts" / "write_tracker.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_small() -> None:
    assert len(gzip.compress(tracker().body, 9)) <= MOST


def test_what_is_served_was_made_of_the_source() -> None:
    write = writer()
    made = json.loads((write.SERVED / write.MADE_OF).read_text(encoding="utf-8"))
    assert made == {name: write.digest(file) for name, file in write.sources().items()}, "run scripts/write_tracker.py"
    served = {file.relative_to(write.SERVED).as_posix() for file in write.SERVED.rglob("*.js")}
    assert served == set(made)


def test_making_it_anew_gives_the_same() -> None:
    write = writer()
    if not write.TERSER.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("terser is not here: python scripts/write_tracker.py --tools")
        pytest.skip("terser is not here: python scripts/write_tracker.py --tools")
    for name, file in write.sources().items():
        assert (write.SERVED / name).read_text(encoding="utf-8") == write.served(name, file)


@pytest.mark.parametrize("path", ["/polku.js", "/polku/cmp.js"])
def test_for_pages_of_any_origin(polku: Site, path: str) -> None:
    found = httpx.get(polku.url + path, headers={"Accept-Encoding": "gzip"})
    assert found.status_code == 200
    assert found.headers["content-type"].startswith("text/javascript")
    assert found.headers["content-encoding"] == "gzip"
    assert found.headers["access-control-allow-origin"] == "*"
    assert found.headers["cross-origin-resource-policy"] == "cross-origin"
    assert found.headers["cache-control"].startswith("public, max-age=300")
    assert "set-cookie" not in found.headers
    assert found.content == (tracker() if path == "/polku.js" else modules()["cmp"]).body
    plain = httpx.get(polku.url + path, headers={"Accept-Encoding": "gzip;q=0"})
    assert "content-encoding" not in plain.headers
    assert plain.content == found.content
    again = httpx.get(polku.url + path, headers={"If-None-Match": found.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""
    assert httpx.head(polku.url + path).status_code == 200


def test_an_unknown_module(polku: Site) -> None:
    for name in ("nothing", "..%2fpolku", "%2e%2e", "made_of.json"):
        assert httpx.get(f"{polku.url}/polku/{name}.js").status_code == 404
