"""A plain collector, as a shop's developer would write one: FastAPI with pydantic models, each request one transaction.

``python collector_fastapi.py FOLDER``: Segment's ``/v1/batch`` and ``/v1/track`` into SQLite (write-ahead log,
``synchronous=FULL``, as Polku's), an insert a batch. It corrects no clocks, asks for no consent, hashes no addresses
and draws no map. Prints its address when it answers.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Event(BaseModel):
    type: str = "track"
    event: str | None = None
    messageId: str | None = None  # noqa: N815 (the protocol's names)
    userId: str | None = None  # noqa: N815
    anonymousId: str | None = None  # noqa: N815
    timestamp: str | None = None
    properties: dict[str, Any] | None = None
    context: dict[str, Any] | None = None


class Batch(BaseModel):
    batch: list[Event]


def main() -> None:
    connection = sqlite3.connect(Path(sys.argv[1]) / "events.db", isolation_level=None, check_same_thread=False)
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=full")
    columns = (
        "id text primary key, received real, event text, user text, anonymous text, time text, properties, context"
    )
    connection.execute(f"create table events ({columns})")
    app = FastAPI()

    def store(events: list[Event]) -> dict[str, bool]:
        now = time.time()
        connection.execute("begin")
        connection.executemany(
            "insert or ignore into events values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (e.messageId, now, e.event, e.userId, e.anonymousId, e.timestamp, json.dumps(e.properties),
                 json.dumps(e.context))
                for e in events
            ],
        )  # fmt: skip
        connection.execute("commit")
        return {"success": True}

    @app.post("/v1/batch")
    async def batch(body: Batch) -> dict[str, bool]:
        return store(body.batch)

    @app.post("/v1/track")
    async def track(body: Event) -> dict[str, bool]:
        return store([body])

    config = uvicorn.Config(app, port=0, log_level="warning", access_log=False)
    sock = config.bind_socket()
    print(f"http://127.0.0.1:{sock.getsockname()[1]}", flush=True)
    uvicorn.Server(config).run(sockets=[sock])


if __name__ == "__main__":
    main()
