"""Feeds of products, fetched when their time has come, and only read when the server says that they have changed."""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
import sqlalchemy as sa

from polku.errors import OfferError, PolkuError
from polku.journey.offers import Feed
from polku.language import N_
from polku.offers.catalogue import Stored, store
from polku.offers.feed import Products
from polku.offers.whose import LANE
from polku.record import tables
from polku.record.clock import moment, now

if TYPE_CHECKING:
    from polku.record.project import Project

MICRO: Final = 1_000_000
#: Bytes of a feed as they come over the net, and seconds for each step of it.
MOST_BYTES: Final = 1 << 30
SECONDS: Final = 60.0
REDIRECTS: Final = 5
#: A feed that failed is tried again after so many seconds, where its own time is longer.
AGAIN: Final = 900
#: Seconds after which a feed that still comes is given up.
LONGEST: Final = 1800.0
#: Where clouds answer questions about the machine, besides link-local addresses; IPv4 as IPv6 networks write it.
_HALLS: Final = ("fd00:ec2::254", "100.100.100.200", "192.0.0.192")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """How a feed stands. Times: microseconds since 1970 UTC. ``fault``: why the last look failed."""

    feed: Feed
    asked_at: int | None = None
    changed_at: int | None = None
    products: int | None = None
    refused: int | None = None
    fault: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON; times as ISO 8601."""
        told: dict[str, Any] = {"url": self.feed.url, "language": self.feed.language, "products": self.products,
                                "refused": self.refused, "fault": self.fault}  # fmt: skip
        for name in ("asked_at", "changed_at"):
            value = getattr(self, name)
            told[name] = None if value is None else moment(value).isoformat()
        return told


@dataclasses.dataclass(frozen=True, slots=True)
class Fetched:
    """What came of a look at a feed: ``stored`` is None where it had not changed."""

    url: str
    stored: Stored | None
    refused: Mapping[str, int]


def looks(project: Project) -> list[Look]:
    """The feeds of the map, and how they stand."""
    with project.state.read() as connection:
        rows = {row.url: row for row in connection.execute(sa.select(tables.product_feeds))}
    found = []
    for feed in project.journey().offers.catalogue.feeds:
        row = rows.get(feed.url)
        found.append(
            Look(feed) if row is None
            else Look(feed, row.asked_at, row.changed_at, row.products, row.refused, row.fault)
        )  # fmt: skip
    return found


def due(project: Project, at: int | None = None) -> list[Feed]:
    """The feeds whose time has come."""
    moment_now = now() if at is None else at
    found = []
    for look in looks(project):
        every = look.feed.every if look.fault is None else min(look.feed.every, AGAIN)
        if look.asked_at is None or moment_now - look.asked_at >= every * MICRO:
            found.append(look.feed)
    return found


def fetch(project: Project, feed: Feed, *, anew: bool = False, sure: bool = False) -> Fetched:
    """Look at a feed, and take it in where it has changed (``anew``: also where it has not).

    How it went is kept, also when it fails: then OfferError is raised. ``sure``: as :func:`catalogue.store` has it.
    """
    with project.state.read() as connection:
        row = connection.execute(
            sa.select(tables.product_feeds).where(tables.product_feeds.c.url == feed.url)
        ).first()  # fmt: skip
    headers = {"User-Agent": "Polku", "Accept": "*/*"}
    if row is not None and not anew and row.fault is None:
        headers |= {"If-None-Match": row.etag} if row.etag else {}
        headers |= {"If-Modified-Since": row.modified} if row.modified else {}
    at = now()
    try:
        with tempfile.TemporaryFile() as target:
            answer = _get(project, feed.url, headers, target)
            if answer.status_code == 304:
                _note(project, feed.url, asked_at=at, fault=None)
                return Fetched(feed.url, None, {})
            target.seek(0)
            products = Products(target, feed.url)
            stored = store(project, products, feed.url, language=feed.language, sure=sure)
            if not products.count:
                raise OfferError(N_("{file} has no product that can be read."), file=feed.url)
    except PolkuError as error:
        _note(project, feed.url, asked_at=at, fault=error.text(project.language)[:1000])
        raise
    _note(
        project, feed.url, asked_at=at, changed_at=at, products=products.count, fault=None,
        refused=sum(products.refused.values()), etag=answer.headers.get("etag"),
        modified=answer.headers.get("last-modified"),
    )  # fmt: skip
    return Fetched(feed.url, stored, products.refused)


def fetch_due(project: Project) -> dict[str, int | float | str] | None:
    """Look at every feed whose time has come; what failed is kept with the feed, and the others go on."""
    done: dict[str, int | float | str] = {"feeds": 0, "products": 0, "failed": 0}
    for feed in due(project):
        try:
            fetched = fetch(project, feed)
        except PolkuError:
            done["failed"] = int(done["failed"]) + 1
            continue
        if fetched.stored is not None:
            done["feeds"] = int(done["feeds"]) + 1
            done["products"] = int(done["products"]) + fetched.stored.added + fetched.stored.changed
    return {name: count for name, count in done.items() if count} or None


def _note(project: Project, url: str, **values: Any) -> None:
    row = tables.product_feeds
    with project.state.write(LANE) as connection:
        if connection.execute(sa.update(row).where(row.c.url == url).values(**values)).rowcount == 0:
            connection.execute(sa.insert(row).values(url=url, **values))


def _get(project: Project, url: str, headers: Mapping[str, str], target: IO[bytes]) -> httpx.Response:
    """Fetch ``url`` into ``target``. Raises OfferError: nobody answers, an answer that is no feed, too much."""
    here, last = url, time.monotonic() + LONGEST
    try:
        with httpx.Client(timeout=SECONDS, follow_redirects=False) as client:
            for _ in range(REDIRECTS + 1):
                with _asked(client, project, here, headers) as answer:
                    if answer.has_redirect_location:
                        here = urljoin(here, answer.headers["location"])
                        continue
                    if answer.status_code == 304:
                        return answer
                    if answer.status_code != 200:
                        raise OfferError(
                            N_("{url} answered {status}."), url=url, status=answer.status_code,
                        )  # fmt: skip
                    count = 0
                    for part in answer.iter_bytes():
                        count += len(part)
                        if time.monotonic() > last:
                            raise OfferError(N_("{url} took longer than {most} seconds."), url=url, most=LONGEST)
                        if count > MOST_BYTES:
                            raise OfferError(N_("{url} is longer than {most} bytes."), url=url, most=MOST_BYTES)
                        target.write(part)
                    return answer
            raise OfferError(N_("{url} leads on and on to other addresses."), url=url)
    except (httpx.HTTPError, httpx.InvalidURL) as fault:
        raise OfferError(
            N_("{url} cannot be fetched: {fault}"), url=url, fault=str(fault) or type(fault).__name__
        ) from fault  # fmt: skip


@contextlib.contextmanager
def _asked(client: httpx.Client, project: Project, url: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
    """The answer to a request that goes to the very address that was looked at: a name that leads elsewhere a moment
    later leads nowhere. Behind a proxy the proxy looks names up, and decides."""
    parts = httpx.URL(url)
    addresses = _addresses(project, url)
    told = dict(headers)
    if _by_proxy(parts):
        requests = [client.build_request("GET", parts, headers=told)]
    else:
        told["Host"] = parts.netloc.decode("ascii")
        named = {"sni_hostname": parts.host}  # the certificate is the name's, and not the address's
        requests = [
            client.build_request("GET", parts.copy_with(host=one), headers=told, extensions=named) for one in addresses
        ]
    for at, request in enumerate(requests, 1):
        try:
            answer = client.send(request, stream=True)
        except httpx.ConnectError:
            if at == len(requests):
                raise
            continue  # of another family, which this machine may not reach
        try:
            yield answer
        finally:
            answer.close()
        return


def _by_proxy(url: httpx.URL) -> bool:
    """Whether the environment names a proxy for an address."""
    found = getproxies()
    return bool(found.get(url.scheme) or found.get("all")) and not proxy_bypass(url.host)


def _addresses(project: Project, url: str) -> list[str]:
    """The addresses of a URL's host. A server that others reach asks neither itself nor its hall's own services: who
    may write the map would see through it what they may not. Raises OfferError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise OfferError(N_("{url} is no address on the web."), url=url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as fault:  # UnicodeError of a name that is none, and a port that is none
        raise OfferError(N_("There is no host {host}."), host=parts.hostname) from fault
    alone = project.settings.server.host in ("127.0.0.1", "::1", "localhost")
    addresses = [str(address[0]).partition("%")[0] for _, _, _, _, address in found]
    if any(is_own(one, alone) for one in addresses):
        raise OfferError(N_("{host} is this machine itself, and its feeds are not fetched."), host=parts.hostname)
    return list(dict.fromkeys(addresses))


def is_own(address: str, alone: bool = False) -> bool:
    """Whether an address is this machine, or a service of the hall for its machines alone; ``alone``: a server that
    only its own machine reaches may ask itself.

    >>> [is_own(one) for one in ("::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe", "fd00:ec2::254", "93.184.216.34")]
    [True, True, True, False]
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip in _NAT64:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip.is_link_local or str(ip) in _HALLS:
        return True
    return not alone and (ip.is_loopback or ip.is_unspecified)
