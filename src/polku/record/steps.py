"""Named moments between two writes of the record, so that a test can stop a process at each one.

Every write boundary says ``reached("...")``. Nothing listens in normal use; the crash tests put a listener here that
ends the process, open the project again and look whether it is right.
"""

from __future__ import annotations

from collections.abc import Callable

#: Called with the name of each moment when set.
listener: Callable[[str], None] | None = None


def reached(moment: str) -> None:
    """Tell the listener, if there is one, that the writes before ``moment`` are done and those after it are not."""
    if listener is not None:
        listener(moment)
