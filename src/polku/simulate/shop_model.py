"""The fashion shop's people, products and obstacles: every number of the model, in one place.

Propensities are logits: a decision is taken with probability 1 / (1 + exp(-logit)), and an obstacle shifts the logit of
one step by its effect for those who are exposed to it. docs/demo-world.md tells the model in words.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from polku.simulate.chance import cumulative
from polku.simulate.shop_people import PERSONAS
from polku.simulate.vocabulary import ORIGINS


@dataclasses.dataclass(frozen=True)
class Obstacle:
    """Something that stops people. ``shift``: of ``step``'s logit when exposed; ``exposure``: the rule, in words."""

    id: str
    step: str
    shift: float
    exposure: str


LATE_DELIVERY_PRICE, NO_SIZE_GUIDE, PAYMENT_FAILS, SLOW_PAGE = range(4)
OBSTACLES: Final = (
    Obstacle(
        "late_delivery_price",
        "payment",
        -1.0,
        "web cart under 60 EUR: the delivery price is first seen at the checkout",
    ),
    Obstacle(
        "no_size_guide", "cart", -1.1, "a dress (its size guide does not open), seen by one who asks for the size"
    ),
    Obstacle("payment_fails", "retry", -0.4, "Samsung Internet: each try to pay fails with probability 0.6"),
    Obstacle("slow_page", "stay", -1.6, "a visit with an old phone: the landing page is slow with probability 0.5"),
)
PAYMENT_FAILURE: Final = 0.6
SLOWNESS: Final = 0.5
FREE_DELIVERY: Final = 60.0
DELIVERY: Final = 6.9

CATEGORIES: Final = ("dresses", "tops", "trousers", "shoes", "accessories", "outerwear")
WITHOUT_GUIDE: Final = (True, False, False, False, False, False)
PER_CATEGORY: Final = 40
_NAMES: Final = (
    ("Mekko", 79.9), ("Paita", 34.9), ("Housut", 59.9), ("Kengät", 89.9), ("Asuste", 19.9), ("Takki", 139.0),
)  # fmt: skip
_WORDS: Final = (
    "Aava", "Aino", "Hilla", "Ilta", "Juhla", "Kaisla", "Kesä", "Kielo", "Laine", "Lempi", "Lilja", "Loimu", "Lumi",
    "Mansikka", "Meri", "Metsä", "Myrsky", "Nuppu", "Ondine", "Pilvi", "Pouta", "Puro", "Päivä", "Raita", "Roihu",
    "Routa",
    "Ruska", "Sade", "Saimaa", "Satu", "Sini", "Sointu", "Suvi", "Syli", "Tuuli", "Usva", "Utu", "Valo", "Vieno",
    "Virta",
)  # fmt: skip


class Product(NamedTuple):
    product_id: str
    name: str
    category: str
    price: float


def products() -> tuple[Product, ...]:
    """The catalogue: 40 products in each of 6 categories; a product's number is its place here."""
    found = []
    for c, (noun, base) in enumerate(_NAMES):
        for i in range(PER_CATEGORY):
            price = round(base * (0.55 + 0.9 * ((i * 17) % PER_CATEGORY) / PER_CATEGORY) / 5) * 5 - 0.1
            found.append(
                Product(
                    f"{CATEGORIES[c][:2].upper()}-{i + 1:03d}",
                    f"{noun} {_WORDS[i]}",
                    CATEGORIES[c],
                    round(max(price, 4.9), 2),
                )
            )
    return tuple(found)


#: Pages by number. 0 to 9 below, then a page a category, then a page a product.
PAGES: Final = (
    "/", "/haku", "/koko-opas", "/arvostelut", "/vertailu", "/toimitus", "/ostoskori", "/kassa", "/kanta-asiakas",
    "/lahjakortti", "/blogi/kesajuhlat", "/palautukset", "/myymala",
)  # fmt: skip
(
    HOME, SEARCH_PAGE, SIZE_GUIDE, REVIEWS, COMPARE, DELIVERY_PAGE, CART_PAGE, CHECKOUT_PAGE, CLUB, GIFT_CARD, BLOG,
    RETURNS, STORE_PAGE,
) = range(len(PAGES))  # fmt: skip
CATEGORY_PAGE: Final = len(PAGES)
PRODUCT_PAGE: Final = CATEGORY_PAGE + len(CATEGORIES)
SEARCHES: Final = (
    "kesämekko", "juhlamekko", "farkut", "valkoinen paita", "nahkakengät", "talvitakki", "laukku", "häävieras asu",
    "neule", "koko 42 mekko",
)  # fmt: skip


class ShopModel(NamedTuple):
    """The personas' numbers as the kernel reads them: one row (or number) a persona."""

    origins: npt.NDArray[np.float64]  # [3 phases, personas, origins], cumulative
    categories: npt.NDArray[np.float64]  # [personas, categories], cumulative
    prices: npt.NDArray[np.float64]  # [products]
    guide: npt.NDArray[np.bool_]  # [categories], True: there is a size guide
    shifts: npt.NDArray[np.float64]  # [obstacles]
    mobile: npt.NDArray[np.float64]
    stay: npt.NDArray[np.float64]
    viewed: npt.NDArray[np.float64]
    cart: npt.NDArray[np.float64]
    checkout: npt.NDArray[np.float64]
    pay: npt.NDArray[np.float64]
    asks_size: npt.NDArray[np.float64]
    comes_back: npt.NDArray[np.float64]
    need_days: npt.NDArray[np.float64]
    stops: npt.NDArray[np.float64]
    subscribes: npt.NDArray[np.float64]
    returns: npt.NDArray[np.float64]
    reviews: npt.NDArray[np.float64]
    shares: npt.NDArray[np.float64]
    recommends: npt.NDArray[np.float64]
    answers: npt.NDArray[np.float64]
    store: npt.NDArray[np.float64]
    calls: npt.NDArray[np.float64]


def model() -> ShopModel:
    """The model of :data:`PERSONAS` and :func:`products`."""

    def column(name: str) -> Any:
        return np.array([getattr(p, name) for p in PERSONAS], np.float64)

    def origins(name: str) -> list[list[float]]:
        return [[getattr(p, name).get(o, 0.0) for o in range(len(ORIGINS))] for p in PERSONAS]

    plain = ShopModel._fields[5:]
    return ShopModel(
        cumulative([origins("first"), origins("later"), origins("customer")]),
        cumulative([p.categories for p in PERSONAS]),
        np.array([p.price for p in products()]),
        ~np.array(WITHOUT_GUIDE),
        np.array([o.shift for o in OBSTACLES]),
        **{name: column(name) for name in plain},
    )
