"""The browsers of the worlds: name, user agent and device, and how common they are."""

from __future__ import annotations

from typing import Final

_BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"
_WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_BLINK} Chrome/137.0.0.0 Safari/537.36"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
_SAMSUNG = f"Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-A546B) {_BLINK}"

#: First those of phones, then those of desktop computers, last the bots'.
BROWSERS: Final = (
    ("Safari", f"{_IPHONE} Version/18.5 Mobile/15E148 Safari/604.1", "mobile"),
    ("Chrome Mobile", f"Mozilla/5.0 (Linux; Android 15; K) {_BLINK} Chrome/137.0.0.0 Mobile Safari/537.36", "mobile"),
    ("Samsung Internet", f"{_SAMSUNG} SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36", "mobile"),
    ("Chrome", _WINDOWS, "desktop"),
    ("Firefox", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:139.0) Gecko/20100101 Firefox/139.0", "desktop"),
    ("Edge", f"{_WINDOWS} Edg/137.0.0.0", "desktop"),
    ("bot", "Mozilla/5.0 (compatible; ShopCrawler/2.1; +https://crawler.example/bot)", "bot"),
)
SAMSUNG, BOT_BROWSER = 2, 6
MOBILE_BROWSERS: Final = (0.5, 0.36, 0.14)
DESKTOP_BROWSERS: Final = (0.62, 0.18, 0.2)
