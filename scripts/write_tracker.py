"""Write what is served of polku.js and its modules: the sources without comments, long names and white space.

Run after a change in src/polku/tracker/source (needs node; terser comes by ``npm ci`` in scripts/tracker). What it
writes is part of the repository, so that nobody who uses Polku needs node; tests/tracker hold both together.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
from pathlib import Path

ROOM = Path(__file__).parents[1] / "src" / "polku" / "tracker"
SOURCE, SERVED = ROOM / "source", ROOM / "served"
#: Which text each served file was made of, so that a change of one without the other is seen without node.
MADE_OF = "made_of.json"
TOOLS = Path(__file__).parent / "tracker"
TERSER = TOOLS / "node_modules" / "terser" / "bin" / "terser"
OPTIONS = ("--ecma", "2018", "--compress", "passes=3", "--mangle")


def sources() -> dict[str, Path]:
    return {file.relative_to(SOURCE).as_posix(): file for file in sorted(SOURCE.rglob("*.js"))}


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def served(name: str, file: Path) -> str:
    """The text to serve for the source ``file``. Raises CalledProcessError with terser's words."""
    module = ("--module",) if "/" in name else ()  # the modules are ES modules, polku.js is a plain script
    command = ["node", str(TERSER), str(file), *OPTIONS, *module]
    done = subprocess.run(command, capture_output=True, check=True, encoding="utf-8")
    return done.stdout.rstrip() + "\n"


def main() -> int:
    if not TERSER.exists():
        subprocess.run(["npm", "ci", "--silent", "--prefix", str(TOOLS)], check=True)
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
