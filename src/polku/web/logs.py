"""The server's log as JSON lines, for whoever gathers logs: one object a record, on stderr.

>>> import logging
>>> record = logging.LogRecord("polku.collect", logging.WARNING, "", 0, "full: %s", ("disk",), None)
>>> JsonLines().format(record).partition('"level"')[2]
':"warning","logger":"polku.collect","message":"full: disk"}'
"""

from __future__ import annotations

import datetime as dt
import logging

import msgspec


class JsonLines(logging.Formatter):
    """``time`` (ISO 8601, UTC), ``level``, ``logger``, ``message``, and ``traceback`` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, str] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            told["traceback"] = record.exc_text or self.formatException(record.exc_info)
        return msgspec.json.encode({k: v.encode("utf-8", "replace").decode() for k, v in told.items()}).decode()


def json_lines() -> None:
    """From now on this process logs in JSON lines, what uvicorn says too (it must not bring handlers of its own)."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for noisy in ("alembic", "httpx", "numba"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
