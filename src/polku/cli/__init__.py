"""The command ``polku``."""

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> None:
    """The entry point; the program itself is read here, so that Ctrl-C while it is being read shows no traceback."""
    try:
        from polku.cli.app import main as run

        run(arguments)
    except KeyboardInterrupt:
        sys.exit(130)


__all__ = ["main"]
