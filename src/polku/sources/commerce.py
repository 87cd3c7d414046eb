"""One vocabulary for commerce: product and order fields of GA4 and Matomo under Segment's (Polku's canonical) names.

The tables are the whole translation. A field that they do not name keeps its name.

>>> order({"transaction_id": "1001", "value": 20, "items": [{"item_id": "K1", "item_name": "Hat"}]}, GA4_ORDER)
{'order_id': '1001', 'revenue': 20, 'products': [{'product_id': 'K1', 'name': 'Hat'}]}
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from polku.errors import Unreadable
from polku.sources import reading

#: GA4's fields of an item -> canonical fields of a product.
GA4_PRODUCT = {
    "item_id": "product_id", "item_name": "name", "item_brand": "brand", "item_category": "category",
    "item_category2": "category2", "item_category3": "category3", "item_category4": "category4",
    "item_category5": "category5", "item_variant": "variant", "index": "position", "item_list_id": "list_id",
    "item_list_name": "list", "price": "price", "quantity": "quantity", "coupon": "coupon", "discount": "discount",
}  # fmt: skip
#: GA4's parameters of an event -> canonical properties.
GA4_ORDER = {
    "transaction_id": "order_id", "value": "revenue", "tax": "tax", "shipping": "shipping", "coupon": "coupon",
    "currency": "currency", "discount": "discount", "items": "products", "item_list_id": "list_id",
    "item_list_name": "list", "payment_type": "payment_method", "shipping_tier": "shipping_method",
    "search_term": "query", "promotion_id": "promotion_id", "promotion_name": "name", "creative_name": "creative",
    "creative_slot": "position", "lead_source": "lead_source", "content_type": "content_type",
}  # fmt: skip
#: What one entry of Matomo's ``ec_items`` holds, in its order.
MATOMO_ITEM = ("sku", "name", "category", "price", "quantity")
#: Matomo's parameters of an order -> canonical properties.
MATOMO_ORDER = {
    "ec_id": "order_id", "revenue": "total", "ec_st": "subtotal", "ec_tx": "tax", "ec_sh": "shipping",
    "ec_dt": "discount",
}  # fmt: skip
#: Matomo's parameters of a product's page -> canonical fields of a product.
MATOMO_PRODUCT = {"_pks": "sku", "_pkn": "name", "_pkc": "category", "_pkp": "price"}
#: Events about one product: with one item, its fields stand among the event's own properties, as Segment has them.
ABOUT_ONE = frozenset({"view_item", "add_to_cart", "remove_from_cart", "add_to_wishlist", "select_item"})


def translated(given: Mapping[str, Any], table: Mapping[str, str]) -> dict[str, Any]:
    """``given`` under canonical names; a field that already has its canonical name wins over a translated one."""
    found = {table.get(name, name): value for name, value in given.items()}
    return found | {name: value for name, value in given.items() if table.get(name, name) == name}


def order(params: Mapping[str, Any], table: Mapping[str, str]) -> dict[str, Any]:
    """GA4's parameters as canonical properties, its ``items`` as ``products``."""
    found = translated(params, table)
    products = found.get("products")
    if isinstance(products, list):
        found["products"] = [translated(p, GA4_PRODUCT) if isinstance(p, dict) else p for p in products]
    return found


def one_product(name: str, properties: dict[str, Any]) -> None:
    """Put the single product of an event about one product among the event's own properties, in place."""
    products = properties.get("products")
    if name in ABOUT_ONE and isinstance(products, list) and len(products) == 1 and isinstance(products[0], dict):
        del properties["products"]
        for field, value in products[0].items():
            properties.setdefault(field, value)


def matomo_products(items: Any) -> list[dict[str, Any]]:
    """``ec_items`` (a list of lists, decoded) as products; entries that are no list are left out.

    >>> matomo_products([["K1", "Hat", ["Hats", "Wool"], "19.90", 2]])
    [{'sku': 'K1', 'product_id': 'K1', 'name': 'Hat', 'category': 'Hats', 'category2': 'Wool', 'price': 19.9, \
'quantity': 2.0}]
    """
    return [matomo_product(dict(zip(MATOMO_ITEM, item, strict=False))) for item in items if isinstance(item, list)]


def matomo_product(given: Mapping[str, Any]) -> dict[str, Any]:
    """One product: categories apart, price and quantity as numbers, the SKU also as its ``product_id``."""
    product: dict[str, Any] = {}
    for name, value in given.items():
        if name == "category":
            product.update(categories(value))
        elif name in ("price", "quantity"):
            product[name] = reading.number(value)
        elif name == "sku":
            product["sku"] = product["product_id"] = reading.text(value)
        else:
            product[name] = reading.text(value)
    return {k: v for k, v in product.items() if v is not None}


def categories(value: Any) -> dict[str, str]:
    """``category``, ``category2``... of a text, of a list, or of the JSON text of a list.

    >>> categories('["Hats","Wool"]'), categories("Hats")
    ({'category': 'Hats', 'category2': 'Wool'}, {'category': 'Hats'})
    """
    if isinstance(value, str) and value.startswith("["):
        with contextlib.suppress(Unreadable):  # else a category whose name begins with a bracket
            value = reading.decoded(value.encode("utf-8", "replace"))
    words: Sequence[Any] = value if isinstance(value, list) else [value]
    named = [said for word in words if (said := reading.text(word))]
    return {"category" if not i else f"category{i + 1}": word for i, word in enumerate(named)}
