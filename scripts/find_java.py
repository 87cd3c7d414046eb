"""Find a Java 17 or later for the tests of the Spark engine; else install Debian's, else say so."""

from __future__ import annotations

import sys

from installing import by_apt, need

from polku.engines.java import find_java
from polku.errors import EngineError

PACKAGE = "openjdk-17-jre-headless"


def find() -> str:
    """The Java that there is, in words; an empty string when there is none that fits."""
    try:
        java = find_java()
    except EngineError:
        return ""
    return f"Java {java.version} at {java.program}"


if __name__ == "__main__":
    ways = [("installing Debian's for the tests of the Spark engine (about a minute)", lambda: by_apt(PACKAGE))]
    sys.exit(need("Java 17", find, ways, "Those of a real Spark cluster are left out."))
