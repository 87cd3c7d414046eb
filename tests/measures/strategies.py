"""Random maps and people, small and dense, so that ties and window edges are common."""

from __future__ import annotations

from hypothesis import strategies as st

from measures.small_world import journey_of

DAY = 86400
NAMES = ("ad", "view", "cart", "order")
WINDOWS = ("2s", "3s", "5s", "10s")


@st.composite
def atom(draw):
    names = ", ".join(draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True)))
    sign = draw(st.sampled_from([">=", ">", "<=", "<", "=", "!="]))
    within = draw(st.sampled_from(["", *(f" within {w}" for w in WINDOWS)]))
    kind = draw(st.integers(0, 2))
    if kind == 0:
        return f"count({names}) {sign} {draw(st.integers(0, 3))}{within}"
    if kind == 1:
        sums = ", ".join(f"{n}.value" for n in names.split(", "))
        return f"sum({sums}) {sign} {draw(st.sampled_from(['0', '0.3', '10', '25.5']))}{within}"
    return f"days_since({names}) {sign} {draw(st.integers(0, 6)) / DAY:.9f}"


conditions = st.recursive(
    atom(),
    lambda inner: st.one_of(
        inner.map(lambda c: f"not ({c})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda p: f"({p[0]}) {p[1]} ({p[2]})"),
    ),
    max_leaves=3,
)


@st.composite
def journeys(draw):
    stages = []
    homes = [draw(st.integers(0, 2)) for _ in NAMES]
    for s in range(draw(st.integers(3, 4))):
        more = {}
        if draw(st.booleans()) or s == 3:
            more["enter"] = draw(conditions)
        if draw(st.booleans()):
            more["lapses_after"] = draw(st.integers(1, 8))
        if draw(st.integers(0, 3)) == 0:
            more["active_on"] = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True))
        stages.append((f"s{s}", [n for n, h in zip(NAMES, homes, strict=True) if h == s], more))
    return journey_of(*stages, window=draw(st.integers(1, 12)))


events = st.tuples(
    st.integers(100, 125),
    st.sampled_from([*NAMES, "other", "!cart"]),
    st.sampled_from([None, None, 0.1, 0.2, 10.0, -5.0, 25.5]),
)
people = st.lists(st.lists(events, min_size=0, max_size=9).map(lambda p: sorted(p, key=lambda e: e[0])), max_size=6)
moments = st.integers(95, 140)
