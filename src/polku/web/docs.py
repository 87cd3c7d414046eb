"""The docs, read from the package or from the source beside it, so that a definition leads to its page offline."""

from __future__ import annotations

import functools
import posixpath
import re
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import pairwise
from pathlib import Path, PurePosixPath

from fastapi import APIRouter
from markdown_it import MarkdownIt
from starlette.requests import Request
from starlette.responses import Response

from polku.language import N_
from polku.web.guard import needs
from polku.web.notfound import NotFoundError
from polku.web.options import refuse_unknown
from polku.web.pages import Visit, answer, frame_of, own_query
from polku.web.reading import render

router = APIRouter(include_in_schema=False)
IMAGES = {".png": "image/png", ".svg": "image/svg+xml"}


@functools.cache
def folder() -> Traversable | None:
    """Where the docs lie: ``polku/docs`` of an installed package, ``docs`` of the repository it was installed from."""
    packaged = resources.files("polku") / "docs"
    beside = Path(str(resources.files("polku"))).parents[1] / "docs"
    return next((place for place in (packaged, beside) if (place / "glossary.md").is_file()), None)


def file_of(path: str) -> Traversable | None:
    """The file of the docs at ``path``; None where there is none, or outside the docs."""
    parts = PurePosixPath(path).parts
    place = folder()
    if place is None or not parts or any(part in ("..", "/") or part.startswith(".") for part in parts):
        return None
    found = place.joinpath(*parts)
    return found if found.is_file() else None


@functools.cache
def has(path: str) -> bool:
    return file_of(path) is not None


def slug(title: str) -> str:
    """The anchor of a heading, as the docs' links write it.

    >>> slug("What it does *not* tell: `n`")
    'what-it-does-not-tell-n'
    """
    return re.sub(r"[\s_]+", "-", re.sub(r"[^\w\s-]", "", title.lower())).strip("-")


def address(link: str, path: str) -> str:
    """Where a link of the page at ``path`` leads on this server.

    >>> address("../glossary.md#rate", "measures/funnel.md"), address("#top", "x.md"), address("https://x.fi/", "x.md")
    ('/docs/glossary.md#rate', '#top', 'https://x.fi/')
    """
    if link.startswith("#") or "://" in link or link.startswith("mailto:"):
        return link
    target, mark, anchor = link.partition("#")
    return f"/docs/{posixpath.normpath(posixpath.join(posixpath.dirname(path), target))}{mark}{anchor}"


def html_of(text: str, path: str = "") -> tuple[str, str]:
    """The title and the body of the page at ``path`` of the docs; HTML in it is shown as text."""
    reader = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    tokens = reader.parse(text)
    title, seen = "", set()
    for token, inside in pairwise(tokens):
        if token.type == "heading_open":
            title = title or inside.content
            anchor = slug(inside.content)
            if anchor and anchor not in seen:
                seen.add(anchor)
                token.attrSet("id", anchor)
    for token in tokens:
        for child in token.children or ():
            for name in ("href", "src"):
                if name in child.attrs:
                    child.attrSet(name, address(str(child.attrs[name]), path))
        if (style := token.attrs.pop("style", None)) is not None:  # columns of tables; a page holds no styles
            token.attrSet("class", str(style).removeprefix("text-align:"))
    return title, reader.renderer.render(tokens, reader.options, {})


@router.get("/docs/{path:path}")
@needs("see")
def docs_page(request: Request, path: str) -> Response:
    """A page of the docs, or a picture in one."""
    visit = Visit.of(request)
    refuse_unknown(own_query(request), ())
    found = file_of(path)
    suffix = PurePosixPath(path).suffix
    if found is None or suffix not in (".md", *IMAGES):
        raise NotFoundError(N_("There is no page {value!r} in the docs."), value=path)
    if suffix in IMAGES:
        return Response(found.read_bytes(), media_type=IMAGES[suffix])
    title, body = html_of(found.read_text(encoding="utf-8"), path)
    page = render(
        "docs.html", visit.reader, title=title, body=body, **frame_of(request, visit.reader, "", "", visit.zone)
    )
    return answer(request, page, language=visit.language)
