"""Where compiled kernels are kept when neither the package's folder nor the person's home can be written to.

Numba keeps them beside the source, else in the home; where it can do neither (a system-wide installation used by a
service without a home) it refuses to import. So it is told a place of its own before it is imported.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"


def settle(package: Path) -> None:
    """Name a folder for compiled code in the environment, unless there is one or ``package`` can be written to."""
    if VARIABLE not in os.environ and not os.access(package, os.W_OK):
        os.environ[VARIABLE] = str(next(_places()))


def _places() -> Iterator[Path]:
    """Folders that are there and are ours alone: compiled code that others can write must not be run."""
    import platformdirs

    user = os.getuid() if hasattr(os, "getuid") else 0
    for folder in (Path(platformdirs.user_cache_dir("polku")), Path(tempfile.gettempdir()) / f"polku-{user}"):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = folder.lstat()
        except OSError:
            continue
        ours = not hasattr(os, "getuid") or (found.st_uid == user and not found.st_mode & 0o022)
        if ours and stat.S_ISDIR(found.st_mode) and os.access(folder, os.W_OK):
            yield folder
    yield Path(tempfile.mkdtemp(prefix="polku-"))
