"""The fashion shop's people: how each persona behaves (``shop_model`` has the rest of the model's numbers)."""

from __future__ import annotations

import dataclasses
from typing import Final

from polku.simulate.vocabulary import (
    DIRECT,
    FACEBOOK_AD,
    FRIEND,
    GOOGLE_AD,
    INFLUENCER,
    INSTAGRAM,
    INSTAGRAM_AD,
    NEWSLETTER,
    ORGANIC,
    REMARKETING,
)


@dataclasses.dataclass(frozen=True)
class Persona:
    """How one persona behaves. Logits of the steps, shares of people, means in days."""

    id: str
    share: float
    segment: str
    mobile: float  # share of visits with the phone
    old_phone: float  # share of people with an old phone
    first: dict[int, float]  # origins of the first visit, relative
    later: dict[int, float]  # origins of later visits before an order
    customer: dict[int, float]  # origins of a customer's visits
    categories: tuple[float, ...]
    stay: float  # goes on after the landing page
    viewed: float  # products looked at in a visit that goes on, mean
    cart: float  # puts the product in the cart
    checkout: float  # goes to the checkout with a cart
    pay: float  # pays at the checkout
    asks_size: float  # share of product views where the size is a question
    comes_back: float  # after a visit without an order, for the same need
    need_days: float  # mean time from one need to the next
    stops: float  # share of needs after which the person is gone
    subscribes: float  # newsletter, in a visit that goes on
    returns: float  # logit: sends the order back
    reviews: float
    shares: float
    recommends: float
    answers: float  # survey after an order
    store: float  # share of visits that are made to the shop counter
    calls: float  # calls the shop before buying


PERSONAS: Final = (
    Persona(
        id="sara",
        share=0.34,
        segment="fashion",
        mobile=0.86,
        old_phone=0.12,
        first={INSTAGRAM_AD: 40, INFLUENCER: 14, INSTAGRAM: 12, ORGANIC: 12, FRIEND: 10, GOOGLE_AD: 6, DIRECT: 6},
        later={DIRECT: 30, INSTAGRAM_AD: 22, INSTAGRAM: 14, REMARKETING: 14, ORGANIC: 12, NEWSLETTER: 8},
        customer={DIRECT: 34, NEWSLETTER: 26, INSTAGRAM: 20, INSTAGRAM_AD: 14, FRIEND: 6},
        categories=(46, 18, 6, 14, 12, 4),
        stay=0.35,
        viewed=2.6,
        cart=-2.2,
        checkout=-0.1,
        pay=0.8,
        asks_size=0.55,
        comes_back=0.5,
        need_days=95,
        stops=0.36,
        subscribes=-2.6,
        returns=-1.75,
        reviews=-2.3,
        shares=-2.4,
        recommends=-2.2,
        answers=-1.5,
        store=0.03,
        calls=0.008,
    ),
    Persona(
        id="antti",
        share=0.26,
        segment="practical",
        mobile=0.46,
        old_phone=0.16,
        first={ORGANIC: 40, GOOGLE_AD: 26, DIRECT: 14, FACEBOOK_AD: 12, FRIEND: 8},
        later={DIRECT: 42, ORGANIC: 28, GOOGLE_AD: 16, REMARKETING: 10, NEWSLETTER: 4},
        customer={DIRECT: 50, ORGANIC: 22, NEWSLETTER: 20, GOOGLE_AD: 8},
        categories=(4, 26, 24, 26, 6, 14),
        stay=0.25,
        viewed=2.0,
        cart=-2.05,
        checkout=0.2,
        pay=1.1,
        asks_size=0.35,
        comes_back=0.44,
        need_days=150,
        stops=0.42,
        subscribes=-3.0,
        returns=-2.7,
        reviews=-3.0,
        shares=-4.0,
        recommends=-3.2,
        answers=-1.9,
        store=0.06,
        calls=0.015,
    ),
    Persona(
        id="liisa",
        share=0.24,
        segment="bargain",
        mobile=0.68,
        old_phone=0.24,
        first={FACEBOOK_AD: 32, ORGANIC: 22, GOOGLE_AD: 16, DIRECT: 12, INSTAGRAM_AD: 10, FRIEND: 8},
        later={NEWSLETTER: 26, DIRECT: 26, REMARKETING: 20, FACEBOOK_AD: 16, ORGANIC: 12},
        customer={NEWSLETTER: 46, DIRECT: 28, FACEBOOK_AD: 14, ORGANIC: 12},
        categories=(22, 26, 14, 14, 18, 6),
        stay=0.3,
        viewed=3.0,
        cart=-2.25,
        checkout=-0.2,
        pay=0.5,
        asks_size=0.4,
        comes_back=0.56,
        need_days=70,
        stops=0.32,
        subscribes=-1.9,
        returns=-2.05,
        reviews=-2.8,
        shares=-3.4,
        recommends=-2.9,
        answers=-1.6,
        store=0.05,
        calls=0.012,
    ),
    Persona(
        id="leena",
        share=0.16,
        segment="quality",
        mobile=0.34,
        old_phone=0.34,
        first={ORGANIC: 34, DIRECT: 28, FACEBOOK_AD: 20, FRIEND: 18},
        later={DIRECT: 50, ORGANIC: 26, NEWSLETTER: 14, FACEBOOK_AD: 10},
        customer={DIRECT: 48, NEWSLETTER: 34, ORGANIC: 18},
        categories=(18, 24, 18, 16, 8, 16),
        stay=0.2,
        viewed=2.2,
        cart=-2.25,
        checkout=-0.05,
        pay=0.75,
        asks_size=0.6,
        comes_back=0.46,
        need_days=120,
        stops=0.34,
        subscribes=-2.3,
        returns=-2.2,
        reviews=-3.1,
        shares=-4.4,
        recommends=-2.6,
        answers=-1.2,
        store=0.24,
        calls=0.05,
    ),
)
