"""HTML of Markdown as a tree of lists, so that a browser makes elements of it and never reads HTML.

So a piece passes the strictest Content-Security-Policy and Trusted Types of a shop's page, and nothing but the tags
below can come of it.

>>> tree("<p>Ends <strong>today</strong></p>")
[['p', {}, 'Ends ', ['strong', {}, 'today']]]
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any, Final

#: Tags that Markdown makes, with the attributes that are kept.
TAGS: Final[dict[str, tuple[str, ...]]] = {
    "p": (), "br": (), "hr": (), "strong": (), "em": (), "s": (), "code": (), "pre": (), "blockquote": (),
    "ul": (), "ol": ("start",), "li": (), "h1": (), "h2": (), "h3": (), "h4": (), "h5": (), "h6": (),
    "a": ("href", "title"), "img": ("src", "alt", "title"),
    "table": (), "thead": (), "tbody": (), "tr": (), "th": (), "td": (),
}  # fmt: skip
_EMPTY: Final = frozenset({"br", "hr", "img"})
#: What links and pictures may lead to.
ADDRESS: Final = re.compile(r"^\s*(https?:|mailto:|tel:|/(?!/)|\?|#|[\w.-]+(/|$))", re.IGNORECASE)

Node = str | list[Any]


def tree(html: str) -> list[Node]:
    """The nodes of ``html``: texts, and ``[tag, attributes, child, ...]``."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.root


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root: list[Node] = []
        self.open: list[tuple[str, list[Any]]] = [("", self.root)]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            return
        kept = {name: value or "" for name, value in attrs if name in TAGS[tag]}
        kept = {n: v for n, v in kept.items() if n not in ("href", "src") or ADDRESS.match(v)}
        node: list[Node | dict[str, str]] = [tag, kept]
        self.open[-1][1].append(node)
        if tag not in _EMPTY:
            self.open.append((tag, node))

    def handle_endtag(self, tag: str) -> None:
        if any(tag == name for name, _ in self.open[1:]):
            while self.open.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        if data.strip() or (data and self.open[-1][0]):
            self.open[-1][1].append(data)
