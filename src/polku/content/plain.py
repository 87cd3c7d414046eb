"""The plain text of an e-mail, made of its HTML: for those who read it so, and for filters that want both.

>>> print(plain('<h1>Hi</h1><p>See <a href="https://a.example/x">the guide</a>.</p><ul><li>one</li></ul>'))
Hi
<BLANKLINE>
See the guide (https://a.example/x).
<BLANKLINE>
- one
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

#: Elements that begin a paragraph of their own.
_PARAGRAPHS: Final = frozenset(
    {"p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre", "hr", "section"}
)
_SILENT: Final = frozenset({"head", "style", "script", "title"})
#: What ends the frame's invisible text (the preheader), which the plain text has no need of.
_HIDDEN: Final = re.compile(r"display:\s*none|max-height:\s*0")

#: What no reader sees and takes long to read: the head with its style, and what is there for one mail program only.
_UNSEEN: Final = re.compile(r"<head\b.*?</head\s*>|<!--.*?-->", re.DOTALL | re.IGNORECASE)


class _Plain(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.silent: list[str] = []
        self.lists: list[int | None] = []
        self.links: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if self.silent or tag in _SILENT or _HIDDEN.search(given.get("style") or ""):
            if tag not in ("br", "img", "hr", "meta", "link", "input"):
                self.silent.append(tag)
            return
        if tag in _PARAGRAPHS:
            self.parts.append("\n\n" if tag not in ("ul", "ol") or not self.lists else "\n")
        if tag in ("ul", "ol"):
            self.lists.append(1 if tag == "ol" else None)
        elif tag == "li":
            number = self.lists[-1] if self.lists else None
            self.parts.append("\n" + "  " * (len(self.lists) - 1) + ("- " if number is None else f"{number}. "))
            if number is not None:
                self.lists[-1] = number + 1
        elif tag in ("br", "tr"):
            self.parts.append("\n")
        elif tag in ("td", "th"):
            self.parts.append("\t")
        elif tag == "hr":
            self.parts.append("-" * 20)
        elif tag == "img":
            self.parts.append(given.get("alt") or "")
        elif tag == "a":
            self.links.append((given.get("href") or "", len(self.parts)))

    def handle_endtag(self, tag: str) -> None:
        if self.silent:
            if tag in self.silent:
                while self.silent.pop() != tag:
                    pass
            return
        if tag in ("ul", "ol") and self.lists:
            self.lists.pop()
        if tag == "a" and self.links:
            href, begin = self.links.pop()
            shown = "".join(self.parts[begin:]).strip()
            if href and href.removeprefix("mailto:") != shown and not href.startswith("#"):
                self.parts.append(f" ({href})" if shown else href)
        if tag in _PARAGRAPHS:
            self.parts.append("\n\n")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.parts.append(re.sub(r"[ \t\r\n\f]+", " ", data))


def plain(html: str) -> str:
    """The text of ``html``: links in brackets, lists with dashes, one empty line between paragraphs."""
    reading = _Plain()
    reading.feed(_UNSEEN.sub("", html))
    reading.close()
    lines = [re.sub(r"[ \t]*\t[ \t]*", "  ", line).strip(" ") if line.lstrip(" \t")[:1] != "-" else line.rstrip()
             for line in "".join(reading.parts).split("\n")]  # fmt: skip
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
