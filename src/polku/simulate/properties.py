"""The JSON of an event's properties: one function a kind of event, over all its rows at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from polku.simulate import vocabulary as v
from polku.simulate.setting import CURRENCY, Setting
from polku.simulate.text import amounts, chosen, dump, integers, joined, numbered

Rows = npt.NDArray[np.void]
Maker = Callable[[Rows, Setting], pa.Array]

#: An order's number and the count of its items share a field of the row: number * 16 + count.
ITEMS_FIELD: Final = 16


def order_ids(rows: Rows) -> pa.Array:
    """string[n]: the shop's own number of the order, for orders and refunds."""
    return joined(numbered("T", np.abs(rows["person"])), "-", integers(rows["order"] // ITEMS_FIELD))


def _open_items(world: Setting) -> list[str]:
    """Each item's JSON without its closing brace, to write on behind it."""
    return [dump(item)[:-1] for item in world.items]


def product(rows: Rows, world: Setting) -> pa.Array:
    return chosen([dump(item) for item in world.items], rows["item"])


def added(rows: Rows, world: Setting) -> pa.Array:
    return joined(chosen(_open_items(world), rows["item"]), ',"quantity":', integers(rows["extra"]), "}")


def product_list(rows: Rows, world: Setting) -> pa.Array:
    names = list(dict.fromkeys(item["category"] for item in world.items))
    return chosen([dump({"list_id": name, "category": name}) for name in names], rows["item"])


def search(rows: Rows, world: Setting) -> pa.Array:
    words = [dump({"query": word})[:-1] for word in world.searches]
    return joined(chosen(words, rows["item"]), ',"results":', integers(rows["extra"]), "}")


def worth(rows: Rows, world: Setting) -> pa.Array:
    return joined('{"value":', amounts(rows["value"]), f',"currency":"{CURRENCY}"}}')


def checkout(rows: Rows, world: Setting) -> pa.Array:
    return joined(
        '{"value":', amounts(rows["value"]), ',"shipping":', amounts(rows["extra"]), f',"currency":"{CURRENCY}"}}'
    )


def payment(rows: Rows, world: Setting) -> pa.Array:
    return joined(
        '{"value":', amounts(rows["value"]), ',"payment_method":"card","attempt":', integers(rows["extra"] + 1), "}"
    )


def payment_failed(rows: Rows, world: Setting) -> pa.Array:
    reasons = ["card_declined", "authentication_window_closed"]
    renewal = chosen(["", ',"renewal":true'], rows["order"] > 0)
    return joined('{"value":', amounts(rows["value"]), ',"reason":"', chosen(reasons, rows["extra"]), '"', renewal, "}")


def coupon(rows: Rows, world: Setting) -> pa.Array:
    return joined(f'{{"coupon":"{world.coupon}","discount":', amounts(rows["value"]), "}")


def order(rows: Rows, world: Setting) -> pa.Array:
    return joined(
        '{"order_id":"',
        order_ids(rows),
        '","revenue":',
        amounts(rows["value"]),
        ',"shipping":',
        amounts(rows["extra"]),
        ',"total":',
        amounts(rows["value"] + rows["extra"]),
        f',"currency":"{CURRENCY}","items":',
        integers(rows["order"] % ITEMS_FIELD),
        ',"products":[',
        chosen([dump(item) for item in world.items], rows["item"]),
        "]}",
    )


def refund(rows: Rows, world: Setting) -> pa.Array:
    return joined('{"order_id":"', order_ids(rows), '","total":', amounts(rows["value"]), f',"currency":"{CURRENCY}"}}')


def review(rows: Rows, world: Setting) -> pa.Array:
    ids = [dump({"product_id": item["product_id"]})[:-1] for item in world.items]
    return joined(chosen(ids, rows["item"]), ',"rating":', integers(rows["extra"]), "}")


def share(rows: Rows, world: Setting) -> pa.Array:
    ids = [dump({"product_id": item["product_id"], "share_via": "instagram"}) for item in world.items]
    return chosen(ids, rows["item"])


def slow(rows: Rows, world: Setting) -> pa.Array:
    return joined('{"load_ms":', integers(rows["extra"] * 1000), "}")


def call(rows: Rows, world: Setting) -> pa.Array:
    answered = np.where(rows["extra"] > 0, 1, 0)
    return joined('{"answered":', chosen(["false", "true"], answered), ',"seconds":', integers(rows["extra"]), "}")


def survey(rows: Rows, world: Setting) -> pa.Array:
    return joined(f'{dump(world.survey)[:-1]},"score":', integers(rows["extra"]), "}")


def same(value: dict[str, Any]) -> Maker:
    """The same properties for every event of the kind."""

    def made(rows: Rows, world: Setting) -> pa.Array:
        return pa.array([dump(value)], pa.string()).take(pa.array(np.zeros(len(rows), np.int64)))

    return made


def form(rows: Rows, world: Setting) -> pa.Array:
    return same({"form": world.form})(rows, world)


def campaign(rows: Rows, world: Setting) -> pa.Array:
    return chosen([dump({"campaign": o.campaign.get("name", o.name)}) for o in v.ORIGINS], rows["origin"])


def subscription(rows: Rows, world: Setting) -> pa.Array:
    return joined('{"plan":"kuukausi","revenue":', amounts(rows["value"]), f',"currency":"{CURRENCY}"}}')


MAKERS: Final[dict[int, Maker]] = {
    v.LIST: product_list,
    v.SEARCH: search,
    v.PRODUCT: product,
    v.ADDED: added,
    v.CART: worth,
    v.CHECKOUT: checkout,
    v.PAYINFO: payment,
    v.PAYFAILED: payment_failed,
    v.COUPON: coupon,
    v.ORDER: order,
    v.REFUND: refund,
    v.REVIEW: review,
    v.SHARE: share,
    v.SLOW: slow,
    v.FAILED: same({"message": "404"}),
    v.CALL: call,
    v.STORE: same({"store": "Helsinki"}),
    v.SURVEY: survey,
    v.RECOMMEND: same({"reward": "10 €"}),
    v.FORM: form,
    v.PROMOTION: campaign,
    v.OPENED: campaign,
    v.TRIAL: same({"plan": "kuukausi", "days": 90}),
    v.TRIAL_ENDED: same({"plan": "kuukausi"}),
    v.SUBSCRIBED: subscription,
    v.RENEWED: subscription,
    v.CANCELLED: same({"plan": "kuukausi"}),
    v.VIDEO: product,
    v.VIDEO_END: product,
    v.LESSON: product,
    v.COMMENT: same({"place": "yhteisö"}),
    v.SUPPORT: same({"topic": "order"}),
}


def properties(rows: Rows, world: Setting) -> pa.Array:
    """string[n]: each row's properties as JSON, null for kinds without any."""
    kinds = rows["kind"]
    order_of, parts = [], []
    for kind in np.flatnonzero(np.bincount(kinds, minlength=len(v.KINDS))):
        here = np.flatnonzero(kinds == kind)
        make = MAKERS.get(int(kind))
        parts.append(make(rows[here], world) if make else pa.nulls(len(here), pa.string()))
        order_of.append(here)
    if not parts:
        return pa.nulls(0, pa.string())
    back = np.empty(len(rows), np.int64)
    back[np.concatenate(order_of)] = np.arange(len(rows))
    return pa.concat_arrays([p.combine_chunks() if isinstance(p, pa.ChunkedArray) else p for p in parts]).take(
        pa.array(back)
    )
