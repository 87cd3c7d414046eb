"""Reviews on their way in from our own page: stars and words about products that the link's customer has ordered."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from polku.collect.columns import Kept, table_of
from polku.errors import UsageError
from polku.language import N_
from polku.record import tables
from polku.record.clock import now
from polku.record.inbox import LANE
from polku.surveys.answering import AnsweredError, arrival_of, through_door, without_numbers
from polku.surveys.links import SurveyLink

if TYPE_CHECKING:
    from polku.record.project import Project

EVENT: Final = "Product Reviewed"
#: Signs of a review's text, and of the name that is shown with it.
LONGEST: Final = 4000
LONGEST_NAME: Final = 60


@dataclasses.dataclass(frozen=True, slots=True)
class Written:
    """A review as it was written. ``rating``: 1 to 5 stars."""

    product: tuple[str, str]
    rating: int
    text: str
    author: str


def read_reviews(products: Sequence[tuple[str, str]], sent: Mapping[str, str]) -> list[Written]:
    """The reviews of a form: ``stars_0`` and ``text_0`` of the first product, and so on, ``author`` of all.

    Products without stars are left out. Raises UsageError where none has any, or a text comes without stars.

    >>> read_reviews([("7", "Dress")], {"stars_0": "4", "text_0": "Fits.", "author": "Anna"})[0].rating
    4
    """
    author = sent.get("author", "").strip()[:LONGEST_NAME]
    found = []
    for at, product in enumerate(products):
        stars, text = sent.get(f"stars_{at}", "").strip(), sent.get(f"text_{at}", "").strip()
        if len(text) > LONGEST:
            raise UsageError(N_("This is longer than {most} signs."), most=LONGEST)
        if stars in ("1", "2", "3", "4", "5"):
            found.append(Written(product, int(stars), text, author))
        elif text:
            raise UsageError(N_("Give {product} its stars as well."), product=product[1])
    if not found:
        raise UsageError(N_("Give at least one product its stars."))
    return found


def keep_reviews(project: Project, link: SurveyLink, reviews: Sequence[Written]) -> int:
    """Keep reviews as events ``Product Reviewed``, once for each link. Returns how many. Raises AnsweredError."""
    response = link.response(project)
    addresses = project.contacts.addresses
    arrivals = []
    for review in reviews:
        id, name = review.product
        told: dict[str, Any] = {
            "product_id": id, "product": name, "rating": review.rating,
            "text": without_numbers(addresses, review.text), "author": without_numbers(addresses, review.author),
            "review_id": f"{response}-{id}", "response": response, "via": "email",
        }  # fmt: skip
        told = {key: value for key, value in told.items() if value != ""}
        arrivals.append(arrival_of(EVENT, link.id, told, f"review-{response}-{id}"))
    kept = through_door(project, arrivals)
    row = tables.survey_responses
    with project.state.write(LANE) as connection:
        if connection.execute(sa.select(row.c.response).where(row.c.response == response)).first() is not None:
            raise AnsweredError(N_("This has been answered already. Thank you!"))
        connection.execute(sa.insert(row).values(response=response, survey="", via="email", finished_at=now()))
        if kept:
            project.inbox.put(connection, table_of([Kept(kept)]))
    return len(kept)
