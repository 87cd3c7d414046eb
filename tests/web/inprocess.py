"""A client of an application in this process, without a port: its loop runs in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx


@contextmanager
def loop_in_a_thread() -> Iterator[asyncio.AbstractEventLoop]:
    """A running event loop (an open browser of Playwright's holds that of the tests' thread)."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="tests-loop")
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()


class Client:
    """httpx's client over ASGI, called without await; keeps cookies, follows no redirect."""

    def __init__(self, app: Any, loop: asyncio.AbstractEventLoop, base_url: str = "http://testserver") -> None:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=True, client=("203.0.113.9", 1234))
        self._client = httpx.AsyncClient(transport=transport, base_url=base_url, timeout=60)
        self._loop = loop
        self.cookies, self.headers = self._client.cookies, self._client.headers

    def request(self, method: str, url: str, **more: Any) -> httpx.Response:
        return asyncio.run_coroutine_threadsafe(self._client.request(method, url, **more), self._loop).result(90)

    def get(self, url: str, **more: Any) -> httpx.Response:
        return self.request("GET", url, **more)

    def post(self, url: str, **more: Any) -> httpx.Response:
        return self.request("POST", url, **more)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop).result(20)
