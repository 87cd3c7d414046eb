"""Who is who as plain Python: the rule over the whole set of evidence at once, without order, batches or a database."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

import pyarrow as pa

from polku.record.hashes import id_hash
from polku.record.quarantine import Caps

STRENGTH = ("user", "number", "email", "phone", "anonymous")
Pair = frozenset[str]


@dataclasses.dataclass(frozen=True)
class Told:
    """One event: its ids, the other ids that it names (kind to value), the former id of an alias."""

    time: int
    user: str | None = None
    anonymous: str | None = None
    ids: tuple[tuple[str, str], ...] = ()
    previous: str | None = None


@dataclasses.dataclass
class Words:
    """What people said: pairs joined by hand (the latest last), pairs undone, verdicts on ids."""

    said: list[Pair] = dataclasses.field(default_factory=list)
    undone: set[Pair] = dataclasses.field(default_factory=set)
    verdicts: dict[str, str] = dataclasses.field(default_factory=dict)


def kind(node: str) -> str:
    """``user``, ``email``... of ``u:anna``, ``u:email:x``; ``anonymous`` of ``a:cookie``."""
    if node.startswith("a:"):
        return "anonymous"
    head = node[2:].partition(":")[0]
    return head if head in STRENGTH[1:4] and ":" in node[2:] else "user"


def hashed(node: str) -> int:
    return int(id_hash("anonymous" if node.startswith("a:") else "user", pa.array([node[2:]]))[0])


def junk(word: str) -> bool:
    return not int(id_hash("user", pa.array([word]))[0])


def evidence(events: Iterable[Told]) -> tuple[set[str], dict[Pair, int]]:
    """Every id that was named, and every pair that events named together with its first time."""
    nodes: set[str] = set()
    pairs: dict[Pair, int] = {}
    aliases: list[tuple[str, str, int]] = []

    def see(one: str, other: str, time: int) -> None:
        if one != other:
            pair = frozenset((one, other))
            pairs[pair] = min(time, pairs.get(pair, time))

    for told in events:
        user = f"u:{told.user}" if told.user and not junk(told.user) else None
        anonymous = f"a:{told.anonymous}" if told.anonymous and not junk(told.anonymous) else None
        others = [f"u:{k}:{v}" for k, v in told.ids if not junk(v)]
        own = user or min(others, key=lambda n: (STRENGTH.index(kind(n)), hashed(n)), default=None)
        nodes |= {n for n in (user, anonymous, *others) if n}
        if own is None:
            continue
        for other in (anonymous, *others):
            if other:
                see(own, other, told.time)
        if told.previous and not junk(told.previous) and f"u:{told.previous}" != own:
            nodes.add(f"a:{told.previous}")
            see(own, f"a:{told.previous}", told.time)
            aliases.append((own, f"u:{told.previous}", told.time))
    for own, former, time in aliases:
        if former in nodes:
            see(own, former, time)
    return nodes, pairs


def held(pairs: Iterable[Pair], words: Words, caps: Caps) -> set[str]:
    """Ids that join nothing."""
    others: dict[tuple[str, str], set[str]] = {}
    for pair in pairs:
        if pair not in words.undone and pair not in words.said:
            for one, other in (tuple(pair), tuple(pair)[::-1]):
                others.setdefault((one, kind(other)), set()).add(other)
    over = {node for (node, other), them in others.items() if len(them) > caps.of(kind(node), other)}
    over |= {node for node, verdict in words.verdicts.items() if verdict == "kept"}
    return over - {node for node, verdict in words.verdicts.items() if verdict == "released"}


def groups(events: Iterable[Told], words: Words, caps: Caps) -> set[frozenset[str]]:
    """The customers: all ids, as they hang together."""
    nodes, pairs = evidence(events)
    out = held(pairs, words, caps)
    by_hand = [pair for pair in words.said if pair not in words.undone]
    alive = [p for p in pairs if p not in words.undone and p not in words.said and not p & out]
    edges: list[Pair] = []
    owners: dict[str, list[tuple[int, int, int, Pair]]] = {}
    for pair in [*by_hand, *alive]:
        anonymous = [n for n in pair if kind(n) == "anonymous"]
        if len(anonymous) != 1:
            edges.append(pair)
            continue
        (user,) = pair - set(anonymous)
        spoken = pair in words.said
        when = -len(words.said) + (len(words.said) - words.said.index(pair)) if spoken else pairs[pair]
        owners.setdefault(anonymous[0], []).append((not spoken, when, hashed(user), pair))
    edges += [min(claims)[3] for claims in owners.values()]
    return components(nodes, edges)


def components(nodes: Iterable[str], edges: Iterable[Pair]) -> set[frozenset[str]]:
    group: dict[str, set[str]] = {node: {node} for node in nodes}
    for edge in edges:
        one, other = edge
        if group[one] is not group[other]:
            group[one] |= group[other]
            for node in group[other]:
                group[node] = group[one]
    return {frozenset(g) for g in group.values()}


def rows(events: Iterable[Told]) -> Mapping[str, list[object]]:
    """The events as columns."""
    listed = list(events)
    return {
        "time": [e.time * 1_000_000 for e in listed],
        "user_id": [e.user for e in listed],
        "anonymous_id": [e.anonymous for e in listed],
        "ids": [{**dict(e.ids), **({"previous": e.previous} if e.previous else {})} for e in listed],
    }
