"""Write what is served of polku.js and its modules: the sources without comments, long names and white space.

Run after a change in src/polku/tracker/source. It needs Node (scripts/find_node.py says which) and terser, which
``--tools`` installs alone, at the version of scripts/tracker/package-lock.json. What it writes is part of the
repository, so that nobody who uses Polku needs Node; tests/tracker hold both together.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

ROOM = Path(__file__).parents[1] / "src" / "polku" / "tracker"
SOURCE, SERVED = ROOM / "source", ROOM / "served"
#: Which text each served file was made of, so that a change of one without the other is seen without node.
MADE_OF = "made_of.json"
TOOLS = Path(__file__).parent / "tracker"
TERSER = TOOLS / "node_modules" / "terser" / "bin" / "terser"
OPTIONS = ("--ecma", "2018", "--compress", "passes=3", "--mangle")


def find_node() -> ModuleType:
    """scripts/find_node.py: which Node the tests use."""
    spec = importlib.util.spec_from_file_location("find_node", Path(__file__).parent / "find_node.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def install() -> str:
    """Install terser; what to tell when it cannot be, and an empty string when it stands there."""
    if TERSER.exists():
        return ""
    npm = find_node().npm()
    if npm is None:
        return "there is no npm here"
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run([*npm, "ci", *quiet], cwd=TOOLS, capture_output=True, text=True, check=False)
    return f"npm ci failed: {(done.stderr or done.stdout).strip()[-300:]}" if done.returncode else ""


def sources() -> dict[str, Path]:
    return {file.relative_to(SOURCE).as_posix(): file for file in sorted(SOURCE.rglob("*.js"))}


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def served(name: str, file: Path) -> str:
    """The text to serve for the source ``file``. Raises CalledProcessError with terser's words."""
    module = ("--module",) if "/" in name else ()  # the modules are ES modules, polku.js is a plain script
    command = [find_node().node() or "node", str(TERSER), str(file), *OPTIONS, *module]
    done = subprocess.run(command, capture_output=True, check=True, encoding="utf-8")
    return done.stdout.rstrip() + "\n"


def main() -> int:
    problem = install()
    if "--tools" in sys.argv[1:]:
        if problem:
            print(f"terser is not here ({problem}): polku.js is not made anew by the tests.", file=sys.stderr)
        return 1 if problem and os.environ.get("CI") == "true" else 0
    if problem:
        print(problem, file=sys.stderr)
        return 1
    made = {}
    for name, file in sources().items():
        text = served(name, file)
        target = SERVED / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        made[name] = digest(file)
        print(f"{name}: {len(text.encode())} bytes, {len(gzip.compress(text.encode(), 9))} compressed")
    (SERVED / MADE_OF).write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
