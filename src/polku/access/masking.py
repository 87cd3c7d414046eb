"""What opens a door stays out of the log: keys, passwords in addresses, tokens in headers and queries are masked."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any, Final

from polku.access.keys import PATTERN

MASK: Final = "***"
#: (pattern, replacement), in order.
RULES: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (PATTERN, r"pk_\1_" + MASK),
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@/]+(?=@)", re.I), r"\1" + MASK),
    (re.compile(r"(\bauthorization['\"]?\s*[:=]\s*['\"]?(?:bearer|basic)\s+)[^\s'\",]+", re.I), r"\1" + MASK),
    (
        re.compile(
            r"(\b(?:token_auth|api_secret|api_key|write_?key|access_token|client_secret|password)=)[^\s&'\"]+", re.I
        ),
        r"\1" + MASK,
    ),
    (re.compile(r"(\b(?:__Host-)?polku_session=)[\w-]+"), r"\1" + MASK),
    (re.compile(r"(/welcome/)[\w-]{16,}"), r"\1" + MASK),
)  # fmt: skip


def masked(text: str) -> str:
    """A text without what opens a door.

    >>> masked("postgresql://polku:secret@db/polku?password=x"), masked("GET /matomo.php?token_auth=abc&idsite=1")
    ('postgresql://polku:***@db/polku?password=***', 'GET /matomo.php?token_auth=***&idsite=1')
    """
    for pattern, replacement in RULES:
        text = pattern.sub(replacement, text)
    return text


def mask_logs() -> None:
    """From now on every log record of this process is masked when it is made, its traceback too."""
    made = logging.getLogRecordFactory()
    if not isinstance(made, _Masking):
        logging.setLogRecordFactory(_Masking(made))


class _Masking:
    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self.make = make

    def __call__(self, *arguments: Any, **more: Any) -> logging.LogRecord:
        record = self.make(*arguments, **more)
        try:
            told = record.getMessage()
        except (TypeError, ValueError):  # arguments that do not fit their text: logging tells where it was called
            return record
        if (without := masked(told)) != told:
            record.msg, record.args = without, ()
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = masked(logging.Formatter().formatException(record.exc_info))
        return record
