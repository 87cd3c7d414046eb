"""Is a user agent a robot? By the kept list of monperrus/crawler-user-agents (MIT), which comes as a package.

Not counted are programs by which servers speak for people (HTTP libraries such as python-requests) and the proxies
through which people see the pictures of their mail (Gmail's, Yahoo's).
"""

from __future__ import annotations

import functools
import re

#: Kinds of the list that are no robots by themselves.
LIBRARIES = "http-library"
#: What opens a mail's pictures for the person who reads it.
PROXIES = frozenset({"GoogleImageProxy", "YahooMailProxy", "FastmailUA"})
#: A pattern that is a plain text but for escapes.
PLAIN = re.compile(r"^(?:[^\\.^$*+?{}\[\]|()]|\\[^\w])+$")
#: What the usual browsers say of themselves and nothing behind it: most agents, told without a look at the list.
BROWSER = re.compile(
    r"Mozilla/5\.0 \((?:Windows NT [\d.]+; Win64; x64|Macintosh; Intel Mac OS X [\d_.]+|X11; Linux x86_64|"
    r"Linux; Android [\d.]+; K|(?:iPhone; CPU iPhone OS|iPad; CPU OS) [\d_]+ like Mac OS X)(?:; rv:[\d.]+)?\) "
    r"(?:AppleWebKit/[\d.]+ \(KHTML, like Gecko\) (?:Chrome/[\d.]+(?: Mobile)?|Version/[\d.]+(?: Mobile/\w{1,10})?) "
    r"Safari/[\d.]+(?: Edg/[\d.]+)?|Gecko/[\d.]+ Firefox/[\d.]+)"
)
#: Robots that do not know of the list.
WORDS = re.compile(r"(?i)\b\w*(?:bot|crawler|spider)\b[/;) ]")


@functools.cache
def patterns() -> tuple[tuple[str, ...], re.Pattern[str]]:
    """The list's plain texts, and its other patterns as one."""
    import crawleruseragents  # here: opening a project must not wait for it

    wanted = [
        one["pattern"]
        for one in crawleruseragents.CRAWLER_USER_AGENTS_DATA
        if LIBRARIES not in one.get("tags", ()) and one["pattern"] not in PROXIES
    ]
    plain = tuple(re.sub(r"\\(.)", r"\1", p) for p in wanted if PLAIN.match(p))
    others = [p for p in wanted if not PLAIN.match(p)]
    return plain, re.compile("|".join(f"(?:{p})" for p in others))


@functools.lru_cache(maxsize=100_000)
def is_robot(agent: str) -> bool:
    """Whether ``agent`` says of itself that it is a robot.

    >>> is_robot("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)")
    True
    >>> is_robot("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"), is_robot("axios/1.7")
    (False, False)
    """
    if BROWSER.fullmatch(agent):
        return False
    plain, others = patterns()
    agent = agent[:1000]
    return any(text in agent for text in plain) or others.search(agent) is not None or WORDS.search(agent) is not None
