"""Secrets come from the environment or from a file that it names, and never from ``polku.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from polku.errors import ChannelError
from polku.language import N_


def secret_of(name: str, environment: Mapping[str, str]) -> str | None:
    """The text of the variable ``name``, or of the file that ``name_FILE`` names; None where neither is set.

    Raises ChannelError when the file cannot be read.

    >>> secret_of("POLKU_MAIL_PASSWORD", {"POLKU_MAIL_PASSWORD": "hush"})
    'hush'
    """
    if given := environment.get(name):
        return given
    if not (file := environment.get(f"{name}_FILE")):
        return None
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as fault:
        raise ChannelError(
            N_("{file}, which {name}_FILE names, cannot be read: {fault}."), file=file, name=name, fault=str(fault)
        ) from fault
