"""Find a Chromium for the browser tests; install Debian's when this machine lets us, and say so when it does not.

With CI=true a missing browser is a failure: the browser tests are part of the promise.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def find() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def install() -> str:
    """Try apt-get; returns what to tell when it did not work, and an empty string when it did."""
    if not shutil.which("apt-get"):
        return "apt-get is not on this machine"
    if os.name != "posix" or os.geteuid() != 0:
        return "installing needs root: sudo apt-get install chromium"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "chromium"]):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{' '.join(command)} failed: {done.stderr.strip()[-300:]}"
    return ""


def main() -> int:
    if found := find():
        print(f"Browser for the tests: {found}")
        return 0
    print("No Chromium here; installing Debian's for the browser tests (about a minute) ...", flush=True)
    problem = install()
    if found := find():
        print(f"Browser for the tests: {found}")
        return 0
    print(f"No browser for the tests ({problem}). The tests marked `browser` are left out.", file=sys.stderr)
    return 1 if os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
