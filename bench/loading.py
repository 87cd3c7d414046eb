"""Load for a server's doors, by Segment's protocol over loopback: run as a program, so that it is a process of its own.

``python bench/loading.py URL --seconds 20 --batch 100 --connections 16 [--rate REQUESTS_A_SECOND] [--watch]``

Without ``--rate`` each connection sends as soon as it was answered; with it requests start at that rate whatever the
answers do, and a latency counts from when its request was due. ``--watch`` asks for the living map all the while and
tells how far it lay behind the events that were acknowledged. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import bisect
import json
import random
import time
from urllib.parse import urlsplit

MARK = b"PPPPPPPPPPPP"
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
#: A closed loop may be answered 503; it waits so long and sends the same again, in seconds.
AGAIN = 0.5


#: A shop's everyday events, by how many of a hundred they are.
MIX = {
    "page": 34, "Product List Viewed": 18, "Product Viewed": 28, "Products Searched": 6, "Product Added": 7,
    "Checkout Started": 3, "Order Completed": 2, "Payment Failed": 1, "Signed Up": 1,
}  # fmt: skip


def event(chance: random.Random, number: int, people: int, mix: bool = False) -> dict[str, object]:
    """A product view as a shop's SDK sends it: about 670 bytes. ``mix``: any event of a shop's day."""
    name = chance.choices(list(MIX), list(MIX.values()))[0] if mix else "Product Viewed"
    page = {
        "path": f"/p/{number}",
        "url": f"https://shop.example/p/{number}?utm_source=ig",
        "referrer": "https://www.google.com/",
        "title": "A summer dress",
    }
    return {
        **({"type": "page"} if name == "page" else {"type": "track", "event": name}),
        "messageId": f"{MARK.decode()}-{number:04x}-a1b2-c3d4e5f60718",
        "anonymousId": f"visitor-{chance.randrange(people):08d}-4f5e-9a7b",
        "timestamp": "2026-11-26T10:00:00.123Z",
        "properties": {"product_id": f"p{number}", "name": "A dress", "price": 49.9, "currency": "EUR", "quantity": 1},
        "context": {
            "library": {"name": "analytics.js", "version": "4.1.0"},
            "page": page,
            "userAgent": AGENT,
            "campaign": {"source": "ig", "medium": "social", "name": "summer"},
        },
        "integrations": {},
    }


class Load:
    """What is sent, and what was answered."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        where = urlsplit(options.url)
        self.host, self.port = where.hostname or "127.0.0.1", where.port or 80
        chance = random.Random(options.seed)
        self.bodies = [self._body(chance) for _ in range(1000 if options.mix else 40)]
        self.number = options.seed << 32
        self.latencies: list[float] = []
        self.acked: list[tuple[float, int]] = []
        self.total = self.refused = self.faults = 0
        self.lags: list[float] = []
        self.looks = 0

    def _body(self, chance: random.Random) -> bytes:
        events = [event(chance, n, self.options.people, self.options.mix) for n in range(self.options.batch)]
        if self.options.batch == 1:
            path, body = "/v1/track", events[0]
        else:
            path, body = "/v1/batch", {"batch": events}
        text = json.dumps({**body, "sentAt": "2026-11-26T10:00:00.123Z", "writeKey": self.options.key}).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text

    def next(self) -> bytes:
        self.number += 1
        return random.choice(self.bodies).replace(MARK, b"%012x" % self.number)

    async def exchange(self, connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], request: bytes) -> int:
        """Send a request and read its answer; the status."""
        reader, writer = connection
        writer.write(request)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        return int(head[9:12])

    def answered(self, status: int, due: float) -> bool:
        now = time.perf_counter()
        if status == 200:
            self.latencies.append(now - due)
            self.total += self.options.batch
            self.acked.append((now, self.total))
            return True
        self.refused += status in (429, 503)
        self.faults += status not in (429, 503)
        return False

    async def closed(self, until: float) -> None:
        """A connection that sends as soon as it was answered."""
        connection = await asyncio.open_connection(self.host, self.port)
        while time.perf_counter() < until:
            began = time.perf_counter()
            request = self.next()
            while not self.answered(await self.exchange(connection, request), began):
                await asyncio.sleep(AGAIN)
        connection[1].close()

    async def open(self, until: float) -> None:
        """Requests that start at a rate; connections that are free take them, in order."""
        due: asyncio.Queue[float | None] = asyncio.Queue()

        async def worker() -> None:
            connection = await asyncio.open_connection(self.host, self.port)
            while (when := await due.get()) is not None:
                request = self.next()
                while not self.answered(await self.exchange(connection, request), when):
                    await asyncio.sleep(AGAIN)
            connection[1].close()

        workers = [asyncio.create_task(worker()) for _ in range(self.options.connections)]
        began = time.perf_counter()
        number = 0
        while (now := time.perf_counter()) < until:
            while number < (now - began) * self.options.rate:
                due.put_nowait(began + number / self.options.rate)
                number += 1
            await asyncio.sleep(0.002)
        for _ in workers:
            due.put_nowait(None)
        await asyncio.gather(*workers)

    async def events_of_map(self) -> int:
        """How many events the living map counts, by its API."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(b"GET /api/map?period=all HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answer = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        if b" 200 " not in answer[0].split(b"\r\n")[0]:
            raise SystemExit(f"the map was not given: {answer[0][:200]!r}")
        return int(json.loads(answer[2])["events"])

    async def watch(self, begun: int, until: float) -> None:
        """Look at the map again and again: how long ago was the oldest event acknowledged that it has not?"""
        while time.perf_counter() < until:
            seen = await self.events_of_map() - begun
            now = time.perf_counter()
            at = bisect.bisect_right(self.acked, seen, key=lambda a: a[1])
            self.lags.append(now - self.acked[at][0] if at < len(self.acked) else 0.0)
            self.looks += 1
            await asyncio.sleep(0.1)

    async def run(self) -> dict[str, object]:
        options = self.options
        begun = await self.events_of_map() if options.watch else 0
        began = time.perf_counter()
        until = began + options.seconds
        work = [self.open(until)] if options.rate else [self.closed(until) for _ in range(options.connections)]
        if options.watch:
            work.append(self.watch(begun, until))
        await asyncio.gather(*work)
        seconds = time.perf_counter() - began
        caught_up = None
        if options.watch:
            while await self.events_of_map() - begun < self.total:
                await asyncio.sleep(0.05)
            caught_up = time.perf_counter() - began - seconds
        self.latencies.sort()
        count = len(self.latencies)
        return {
            "seconds": seconds,
            "requests": count,
            "events": self.total,
            "refused": self.refused,
            "faults": self.faults,
            "p50": self.latencies[count // 2] if count else None,
            "p99": self.latencies[int(count * 0.99)] if count else None,
            "lags": self.lags,
            "caught_up": caught_up,
        }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--rate", type=float, default=0, help="requests a second; 0: as many as are answered")
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--key", default="bench")
    parser.add_argument("--seed", type=int, default=1, help="another one for each run against the same server")
    parser.add_argument("--watch", action="store_true")
    parser.add_argument("--mix", action="store_true", help="all kinds of events, of many people")
    print(json.dumps(asyncio.run(Load(parser.parse_args()).run())))


if __name__ == "__main__":
    main()
