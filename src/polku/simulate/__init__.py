"""A world whose truth is known: ``world`` writes events and truth, ``demo`` makes the demo project of it.

>>> import tempfile, datetime as dt
>>> with tempfile.TemporaryDirectory() as folder:
...     summary = world(folder, "shop", customers=100, end=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
>>> summary.effects["people"]
100
"""

from polku.simulate.making import Summary, World, world
from polku.simulate.noise import Noise

__all__ = ["Noise", "Summary", "World", "world"]
