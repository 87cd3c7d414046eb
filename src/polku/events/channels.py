"""Where the meeting took place, in Polku's words for channels."""

from __future__ import annotations

from polku.events.schema import CHANNELS

#: Other words for them; all else is kept as it came.
WORDS = {
    "web": ("website", "site", "verkko", "verkkosivu", "verkkosivut", "verkkokauppa", "online", "webshop"),
    "email": ("e-mail", "sähköposti", "newsletter", "uutiskirje"),
    "store": ("in-store", "instore", "offline", "myymälä", "kivijalka", "pos", "retail store", "counter", "kassa"),
    "phone": ("puhelin", "call", "telephone", "call center", "puhelu"),
    "social": (
        "facebook", "instagram", "tiktok", "linkedin", "pinterest", "youtube", "snapchat", "x", "twitter",
        "social media",
        "some",         "sosiaalinen media", "organic social", "paid social",
    ),
    "ads": ("ad", "mainos", "mainokset", "display", "online display", "online video", "banner", "paid", "advertising"),
    "search": ("paid search", "organic search", "sem", "seo", "haku", "hakukone", "google", "bing"),
    "chat": ("live chat", "livechat", "whatsapp", "messenger", "chatti"),
    "app": ("mobile app", "sovellus", "ios", "android", "mobile_app"),
    "mail": ("posti", "letter", "kirje", "direct mail", "post"),
    "survey": ("kysely", "questionnaire"),
}  # fmt: skip
KNOWN = {**{c: c for c in CHANNELS}, **{word: channel for channel, words in WORDS.items() for word in words}}


def channel_of(word: str) -> str:
    """The channel that ``word`` means, or ``word`` itself.

    >>> channel_of("Facebook"), channel_of("Myymälä"), channel_of("partner")
    ('social', 'store', 'partner')
    """
    return KNOWN.get(word.strip().lower(), word)
