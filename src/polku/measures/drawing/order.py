"""In which order nodes stand in their columns so that few links cross: the barycentre method.

Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures" (IEEE SMC-11, 1981):
each column in turn is sorted by the weighted mean place of its nodes' neighbours, forwards and backwards, as long as
that lessens the crossings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from polku.measures.charts import Link, Node

SWEEPS = 8


def columns_of(nodes: Sequence[Node]) -> list[list[str]]:
    """The nodes' ids by level from the left, empty levels left out, the largest first."""
    levels: dict[int, list[Node]] = {}
    for node in nodes:
        levels.setdefault(node.level, []).append(node)
    return [[n.id for n in sorted(levels[at], key=lambda n: -n.n)] for at in sorted(levels)]


def ordered(nodes: Sequence[Node], links: Sequence[Link]) -> list[list[str]]:
    """The columns with few crossings; the same every time for the same nodes and links."""
    columns = columns_of(nodes)
    column = {id: c for c, ids in enumerate(columns) for id in ids}
    kept = [li for li in links if li.source in column and li.target in column and li.source != li.target]
    beside: dict[str, list[tuple[str, float]]] = {id: [] for id in column}
    for link in kept:
        beside[link.source].append((link.target, link.n))
        beside[link.target].append((link.source, link.n))
    best, fewest = [list(c) for c in columns], crossings(columns, kept)
    for sweep in range(SWEEPS):
        if fewest == 0:
            break
        forwards = sweep % 2 == 0
        order = range(1, len(columns)) if forwards else range(len(columns) - 2, -1, -1)
        for c in order:
            place = {id: (i + 0.5) / len(ids) for ids in columns for i, id in enumerate(ids)}
            columns[c] = _sorted(columns[c], place, beside, column, c, forwards)
        found = crossings(columns, kept)
        if found < fewest:
            best, fewest = [list(ids) for ids in columns], found
    return best


def _sorted(
    ids: list[str], place: Mapping[str, float], beside: Mapping[str, list[tuple[str, float]]],
    column: Mapping[str, int], at: int, forwards: bool,
) -> list[str]:  # fmt: skip
    def middle(id: str) -> float:
        near = [
            (place[other], n) for other, n in beside[id] if (column[other] < at) is forwards and column[other] != at
        ]
        weight = sum(n for _, n in near)
        return sum(p * n for p, n in near) / weight if weight else place[id]

    return sorted(ids, key=middle)


def crossings(columns: Sequence[Sequence[str]], links: Sequence[Link]) -> float:
    """How much crosses between columns: each pair of crossing links counts the smaller of the two.

    >>> a, b = Link("a", "d", 2), Link("b", "c", 5)
    >>> crossings([["a", "b"], ["c", "d"]], [a, b]), crossings([["b", "a"], ["c", "d"]], [a, b])
    (2, 0)
    """
    where = {id: (c, i) for c, ids in enumerate(columns) for i, id in enumerate(ids)}
    spans: dict[tuple[int, int], list[tuple[int, int, float]]] = {}
    for link in links:
        ends = sorted((where[link.source], where[link.target]))
        spans.setdefault((ends[0][0], ends[1][0]), []).append((ends[0][1], ends[1][1], link.n))
    return sum(
        min(one[2], other[2])
        for between in spans.values()
        for i, one in enumerate(between)
        for other in between[i + 1 :]
        if (one[0] - other[0]) * (one[1] - other[1]) < 0
    )
