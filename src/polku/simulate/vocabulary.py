"""What the kernels write: one small record an event, with numbers in the place of names.

Names, paths and JSON come later (``rows``), once for each distinct combination and not once for each event.
"""

from __future__ import annotations

import dataclasses
from typing import Final

import numba as nb
import numpy as np

# Kinds of events: index of KINDS.
(
    PAGE, LIST, SEARCH, PRODUCT, ADDED, CART, CHECKOUT, PAYINFO, PAYFAILED, COUPON, ORDER, REFUND, REVIEW, SHARE,
    IDENTIFY, SLOW, FAILED, CALL, STORE, SURVEY, RECOMMEND, FORM, PROMOTION, OPENED, TRIAL, TRIAL_ENDED, SUBSCRIBED,
    RENEWED, CANCELLED, VIDEO, VIDEO_END, LESSON, SUPPORT, COMMENT,
) = range(34)  # fmt: skip

KINDS: Final = (
    "page", "Product List Viewed", "Products Searched", "Product Viewed", "Product Added", "Cart Viewed",
    "Checkout Started", "Payment Info Entered", "Payment Failed", "Coupon Entered", "Order Completed", "Order Refunded",
    "Product Reviewed", "Product Shared", "identify", "Page Slow", "Page Failed", "Call Received", "Store Visited",
    "Survey Answered", "Recommended", "Form Submitted", "Promotion Clicked", "Email Opened", "Trial Started",
    "Trial Ended", "Subscription Started", "Subscription Renewed", "Subscription Cancelled", "Video Started",
    "Video Finished", "Lesson Attended", "Support Requested",
    "Comment Posted",
)  # fmt: skip

# Who sent it: index of SOURCES.
WEB, EMAIL, COUNTER, PHONE, ADS, SURVEYS, SOCIAL, BACKEND, APP = range(9)

#: (source, channel) of each sender.
SOURCES: Final = (
    ("web", "web"),
    ("newsletter", "email"),
    ("counter", "store"),
    ("phone", "phone"),
    ("ads", "ads"),
    ("surveys", "survey"),
    ("social", "social"),
    ("backend", None),
    ("app", "app"),
)

# What ids stand on the event.
BY_COOKIE, BY_BOTH, BY_ACCOUNT, BY_NOBODY = range(4)

# True stages: index of STAGES. A person who stopped coming is LAPSED until they come BACK to where they were.
# ADVOCACY is not a stage but a note: who reviews, shares or recommends is an advocate from then on, whatever the stage.
OUTSIDE, AWARENESS, CONSIDERATION, DECISION, RETENTION, LOYALTY, LAPSED, BACK, ADVOCACY = range(9)
STAGES: Final = ("outside", "awareness", "consideration", "decision", "retention", "loyalty", "lapsed")


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a visit comes from: what the landing page's context says of it."""

    name: str
    campaign: dict[str, str]
    referrer: str | None = None


ORIGINS: Final = (
    Origin("direct", {}),
    Origin("instagram_ad", {"source": "instagram", "medium": "paid_social", "name": "kesajuhlat"}, "https://l.instagram.com/"),
    Origin("facebook_ad", {"source": "facebook", "medium": "paid_social", "name": "hyva_arki"}, "https://l.facebook.com/"),
    Origin("google_ad", {"source": "google", "medium": "cpc", "name": "haku_tuotteet"}, "https://www.google.com/"),
    Origin("organic", {}, "https://www.google.com/"),
    Origin("newsletter", {"source": "newsletter", "medium": "email", "name": "newsletter"}),
    Origin("instagram", {"source": "instagram", "medium": "social"}, "https://www.instagram.com/"),
    Origin("friend", {"source": "friend", "medium": "referral", "name": "suosittele"}),
    Origin("influencer", {"source": "tiktok", "medium": "influencer", "name": "vaikuttajat"}, "https://www.tiktok.com/"),
    Origin("remarketing", {"source": "google", "medium": "display", "name": "uudelleenmarkkinointi"}, "https://googleads.g.doubleclick.net/"),
    Origin("winback", {"source": "newsletter", "medium": "email", "name": "win_back"}),
    Origin("cart_reminder", {"source": "newsletter", "medium": "email", "name": "cart_reminder"}),
    Origin("customer_letter", {"source": "newsletter", "medium": "email", "name": "customer_letter"}),
    Origin("trial_letter", {"source": "newsletter", "medium": "email", "name": "trial"}),
    Origin("member_letter", {"source": "newsletter", "medium": "email", "name": "member_letter"}),
)  # fmt: skip
(
    DIRECT, INSTAGRAM_AD, FACEBOOK_AD, GOOGLE_AD, ORGANIC, NEWSLETTER, INSTAGRAM, FRIEND, INFLUENCER, REMARKETING,
    WINBACK, CART_REMINDER, CUSTOMER_LETTER, TRIAL_LETTER, MEMBER_LETTER,
) = range(15)  # fmt: skip

