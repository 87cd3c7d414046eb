"""The online yoga studio's people, videos and obstacles: every number of the model."""

from __future__ import annotations

import dataclasses
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from polku.simulate.chance import cumulative
from polku.simulate.shop_model import Obstacle
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
    ORIGINS,
    REMARKETING,
)

NO_SAMPLE_VIDEOS, LESSON_TIMES, PAYMENT_FAILS, SLOW_PAGE = range(4)
OBSTACLES: Final = (
    Obstacle(
        "no_sample_videos",
        "trial",
        -1.3,
        "wants to see a video first, and there is none for their level (half of the people)",
    ),
    Obstacle(
        "lesson_times",
        "lesson",
        -1.2,
        "an office worker or an athlete with a day job: the live lessons are in office hours",
    ),
    Obstacle(
        "payment_fails", "retry", -0.4, "Samsung Internet: each try to pay the first month fails with probability 0.6"
    ),
    Obstacle("slow_page", "stay", -1.6, "a visit with an old phone: the landing page is slow with probability 0.5"),
)
PRICE: Final = 24.9
TRIAL_DAYS: Final = 90

PAGES: Final = (
    "/", "/videot", "/opettajat", "/kokemuksia", "/jasenyys", "/kokeile", "/yhteiso", "/haaste", "/lahjakortti",
    "/blogi/niska-ja-hartiat", "/usein-kysyttya",
)  # fmt: skip
HOME, VIDEOS, TEACHERS, STORIES, PLANS, SIGN_UP, COMMUNITY, CHALLENGE, GIFT_CARD, BLOG, FAQ = range(len(PAGES))

SAMPLES, RECORDED, LIVE = 6, 30, 10
_THEMES: Final = ("niska", "selkä", "uni", "lonkat", "hengitys", "aurinkotervehdys")


def items() -> tuple[dict[str, Any], ...]:
    """Sample videos, then recorded lessons, then live ones: their properties by number."""
    found: list[dict[str, Any]] = []
    for count, kind, title in ((SAMPLES, "sample", "Näyte"), (RECORDED, "recorded", "Tunti"), (LIVE, "live", "Live")):
        for i in range(count):
            theme = _THEMES[i % len(_THEMES)]
            found.append(
                {
                    "product_id": f"{kind}-{i + 1}",
                    "kind": kind,
                    "name": f"{title}: {theme}",
                    "category": theme,
                    "minutes": 10 + 5 * (i % 10),
                }
            )
    return tuple(found)


@dataclasses.dataclass(frozen=True)
class Persona:
    """How one persona behaves; logits of the steps."""

    id: str
    share: float
    segment: str
    mobile: float
    old_phone: float
    first: dict[int, float]
    later: dict[int, float]
    stay: float
    wants_video: float  # share of visits that look for a sample video
    trial: float  # starts the trial, in a visit that goes on
    comes_back: float
    lessons: float  # a week, mean of the keenest half
    live: float  # logit: the lesson is a live one
    day_job: bool
    tires: float  # share of weeks after which the person stops, in the trial
    member: float  # pays after the trial
    cancels: float  # logit of a month's cancellation
    shares: float  # logits of a month's acts
    recommends: float


PERSONAS: Final = (
    Persona(
        id="outi",
        share=0.48,
        segment="office",
        mobile=0.62,
        old_phone=0.18,
        first={FACEBOOK_AD: 44, ORGANIC: 22, FRIEND: 12, GOOGLE_AD: 12, DIRECT: 10},
        later={DIRECT: 38, ORGANIC: 22, REMARKETING: 16, FACEBOOK_AD: 14, NEWSLETTER: 10},
        stay=0.2,
        wants_video=0.62,
        trial=-2.05,
        comes_back=0.44,
        lessons=1.7,
        live=0.1,
        day_job=True,
        tires=0.055,
        member=-1.35,
        cancels=-2.6,
        shares=-2.6,
        recommends=-3.0,
    ),
    Persona(
        id="joonas",
        share=0.32,
        segment="athlete",
        mobile=0.78,
        old_phone=0.1,
        first={INSTAGRAM_AD: 34, ORGANIC: 24, INFLUENCER: 18, INSTAGRAM: 14, DIRECT: 10},
        later={DIRECT: 40, INSTAGRAM_AD: 16, ORGANIC: 20, INSTAGRAM: 14, REMARKETING: 10},
        stay=0.15,
        wants_video=0.5,
        trial=-2.3,
        comes_back=0.4,
        lessons=2.1,
        live=-0.6,
        day_job=True,
        tires=0.08,
        member=-1.7,
        cancels=-2.3,
        shares=-2.9,
        recommends=-3.3,
    ),
    Persona(
        id="ritva",
        share=0.2,
        segment="senior",
        mobile=0.34,
        old_phone=0.32,
        first={FACEBOOK_AD: 40, ORGANIC: 28, FRIEND: 18, DIRECT: 14},
        later={DIRECT: 46, ORGANIC: 24, NEWSLETTER: 18, FACEBOOK_AD: 12},
        stay=0.25,
        wants_video=0.55,
        trial=-2.2,
        comes_back=0.46,
        lessons=2.3,
        live=0.7,
        day_job=False,
        tires=0.04,
        member=-1.0,
        cancels=-3.0,
        shares=-3.0,
        recommends=-2.6,
    ),
)


class StudioModel(NamedTuple):
    """The personas' numbers as the kernel reads them."""

    origins: npt.NDArray[np.float64]  # [2 phases, personas, origins], cumulative
    shifts: npt.NDArray[np.float64]  # [obstacles]
    day_job: npt.NDArray[np.bool_]
    mobile: npt.NDArray[np.float64]
    stay: npt.NDArray[np.float64]
    wants_video: npt.NDArray[np.float64]
    trial: npt.NDArray[np.float64]
    comes_back: npt.NDArray[np.float64]
    lessons: npt.NDArray[np.float64]
    live: npt.NDArray[np.float64]
    tires: npt.NDArray[np.float64]
    member: npt.NDArray[np.float64]
    cancels: npt.NDArray[np.float64]
    shares: npt.NDArray[np.float64]
    recommends: npt.NDArray[np.float64]


def model() -> StudioModel:
    """The model of :data:`PERSONAS`."""

    def origins(name: str) -> list[list[float]]:
        return [[getattr(p, name).get(o, 0.0) for o in range(len(ORIGINS))] for p in PERSONAS]

    return StudioModel(
        cumulative([origins("first"), origins("later")]),
        np.array([o.shift for o in OBSTACLES]),
        np.array([p.day_job for p in PERSONAS]),
        **{name: np.array([getattr(p, name) for p in PERSONAS], np.float64) for name in StudioModel._fields[3:]},
    )
