"""What may stop people: signs of trouble that the events themselves show.

What is suspected is chosen beforehand by what it is, never by how the numbers turned out: events that fail, slow
loading, prices that appear on the way, browsers and the like. A product's price or an ad's campaign go with buying too,
but they are no trouble; whoever wants to ask about them names the property.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from polku.kernels import obstacles as kernel
from polku.kernels.columns import Columns
from polku.language import N_, Reader
from polku.measures.steps import chain_of, chain_text, title_of
from polku.measures.view import View, known
from polku.trails.properties import Property

U8 = npt.NDArray[np.uint8]
Kind = Literal["failure", "no_result", "slow", "cost", "technical", "property", "missing"]
#: What is looked for unless told otherwise. That a planned touchpoint was not met says more of how keen people are than
#: of trouble, so it is asked about on request.
USUAL: tuple[Kind, ...] = ("failure", "no_result", "slow", "cost", "technical")
KINDS: tuple[Kind, ...] = (*USUAL, "missing")

#: Words in an event's name or a page's path that tell of trouble, in English and Finnish.
TROUBLE = re.compile(
    r"fail|error|exception|declin|reject|denied|unavailable|out.of.stock|sold.out|time.?out|timed.out|not.found|crash"
    r"|broken|invalid|rage.?click|dead.?click|slow|"
    r"virhe|epäonnis|epaonnis|hylät|hylat|hidas|loppuun.myy|ei.löydy|ei.loydy|katkesi",
    re.IGNORECASE,
)
TROUBLED_PAGE = re.compile(r"(^|/)(404|500|503|error|not-found|virhe|sivua-ei-loydy)(\.\w+)?/?$", re.IGNORECASE)
#: Last words of properties. How long something took; what is charged on top; what the customer's device is.
TOOK = re.compile(
    r"^(page_?)?(load|loading|response|render)(_?(time|duration))?(_?(ms|s|sec|seconds|milliseconds))?$"
    r"|^(lcp|largest_contentful_paint|ttfb)(_?ms)?$",
    re.IGNORECASE,
)
CHARGED = re.compile(
    r"^(shipping|delivery|postage|handling|service|payment|booking)?_?(fee|fees|cost|costs|price|charge|surcharge)$"
    r"|^(shipping|postage|toimitus(kulut?|maksu|hinta)|posti(kulut?|maksu)|käsittelykulut?)$",
    re.IGNORECASE,
)
RESULTS = re.compile(
    r"^((total|num|number_of|n)_?)?(search_?)?(results?|hits|matches)(_?(count|total))?$|^(osumia|tuloksia|tulosten_määrä)$",
    re.IGNORECASE,
)
PLAIN_PRICE = re.compile(r"^(price|cost|costs)$", re.IGNORECASE)  # of the thing itself
DEVICE = re.compile(
    r"^\$?(browser|browser_?name|browser_?version|os|os_?name|os_?version|operating_?system|app_?version|platform)$",
    re.IGNORECASE,
)
DEVICE_OF = re.compile(r"(^|\.)(browser|os|app)\.(name|version)$", re.IGNORECASE)
LIKE = re.compile(r"(^|\.)\$?device_?(\.)?_?(type|category)$", re.IGNORECASE)
#: Slower than this is poor by Google's Web Vitals (largest contentful paint); seconds.
SLOW = 4.0
#: Values of one property that are asked about, the most common; and kinds of devices that are told apart.
MOST_VALUES, MOST_LIKE = 12, 15


@dataclasses.dataclass(frozen=True, slots=True)
class Suspect:
    """Something that may stop people.

    ``what`` is an event's name, a page (with a slash in front), a property or, of a ``missing`` one, a touchpoint;
    ``value`` the property's value; ``touchpoint`` where it is met, empty for an event, which has no place of its own,
    and for a property that is asked about at every touchpoint.
    """

    kind: Kind
    what: str
    value: str = ""
    touchpoint: str = ""

    @property
    def id(self) -> str:
        """The suspect as one name of a selector.

        >>> Suspect("failure", "Payment Failed").id
        'failure>Payment%20Failed>>'
        """
        return chain_text((self.kind, self.what, self.value, self.touchpoint))

    @classmethod
    def of(cls, id: str) -> Suspect:
        """The suspect of an id. Raises MeasureError for a kind that there is not."""
        kind, what, value, touchpoint = (*chain_of(id), "", "", "")[:4]
        place = known(kind, get_args(Kind), N_("There is no kind of obstacle {name!r}.{meant} There are: {known}."))
        return cls(get_args(Kind)[place], what, value, touchpoint)

    @property
    def is_event(self) -> bool:
        return self.kind in ("failure", "no_result", "slow")

    @property
    def steady(self) -> bool:
        """Whether it stays with the customer."""
        return self.kind in ("technical", "property", "missing")

    def title(self, view: View, reader: Reader) -> str:
        """What it is, in words."""
        if self.kind == "failure":
            return reader("page {page}", page=self.what) if self.what.startswith("/") else self.what
        if self.kind == "slow":
            return reader("{property}: {seconds} s or more", property=last(self.what), seconds=reader.number(SLOW))
        if self.kind == "no_result":
            return reader("{property}: none", property=last(self.what))
        if self.kind == "cost":
            return reader("extra price seen: {property}", property=last(self.what))
        if self.kind == "missing":
            return reader("not met before: {touchpoint}", touchpoint=reader.said(title_of(view.journey, self.what)))
        return f"{last(self.what)} = {self.value}"


@dataclasses.dataclass(frozen=True, eq=False)
class Looked:
    """A suspect as the kernel takes it: ``own`` (a touchpoint's number, EVENT or EVERYWHERE) and uint8[N] a bucket."""

    suspect: Suspect
    own: int
    hits: tuple[U8, ...]


def suspects(view: View, way: kernel.Way, kinds: Sequence[str], properties: Sequence[str]) -> Iterator[Looked]:
    """Everything that these trails let one suspect, one by one. Raises MeasureError for an unknown property."""
    names = _names(view) if set(kinds) - {"failure", "missing"} else {}
    if "failure" in kinds:
        for event in sorted(set(view.trails.tables.code_event)):
            if _event_codes(view, event).any():
                yield looked(view, way, Suspect("failure", event))
        pages = view.trails.tables.pages
        troubled = pc.match_substring_regex(pages.array, TROUBLED_PAGE.pattern, ignore_case=True)
        for row in np.flatnonzero(troubled.to_numpy(zero_copy_only=False)):
            yield looked(view, way, Suspect("failure", pages[int(row)]))
    events: tuple[tuple[Kind, re.Pattern[str]], ...] = (("no_result", RESULTS), ("slow", TOOK))
    for kind, pattern in events:
        if kind in kinds:
            yield from (looked(view, way, Suspect(kind, n)) for n in names if pattern.search(last(n)))
    if "cost" in kinds:
        for name in names:
            if CHARGED.search(last(name)) and not PLAIN_PRICE.search(last(name)):
                for touchpoint in _touchpoints_with(view, way, view.property(name)):
                    yield looked(view, way, Suspect("cost", name, "", touchpoint))
    device = [n for n in names if DEVICE.search(last(n)) or DEVICE_OF.search(n)] if "technical" in kinds else []
    asked: tuple[tuple[Kind, Sequence[str]], ...] = (("technical", device), ("property", properties))
    for kind, wanted in asked:
        for name in wanted:
            found = view.property(name)
            for word in _common(found):
                yield looked(view, way, Suspect(kind, name, word), found)
    if "missing" in kinds:
        for place, _, planned in view.journey.touchpoints():
            if place < way.goal_stage and not planned.optional:
                yield looked(view, way, Suspect("missing", planned.id))


def looked(view: View, way: kernel.Way, suspect: Suspect, found: Property | None = None) -> Looked:
    """The suspect's events. Raises MeasureError for what these trails do not know."""
    own = kernel.EVENT if suspect.is_event else kernel.EVERYWHERE
    if suspect.touchpoint:
        own = view.touchpoint(suspect.touchpoint)
    if suspect.kind == "failure" and suspect.what.startswith("/"):
        page = known(suspect.what, view.trails.tables.pages, N_("The page {name!r} has never been seen.{meant}"))
        hits = view.map(functools.partial(_on_page, page))
    elif suspect.kind == "failure":
        hits = view.map(functools.partial(_of_codes, _event_codes(view, suspect.what).astype(np.uint8)))
    elif suspect.kind == "missing":
        met = view.rules.code_touchpoint == view.touchpoint(suspect.what)
        hits = view.map(functools.partial(_missing, met, _later(view, way, suspect.what)))
    elif suspect.kind == "cost":
        numbers = view.numbers(suspect.what)
        hits = [np.where(np.isnan(n), kernel.UNKNOWN, n > 0).astype(np.uint8) for n in numbers]
    elif suspect.kind == "slow":
        hits = [(n >= _threshold(suspect.what)).astype(np.uint8) for n in view.numbers(suspect.what)]
    elif suspect.kind == "no_result":
        hits = [(n == 0).astype(np.uint8) for n in view.numbers(suspect.what)]
    else:
        found = found or view.property(suspect.what)
        word = known(suspect.value, found.words, N_("No event has the value {name!r} here.{meant} There are: {known}."))
        hits = [np.where(c == 0, kernel.UNKNOWN, c == word).astype(np.uint8) for c in found.codes]
    return Looked(suspect, own, tuple(hits))


def _names(view: View) -> list[str]:
    """The properties that were seen, told once for all who ask."""
    return view.once("names of properties", lambda: [p.name for p in view.property_names()])


def last(name: str) -> str:
    """The last part of a property's name.

    >>> last("context.device.browser"), last("context.browser.name")
    ('browser', 'browser.name')
    """
    *before, word = name.replace('"', "").split(".")
    return f"{before[-1]}.{word}" if before and word in ("name", "version", "type") else word


def likeness(view: View, name: str | None) -> tuple[str | None, tuple[U8, ...], int]:
    """The property within which people are alike, uint8[N] a bucket, and how many values are told apart.

    By default the kind of device where events tell it. Browsers come with devices, so a browser is compared with those
    on devices of the same kind.
    """
    if name is None:
        name = next((n for n in _names(view) if LIKE.search(n)), None)
    if name is None:
        return None, tuple(np.empty(0, np.uint8) for _ in view.columns), 1
    found = view.property(name)
    counts = found.counts()
    counts[0] = 0
    common = np.argsort(-counts, kind="stable")[:MOST_LIKE]
    number = np.zeros(len(counts), np.uint8)
    number[common] = np.arange(1, len(common) + 1)
    number[0] = 0
    return name, tuple(number[codes] for codes in found.codes), len(common) + 1


def _event_codes(view: View, event: str) -> npt.NDArray[np.bool_]:
    """bool[codes]: the codes of this event that fail: those that the map's ``fails`` name, or all of one that is called
    so.
    """
    tables = view.trails.tables
    named = np.array([e == event for e in tables.code_event], np.bool_)
    return named if TROUBLE.search(event) else named & (np.asarray(tables.code_fails) >= 0)


def _of_codes(wanted: U8, bucket: Columns) -> U8:
    return np.asarray(wanted[bucket.code], np.uint8)


def _on_page(page: int, bucket: Columns) -> U8:
    return np.asarray(bucket.page == page, np.uint8)


def _missing(met: npt.NDArray[np.bool_], asked: npt.NDArray[np.bool_], bucket: Columns) -> U8:
    found = np.asarray(kernel.not_yet_met(bucket, met), np.uint8)
    found[~asked[bucket.code]] = kernel.UNKNOWN
    return found


def _later(view: View, way: kernel.Way, touchpoint: str) -> npt.NDArray[np.bool_]:
    """bool[codes]: touchpoints of later stages, up to the goal's: where it is asked whether this one was met before."""
    place = way.place
    stage = np.where(place >= 0, way.stage[np.maximum(place, 0)], -1)
    return np.asarray((stage > way.stage[view.touchpoint(touchpoint)]) & (stage <= way.goal_stage), np.bool_)


def _threshold(name: str) -> float:
    """What ``SLOW`` is in the property's unit: milliseconds, unless its name says seconds."""
    return SLOW if re.search(r"_(s|sec|seconds)$", last(name)) else SLOW * 1000


def _common(found: Property) -> list[str]:
    counts = found.counts()
    counts[0] = 0
    return [found.words[i] for i in np.argsort(-counts, kind="stable")[:MOST_VALUES] if counts[i] > 0]


def _touchpoints_with(view: View, way: kernel.Way, found: Property) -> list[str]:
    """The touchpoints on the way to the goal whose events have the property."""
    have = np.zeros(len(way.place), np.bool_)
    for bucket, codes in zip(view.columns, found.codes, strict=True):
        have |= np.bincount(bucket.code[codes > 0], minlength=len(have)) > 0
    ids = view.journey.touchpoint_ids
    have &= ~way.goal & (way.place >= 0)
    return [ids[t] for t in sorted({int(way.place[k]) for k in np.flatnonzero(have)}) if way.stage[t] <= way.goal_stage]
