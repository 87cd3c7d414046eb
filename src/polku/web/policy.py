"""Content security policies: of the pages, of a page that shows a letter, and of the letter itself."""

from __future__ import annotations

from typing import Final

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: A page with a frame of this same site.
FRAMING: Final = POLICY + "; frame-src 'self'"
#: A page on which a piece for the site is drawn: pictures come from the shop, and nothing is told to anybody.
STAGE: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: data:; connect-src 'none';"
    " form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
#: A letter brings its styles along, as mail programs want them, and its pictures from the shop; nothing in it runs.
LETTER: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; form-action 'none'; base-uri 'none';"
    " frame-ancestors 'self'; sandbox"
)
