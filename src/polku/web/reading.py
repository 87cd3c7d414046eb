"""Who reads: the language of a request, and the template environment in it."""

from __future__ import annotations

import functools
import re
from typing import Any
from urllib.parse import quote, urlencode

import jinja2
from starlette.requests import Request

from polku.journey.model import Journey
from polku.language import LANGUAGES, Reader, choose, translate
from polku.measures.answer import Table
from polku.measures.result import STATES
from polku.web import words
from polku.web.options import known
from polku.web.timezone import Zone

COOKIE = "polku_lang"


def language_of(request: Request, default: str, wish: bool = True) -> str:
    """``?lang=`` (unless ``wish`` is off), else the cookie, else the browser's wish, else the project's language.

    Raises UsageError for a ``?lang=`` that Polku does not speak.
    """
    asked = request.query_params.get("lang") if wish else None
    if asked:
        known("language", asked, LANGUAGES)
    return choose([asked, request.cookies.get(COOKIE), *accepted(request.headers.get("accept-language", ""))], default)


def accepted(header: str) -> list[str]:
    """Languages of an Accept-Language header, best first (RFC 9110, 12.5.4).

    >>> accepted("sv;q=0.3, fi-FI, en;q=0.8")
    ['fi-FI', 'en', 'sv']
    """
    wishes: list[tuple[float, int, str]] = []
    for place, part in enumerate(header.split(",")):
        name, _, quality = part.strip().partition(";")
        try:
            weight = float(quality.strip().removeprefix("q=")) if quality else 1.0
        except ValueError:
            continue
        if name and name != "*" and weight > 0:
            wishes.append((-weight, place, name.strip()))
    return [name for _, _, name in sorted(wishes)]


def reader_of(language: str, journey: Journey, zone: Zone) -> Reader:
    """How the reader of a page wants things written: their language and time zone, the map's money."""
    return Reader(language, zone.name, journey.currency)


@functools.cache
def environment() -> jinja2.Environment:
    env = jinja2.Environment(
        loader=jinja2.PackageLoader("polku.web", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"],
    )
    env.globals.update(
        channel_word=words.channel_word,
        definitions=words.DEFINITIONS,
        state_signs=words.STATE_SIGNS,
        guidance_states=words.GUIDANCE_STATES,
        unit_words=words.UNITS,
        number_in=number_in,
        state_words=STATES,
        href=href,
        share=share,
        numbers_of=numbers_of,
    )
    return env


def numbers_of(table: Table) -> list[bool]:
    """Which columns of a table are numbers, to stand at the right."""
    return [any(row[place].number for row in table.rows) for place in range(len(table.heads))]


def number_in(text: str) -> int | None:
    """The whole number that a reader reads in ``text``; None where it is another kind of text.

    >>> number_in("1\xa0299"), number_in("1,299"), number_in("31.2%")
    (1299, 1299, None)
    """
    digits = re.sub(r"[\s,]", "", text)
    return int(digits) if digits.isdigit() else None


def href(path: str, **query: Any) -> str:
    """A link inside the site; parameters that are None are left out.

    >>> href("/customers", behind="stage:cart:now", q=None)
    '/customers?behind=stage%3Acart%3Anow'
    """
    given = {k: v for k, v in query.items() if v not in (None, "")}
    return f"{quote(path)}?{urlencode(given)}" if given else quote(path)


def share(reader: Reader, value: float) -> str:
    """A target as people write it: 28 %, 2,5 %."""
    return reader.percent(value, 0 if round(value * 100, 1) == round(value * 100) else 1)


def render(template: str, reader: Reader, **context: Any) -> str:
    def _(text: str, /, **facts: Any) -> str:
        return translate(reader.language, text, **facts)

    return environment().get_template(template).render(r=reader, _=_, said=reader.said, **context)
