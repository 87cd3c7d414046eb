"""What the tests need of the machine: found, else installed where this machine lets us, else said.

With CI=true what is missing is a failure: those tests are part of the promise.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence


def by_apt(*packages: str) -> str:
    """Install Debian's packages; returns what to tell when it did not work, and an empty string when it did."""
    wanted = " ".join(packages)
    if not shutil.which("apt-get"):
        return "apt-get is not on this machine"
    if os.name != "posix" or os.geteuid() != 0:
        return f"installing needs root: sudo apt-get install {wanted}"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return _first_failure([["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", *packages]], environment)


def by_pip(*packages: str) -> str:
    """Install Python packages beside those that are here; returns as :func:`by_apt`."""
    return _first_failure([[sys.executable, "-m", "pip", "install", "--quiet", *packages]], dict(os.environ))


def need(what: str, found: Callable[[], str], ways: Sequence[tuple[str, Callable[[], str]]], without: str) -> int:
    """Have something for the tests. Returns the exit code.

    what: its name for people. found: says which one there is, or nothing. ways: how it can be had, each with what it
    tells while it is under way, tried in order. without: what is left out when there is none.
    """
    if told := found():
        print(f"{what} for the tests: {told}")
        return 0
    problems = []
    for saying, way in ways:
        print(f"No {what} here; {saying} ...", flush=True)
        problem = way()
        if told := found():
            print(f"{what} for the tests: {told}")
            return 0
        problems.append(problem or "it was installed, and yet it is not found")
    print(f"No {what} for the tests ({'; '.join(problems)}). {without}", file=sys.stderr)
    return 1 if os.environ.get("CI") == "true" else 0


def _first_failure(commands: list[list[str]], environment: dict[str, str]) -> str:
    for command in commands:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{' '.join(command)} failed: {done.stderr.strip()[-300:]}"
    return ""
