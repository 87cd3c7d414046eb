"""Reviews as they are shown: every true one, the latest first, with the shop's reply; none left out for its stars.

A review is an event ``Product Reviewed`` with ``product_id`` (none: about the shop itself), ``rating`` (1 to 5),
``title``, ``text``, ``author``, ``review_id``. It is *verified* when its customer had ordered that product before. That
the order of reviews and their choice depend on nothing but time, and that it is told how they are checked, is asked for
by Directive 2005/29/EC, article 7(6), as amended by (EU) 2019/2161.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import sqlalchemy as sa

from polku.errors import UsageError
from polku.language import N_
from polku.measures.feeling.answers import answers_of
from polku.record import tables
from polku.record.clock import moment, now
from polku.surveys.answers import asked
from polku.surveys.links import bought
from polku.surveys.texts import readable

if TYPE_CHECKING:
    from polku.record.project import Project

EVENT: Final = "Product Reviewed"
ORDER: Final = "Order Completed"
#: Why a review is reported or removed. Nothing about its stars is a reason.
REASONS: Final[Mapping[str, str]] = {
    "fake": N_("It is not by a customer"),
    "personal": N_("It tells something private of a person"),
    "abusive": N_("It insults or threatens somebody"),
    "illegal": N_("It breaks the law in another way"),
    "elsewhere": N_("It is about something else than this product"),
    "asked": N_("Its writer asked to remove it"),
}
#: What becomes of a review: what people read of it.
STATES: Final[Mapping[str, str]] = {
    "published": N_("published"),
    "unverified": N_("no order is known, so it is not shown"),
    "removed": N_("removed"),
}
LONGEST_REPLY: Final = 4000
LONGEST_DETAIL: Final = 1000
#: Orders that are recorded late make a review verified after so many seconds at the latest.
FRESH: Final = 300.0
#: Of so many reviews their replies and reports are asked for one by one, of more all there are.
FEW: Final = 1_000
_TOLD: Final = """
    select event_id, customer, time, seq, source, {told},
           try_cast(json_extract_string(properties, '$.rating') as double) as rating
    from answers where rating between 1 and 5
    qualify row_number() over (partition by review_id order by seq) = 1 order by time desc, seq desc
"""
#: Our names of what a review says, with those of other senders.
_NAMES: Final = {
    "product": ("product_id", "sku"), "product_name": ("product", "name"), "title": ("title",),
    "text": ("text", "review_body"), "author": ("author",), "review_id": ("review_id",),
}  # fmt: skip


def _read_out(names: Iterable[str]) -> str:
    return ", ".join(f"json_extract_string(properties, '$.{name}')" for name in names)


_QUERY: Final = _TOLD.format(
    told=", ".join(
        f"coalesce({_read_out(names)}{', event_id' if ours == 'review_id' else ', null'}) as {ours}"
        for ours, names in _NAMES.items()
    )
)


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """What the shop has answered."""

    text: str
    time: dt.datetime
    author: str


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """A report of a review. ``decision``: None while it is open, else kept or removed; ``note``: why."""

    number: int
    review: str
    reason: str
    detail: str
    time: dt.datetime
    decision: str | None
    note: str


@dataclasses.dataclass(frozen=True, slots=True)
class Review:
    """One review. ``id``: of its event; ``product``: "" for the shop itself; ``state``: a key of STATES."""

    id: str
    customer: int | None
    product: str
    product_name: str
    time: dt.datetime
    rating: float
    title: str
    text: str
    author: str
    verified: bool
    source: str
    state: str = "published"
    reply: Reply | None = None
    reports: tuple[Report, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As the public sees it."""
        return {
            "id": self.id, "rating": self.rating, "title": self.title or None, "text": self.text or None,
            "author": self.author or None, "time": self.time.isoformat(), "verified": self.verified,
            "reply": None if self.reply is None else {"text": self.reply.text, "time": self.reply.time.isoformat()},
        }  # fmt: skip


@dataclasses.dataclass(slots=True)
class _Kept:
    of: pa.Table
    at: float
    reviews: list[Review]
    by_product: dict[str, list[Review]] = dataclasses.field(default_factory=dict)

    def about(self, product: str) -> list[Review]:
        """Those of one product: anybody may ask for them, so nobody waits for all the others."""
        if not self.by_product:
            found: dict[str, list[Review]] = {}
            for review in self.reviews:
                found.setdefault(review.product, []).append(review)
            self.by_product = found
        return self.by_product.get(product, [])


