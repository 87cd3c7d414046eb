"""Find a Chromium for the browser tests; install Debian's when this machine lets us, and say so when it does not."""

from __future__ import annotations

import shutil
import sys

from installing import by_apt, need

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def find() -> str:
    return next((path for name in NAMES if (path := shutil.which(name))), "")


if __name__ == "__main__":
    ways = [("installing Debian's for the browser tests (about a minute)", lambda: by_apt("chromium"))]
    sys.exit(need("Chromium", find, ways, "The tests marked `browser` are left out."))
