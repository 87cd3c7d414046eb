"""Rendered pages kept while nothing changed: a page is known by what it was made from, so none is ever stale."""

from __future__ import annotations

import collections
import dataclasses
import email.utils
import hashlib
import threading
import time
from collections.abc import Callable, Hashable


@dataclasses.dataclass(frozen=True, slots=True)
class Rendered:
    body: bytes
    etag: str
    modified: float  # seconds since 1970, for Last-Modified

    @property
    def last_modified(self) -> str:
        return email.utils.formatdate(self.modified, usegmt=True)

    def matches(self, if_none_match: str | None, if_modified_since: str | None) -> bool:
        """Whether the reader already has this page (RFC 9110, 13.1: If-None-Match goes before If-Modified-Since)."""
        if if_none_match is not None:
            wanted = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
            return "*" in wanted or self.etag.removeprefix("W/") in wanted
        if if_modified_since:
            try:
                since = email.utils.parsedate_to_datetime(if_modified_since).timestamp()
            except (ValueError, TypeError):
                return False
            return int(self.modified) <= since
        return False


class PageCache:
    """The most recently used pages by key, at most ``size`` of them; one thread makes a page while others wait for it.

    >>> cache = PageCache(2)
    >>> cache.get("a", lambda: b"page").body
    b'page'
    """

    def __init__(self, size: int = 64) -> None:
        self.size = size
        self._pages: collections.OrderedDict[Hashable, Rendered] = collections.OrderedDict()
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, make: Callable[[], bytes]) -> Rendered:
        with self._lock:
            found = self._pages.get(key)
            if found is not None:
                self._pages.move_to_end(key)
                return found
            turn = self._making.setdefault(key, threading.Lock())
        try:
            with turn:
                with self._lock:
                    if (found := self._pages.get(key)) is not None:
                        return found
                body = make()
                tag = hashlib.blake2b(body, digest_size=12).hexdigest()
                page = Rendered(body, f'W/"{tag}"', time.time())
                with self._lock:
                    self._pages[key] = page
                    while len(self._pages) > self.size:
                        self._pages.popitem(last=False)
                return page
        finally:
            with self._lock:
                self._making.pop(key, None)