_kept: dict[Path, _Kept] = {}
_guard = threading.Lock()


def reviews_of(project: Project, product: str | None = None) -> list[Review]:
    """All reviews (of one ``product``, "" the shop itself), the latest first, with replies and reports as of now."""
    found = answers_of(project, (EVENT,))
    with _guard:
        kept = _kept.get(project.folder)
        if kept is None or kept.of is not found or time.monotonic() - kept.at > FRESH:
            kept = _kept[project.folder] = _Kept(found, time.monotonic(), _read(project, found))
    return _with_state(project, kept.reviews if product is None else kept.about(product))


def _read(project: Project, found: pa.Table) -> list[Review]:
    rows = asked(_QUERY, answers=found).to_pylist()
    orders = _orders(project, sorted({row["customer"] for row in rows if row["customer"] is not None}))
    return [
        Review(
            row["event_id"], row["customer"], row["product"] or "", row["product_name"] or row["product"] or "",
            row["time"], row["rating"], readable(row["title"] or ""), readable(row["text"] or ""),
            readable(row["author"] or ""), _has_ordered(orders.get(row["customer"], ()), row), row["source"] or "",
        )
        for row in rows
    ]  # fmt: skip


Order = tuple[dt.datetime, frozenset[str]]


def _orders(project: Project, customers: list[int]) -> dict[int, list[Order]]:
    """When each of these customers has ordered what, as the sources told it whose orders count."""
    sources = {each.strip() for each in project.settings.reviews.orders.split(",")} - {""}
    found: dict[int, list[Order]] = {}
    for at in range(0, len(customers), 10_000):
        keys = ", ".join(str(int(key)) for key in customers[at : at + 10_000])
        rows = project.sql(
            f"select customer, time, source, properties from events where event = '{ORDER}' and customer in ({keys})"
        )
        for row in rows.to_pylist():
            if sources and row["source"] not in sources:
                continue
            properties = json.loads(row["properties"]) if row["properties"] else {}
            products = frozenset(id for id, _ in bought(properties)) if isinstance(properties, dict) else frozenset()
            found.setdefault(int(row["customer"]), []).append((row["time"], products))
    return found


def _has_ordered(orders: Iterable[Order], row: Mapping[str, Any]) -> bool:
    """Whether there is an order of the product (of anything, where the review is about the shop) before the review."""
    return any(when <= row["time"] and (not row["product"] or row["product"] in products) for when, products in orders)


def _with_state(project: Project, reviews: list[Review]) -> list[Review]:
    few = [review.id for review in reviews] if len(reviews) <= FEW else None
    replies, reports = _replies(project, few), _reports(project, few)
    only_verified = project.settings.reviews.publish == "verified"
    told = []
    for review in reviews:
        about = tuple(reports.get(review.id, ()))
        removed = any(report.decision == "removed" for report in about)
        state = "removed" if removed else "unverified" if only_verified and not review.verified else "published"
        told.append(dataclasses.replace(review, state=state, reply=replies.get(review.id), reports=about))
    return told


def _replies(project: Project, about: list[str] | None) -> dict[str, Reply]:
    row = tables.review_replies.c
    query = sa.select(row.review, row.text, row.made_at, row.author)
    if about is not None:
        query = query.where(row.review.in_(about))
    with project.state.read() as connection:
        found = connection.execute(query)
        return {review: Reply(text, moment(int(at)), author) for review, text, at, author in found}


def _reports(project: Project, about: list[str] | None) -> dict[str, list[Report]]:
    row = tables.review_reports.c
    told: dict[str, list[Report]] = {}
    with project.state.read() as connection:
        query = sa.select(row.number, row.review, row.reason, row.detail, row.made_at, row.decision, row.note).order_by(
            row.number
        )
        if about is not None:
            query = query.where(row.review.in_(about))
        for number, review, reason, detail, at, decision, note in connection.execute(query):
            told.setdefault(review, []).append(
                Report(int(number), review, reason, detail, moment(int(at)), decision, note)
            )
    return told


