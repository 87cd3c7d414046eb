"""Where a visit came from: (source, medium, campaign) of an event.

In this order: the event's ``context.campaign``; for a page view, the host of ``context.page.referrer`` when it is not
the page's own host; the event's channel when it is one that brings people (not ``web`` or ``app``). Otherwise none.
"""

from __future__ import annotations

from polku.kernels.compiled import kernel
from polku.trails.layout import Origin

NONE: Origin = (None, None, None)
#: Channels that say where the event happened, not where the customer came from.
OWN_CHANNELS = frozenset({"web", "app"})
#: Names of well-known referrers and what they are, by the registered part of the host.
SEARCH = {
    "google": "google", "bing": "bing", "duckduckgo": "duckduckgo", "yahoo": "yahoo", "ecosia": "ecosia",
    "yandex": "yandex", "baidu": "baidu", "startpage": "startpage", "qwant": "qwant", "brave": "brave",
}  # fmt: skip
SOCIAL = {
    "facebook": "facebook", "fb": "facebook", "instagram": "instagram", "tiktok": "tiktok", "linkedin": "linkedin",
    "lnkd": "linkedin", "twitter": "twitter", "x": "twitter", "pinterest": "pinterest", "pin": "pinterest",
    "youtube": "youtube", "youtu": "youtube", "reddit": "reddit", "snapchat": "snapchat", "threads": "threads",
    "whatsapp": "whatsapp", "telegram": "telegram", "discord": "discord", "jodel": "jodel",
}  # fmt: skip
#: Endings under which anyone registers a name of their own: google.co.uk is Google, google.example.co.uk is not.
SECOND_LEVEL = frozenset({"co", "com", "org", "net", "ac", "gov", "edu"})


def of_referrer(host: str) -> Origin:
    """The origin that a referring host stands for.

    >>> of_referrer("l.instagram.com"), of_referrer("google.co.uk"), of_referrer("blog.example.fi")
    (('instagram', 'social', None), ('google', 'organic', None), ('blog.example.fi', 'referral', None))
    """
    host = host.lower().strip(".")
    parts = host.split(".")
    at = -2
    if len(parts) >= 3 and parts[-2] in SECOND_LEVEL and len(parts[-1]) == 2:
        at = -3
    name = parts[at] if len(parts) >= -at else host
    if host == "t.co":
        return ("twitter", "social", None)
    if name in SEARCH:
        return (SEARCH[name], "organic", None)
    if name in SOCIAL:
        return (SOCIAL[name], "social", None)
    return (host, "referral", None)


def of_channel(channel: str | None) -> Origin:
    """The origin that an event's channel alone stands for.

    >>> of_channel("email"), of_channel("web")
    (('email', None, None), (None, None, None))
    """
    return NONE if channel is None or channel in OWN_CHANNELS else (channel, None, None)


@kernel
def narrow_to_host(data, spans, kinds):  # type: ignore[no-untyped-def]
    """Narrow spans of URLs to their hosts, in place; what is no URL becomes absent (kind 0). ``www.`` is left out."""
    for r in range(len(kinds)):
        if kinds[r] == 0:
            continue
        i, j = spans[r, 0], spans[r, 1]
        k = i
        while k + 2 < j and not (data[k] == 58 and data[k + 1] == 47 and data[k + 2] == 47):  # ://
            k += 1
        if k + 2 >= j:
            kinds[r] = 0
            continue
        start = k + 3
        end = start
        while end < j and data[end] != 47 and data[end] != 63 and data[end] != 35:  # / ? #
            if data[end] == 64:  # what stands before @ is not the host
                start = end + 1
            end += 1
        for c in range(start, end):
            if data[c] == 58:  # the port is not the host
                end = c
                break
        if (
            end - start > 4
            and data[start] == 119
            and data[start + 1] == 119
            and data[start + 2] == 119
            and data[start + 3] == 46
        ):
            start += 4
        spans[r, 0], spans[r, 1] = start, end
        if end <= start:
            kinds[r] = 0
