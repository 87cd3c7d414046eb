"""Event names of other tools in Polku's vocabulary (Segment's v2 commerce names and Polku's own: what the templates
and the stories name is all there). The original is kept.

A name is translated when it can mean one thing only: GA4's recommended names, PostHog's ``$pageview``, the canonical
names written in another way (``product_viewed``, ``Order completed``), a few names that shops use, and the vocabulary
of the REES46 and RetailRocket data sets where a file uses no other words. ``view`` in any other company stays
``view``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

CANONICAL = (
    "page", "screen", "identify", "group", "alias",
    "Product List Viewed", "Product List Filtered", "Products Searched", "Product Clicked", "Product Viewed",
    "Product Added", "Product Removed", "Cart Viewed", "Cart Shared", "Checkout Started", "Checkout Step Viewed",
    "Checkout Step Completed", "Payment Info Entered", "Payment Failed", "Order Completed", "Order Updated",
    "Order Refunded", "Order Cancelled", "Coupon Entered", "Coupon Applied", "Coupon Denied", "Coupon Removed",
    "Promotion Viewed", "Promotion Clicked", "Product Added to Wishlist", "Product Shared", "Product Reviewed",
    "Trial Started", "Trial Ended", "Subscription Started", "Subscription Renewed", "Subscription Paused",
    "Subscription Cancelled", "Lead Submitted", "Lead Qualified", "Meeting Booked", "Meeting Held", "Offer Sent",
    "Offer Viewed", "Deal Won", "Deal Lost", "Call Received", "Chat Started", "Store Visited", "Support Requested",
    "Support Resolved", "Survey Answered", "Recommended", "Video Started", "Video Finished", "Content Read", "Searched",
    "Form Submitted", "Page Failed", "Page Slow", "Signed Up", "Signed In", "Email Sent", "Email Delivered",
    "Email Opened", "Email First Opened", "Email Clicked", "Email Bounced", "Email Subscribed", "Email Unsubscribed",
    "Email Marked As Spam",
    "Lesson Attended", "Event Attended", "Webinar Attended", "Comment Posted", "Feedback Given", "Meeting Cancelled",
    "Meeting Missed", "Onboarding Finished", "Onboarding Delayed", "Review Held", "Feature Used", "Council Attended",
    "Link Clicked", "File Downloaded", "Goal Reached", "Cart Updated",
    "Referral Followed", "Referral Completed", "Referral Cancelled", "Points Redeemed", "Points Refused",
    "Points Expiring", "Loyalty Level Reached", "Loyalty Level Lost",
)  # fmt: skip

GA4 = {
    "page_view": "page", "screen_view": "screen", "view_item_list": "Product List Viewed",
    "select_item": "Product Clicked",
    "view_item": "Product Viewed", "add_to_cart": "Product Added", "remove_from_cart": "Product Removed",
    "view_cart": "Cart Viewed", "add_to_wishlist": "Product Added to Wishlist", "begin_checkout": "Checkout Started",
    "add_shipping_info": "Checkout Step Completed", "add_payment_info": "Payment Info Entered",
    "purchase": "Order Completed",
    "refund": "Order Refunded", "view_promotion": "Promotion Viewed", "select_promotion": "Promotion Clicked",
    "view_search_results": "Products Searched", "search": "Products Searched", "share": "Product Shared",
    "generate_lead": "Lead Submitted", "qualify_lead": "Lead Qualified", "close_convert_lead": "Deal Won",
    "close_unconvert_lead": "Deal Lost", "sign_up": "Signed Up", "login": "Signed In", "form_submit": "Form Submitted",
    "video_start": "Video Started", "video_complete": "Video Finished",
    "file_download": "File Downloaded",
}  # fmt: skip

#: Names of shops and tools with one meaning.
PLAIN = {
    "$pageview": "page", "pageview": "page", "page viewed": "page", "page view": "page",
    "product_view": "Product Viewed", "view_product": "Product Viewed", "product_page": "Product Viewed",
    "addtocart": "Product Added", "add to cart": "Product Added", "add_to_basket": "Product Added",
    "removefromcart": "Product Removed", "order_placed": "Order Completed", "place_order": "Order Completed",
    "checkout_completed": "Order Completed", "wishlist_add": "Product Added to Wishlist",
    "payment_error": "Payment Failed", "ecommerce order": "Order Completed", "ecommerce cart update": "Product Added",
    "ecommerce cart emptied": "Product Removed", "site search": "Searched", "outlink": "Link Clicked",
    "download": "File Downloaded", "content impression": "Promotion Viewed", "content interaction": "Promotion Clicked",
    "sivunäyttö": "page", "sivulataus": "page", "tuote katsottu": "Product Viewed", "tuotesivu": "Product Viewed",
    "lisätty ostoskoriin": "Product Added", "lisäys ostoskoriin": "Product Added", "kassalle": "Checkout Started",
    "tilaus": "Order Completed", "tilaus tehty": "Order Completed", "tilaus valmis": "Order Completed",
    "osto": "Order Completed", "palautus": "Order Refunded",
}  # fmt: skip

#: Files that use these words and no others: their meaning comes from the company they keep.
COMPANIES: tuple[Mapping[str, str], ...] = (
    {
        "view": "Product Viewed",
        "cart": "Product Added",
        "remove_from_cart": "Product Removed",
        "purchase": "Order Completed",
    },
    {"view": "Product Viewed", "addtocart": "Product Added", "transaction": "Order Completed"},
)


def _words(name: str) -> str:
    split = re.sub(r"(?<=[a-zåäö0-9])(?=[A-ZÅÄÖ])", " ", name)
    return re.sub(r"[\s_\-.]+", " ", split).strip().lower()


SAME_WORDS = {_words(name): name for name in CANONICAL}


def canonical(name: str) -> str:
    """The canonical name of ``name``, or ``name`` itself when it is none that Polku translates.

    >>> canonical("add_to_cart"), canonical("order_completed"), canonical("view")
    ('Product Added', 'Order Completed', 'view')
    """
    if name in CANONICAL:
        return name
    lowered = name.strip().lower()
    return GA4.get(lowered) or PLAIN.get(lowered) or SAME_WORDS.get(_words(name)) or name


def company(names: Iterable[str]) -> Mapping[str, str]:
    """The translation that belongs to a file whose event names are ``names``, beyond what each name says by itself.

    >>> company(["view", "cart", "purchase"])["cart"]
    'Product Added'
    >>> company(["view", "click"])
    {}
    """
    found = set(names)
    for words in COMPANIES:
        if found <= set(words) and "view" in found and len(found) > 1:
            return words
    return {}