def review_of(project: Project, id: str) -> Review:
    """The review whose event is ``id``. Raises UsageError where there is none."""
    for review in reviews_of(project):
        if review.id == id:
            return review
    raise UsageError(N_("There is no review {id}."), id=id)


def public(project: Project, product: str, limit: int = 20, offset: int = 0) -> dict[str, Any]:
    """What anybody may ask of a product's reviews ("" : of the shop's own), as JSON. ``average`` is of all of them."""
    mine = reviews_of(project, product)
    shown = [review for review in mine if review.state == "published"]
    stars = Counter(str(round(review.rating)) for review in shown)
    return {
        "product": product or None,
        "name": next((review.product_name for review in mine if review.product_name), None),
        "count": len(shown),
        "average": round(sum(review.rating for review in shown) / len(shown), 2) if shown else None,
        "stars": {str(n): stars.get(str(n), 0) for n in range(5, 0, -1)},
        "removed": sum(1 for review in mine if review.state == "removed"),
        "order": "latest first",
        "checked": project.settings.reviews.publish == "verified",
        "reviews": [review.to_dict() for review in shown[offset : offset + limit]],
    }


# -- the right to answer, and removal for a reason --------------------------------------------------------------------


def reply(project: Project, id: str, text: str, author: str, address: str = "") -> None:
    """Answer a review, or change the answer; an empty text takes it away. Raises UsageError."""
    review = review_of(project, id)
    text = text.strip()
    if len(text) > LONGEST_REPLY:
        raise UsageError(N_("This is longer than {most} signs."), most=LONGEST_REPLY)
    with project.state.write() as connection:
        connection.execute(sa.delete(tables.review_replies).where(tables.review_replies.c.review == id))
        if text:
            connection.execute(
                sa.insert(tables.review_replies).values(
                    review=id, customer=_key(review), text=text, author=author, made_at=now()
                )
            )
        action = "review.replied" if text else "review.reply-removed"
        project.audit.note(author, action, id, address=address, connection=connection)


def report(project: Project, id: str, reason: str, detail: str) -> int:
    """Report a review; a person decides. Returns the report's number. Raises UsageError."""
    review = review_of(project, id)
    return _file(project, review, reason, detail)


def _file(project: Project, review: Review, reason: str, detail: str) -> int:
    if reason not in REASONS:
        raise UsageError(N_("Say why: {known}."), known=", ".join(REASONS))
    detail = project.contacts.addresses.clean_text(detail.strip())
    if len(detail) > LONGEST_DETAIL:
        raise UsageError(N_("This is longer than {most} signs."), most=LONGEST_DETAIL)
    with project.state.write() as connection:
        made = connection.execute(
            sa.insert(tables.review_reports).values(
                review=review.id, customer=_key(review), reason=reason, detail=detail, made_at=now(), note=""
            )
        )
        key = made.inserted_primary_key
        assert key is not None
        return int(key[0])


def remove(project: Project, id: str, reason: str, note: str, author: str, address: str = "") -> None:
    """Remove a review from what is shown, for a reason that stays in the audit log. Raises UsageError."""
    review = review_of(project, id)
    number = _file(project, review, reason, note)
    decide(project, number, "removed", note, author, address)


def decide(project: Project, number: int, decision: str, note: str, author: str, address: str = "") -> None:
    """Decide on a report: ``kept`` or ``removed``, and why. A later ``kept`` brings a removed review back. Raises
    UsageError.
    """
    if decision not in ("kept", "removed"):
        raise UsageError(N_("A report is decided as kept or removed."))
    if not note.strip():
        raise UsageError(N_("Write why: it stays in the log."))
    row = tables.review_reports
    with project.state.write() as connection:
        found = connection.execute(sa.select(row.c.review, row.c.reason).where(row.c.number == number)).first()
        if found is None:
            raise UsageError(N_("There is no report {number}."), number=number)
        connection.execute(
            sa.update(row).where(row.c.number == number).values(
                decision=decision, note=note.strip()[:LONGEST_DETAIL], decided_by=author, decided_at=now()
            )
        )  # fmt: skip
        facts = {"report": number, "reason": found.reason, "note": note.strip()[:LONGEST_DETAIL]}
        project.audit.note(author, f"review.{decision}", found.review, facts, address=address, connection=connection)


def _key(review: Review) -> int:
    return review.customer if review.customer is not None else -1
