"""What an event itself says about consent: one vocabulary of purposes for all that trackers and consent tools send.

>>> told({"consent": {"categoryPreferences": {"Advertising": True, "Analytics": False}}}).purposes
{'ads': True, 'analytics': False}
>>> told({"consent": {"ad_storage": "GRANTED", "ad_user_data": "DENIED", "analytics_storage": "granted"}}).purposes
{'ads': False, 'analytics': True}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

#: Purposes that need no consent: what a service cannot do without.
NECESSARY: Final = frozenset({"necessary", "strictlynecessary", "essential", "required", "functionalitystorage",
                              "securitystorage", "c0001", "välttämättömät", "valttamattomat"})  # fmt: skip
#: Words of consent tools (Segment's wrappers, OneTrust, Cookiebot, Google's consent mode, Finnish sites) for a purpose.
#: Blanks, hyphens, underscores and case do not matter. Another word is a purpose of its own name.
WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("analytics", "analyticsstorage", "analytical", "statistics", "statistic", "performance", "measurement",
         "measure", "c0002", "analytiikka", "tilastot", "tilastointi", "tilastolliset"), "analytics"),
    **dict.fromkeys(
        ("ads", "ad", "advertising", "adstorage", "aduserdata", "adpersonalization", "targeting", "remarketing",
         "c0004", "mainonta", "kohdentaminen", "datasharing"), "ads"),
    **dict.fromkeys(
        ("personalization", "personalisation", "personalizationstorage", "preferences", "functional", "functionality",
         "c0003", "personointi", "mieltymykset", "toiminnalliset"), "personalization"),
    **dict.fromkeys(("email", "emailmarketing", "newsletter", "uutiskirje", "sähköposti", "sahkoposti"), "email"),
    **dict.fromkeys(("marketing", "markkinointi"), "marketing"),
    **dict.fromkeys(("sms", "tekstiviesti", "textmessage"), "sms"),
    **dict.fromkeys(("push", "pushnotifications"), "push"),
}  # fmt: skip
YES: Final = frozenset({"granted", "true", "yes", "1", "on", "allow", "accepted", "opt-in", "kyllä"})
NO: Final = frozenset({"denied", "false", "no", "0", "off", "deny", "rejected", "opt-out", "ei"})
#: Beside the purposes stand these words about the decision.
ABOUT: Final = frozenset({"source", "version", "textversion", "text_version", "time", "categorypreferences", "policy"})
#: No event tells more purposes than this.
MOST: Final = 40
_NAME: Final = re.compile(r"[a-z0-9åäö][a-z0-9åäö_.-]{0,59}")


class Told(NamedTuple):
    """Purposes granted (True) or denied (False); where it was asked, and which text was shown."""

    purposes: dict[str, bool]
    source: str | None = None
    text_version: str | None = None


NOTHING: Final = Told({})


def purpose_of(word: str) -> str | None:
    """The purpose that a word of a consent tool means; None for what needs no consent or is no name.

    >>> purpose_of("Statistics"), purpose_of("Strictly Necessary"), purpose_of("loyalty")
    ('analytics', None, 'loyalty')
    """
    low = word.strip().lower()
    plain = re.sub(r"[\s_-]", "", low)
    if plain in NECESSARY:
        return None
    if (known := WORDS.get(plain)) is not None:
        return known
    name = re.sub(r"\s+", "_", low)
    return name if _NAME.fullmatch(name) else None


def granted(value: Any) -> bool | None:
    """Whether a value of a consent tool means yes or no; None when it means neither."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return bool(value) if value in (0, 1) else None
    if isinstance(value, str):
        low = value.strip().lower()
        return True if low in YES else False if low in NO else None
    return None


def told(context: Mapping[str, Any]) -> Told:
    """What ``context.consent`` says, as polku.js, Segment (``categoryPreferences``) or Google's consent mode write it.

    Of several words for one purpose all must be granted.
    """
    given = context.get("consent")
    if not isinstance(given, Mapping):
        return NOTHING
    categories = given.get("categoryPreferences")
    purposes: dict[str, bool] = {}
    for word, value in (categories if isinstance(categories, Mapping) else given).items():
        if str(word).lower() in ABOUT or len(purposes) >= MOST:
            continue
        decision, purpose = granted(value), purpose_of(str(word))
        if decision is not None and purpose is not None:
            purposes[purpose] = purposes.get(purpose, True) and decision
    version = given.get("textVersion", given.get("text_version", given.get("version")))
    return Told(purposes, _short(given.get("source")), _short(version))


def _short(value: Any) -> str | None:
    return str(value)[:100] if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None


def read_purposes(text: str) -> tuple[str, ...]:
    """Purposes as a setting, a column or a person lists them.

    >>> read_purposes("analytics, Newsletter; ads")
    ('analytics', 'email', 'ads')
    """
    found = (purpose_of(word) for word in re.split(r"[,;|]", text) if word.strip())
    return tuple(dict.fromkeys(purpose for purpose in found if purpose is not None))
