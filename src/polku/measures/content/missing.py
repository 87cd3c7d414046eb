"""What is missing: questions of the map without content, searches with no result, content that nobody met."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable
from typing import Literal

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.journey.model import Journey, Text, titled
from polku.kernels.columns import Columns
from polku.language import N_
from polku.measures.result import Count, Rate
from polku.measures.selectors import Maker
from polku.measures.view import Mask, View

I64 = npt.NDArray[np.int64]
U32 = npt.NDArray[np.uint32]
F64 = npt.NDArray[np.float64]
QUERY, RESULTS = "properties.query", "properties.results"
FOLDER = "content"
NO_SEARCH = N_("Nobody has searched for {name!r}.")
#: What stands before the ending of a file that exists in several languages: thank_you.fi.md.
LANGUAGE = re.compile(r"[.][a-z]{2}$")


@dataclasses.dataclass(frozen=True, slots=True)
class Unanswered:
    """A question of the map where neither its touchpoint nor its stage names any content."""

    stage: str
    touchpoint: str | None
    title: Text
    question: Text


@dataclasses.dataclass(frozen=True, slots=True)
class Search:
    """Words that were searched for; ``empty`` are the searches of which none was found."""

    query: str
    customers: Count
    empty: Rate


@dataclasses.dataclass(frozen=True, slots=True)
class Unread:
    """Content that nobody met in the period: a file of the project, or what a touchpoint of the map shows."""

    kind: Literal["file", "touchpoint"]
    name: str
    title: Text
    sent_by: tuple[str, ...] = ()  # guidance that sends the file, on or not


def unanswered(journey: Journey) -> tuple[Unanswered, ...]:
    """Questions of stages and touchpoints without content, in the map's order. A touchpoint's question counts as
    answered by content of the touchpoint itself; a stage's by content of the stage or of any touchpoint in it.
    """
    found = []
    for stage in journey.stages:
        if not stage.content and not any(t.content for t in stage.touchpoints):
            found += [Unanswered(stage.id, None, titled(stage), q) for q in stage.questions]
        for touchpoint in stage.touchpoints:
            if not touchpoint.content:
                found += [Unanswered(stage.id, touchpoint.id, titled(touchpoint), q) for q in touchpoint.questions]
    return tuple(found)


def folded(name: str) -> str:
    """A name without its language and ending, and without the signs that people write differently.

    >>> folded("content/Thank-you.fi.md"), folded("/oppaat/koko_opas/")
    ('thankyou', 'kokoopas')
    """
    last = name.rstrip("/").rpartition("/")[2].casefold()
    stem = re.sub(r"[.](md|txt|html|mjml|yaml)$", "", last)
    return re.sub(r"[-_ .]", "", LANGUAGE.sub("", stem))


def unread(view: View, met: Iterable[str], touchpoints_met: Iterable[str]) -> tuple[Unread, ...]:
    """Files under ``content/`` whose name no piece has, and touchpoints with content that nobody met. ``met`` are the
    names of all pieces that were met.
    """
    known = {folded(name) for name in met}
    found = []
    if view.project is not None and (view.project.folder / FOLDER).is_dir():
        folder = view.project.folder / FOLDER
        files = sorted(p.relative_to(view.project.folder).as_posix() for p in folder.rglob("*") if p.is_file())
        for name in files:
            if not name.rpartition("/")[2].startswith(".") and folded(name) not in known:
                senders = tuple(
                    g.id for g in view.journey.guidance
                    if g.send is not None and folded(str(g.send.get("content", ""))) == folded(name)
                )  # fmt: skip
                found.append(Unread("file", name, name, senders))
    there = set(touchpoints_met)
    found += [
        Unread("touchpoint", t.id, titled(t))
        for _, _, t in view.journey.touchpoints()
        if t.content and t.match and t.id not in there
    ]
    return tuple(found)


# ---- searches


@dataclasses.dataclass(frozen=True, eq=False)
class _Searched:
    """Counts int64[words, 3]: searches that tell their number of results, those without any, customers."""

    counts: I64

    def __add__(self, other: _Searched) -> _Searched:
        return _Searched(self.counts + other.counts)


def searches(view: View, select: Maker, limit: int) -> tuple[Search, ...]:
    """What was searched for in the period, the most often in vain first; nothing where searches tell no results."""
    found = _words(view)
    if found is None:
        return ()
    codes, results, words = found
    work = functools.partial(_searched, (view.start, view.end), len(words))
    zero = _Searched(np.zeros((len(words), 3), np.int64))
    counts = view.sum_with(work, zero, codes, results).counts
    order = np.lexsort((np.arange(len(words)), -counts[:, 0], -counts[:, 1]))
    order = order[(counts[order, 0] > 0)][:limit]
    return tuple(
        Search(
            words[w], Count(int(counts[w, 2]), select("content_search", words[w], "searched")),
            Rate(
                int(counts[w, 1]), int(counts[w, 0]), behind=select("content_search", words[w], "none"),
                behind_not=select("content_search", words[w], "some"),
                behind_all=select("content_search", words[w], "searched"), unit="times",
            ),
        )
        for w in order
    )  # fmt: skip


def _words(view: View) -> tuple[tuple[U32, ...], tuple[F64, ...], list[str]] | None:
    """The words searched for by event, how many results there were, and the words; None where nobody says."""
    here = {p.name for p in view.property_names()}
    if QUERY not in here or RESULTS not in here:
        return None
    query = view.property(QUERY)
    return query.codes, view.numbers(RESULTS), [str(w) for w in query.words.array.to_pylist()]


def _searched(span: tuple[int, int], words: int, bucket: Columns, codes: U32, results: F64) -> _Searched:
    told = _there(span, bucket, codes, results)
    word, customer = codes[told].astype(np.int64), _customers(bucket)[told]
    pairs = np.unique(customer * words + word) % words
    return _Searched(
        np.stack(
            [np.bincount(w, minlength=words) for w in (word, word[results[told] == 0], pairs)], axis=1
        )
    )  # fmt: skip


def _there(span: tuple[int, int], bucket: Columns, codes: U32, results: F64) -> Mask:
    inside = (bucket.time >= span[0]) & (bucket.time < span[1]) & (codes > 0) & ~np.isnan(results)
    return np.asarray(inside & ~bucket.skip[_customers(bucket)])


def _customers(bucket: Columns) -> I64:
    return np.repeat(np.arange(len(bucket.skip)), np.diff(bucket.offsets))


def search_members(view: View, query: str, what: str) -> list[Mask]:
    """bool[C] a bucket: who searched for something, did so in vain (none) or found something (some).

    Raises MeasureError where nobody searched for it.
    """
    found = _words(view)
    if found is None or query not in found[2]:
        raise MeasureError(NO_SEARCH, name=query)
    work = functools.partial(_searchers, (view.start, view.end), found[2].index(query), what)
    return view.map_with(work, found[0], found[1])


def _searchers(span: tuple[int, int], word: int, what: str, bucket: Columns, codes: U32, results: F64) -> Mask:
    told = _there(span, bucket, codes, results) & (codes == word)
    if what != "searched":
        told &= (results == 0) == (what == "none")
    out = np.zeros(len(bucket.skip), np.bool_)
    out[_customers(bucket)[told]] = True
    return out
