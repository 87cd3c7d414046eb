"""Take the README's picture of the living map: the demo shop, in English, in a headless Chromium.

python scripts/take_picture.py [address of a map that is being served]
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from find_browser import find
from playwright.sync_api import ViewportSize, sync_playwright

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "map.png"
FLAGS = ["--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
SIZE: ViewportSize = {"width": 1440, "height": 1000}


@contextmanager
def demo() -> Iterator[str]:
    """The address of a fresh demo, served as long as the block runs."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "polku",
            "demo",
            "--folder",
            f"{folder}/demo",
            "--port",
            "0",
            "--language",
            "en",
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                yield next(found[0] for line in server.stdout if (found := re.search(r"http://\S+", line)))
            finally:
                server.terminate()


def take(address: str) -> None:
    PICTURE.parent.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
        page = browser.new_page(viewport=SIZE, locale="en-GB", color_scheme="light")
        answer = page.goto(f"{address}?lang=en&period=90d", wait_until="load")
        assert answer is not None
        assert answer.ok, f"{address} answers {answer.status}"
        page.wait_for_timeout(1000)
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        take(sys.argv[1])
    else:
        with demo() as served:
            take(served)
