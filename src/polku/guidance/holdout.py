"""Groups by a stable hash: the same customer is in the same group of the same rule, on every machine, for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping


def place(customer: int, rule: str, salt: str = "holdout") -> float:
    """Where in [0, 1) a customer stands for a rule: 53 bits of SHA-256.

    >>> place(7, "cart_reminder") == place(7, "cart_reminder") != place(8, "cart_reminder")
    True
    """
    digest = hashlib.sha256(f"{salt}\0{rule}\0{customer}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / (1 << 53)


def held_out(customer: int, rule: str, share: float) -> bool:
    """Whether the customer is of the ``share`` (0 to 1) that gets nothing of ``rule``, to compare with.

    Who is held out of a share is held out of any greater one.
    """
    return place(customer, rule) < share


def variant(customer: int, rule: str, step: int, weights: Mapping[str, float]) -> str:
    """The variant of a step that the customer gets; ``weights`` (any positive numbers) by variant, in a fixed order.

    >>> variant(7, "welcome", 0, {"a": 1})
    'a'
    """
    total = sum(weights.values())
    at = place(customer, rule, f"variant:{step}") * total
    names = list(weights)
    for name in names[:-1]:
        at -= weights[name]
        if at < 0:
            return name
    return names[-1]  # also what rounding leaves
