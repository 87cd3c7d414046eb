"""The fashion shop as a setting: words for the kernel's numbers."""

from __future__ import annotations

from polku.simulate import shop_model
from polku.simulate.calendar import SHOP
from polku.simulate.setting import Setting
from polku.simulate.shop import shop
from polku.simulate.shop_people import PERSONAS

_CATEGORY_PATHS = ("mekot", "paidat", "housut", "kengat", "asusteet", "takit")

SETTING = Setting(
    kind="shop",
    host="https://www.aava-muoti.example",
    seasons=SHOP,
    personas=tuple((p.id, p.share, p.segment, p.old_phone) for p in PERSONAS),
    obstacles=shop_model.OBSTACLES,
    kernel=shop,
    model=shop_model.model,
    pages=(
        *shop_model.PAGES,
        *(f"/kategoria/{path}" for path in _CATEGORY_PATHS),
        *(f"/tuote/{p.product_id.lower()}" for p in shop_model.products()),
    ),
    items=tuple(p._asdict() for p in shop_model.products()),
    searches=shop_model.SEARCHES,
    survey={"survey": "order", "question": "recommend", "kind": "nps"},
    form="newsletter",
    coupon="TERVETULOA10",
)
