"""What the machine refuses (no room on the disk, no permission, a folder that cannot be read), told as such.

These come up from Python, Arrow, Delta and SQLite in the words of each; here they get one wording, in the reader's
language. What is not known here is a fault of Polku's and is reported as one.
"""

from __future__ import annotations

import errno
import re
from typing import Any

from polku.errors import MachineError, PolkuError
from polku.language import N_

NO_ROOM = N_("There is no room left on the disk{where}. Make room and run the command again.")
NOT_ALLOWED = N_("You have no permission to read or write {path}.")
READ_ONLY = N_("{path} can be read but not written: the disk or the file is read-only.")
NO_FOLDER = N_("{path} is not a folder.")
A_FOLDER = N_("{path} is a folder; a file is needed here.")
TOO_MANY = N_("Too many files are open on this machine. Close programs, or raise the limit (ulimit -n).")
BROKEN_DISK = N_("The disk gives errors when {path} is read or written.")
CHANGED_FILE = N_("The project's database {path} is damaged or is no database. Put a backup of it in its place.")

BY_NUMBER = {
    errno.ENOSPC: NO_ROOM, errno.EDQUOT: NO_ROOM, errno.EACCES: NOT_ALLOWED, errno.EPERM: NOT_ALLOWED,
    errno.EROFS: READ_ONLY, errno.ENOTDIR: NO_FOLDER, errno.EISDIR: A_FOLDER, errno.EMFILE: TOO_MANY,
    errno.ENFILE: TOO_MANY, errno.EIO: BROKEN_DISK,
}  # fmt: skip
#: SQLite's own names of its errors, by how they begin.
BY_NAME = {
    "SQLITE_FULL": NO_ROOM, "SQLITE_READONLY": READ_ONLY, "SQLITE_CANTOPEN": NOT_ALLOWED, "SQLITE_PERM": NOT_ALLOWED,
    "SQLITE_IOERR": BROKEN_DISK, "SQLITE_NOTADB": CHANGED_FILE, "SQLITE_CORRUPT": CHANGED_FILE,
}  # fmt: skip
STATE = ".polku/state.db"


def mishap(error: BaseException) -> PolkuError | None:
    """``error`` as the machine's refusal, or None when it is none of those known."""
    found: BaseException | None = error
    while found is not None:
        message, path = _known(found)
        if message is not None:
            where = f" ({path})" if path else ""
            return MachineError(message, path=path or str(found), where=where)
        found = found.__cause__ or found.__context__
    return None


def _known(error: BaseException) -> tuple[str | None, str]:
    original: Any = getattr(error, "orig", error)  # SQLAlchemy wraps the driver's error
    name = getattr(original, "sqlite_errorname", None)
    if name is not None:
        return next((text for begin, text in BY_NAME.items() if name.startswith(begin)), None), STATE
    number = error.errno if isinstance(error, OSError) else None
    if number is None and type(error).__module__.partition(".")[0] in ("deltalake", "pyarrow", "builtins"):
        told = re.search(r"\(os error (\d+)\)", str(error))  # how Rust ends its messages
        number = int(told[1]) if told else None
    path = getattr(error, "filename", None) or _named(str(error))
    return BY_NUMBER.get(number) if number is not None else None, str(path) if path is not None else ""


def _named(text: str) -> str:
    """The path that a message of Arrow or Delta names."""
    found = re.search(r"(?:file|path|directory)\s+['\"]?(/[^'\"\s:]+|[A-Za-z]:\\[^'\"\s:]+)", text)
    return found[1] if found else ""
