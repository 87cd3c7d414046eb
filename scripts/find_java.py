"""Find a Java 17 or later for the tests of the Spark engine; install Debian's when this machine lets us, else say so.

With CI=true a missing Java is a failure: the engine's tests are part of the promise.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from polku.engines.java import find_java
from polku.errors import EngineError

PACKAGE = "openjdk-17-jre-headless"


def found() -> str:
    """The Java that there is, in words; an empty string when there is none that fits."""
    try:
        java = find_java()
    except EngineError:
        return ""
    return f"Java {java.version} at {java.program}"


def install() -> str:
    """Try apt-get; returns what to tell when it did not work, and an empty string when it did."""
    if not shutil.which("apt-get"):
        return "apt-get is not on this machine"
    if os.name != "posix" or os.geteuid() != 0:
        return f"installing needs root: sudo apt-get install {PACKAGE}"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", PACKAGE]):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{' '.join(command)} failed: {done.stderr.strip()[-300:]}"
    return ""


def main() -> int:
    if told := found():
        print(f"Java for the tests: {told}")
        return 0
    print("No Java 17 here; installing Debian's for the tests of the Spark engine (about a minute) ...", flush=True)
    problem = install()
    if told := found():
        print(f"Java for the tests: {told}")
        return 0
    print(f"No Java for the tests ({problem}). Those of a real Spark cluster are left out.", file=sys.stderr)
    return 1 if os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
