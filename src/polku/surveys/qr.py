"""QR codes of surveys, for a counter, a table or a parcel.

>>> address("https://polku.shop.example/s/counter", "Helsinki")
'https://polku.shop.example/s/counter?via=qr&place=Helsinki'
>>> svg("https://polku.shop.example/s/counter")[:5]
b'<?xml'
"""

from __future__ import annotations

import io
from urllib.parse import urlencode

import segno


def address(survey: str, place: str = "") -> str:
    """What the code leads to: the survey's own page, which counterparts of other ``place`` can be told from."""
    return f"{survey}?{urlencode({'via': 'qr', **({'place': place} if place else {})})}"


def svg(text: str) -> bytes:
    """The code as SVG, to be printed at any size. A quarter of it may be dirty and it still reads (level Q)."""
    out = io.BytesIO()
    segno.make(text, error="q", micro=False).save(out, kind="svg", scale=10, border=4, light="#fff")
    return out.getvalue()


def png(text: str, scale: int = 20) -> bytes:
    """The code as PNG, ``scale`` dots a module."""
    out = io.BytesIO()
    segno.make(text, error="q", micro=False).save(out, kind="png", scale=scale, border=4)
    return out.getvalue()
