"""polku.js, the tracker for web pages, and its modules: what is served of them.

``source/`` is what people read and change, ``served/`` what browsers get (scripts/write_tracker.py makes one of the
other). ``polku.js`` must stay small; heavier parts are modules in ``modules/``, fetched when a page asks for them.
"""

from __future__ import annotations

import dataclasses
import functools
import gzip
import hashlib
from importlib import resources


@dataclasses.dataclass(frozen=True, slots=True)
class Script:
    """A script as it is served: its bytes, the same by gzip, and the ETag that names them."""

    body: bytes
    packed: bytes
    etag: str


@functools.cache
def tracker() -> Script:
    """polku.js.

    >>> len(tracker().packed) <= 5000
    True
    """
    return _script("polku.js")


@functools.cache
def with_site() -> Script:
    """polku.js, and behind it the line that loads what asks for pieces on the site: for as long as the map has any that
    every visitor is shown, also those who have not consented to anything."""
    body = tracker().body + b'window.polku&&polku.use&&polku.use("site");\n'
    return Script(body, gzip.compress(body, 9, mtime=0), _etag(body))


@functools.cache
def modules() -> dict[str, Script]:
    """The modules by name.

    >>> sorted(modules())
    ['calculator', 'chat', 'cmp', 'messages', 'quiz', 'reviews', 'site', 'survey', 'youtube']
    """
    folder = resources.files("polku.tracker") / "served" / "modules"
    names = sorted(entry.name.removesuffix(".js") for entry in folder.iterdir() if entry.name.endswith(".js"))
    return {name: _script(f"modules/{name}.js") for name in names}


def _script(name: str) -> Script:
    body = (resources.files("polku.tracker") / "served" / name).read_bytes()
    return Script(body, gzip.compress(body, 9, mtime=0), _etag(body))


def _etag(body: bytes) -> str:
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
