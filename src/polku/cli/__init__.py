"""The command ``polku``."""

from polku.cli.app import main

__all__ = ["main"]
