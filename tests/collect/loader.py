"""Run as a program: load a server with batches of Segment's protocol, as SDKs do: what is not answered 200 comes again.

``python -m collect.loader PORT[,PORT...] FILE WORKERS``. Each batch has five events and one that must be refused. When
it is sent first, its events' ids go to FILE with a ``+`` before them; when it is answered 200, with a ``=``. SIGTERM:
no new batches; it ends when all that were begun are answered.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
from pathlib import Path

EVENTS = 5


def batch(worker: int, number: int) -> tuple[list[str], bytes]:
    ids = [f"{worker}-{number}-{n}" for n in range(EVENTS)]
    events = [
        {
            "type": "track",
            "event": "Product Viewed",
            "messageId": id_,
            "anonymousId": f"a{random.randrange(50)}",
            "properties": {"id": id_, "filling": "x" * random.randrange(400)},
        }
        for id_ in ids
    ]
    nameless = {"type": "track", "messageId": f"{worker}-{number}-refused", "anonymousId": "a1"}
    body = json.dumps({"batch": [*events, nameless], "writeKey": "any"}).encode()
    head = f"POST /v1/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    return ids, head.encode() + body


async def answered(port: int, request: bytes) -> bool:
    """Send one request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        line = await reader.readline()
        if b" 200 " not in line:
            return False
        headers = await reader.readuntil(b"\r\n\r\n")
        length = int(headers.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        return json.loads(await reader.readexactly(length))["accepted"] == EVENTS
    finally:
        writer.close()


async def work(worker: int, ports: list[int], told: Path, stop: asyncio.Event) -> None:
    number, turn = 0, worker
    with told.open("a", encoding="utf-8", buffering=1) as out:
        while not stop.is_set():
            number += 1
            ids, request = batch(worker, number)
            out.write(f"+ {' '.join(ids)}\n")
            while True:
                turn += 1  # as a load balancer does: the next server, and the next when that one is gone
                try:
                    if await answered(ports[turn % len(ports)], request):
                        break
                except (OSError, asyncio.IncompleteReadError, ValueError):
                    pass  # killed in the middle: nobody knows whether it was stored, so it is sent again
                await asyncio.sleep(0.02)
            out.write(f"= {' '.join(ids)}\n")


async def main(ports: str, told: str, workers: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    chosen = [int(port) for port in ports.split(",")]
    await asyncio.gather(*(work(n, chosen, Path(told), stop) for n in range(int(workers))))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
