"""Links of one person: to a survey, and to the page where bought products are reviewed; signed, as all in letters.

A link is ``/s/<survey>/<payload>.<signature>`` or ``/review/<payload>.<signature>``. It answers once: the id of the
filling in is made of the message that the link stood in.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from polku.content.piece import Piece
    from polku.record.project import Project

#: So many products are offered for review by one link, with so many signs of a name.
MOST_PRODUCTS: Final = 10
LONGEST_NAME: Final = 60
#: Where products of an order stand, and under what names their ids.
LISTS: Final = ("products", "items", "line_items")
IDS: Final = ("product_id", "id", "sku")
NAMES: Final = ("name", "title", "product_name")


@dataclasses.dataclass(frozen=True, slots=True)
class SurveyLink:
    """What a link says. ``survey``: "" for reviews. ``id``: (kind, value) of the customer. ``key``: the message that it
    stood in; ``language``: its language. ``test``: the message went to the test address, so nothing is kept.
    ``products``: (id, name) to review.
    """

    survey: str
    id: tuple[str, str]
    key: str
    rule: str = ""
    language: str = ""
    test: bool = False
    products: tuple[tuple[str, str], ...] = ()

    def response(self, project: Project) -> str:
        """The id of its one filling in."""
        return project.contacts.addresses.mark("survey-response", f"{self.key}\0{self.survey}\0{self.id[1]}")


def path_of(project: Project, link: SurveyLink) -> str:
    """The link's path, to be put behind [mail] links."""
    said = {
        "i": list(link.id), "k": link.key, "r": link.rule, "l": link.language, "t": 1 if link.test else 0,
        "p": [list(product) for product in link.products],
    }  # fmt: skip
    text = json.dumps({k: v for k, v in said.items() if v}, ensure_ascii=False, separators=(",", ":"))
    payload = base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode("ascii")
    signed = f"{payload}.{_mark(project, link.survey, payload)}"
    return f"/s/{link.survey}/{signed}" if link.survey else f"/review/{signed}"


def read_link(project: Project, survey: str, token: str) -> SurveyLink | None:
    """The link of ``token`` for ``survey`` ("" for reviews); None for one that Polku did not make."""
    payload, dot, signature = token.partition(".")
    if not dot or not signature.isascii() or not hmac.compare_digest(_mark(project, survey, payload), signature):
        return None
    try:
        said: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, binascii.Error):
        return None
    kind, value = said["i"]
    products = tuple((str(id), str(name)) for id, name in said.get("p", ()))
    return SurveyLink(
        survey, (str(kind), str(value)), said.get("k", ""), said.get("r", ""), said.get("l", ""), bool(said.get("t")),
        products,
    )  # fmt: skip


def _mark(project: Project, survey: str, payload: str) -> str:
    return project.contacts.addresses.mark("link-survey", f"{survey}\0{payload}")


def asks_for_links(piece: Piece) -> bool:
    """Whether a piece has a link of this module in it."""
    return "survey_link" in piece.body or "review_link" in piece.body


def links_of(project: Project, surveys: Iterable[str], whose: SurveyLink, given: Mapping[str, Any]) -> dict[str, Any]:
    """What a piece may ask for: ``survey_link`` (an address for each of ``surveys``) and ``review_link``.

    ``whose``: the customer, the message, its rule and language. ``given``: the message's facts, of whose order the
    products are reviewed. Empty while [mail] links is not set.
    """
    base = project.settings.mail.links.rstrip("/")
    if not base:
        return {}
    found: dict[str, Any] = {
        "survey_link": {
            name: base + path_of(project, dataclasses.replace(whose, survey=name, products=())) for name in surveys
        }
    }
    if products := tuple(products_of(given))[:MOST_PRODUCTS]:
        found["review_link"] = base + path_of(project, dataclasses.replace(whose, survey="", products=products))
    return found


def products_of(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(id, name) of the products of a message's event, each once.

    >>> list(products_of({"event": {"properties": {"products": [{"product_id": 7, "name": "Dress"}, {"sku": "x"}]}}}))
    [('7', 'Dress'), ('x', 'x')]
    """
    event = given.get("event")
    properties = event.get("properties") if isinstance(event, Mapping) else None
    yield from bought(properties) if isinstance(properties, Mapping) else ()


def bought(properties: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(id, name) of the products that an order's properties name, each once."""
    rows = next((properties[name] for name in LISTS if isinstance(properties.get(name), list)), [properties])
    seen: set[str] = set()
    for row in rows:
        if not isinstance(row, Mapping):
            continue
        keys = IDS if row is not properties else IDS[:1]
        id = next((str(row[k]) for k in keys if isinstance(row.get(k), (str, int)) and str(row[k]).strip()), None)
        if id is None or id in seen:
            continue
        seen.add(id)
        name = next((row[k] for k in NAMES if isinstance(row.get(k), str) and row[k].strip()), id)
        yield id, name[:LONGEST_NAME]
