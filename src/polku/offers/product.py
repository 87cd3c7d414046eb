"""One product: its fields, whoever tells them, and how they are read from what feeds, files and events say.

>>> read_fields({"title": "Dress", "price": "64,90 EUR", "availability": "in stock"})
{'name': 'Dress', 'price': 64.9, 'currency': 'EUR', 'availability': 'in_stock'}
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from polku.language import N_

IN_STOCK, OUT, PREORDER, BACKORDER, UNKNOWN = "in_stock", "out_of_stock", "preorder", "backorder", "unknown"
AVAILABILITY: Final[Mapping[str, str]] = {
    IN_STOCK: N_("in stock"), OUT: N_("sold out"), PREORDER: N_("to be had later"), BACKORDER: N_("on order"),
    UNKNOWN: N_("not known"),
}  # fmt: skip
#: Fields of a product, in the order in which they are told.
FIELDS: Final = (
    "name", "description", "url", "image_url", "price", "list_price", "currency", "availability", "stock", "category",
    "brand", "variant", "group_id", "sku", "gtin",
)  # fmt: skip
#: What each field is called elsewhere: Google Merchant, GA4, Shopify and WooCommerce exports, Finnish sheets.
NAMES: Final[Mapping[str, str]] = {
    "id": "product_id", "item_id": "product_id", "tuotetunnus": "product_id", "tuotekoodi": "product_id",
    "title": "name", "item_name": "name", "product_name": "name", "nimi": "name", "tuotenimi": "name",
    "body": "description", "body_html": "description", "kuvaus": "description",
    "link": "url", "product_url": "url", "osoite": "url", "linkki": "url",
    "image_link": "image_url", "image": "image_url", "images": "image_url", "image_src": "image_url",
    "kuva": "image_url", "kuvan_osoite": "image_url",
    "hinta": "price", "regular_price": "list_price", "compare_at_price": "list_price", "normaalihinta": "list_price",
    "valuutta": "currency", "saatavuus": "availability", "stock_status": "availability",
    "in_stock?": "availability", "variant_price": "price", "variant_compare_at_price": "list_price",
    "variant_inventory_qty": "stock", "variant_barcode": "gtin", "inventory": "stock",
    "quantity_available": "stock", "inventory_quantity": "stock", "varastosaldo": "stock",
    "varasto": "stock", "saldo": "stock",
    "product_type": "category", "google_product_category": "google_category", "item_category": "category",
    "categories": "category", "kategoria": "category", "tuoteryhmä": "category",
    "item_brand": "brand", "vendor": "brand", "merkki": "brand", "brändi": "brand",
    "item_variant": "variant", "item_group_id": "group_id", "handle": "group_id",
    "variant_sku": "sku", "ean": "gtin", "barcode": "gtin",
}  # fmt: skip
_AVAILABLE: Final[Mapping[str, str]] = {
    "in stock": IN_STOCK, "instock": IN_STOCK, "in_stock": IN_STOCK, "available": IN_STOCK, "true": IN_STOCK,
    "yes": IN_STOCK, "1": IN_STOCK, "0": OUT, "varastossa": IN_STOCK, "kyllä": IN_STOCK,
    "limitedavailability": IN_STOCK,
    "out of stock": OUT, "outofstock": OUT, "out_of_stock": OUT, "soldout": OUT, "sold out": OUT, "false": OUT,
    "no": OUT, "discontinued": OUT, "loppu": OUT, "ei varastossa": OUT, "ei": OUT, "preorder": PREORDER,
    "pre-order": PREORDER, "presale": PREORDER, "backorder": BACKORDER, "on backorder": BACKORDER,
    "onbackorder": BACKORDER, "back order": BACKORDER, "available for order": BACKORDER, "tilaustuote": BACKORDER,
}  # fmt: skip
_AMOUNT: Final = re.compile(r"-?\d[\d\s.,'\u00a0\u202f]*")
_CURRENCY: Final = re.compile(r"\b([A-Z]{3})\b")
_SIGNS: Final = {"€": "EUR", "£": "GBP", "$": "USD"}
_TAGS: Final = re.compile(r"<[^>]*>")
_SPACES: Final = re.compile(r"\s+")
#: Signs of a text that are kept.
LONGEST: Final = 2_000
LONGEST_ID: Final = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Product:
    """A product as it holds now. ``price``: what it costs; ``list_price``: what it cost before, where it is reduced.
    ``availability``: in_stock, out_of_stock, preorder, backorder, unknown. ``source``: ``feed`` (or an import), else
    ``events``."""

    product_id: str
    name: str
    fields: Mapping[str, Any]
    availability: str
    source: str
    feed: str | None
    updated_at: int
    gone_at: int | None
    sold: int

    @property
    def in_stock(self) -> bool:
        """Whether it may be offered: nothing says that it is sold out, or gone from its feed."""
        return self.availability != OUT and self.gone_at is None

    def facts(self) -> dict[str, Any]:
        """As content asks for it: ``product.image_url``, ``product.in_stock``, ..."""
        return {
            "product_id": self.product_id, "name": self.name, **self.fields, "availability": self.availability,
            "in_stock": self.in_stock,
        }  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**self.facts(), "source": self.source, "feed": self.feed, "sold": self.sold,
                "gone": self.gone_at is not None}  # fmt: skip


def canonical(name: str) -> str:
    """What a column or element is called here.

    >>> canonical("g:image_link"), canonical("Image Src"), canonical("Hinta")
    ('image_url', 'image_url', 'price')
    """
    plain = re.sub(r"[\s-]+", "_", name.strip().lower().rpartition(":")[2])
    return NAMES.get(plain, plain)


def read_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a product of what a feed, a row or an event says, in the order of FIELDS; what cannot be read, and
    what is empty, is left out. A sale price is the price, and the price then the list price."""
    told: dict[str, Any] = {}
    for name, value in given.items():
        field = canonical(name)
        if field in told or value is None or (isinstance(value, str) and not value.strip()):
            continue
        told[field] = value
    found: dict[str, Any] = {}
    for field in ("name", "description", "category", "brand", "variant", "group_id", "sku", "gtin"):
        if (text := plain(told.get(field))) is not None:
            found[field] = text
    for field in ("url", "image_url"):
        if (address := web_address(told.get(field))) is not None:
            found[field] = address
    currency = told.get("currency")
    for field in ("price", "sale_price", "list_price"):
        amount, said = money(told.get(field))
        if amount is not None and amount >= 0:
            found[field] = amount
            currency = currency or said
    if "price" not in found and "list_price" in found:
        found["price"] = found["list_price"]
    if (sale := found.pop("sale_price", None)) is not None:
        if sale < found.get("price", sale):
            found["list_price"] = found["price"]
        found["price"] = sale
    if found.get("list_price", 0) <= found.get("price", 0):
        found.pop("list_price", None)
    if isinstance(currency, str) and re.fullmatch(r"[A-Za-z]{3}", currency.strip()):
        found["currency"] = currency.strip().upper()
    stock = money(told.get("stock"))[0]
    if stock is not None:
        found["stock"] = max(0, int(stock))
    said = told.get("availability")
    if isinstance(said, (str, bool)):
        word = _SPACES.sub(" ", str(said).strip().lower().rpartition("/")[2])
        if word in _AVAILABLE:
            found["availability"] = _AVAILABLE[word]
    if "availability" not in found and "stock" in found:
        found["availability"] = IN_STOCK if found["stock"] else OUT
    return {field: found[field] for field in FIELDS if field in found}