#: One event as the kernels write it. ``time``: microseconds UTC, true; ``serial``: number within the person;
#: ``visit``: number of the visit or 0; ``cookie``: how many times the device's cookie was lost before; ``item``,
#: ``order``, ``value``, ``extra``: what they mean hangs on the kind (see ``rows``).
ROW: Final = np.dtype(
    [
        ("person", np.int64),
        ("time", np.int64),
        ("value", np.float64),
        ("extra", np.float64),
        ("serial", np.int32),
        ("visit", np.int32),
        ("item", np.int32),
        ("order", np.int32),
        ("cookie", np.int16),
        ("page", np.uint16),
        ("kind", np.uint8),
        ("device", np.uint8),
        ("ids", np.uint8),
        ("source", np.uint8),
        ("origin", np.uint8),
    ]
)

#: One change of the true stage; ``advocate``: from here on.
CHANGE: Final = np.dtype([("person", np.int64), ("time", np.int64), ("stage", np.uint8), ("advocate", np.bool_)])

#: What a kernel remembers of the person whose life it tells: written to by ``put`` and ``mark``.
LIFE: Final = np.dtype(
    [
        ("person", np.int64),
        ("root", np.uint64),
        ("time", np.int64),
        ("until", np.int64),
        ("n", np.int64),
        ("changes", np.int64),
        ("last_order", np.int64),
        ("serial", np.int32),
        ("visit", np.int32),
        ("orders", np.int32),
        ("met", np.uint32),
        ("cookies", np.int16, (2,)),
        ("known", np.uint8, (2,)),
        ("device", np.uint8),
        ("ids", np.uint8),
        ("source", np.uint8),
        ("origin", np.uint8),
        ("has_email", np.bool_),
        ("member", np.bool_),
        # What the present need has come to: visits that looked at products, and the cart that waits for a decision.
        ("looked", np.int16),
        ("kept", np.int16),
        ("carted", np.bool_),  # on the present visit the cart was seen
        ("kept_sized", np.bool_),
        ("kept_item", np.int32),
        ("kept_worth", np.float64),
    ]
)

# Totals of a world, a float64 vector: what the effects are told in.
PEOPLE, VISITS, CARTS, CHECKOUTS, CONVERTED, ORDERS, REVENUE, REFUNDED, STARTED, TOTALS = range(10)


# Signatures are given, or Numba compiles these again for each literal they are called with.
_ROWS, _CHANGES, _LIFE = (nb.typeof(np.zeros(1, kind)) for kind in (ROW, CHANGE, LIFE))
_I, _F = nb.int64, nb.float64


@nb.njit(nb.void(_ROWS, _LIFE.dtype, _I, _I, _I, _I, _I, _F, _F), cache=True)
def put(out, life, time, kind, page, item, order, value, extra):  # type: ignore[no-untyped-def]
    """Write one event of ``life`` at ``time``; past the horizon nothing is written. Counts on when ``out`` is full.

    Each event has its serial number, written or not: so an event's id does not hang on where the horizon is.
    """
    life.serial += 1
    if time >= life.until:
        return
    if life.n < len(out):
        row = out[life.n]
        row.person = life.person
        row.time = time
        row.serial = life.serial - 1
        row.visit = life.visit
        row.kind = kind
        row.page = page
        row.item = item
        row.order = order
        row.value = value
        row.extra = extra
        row.device = life.device
        row.cookie = life.cookies[life.device]
        row.ids = life.ids
        row.source = life.source
        row.origin = life.origin
    life.n += 1


@nb.njit(nb.void(_CHANGES, _LIFE.dtype, _I, _I), cache=True)
def mark(changes, life, time, stage):  # type: ignore[no-untyped-def]
    """Note that the person was in ``stage`` at ``time``, in any order; ``settle`` makes a history of the notes."""
    if time >= life.until:
        return
    if life.changes < len(changes):
        change = changes[life.changes]
        change.person = life.person
        change.time = time
        change.stage = stage
    life.changes += 1


@nb.njit(cache=True)
def settle(changes, start, life):  # type: ignore[no-untyped-def]
    """Turn the person's notes from ``start`` on into changes in order of time: forwards only, lapsed, and back."""
    end = life.changes
    if end > len(changes):
        return
    for i in range(start + 1, end):
        person, time, stage = changes[i].person, changes[i].time, changes[i].stage
        j = i - 1
        while j >= start and changes[j].time > time:
            changes[j + 1].time = changes[j].time
            changes[j + 1].stage = changes[j].stage
            j -= 1
        changes[j + 1].person = person
        changes[j + 1].time = time
        changes[j + 1].stage = stage
    kept = start
    furthest = np.uint8(OUTSIDE)
    lapsed = False
    advocate = False
    for i in range(start, end):
        time, stage = changes[i].time, changes[i].stage
        told = False
        if stage == LAPSED:
            told = bool(not lapsed and furthest > OUTSIDE)
            lapsed = lapsed or told
        else:
            if stage < LAPSED and stage > furthest:
                furthest = stage
                told = True
            elif stage == ADVOCACY and not advocate:
                advocate = True
                told = True
            told = told or lapsed
            lapsed = False
        if told:
            changes[kept].time = time
            changes[kept].stage = LAPSED if lapsed else furthest
            changes[kept].advocate = advocate
            kept += 1
    life.changes = kept
