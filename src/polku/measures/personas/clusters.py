"""Kinds of customers that behaviour shows."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from polku.errors import MeasureError
from polku.kernels import features as kernel
from polku.language import N_, Reader
from polku.measures.answer import Answer, Cell, Table, rate_cell, words
from polku.measures.charts import Bars, Chart, Series
from polku.measures.leads.examples import TITLES, column_title
from polku.measures.personas.fit import TOUCH_HEADS
from polku.measures.personas.telling import Lists, Seen, Touch, seen_in, telling
from polku.measures.result import Count, Rate
from polku.measures.selectors import Selector
from polku.measures.steps import chain_of, chain_text
from polku.measures.view import Mask, View
from polku.statistics import clusters as statistics
from polku.statistics.clusters import Method, Tried, scaled

F64 = npt.NDArray[np.float64]
#: Of what every map has, the columns that say how people behave; age and silence say when they came.
BEHAVIOUR = ("events", "days", "sessions", "pages", "money")
UNSTABLE = N_("would hardly be found again")


@dataclasses.dataclass(frozen=True, slots=True)
class Cluster:
    """One kind of customers: ``number`` from 1, the largest first; ``middle`` the median of each column."""

    number: int
    share: Rate
    stability: float
    middle: tuple[tuple[str, float], ...]
    touches: tuple[Touch, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found(Answer):
    name = "clusters"
    says = (
        N_(
            "Everyone with an event in the period, by what they did in it: events, active days, sessions, page views, "
            "money, and how often each touchpoint and channel; on the scale of log(1 + n), standardised."
        ),
        N_(
            "Clusters are found by k-means, their number where the silhouette is greatest (Rousseeuw); or by a "
            "Gaussian mixture, their number where BIC is least. The same data gives the same clusters."
        ),
        N_(
            "Stability = the mean likeness (Jaccard) of a cluster to the one found again in a resample; above 0.75 it "
            "is found again (Hennig). A silhouette below 0.25 means that people differ by degrees, not by kinds."
        ),
        N_(
            "Lift of a touchpoint = the share of the cluster that met it / the share of the others, with its 95 % "
            "interval; the clusters were made of the same counts, so that they differ is no finding, only how."
        ),
    )

    method: str
    everyone: Count
    k: int
    silhouette: float | None
    reason: str | None  # why there are none, or a caution
    tried: tuple[Tried, ...]
    clusters: tuple[Cluster, ...]

    def tables(self, reader: Reader) -> tuple[Table, ...]:
        title = reader("Clusters")
        if self.silhouette is not None:
            title = reader("{title}, silhouette {value}", title=title, value=reader.number(self.silhouette, 2))
        if self.reason is not None:
            title = reader("{title}: {reason}", title=title, reason=reader(self.reason))
        columns = [name for name, _ in self.clusters[0].middle] if self.clusters else []
        heads = (
            reader("cluster"), reader("share of customers"), reader("stability"),
            *(reader("{column}, median", column=column_title(self.view, c, reader)) for c in columns),
        )  # fmt: skip
        rows = tuple(
            (
                words(str(c.number), c.number), rate_cell(c.share, reader),
                Cell(reader.number(c.stability, 2), c.stability, number=True,
                     note=None if c.stability > statistics.STABLE else reader(UNSTABLE)),
                *(Cell(reader.number(m, 1), m, c.share.behind, number=True) for _, m in c.middle),
            )
            for c in self.clusters
        )  # fmt: skip
        found = [Table(title, heads, rows)]
        touches = tuple(
            (words(str(c.number), c.number), *t.cells(reader)) for c in self.clusters for t in c.touches
        )  # fmt: skip
        if touches:
            found.append(
                Table(reader("What tells them apart"), (reader("cluster"), *map(reader, TOUCH_HEADS)), touches)
            )  # fmt: skip
        if len(self.tried) > 1:
            tried = tuple(
                (
                    Cell(str(t.k), t.k, number=True), Cell(reader.number(t.silhouette, 3), t.silhouette, number=True),
                    Cell("–" if t.bic is None else reader.number(t.bic, 0), t.bic, number=True),
                )
                for t in self.tried
            )  # fmt: skip
            heads = (reader("clusters"), reader("silhouette"), reader("BIC"))
            found.append(Table(reader("How many clusters"), heads, tried))
        return tuple(found)

    def charts(self, reader: Reader) -> tuple[Chart, ...]:
        if not self.clusters:
            return ()
        labels = tuple(reader("cluster {n}", n=str(c.number)) for c in self.clusters)
        shares = Series(
            reader("share of customers"), tuple(c.share.value for c in self.clusters),
            behind=tuple(c.share.behind for c in self.clusters),
        )  # fmt: skip
        return (Bars(reader("Customers by cluster"), labels, (shares,), "share"),)


def clusters(view: View, method: Method = "kmeans", k: int | None = None) -> Found:
    """Clusters of the customers with an event in the view's period. ``k`` asks for so many, from 2 up.

    Where there are none, or they are blurred, the reason is told. Raises MissingExtraError without scikit-learn (extra
    ``models``).
    """
    if k is not None and k < 2:
        raise MeasureError(N_("There are at least 2 clusters; leave `k` out to let the data say."))
    seen, made = fitted(view, method, k)
    of = len(seen.rows.customer)
    options: dict[str, object] = {"method": None if method == "kmeans" else method, "k": k}

    def pick(*name: str, what: str = "in") -> str:
        return view.select("cluster", chain_text(name), what, **options)

    def lists(c: int, touchpoint: str) -> Lists:
        own = (str(c + 1), touchpoint)
        return Lists(
            pick(*own), pick(*own, what="not_met"), pick(own[0]), pick(*own, what="others"),
            pick(*own, what="others_not_met"), pick(own[0], what="others"),
        )  # fmt: skip

    rows: list[Cluster] = []
    if made.k > 1:
        chosen = [made.labels == c for c in range(made.k)]
        touches = telling(view, seen, chosen, lists)
        names = [n for n in BEHAVIOUR if n != "money" or _money(view)]
        for c, mine in enumerate(chosen):
            features = seen.rows.features[mine]
            middle = tuple((n, float(str(np.median(features[:, list(TITLES).index(n)])))) for n in names)
            share = Rate(int(mine.sum()), of, behind=pick(str(c + 1)), behind_not=pick(str(c + 1), what="others"),
                         behind_all=pick("*"))  # fmt: skip
            rows.append(Cluster(c + 1, share, made.stability[c], middle, touches[c]))
    return Found(
        period=view.period, persona=view.persona, segment=view.segment,
        method=method, everyone=Count(of, pick("*")), k=made.k, silhouette=made.silhouette, reason=made.reason,
        tried=made.tried, clusters=tuple(rows),
    )  # fmt: skip


def fitted(view: View, method: Method, k: int | None) -> tuple[Seen, statistics.Clusters]:
    seen = seen_in(view)
    return seen, view.once(("clusters", method, k), lambda: statistics.clusters(behaviour(view, seen), method, k))


def behaviour(view: View, seen: Seen) -> F64:
    """float64[n, columns]: the rows as clusters are found in them."""
    features = seen.rows.features
    kept = [list(TITLES).index(n) for n in BEHAVIOUR if n != "money" or _money(view)]
    kept += range(kernel.FIXED, kernel.FIXED + len(seen.groups.names))
    return scaled(np.asarray(features[:, kept], np.float64))


def _money(view: View) -> bool:
    return any(t.value is not None for _, _, t in view.journey.touchpoints())


def members(view: View, selector: Selector) -> list[Mask]:
    """bool[C] a bucket: a cluster's customers by its number (of them who met a touchpoint, or not), the others, or
    everyone with *.
    """
    method: Method = "mixture" if selector.option("method") == "mixture" else "kmeans"
    k = selector.option("k")
    number, *met = chain_of(selector.name)
    if number == "*":
        seen = seen_in(view)
        return seen.masks(view, np.ones(len(seen.rows.customer), np.bool_))
    seen, made = fitted(view, method, int(k) if k else None)
    if not number.isdigit() or not 1 <= int(number) <= made.k or made.k < 2:
        raise MeasureError(N_("There is no cluster {name!r}; there are {n}."), name=number, n=made.k)
    inside = made.labels == int(number) - 1
    chosen = ~inside if selector.what.startswith("others") else inside
    for name in met:
        chosen = chosen & (seen.met_by(name) != selector.what.endswith("not_met"))
    return seen.masks(view, chosen)
