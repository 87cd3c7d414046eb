"""Polku: the customer journey map that measures itself.

>>> import polku
>>> shop = polku.open("shop/")                # doctest: +SKIP
>>> shop.living(period="30d").stages          # doctest: +SKIP
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from polku import compiledcache

if TYPE_CHECKING:
    from polku.shop import Shop
    from polku.shop import open_shop as open
    from polku.trails.layout import Trails

__all__ = ["Shop", "Trails", "open"]

_WHERE = {
    "open": ("polku.shop", "open_shop"),
    "Shop": ("polku.shop", "Shop"),
    "Trails": ("polku.trails.layout", "Trails"),
}

compiledcache.settle(Path(__file__).parent)


def __getattr__(name: str) -> Any:
    """Import what is asked for only when it is: ``import polku`` and ``polku --help`` stay quick."""
    if name not in _WHERE:
        raise AttributeError(f"module 'polku' has no attribute {name!r}")
    import importlib

    module, attribute = _WHERE[name]
    return getattr(importlib.import_module(module), attribute)