def id_of(given: Mapping[str, Any]) -> str | None:
    """The product's id: ``product_id`` (or what it is called elsewhere), else its ``sku``; None where there is none."""
    for wanted in ("product_id", "sku"):
        for name, value in given.items():
            if canonical(name) == wanted and isinstance(value, (str, int)) and not isinstance(value, bool):
                text = str(value).strip()
                if text:
                    return text[:LONGEST_ID]
    return None


def plain(value: Any) -> str | None:
    """A text without tags, on one line; None for an empty one.

    >>> plain("<p>Red<br>dress</p>"), plain("  ")
    ('Red dress', None)
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    text = _SPACES.sub(" ", _TAGS.sub(" ", str(value))).strip()
    return text[:LONGEST] or None


def money(value: Any) -> tuple[float | None, str | None]:
    """An amount and its currency, as feeds and sheets write them.

    >>> money("1 299,00 €"), money("64.90 EUR"), money("1,299.00"), money("1.299,50"), money("1,299"), money("free")
    ((1299.0, 'EUR'), (64.9, 'EUR'), (1299.0, None), (1299.5, None), (1299.0, None), (None, None))
    """
    if isinstance(value, bool) or value is None:
        return None, None
    if isinstance(value, (int, float)):
        return (float(value), None) if abs(value) < 1e12 else (None, None)
    if not isinstance(value, str):
        return None, None
    found = _AMOUNT.search(value)
    if found is None:
        return None, None
    text = re.sub(r"[\s'\u00a0\u202f]", "", found[0]).rstrip(".,")
    last = max(text.rfind("."), text.rfind(","))
    if last >= 0:
        digits = len(text) - last - 1
        grouped = digits == 3 and (text.count(text[last]) > 1 or text[last] == "," or "." in text[:last])
        whole = re.sub(r"[.,]", "", text[:last])
        text = whole + text[last + 1 :] if grouped else f"{whole}.{text[last + 1 :]}"
    code = _CURRENCY.search(value)
    sign = next((code for sign, code in _SIGNS.items() if sign in value), None)
    amount = float(text)
    return (amount, code[1] if code else sign) if abs(amount) < 1e12 else (None, None)


def web_address(value: Any) -> str | None:
    """An address on the web that a letter may carry; of several (a list, or with commas between) the first."""
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, str):
        return None
    text = value.strip()
    if ", http" in text or ",http" in text:
        text = text.split(",")[0].strip()
    if text.startswith("//"):
        text = f"https:{text}"
    parts = _split(text)
    if parts is None or len(text) > LONGEST or any(sign.isspace() or not sign.isprintable() for sign in text):
        return None
    return text


def _split(text: str) -> str | None:
    """The host of a web address; None for what is none, or names somebody before the host."""
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and parts.username is None and parts.port != 0
    except ValueError:  # a port that is none
        return None
    return parts.hostname if fits else None


def of_host(address: str, hosts: Iterable[str]) -> bool:
    """Whether an address is of one of the map's hosts.

    >>> of_host("https://cdn.shop.example/a", ["*.shop.example"]), of_host("https://evil.example/", ["shop.example"])
    (True, False)
    """
    name = (_split(address) or "").lower()
    if not name:
        return False
    port = urlsplit(address).port
    full = f"{name}:{port}" if port else name
    for host in hosts:
        if host.startswith("*."):
            if name.endswith(host[1:]) or name == host[2:]:
                return True
        elif host in (name, full):
            return True
    return False
