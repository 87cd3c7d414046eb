"""A piece for the site, filled in, as the JSON that a browser draws it from.

Every text of the front matter may hold Liquid, as the body may. Texts of one line reach the page as text; the body and
the longer texts are Markdown and reach it as a tree (``polku.onsite.tree``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from polku.content import liquid
from polku.errors import ContentError
from polku.language import LANGUAGES, N_, Reader, translate
from polku.onsite import formula
from polku.onsite.fields import KNOWN_FIELDS, Form, SiteFields
from polku.onsite.tree import ADDRESS, tree

#: Where a text of the front matter is Markdown: the keys on the way to it, without a result's own name.
_MARKDOWN: Final = frozenset({("form", "thanks"), ("form", "consent_text"), ("results", "*", "text")})
#: Where an address stands.
_ADDRESSES: Final = frozenset({"to", "src"})
#: Words of the browser's side, in the language of the piece.
WORDS: Final[Mapping[str, str]] = {
    "close": N_("Close"),
    "sending": N_("Sending…"),
    "failed": N_("It could not be sent. Try again in a moment."),
    "needed": N_("Fill this in."),
    "email": N_("Write an e-mail address, such as name@example.com."),
    "agree": N_("Tick this to go on."),
    "choose": N_("Choose one."),
    "next": N_("Go on"),
    "back": N_("Back"),
    "again": N_("Start again"),
    "send": N_("Send"),
    "step": N_("Question {number} of {count}"),
    "result": N_("Your result"),
    "call": N_("Call"),
    "write": N_("Write to us"),
    "chat": N_("Open the chat"),
    "code": N_("Your code: {code}. Tell it, and we see where you were."),
    "open": N_("We are here now."),
    "none": N_("This cannot be reckoned with these values."),
}


#: Words of the block of reviews.
REVIEWS: Final[Mapping[str, str]] = {
    "title": N_("Reviews"),
    "sum": N_("{average} of 5, reviews: {count}"),
    "stars": N_("{rating} of 5 stars"),
    "verified": N_("has bought this here"),
    "reply": N_("The shop’s reply"),
    "more": N_("Show more reviews"),
    "none": N_("Nobody has reviewed this yet."),
    "checked": N_("Only those who have bought the product here can review it."),
    "unchecked": N_("Whether everybody has bought the product is not checked; those who have are marked."),
    "report": N_("Report this review"),
}


def review_words(language: str | None) -> dict[str, str]:
    """The words of the block of reviews, in a language or else in English."""
    spoken = language if language in LANGUAGES else "en"
    return {name: translate(spoken, text) for name, text in REVIEWS.items()}


def draw(
    piece: Any, fields: SiteFields, facts: Mapping[str, Any], subject: str, body: str, markdown: Callable[[str], str]
) -> dict[str, Any]:
    """What a browser draws the piece from. ``body``: the body as HTML; ``markdown``: makes HTML of Markdown.

    Raises ContentError where a text asks for what is not there, or an address leads nowhere that a page may lead.
    """
    fill = _Fill(piece.path, facts, markdown)
    said = fields.model_dump(mode="json", exclude_none=True, exclude={"expires", "frequency", "hours", "closed"})
    filled = fill.all({name: value for name, value in said.items() if value not in ([], {})}, ())
    spoken = piece.language if piece.language in LANGUAGES else "en"
    reader = Reader(spoken)
    drawn: dict[str, Any] = {
        **filled, "content": piece.name, "language": piece.language, "title": subject, "body": tree(body),
        "frequency": fields.often, "interrupts": fields.interrupts, "close": fields.closes,
        "words": {name: reader(text) for name, text in WORDS.items()},
    }  # fmt: skip
    if fields.form is not None:
        drawn["form"] |= _form(fields.form, drawn["form"], reader)
    if fields.shows == "calculator":
        for output, told in zip(fields.outputs, drawn["outputs"], strict=True):
            told["formula"] = formula.parse(output.formula, piece.path)
        drawn["currency"] = str(facts.get("currency") or "EUR")
    return drawn


def text_version(form: Mapping[str, Any] | Form, content: str) -> str:
    """The version of the words that a form's consent is given to: the piece, and a hash of the words."""
    words = form.consent_text if isinstance(form, Form) else form.get("consent_text")
    return f"{content}-{hashlib.blake2b(str(words or '').encode(), digest_size=4).hexdigest()}"


def _form(form: Form, drawn: Mapping[str, Any], reader: Reader) -> dict[str, Any]:
    fields = []
    for field, filled in zip(form.fields, drawn["fields"], strict=True):
        label, kind, complete = KNOWN_FIELDS.get(field.name, ("", "text", "off"))
        fields.append(
            {
                "name": field.name, "label": filled.get("label") or (reader(label) if label else field.name),
                "kind": kind, "complete": complete, "needed": field.needed or field.name == "email",
            }
        )  # fmt: skip
    return {"fields": fields, "event": form.name}


def asking(fields: SiteFields | None) -> list[str]:
    """The texts of the front matter that hold Liquid."""
    if fields is None:
        return []
    found: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, str) and ("{{" in value or "{%" in value):
            found.append(value)
        elif isinstance(value, dict):
            for inner in value.values():
                look(inner)
        elif isinstance(value, (list, tuple)):
            for inner in value:
                look(inner)

    look(fields.model_dump(mode="json", exclude_none=True))
    return found


class _Fill:
    """Fills in the texts of a piece's front matter."""

    def __init__(self, path: str, facts: Mapping[str, Any], markdown: Callable[[str], str]) -> None:
        self.path, self.facts, self.markdown = path, facts, markdown

    def all(self, value: Any, at: tuple[str, ...]) -> Any:
        """``value`` with Liquid done in each of its texts; ``at``: the keys on the way to it, without numbers."""
        if isinstance(value, dict):
            return {name: self.all(inner, (*at, name)) for name, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.all(inner, at) for inner in value]
        if not isinstance(value, str):
            return value
        if (("results", "*", *at[2:]) if at[0] == "results" else at) in _MARKDOWN:
            return tree(self.markdown(self._liquid(liquid.MARKDOWN, value)))
        found = self._liquid(liquid.PLAIN, value)
        if at[-1] in _ADDRESSES and not ADDRESS.match(found):
            raise ContentError(
                N_("{file}: {address!r} is no address that a page may lead to."), file=self.path, address=found
            )
        return found

    def _liquid(self, environment: Any, text: str) -> str:
        if "{{" not in text and "{%" not in text:
            return text
        return liquid.render(liquid.parse(environment, text, self.path), self.facts, self.path)
