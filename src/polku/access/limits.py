"""How much each key, address or account may ask: token buckets in this process's memory.

>>> tries = Limit(2, per=60.0)
>>> tries.take("anna", at=0.0), tries.take("anna", at=0.0), tries.take("anna", at=0.0)
(0.0, 0.0, 30.0)
"""

from __future__ import annotations

import collections
import functools
import ipaddress
import math
import threading
import time

#: As many names are remembered at once; the one that was silent longest is forgotten first.
MOST = 50_000


class Limit:
    """``count`` tokens for each name, that fill up again evenly within ``per`` seconds. ``count`` 0: no limit.

    Each process counts for itself: two servers of one project let twice as much through.
    """

    def __init__(self, count: float, per: float = 1.0, most: int = MOST) -> None:
        self.count = count
        self.rate = count / per
        self.most = most
        self._buckets: collections.OrderedDict[str, tuple[float, float]] = collections.OrderedDict()
        self._lock = threading.Lock()

    def take(self, name: str, tokens: float = 1.0, at: float | None = None) -> float:
        """Take tokens from a name's bucket: 0.0 when it had them, else the seconds until it will have them (and none
        is taken). More tokens than a bucket holds are let through when it is full, and leave it in debt.

        at: a moment of ``time.monotonic()``; now by default.
        """
        if not self.count:
            return 0.0
        at = time.monotonic() if at is None else at
        with self._lock:
            left, since = self._buckets.pop(name, (self.count, at))
            left = min(self.count, left + max(0.0, at - since) * self.rate)
            need = min(tokens, self.count)
            wait = 0.0 if left >= need else (need - left) / self.rate
            self._buckets[name] = (left - tokens if not wait else left, at)
            if len(self._buckets) > self.most:
                self._buckets.popitem(last=False)
        return wait

    def look(self, name: str, at: float | None = None) -> float:
        """The seconds until a name has a token; 0.0 where it has one. Takes nothing."""
        if not self.count:
            return 0.0
        at = time.monotonic() if at is None else at
        with self._lock:
            left, since = self._buckets.get(name, (self.count, at))
        left = min(self.count, left + max(0.0, at - since) * self.rate)
        return 0.0 if left >= 1.0 else (1.0 - left) / self.rate

    def forgive(self, name: str) -> None:
        """Fill a name's bucket: the account that has signed in."""
        with self._lock:
            self._buckets.pop(name, None)


def retry_after(wait: float) -> str:
    """The header's value: whole seconds, at least 1.

    >>> retry_after(0.2), retry_after(12.0001)
    ('1', '13')
    """
    return str(max(1, math.ceil(wait)))


@functools.lru_cache(maxsize=4096)
def network(address: str) -> str:
    """What is counted as one address: an IPv4 address, and of IPv6 the /64 that one household or machine has whole.

    >>> network("10.1.2.3"), network("2001:db8::1:2"), network("unix")
    ('10.1.2.3', '2001:db8::/64', 'unix')
    """
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(known, ipaddress.IPv4Address):
        return str(known)
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(ipaddress.ip_network((known, 64), strict=False))
