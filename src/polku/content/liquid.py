"""Liquid, the template language of the personal parts: what may stand in a piece, and how values get into a text.

A value is a customer's or an event's, and so anybody's: in Markdown it is escaped as Markdown, in MJML as HTML, so that
nobody's first name becomes a link in a message that the shop has signed. A value that is missing is an error and not a
gap in the sentence, unless the piece says what stands instead (``default``).

>>> render(MARKDOWN.from_string("Hello *{{ name }}*"), {"name": "[win](http://evil.example)"})
'Hello *\\\\[win\\\\]\\\\(http\\\\:\\\\/\\\\/evil\\\\.example\\\\)*'
>>> render(PLAIN.from_string("{{ name | default: 'there' }}"), {})
'there'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TextIO
from urllib.parse import urlencode, urlsplit, urlunsplit

from liquid import Environment
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.echo_tag import EchoNode, EchoTag
from liquid.context import RenderContext
from liquid.exceptions import LiquidError, UndefinedError
from liquid.extra.filters.babel import Currency, DateTime, Number
from liquid.stringify import to_liquid_string
from liquid.template import BoundTemplate
from liquid.undefined import FalsyStrictUndefined, is_undefined
from markupsafe import Markup, escape

from polku.errors import ContentError
from polku.language import N_

#: What Markdown could take for a sign of its own, in a text and in the address of a link.
_SIGNS: Final = re.compile(r"""([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~])""")
_BREAKS: Final = re.compile(r"\s*[\r\n\u2028\u2029]+\s*")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")
#: What XML, and so MJML, has no place for (XML 1.0, 2.2).
_NO_XML: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
#: Tags that could reach other files, or that need what a message has not.
WITHOUT: Final = ("include", "render", "extends", "block", "macro", "call", "cycle", "increment", "decrement")


def as_markdown(value: str) -> str:
    """A value so that Markdown shows it as it is, on one line."""
    return _SIGNS.sub(r"\\\1", _BREAKS.sub(" ", _NO_XML.sub("", value)))


def as_html(value: str) -> str:
    """A value so that HTML shows it as it is."""
    return str(escape(value if isinstance(value, Markup) else _NO_XML.sub("", value)))


def as_line(value: str) -> str:
    """A value on one line: a subject must not begin another header."""
    return _CONTROL.sub(" ", value)


def utm(address: Any, campaign: Any) -> str:
    """A link of a letter with the campaign that it counts for, whatever query it has already.

    >>> utm("https://shop.example/a?size=m#top", "cart")
    'https://shop.example/a?size=m&utm_medium=email&utm_source=polku&utm_campaign=cart#top'
    """
    if is_undefined(address):
        return str(address)  # which tells what is missing
    parts = urlsplit(str(address))
    told = urlencode({"utm_medium": "email", "utm_source": "polku", "utm_campaign": str(campaign)})
    return urlunsplit(parts._replace(query=f"{parts.query}&{told}" if parts.query else told))


class Missing(FalsyStrictUndefined):
    """A value that is not there: may be asked about (``if``) and replaced (``default``), but not written or looped."""

    force_liquid_default = True


def _environment(escaped: Callable[[str], str]) -> Environment:
    """Liquid whose output goes through ``escaped``."""

    def write(node: Any, context: RenderContext, buffer: TextIO) -> int:
        return buffer.write(escaped(to_liquid_string(node.expression.evaluate(context), False)))

    class Written(OutputNode):
        def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
            return write(self, context, buffer)

    class Echoed(EchoNode):
        def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
            return write(self, context, buffer)

    class Writing(Output):
        node_class = Written

    class Echoing(EchoTag):
        node_class = Echoed

    class Bounded(Environment):
        loop_iteration_limit = 10_000
        output_stream_limit = 1_000_000
        local_namespace_limit = 1_000_000

    made = Bounded(undefined=Missing, strict_filters=True)
    made.add_tag(Writing)
    made.add_tag(Echoing)
    for name in WITHOUT:
        made.tags.pop(name, None)
    made.add_filter("money", Currency(default_currency_code="EUR", default_locale="fi", default_input_locale="en"))
    made.add_filter("number", Number(default_locale="fi", default_input_locale="en"))
    made.add_filter("utm", utm)
    made.add_filter("datetime", DateTime(default_locale="fi"))
    return made


MARKDOWN: Final = _environment(as_markdown)
HTML: Final = _environment(as_html)
PLAIN: Final = _environment(as_line)


def parse(environment: Environment, source: str, where: str, first_line: int = 1) -> BoundTemplate:
    """A template. Raises ContentError with the file, line and column where it does not parse."""
    try:
        return environment.from_string(source)
    except LiquidError as fault:
        raise ContentError(
            N_("{file}, line {line}: {fault}"), file=where, line=line_of(fault, first_line), fault=str(fault.message)
        ) from fault


def line_of(fault: LiquidError, first_line: int = 1) -> int:
    """The line of a file that an error is about; ``first_line``: where the template begins in it."""
    token = fault.token
    if token is None or token.start_index < 0:
        return first_line
    return first_line + token.source.count("\n", 0, token.start_index)


def render(template: BoundTemplate, facts: Mapping[str, Any], where: str = "", first_line: int = 1) -> str:
    """A template with ``facts`` filled in. Raises ContentError for a value that is missing, or does not fit."""
    try:
        return template.render(**facts)
    except UndefinedError as fault:
        raise MissingFact(
            N_("{file}, line {line}: there is no {name} for this customer. Write what stands instead: | default: ..."),
            file=where, line=line_of(fault, first_line), name=missing(fault),
        ) from fault  # fmt: skip
    except LiquidError as fault:
        raise ContentError(
            N_("{file}, line {line}: {fault}"), file=where, line=line_of(fault, first_line), fault=str(fault.message)
        ) from fault


class MissingFact(ContentError):
    """A value that a piece asks for is not known for this customer."""

    code = "content.missing"


def missing(fault: UndefinedError) -> str:
    """What was asked for, as the piece writes it."""
    found = re.search(r"'([^']+)'", str(fault.message))
    return found[1] if found else str(fault.message)
