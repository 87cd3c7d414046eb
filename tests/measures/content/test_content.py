"""Content: pieces, stages and what follows, by hand and against a plain reading of the same people."""

from __future__ import annotations

from collections import Counter, defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measures.behind import lists_agree
from measures.small_world import journey_of, trails
from polku.errors import MeasureError
from polku.journey.model import Journey
from polku.kernels import content as kernel
from polku.language import Reader
from polku.measures.ask import measure, measure_view
from polku.measures.content.content import content
from polku.measures.content.missing import folded, unanswered, unread
from polku.measures.content.pieces import count, pieces_of
from polku.measures.customers import customers_behind, keys_behind
from polku.measures.result import Period
from polku.measures.selectors import Selector
from polku.measures.view import EVER, view_of
from polku.trails.layout import moment
from polku.trails.people import trails_of

DAY = 86400
MAP = journey_of(("see", ["look"]), ("think", ["read"]), ("buy", ["order"]), window="10d")
GUIDE, BLOG = {"page": "/guide"}, {"page": "/blog"}


def asked(people, as_of=100 * DAY, buckets=2, period=EVER, **options):
    made = trails(MAP, people, buckets, as_of=as_of)
    return made, content(view_of(made, MAP, period=period), **{"by": "page", **options})


def piece(answer, name, group=0):
    return next(p for p in answer.groups[group].pieces if p.name == name)


#: Ten look at the blog and then leave; ten at the guide, of whom six read on. Everyone's first event is the same.
PEOPLE = [
    *([[(0, "look", None, BLOG)]] * 10),
    *([[(0, "look", None, GUIDE), (DAY, "read")]] * 6),
    *([[(0, "look", None, GUIDE)]] * 4),
]


def test_with_and_without_at_the_same_points():
    _, found = asked(PEOPLE)
    guide, blog = piece(found, "/guide"), piece(found, "/blog")
    assert (guide.went_on.numerator, guide.went_on.denominator) == (6, 10)
    assert (guide.without.value, guide.without.n) == (0.0, 10)
    assert guide.difference.value == pytest.approx(0.6)
    assert guide.difference.low > 0
    assert (blog.went_on.value, blog.without.value) == (0.0, 0.6)
    assert [c.n for c in guide.stages] == [0, 10, 0, 0]
    assert blog.difference.reason == "too few to say"


def test_the_keener_stage_is_no_merit_of_the_piece():
    """Those who met the guide stood in the later stage, where all go on; matched, it makes no difference."""
    late = [(0, "look"), (DAY, "read", None, GUIDE), (2 * DAY, "order")]
    late_without = [(0, "look"), (DAY, "read"), (2 * DAY, "order")]
    early = [(0, "look")]
    _, found = asked([late] * 8 + [late_without] * 8 + [early] * 30)
    guide = piece(found, "/guide")
    assert guide.went_on.value == 1.0
    assert guide.without.value == 1.0
    assert guide.difference.value == 0.0


def test_who_came_lately_and_the_last_stage_are_in_no_rate():
    _, found = asked([[(95 * DAY, "look", None, GUIDE)], [(0, "order"), (DAY, "order", None, GUIDE)]])
    guide = piece(found, "/guide")
    assert (guide.went_on.denominator, guide.went_on.pending) == (0, 1)
    assert guide.customers.n == 2
    assert [c.n for c in guide.stages] == [0, 1, 0, 1]
    assert (guide.difference.value, guide.difference.reason) == (None, "nobody else stood at the same points")


def test_a_goal_instead_of_a_later_stage():
    people = [[(0, "look", None, GUIDE), (DAY, "read")], [(0, "look", None, GUIDE), (DAY, "order")]]
    _, found = asked(people, to="order")
    assert (piece(found, "/guide").went_on.numerator, piece(found, "/guide").went_on.denominator) == (1, 2)
    _, soon = asked(people, to="order", within=3600)
    assert piece(soon, "/guide").went_on.numerator == 0


def test_dwell_first_last_and_the_period():
    person = [(0, "look", None, BLOG), (60, "look", None, GUIDE), (90, "look", None, GUIDE), (9000, "look", None, BLOG)]
    made, found = asked([person])
    blog, guide = piece(found, "/blog"), piece(found, "/guide")
    assert (blog.dwell.n, blog.dwell.median) == (1, 60)  # how long the last event was looked at is not known
    assert (guide.dwell.n, guide.meetings) == (1, 2)
    assert (blog.first_piece.n, blog.last_piece.n, guide.first_piece.n, guide.last_piece.n) == (1, 1, 0, 0)
    assert (blog.first_seen, blog.last_seen) == (moment(0), moment(9000))
    assert customers_behind(made, MAP, blog.first_piece.behind).total == 1
    _, later = asked([person], period=Period(moment(50), moment(DAY)))
    assert piece(later, "/blog").customers.n == 1
    assert sum(c.n for c in piece(later, "/blog").stages) == 0  # it was met before


def test_rows_beyond_the_limit_are_told_and_change_nothing():
    _, found = asked(PEOPLE, limit=1)
    assert (len(found.groups[0].pieces), found.groups[0].left_out) == (1, 1)
    _, all_of = asked(PEOPLE)
    assert found.groups[0].pieces[0] == all_of.groups[0].pieces[0]


VIDEO_MAP = Journey.model_validate(
    {
        "title": "Videos", "timezone": "UTC", "window": "5d",
        "stages": [
            {"id": "see", "questions": ["Is it for me?"], "touchpoints": [
                {"id": "home", "match": {"event": "page"}, "questions": ["What is this?"]},
                {"id": "video", "match": {"event": "Video Started"}, "content": ["A lesson"], "questions": ["How?"]},
                {"id": "letter", "match": {"event": "Email Opened"}, "content": ["Welcome"]}]},
            {"id": "buy", "questions": ["How much?"],
             "touchpoints": [{"id": "order", "match": {"event": "Order Completed"}}]},
        ],
    }
)  # fmt: skip
VIDEO_PEOPLE = {
    "anna": [
        ("2026-01-01 10:00", "page", {"path": "/", "campaign": {"source": "fb", "medium": "paid", "name": "spring"}}),
        ("2026-01-01 10:01", "Video Started", {"properties": {"video_id": "sun"}}),
        ("2026-01-01 10:11", "Video Finished", {"properties": {"video_id": "sun"}}),
        ("2026-01-02 10:00", "Order Completed", {"value": 10.0}),
    ],
    "bertta": [
        ("2026-01-01 10:00", "Video Started", {"properties": {"video_id": "sun"}}),
        ("2026-01-01 10:01", "Products Searched", {"properties": {"query": "mat", "results": 0}}),
        ("2026-01-01 10:02", "Products Searched", {"properties": {"query": "mat", "results": 3}}),
        ("2026-01-20 10:00", "page", {"path": "/"}),
    ],
}  # fmt: skip


def test_videos_campaigns_searches_and_what_is_missing():
    made = trails_of(VIDEO_MAP, VIDEO_PEOPLE)
    found = measure(made, "content", journey=VIDEO_MAP)
    assert [g.kind for g in found.groups] == ["page", "campaign", "video", "touchpoint"]
    sun = piece(found, "sun", 2)
    assert (sun.meetings, sun.customers.n) == (2, 2)
    assert (sun.completed.numerator, sun.completed.denominator) == (1, 2)
    assert piece(found, "/").completed is None
    assert (sun.went_on.numerator, sun.went_on.denominator) == (1, 2)
    assert piece(found, "spring", 1).customers.n == 1
    assert [(s.query, s.empty.numerator, s.empty.denominator) for s in found.searches] == [("mat", 1, 2)]
    for behind in (found.searches[0].empty.behind, found.searches[0].empty.behind_not, sun.completed.behind):
        assert customers_behind(made, VIDEO_MAP, behind).total == 1
    assert lists_agree(found, view_of(made, VIDEO_MAP)) > 20
    assert [(u.stage, u.touchpoint, u.question) for u in found.unanswered] == [
        ("see", "home", "What is this?"), ("buy", None, "How much?")
    ]  # fmt: skip
    assert [(u.kind, u.name) for u in found.unread] == [("touchpoint", "letter")]
    for language in ("en", "fi"):
        assert "sun" in "\n".join(found.text(Reader(language)))
        assert found.charts(Reader(language))
    assert found.to_dict()["groups"][2]["pieces"][0]["completed"]["value"] == 0.5


def test_files_that_nobody_met(tmp_path):
    folder = tmp_path / "content" / "oppaat"
    folder.mkdir(parents=True)
    for name in ("content/cart_reminder.fi.md", "content/welcome.en.md", "content/oppaat/koko-opas.fi.md"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    journey = VIDEO_MAP.model_copy(
        update={"guidance": Journey.model_validate({"title": "x", "stages": [{"id": "a"}], "guidance": [
            {"id": "hello", "when": {"entered": "a"}, "send": {"content": "content/welcome.fi.md"}}]}).guidance}
    )  # fmt: skip
    view = SimpleNamespace(project=SimpleNamespace(folder=tmp_path), journey=journey)
    found = unread(view, {"cart_reminder", "/oppaat/koko-opas"}, {"video", "letter"})
    assert [(u.name, u.sent_by) for u in found] == [("content/welcome.en.md", ("hello",))]
    assert folded("/Koko-opas/") == folded("content/koko_opas.fi.md")


def test_a_map_in_which_everything_is_answered():
    assert unanswered(MAP) == ()


def test_the_customers_behind():
    made, found = asked(PEOPLE, buckets=3)
    guide = piece(found, "/guide")

    def total(behind):
        return customers_behind(made, MAP, behind).total

    assert total(guide.customers.behind) == 10
    assert (total(guide.went_on.behind), total(guide.went_on.behind_not)) == (6, 4)
    assert [total(c.behind) for c in guide.stages] == [0, 10, 0, 0]
    assert (total(guide.first_piece.behind), total(guide.last_piece.behind)) == (10, 10)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(0, 12), st.sampled_from([None, "order"]))
def test_every_number_has_its_list(seed, within, start, to):
    """People of few events, so that some meet a piece where nobody or few others stood."""
    chance = np.random.default_rng(seed)
    rows = [
        [
            (int(t), str(chance.choice(["look", "read", "order", "off"], p=[0.5, 0.2, 0.1, 0.2])), None,
             {"page": page} if (page := chance.choice(["", "/a", "/b", "/c"], p=[0.55, 0.25, 0.15, 0.05])) else {})
            for t in np.sort(chance.integers(0, 33, chance.integers(1, 12)))
        ]
        for _ in range(40)
    ]  # fmt: skip
    view = view_of(trails(MAP, rows, 2, as_of=29), MAP, period=Period(moment(start), moment(26)))
    found = content(view, by="page", to=to, within=within, completed=["off"])
    assert lists_agree(found, view) > 20
    for p in (p for g in found.groups for p in g.pieces):
        others = len(keys_behind(view, Selector.parse(f"{p.customers.behind}".replace(":met", ":others"))))
        assert (others > 0) == (p.without.n > 0)
        assert others <= p.without.n
        if p.without.value is not None:
            assert len(keys_behind(view, Selector.parse(p.without.behind))) == others


def test_others_at_the_same_points_are_listed():
    made, found = asked(PEOPLE)
    guide = piece(found, "/guide")
    listed = customers_behind(made, MAP, guide.without.behind, order="customer", descending=False)
    assert [c.customer for c in listed.lines] == list(range(1, 11))
    assert guide.unmatched.n == customers_behind(made, MAP, guide.unmatched.behind).total == 0


def test_what_cannot_be_asked():
    with pytest.raises(MeasureError, match="Pieces cannot be told by 'pagee'"):
        asked(PEOPLE, by="pagee")
    with pytest.raises(MeasureError, match="No event says which video"):
        asked(PEOPLE, by="video")


# ---- against a plain reading

EVENT = st.tuples(
    st.integers(0, 30), st.sampled_from(["look", "read", "order", "off"]), st.sampled_from(["", "/a", "/b"])
)


def plain(people, within, start, end, as_of):
    """Counts of pieces by the definition: (piece, stage, depth, outcome), everyone, and those who had met it."""
    met, everyone, had = Counter(), Counter(), Counter()
    levels = {"look": 1, "read": 2, "order": 3}
    for person in people:
        events = [e for e in sorted(person, key=lambda e: e[0]) if e[0] <= as_of]
        stage, stages = 0, []
        for _, name, _ in events:
            stage = max(stage, levels.get(name, 0))
            stages.append(stage)
        known, so_far, deepest = set(), defaultdict(int), {}
        for i, (at, _, page) in enumerate(events):
            so_far[stages[i]] += 1
            depth = {1: 0, 2: 1, 3: 2, 4: 2}.get(so_far[stages[i]], 3 if so_far[stages[i]] <= 8 else 4)
            up = [e[0] for e, s in zip(events[i + 1 :], stages[i + 1 :], strict=True) if s > stages[i]]
            won = bool(up) and up[0] - at <= within
            outcome = kernel.PENDING if at + within > as_of else kernel.WENT_ON if won else kernel.NOT
            inside = start <= at < end
            if page and page not in known:
                known.add(page)
                if inside:
                    met[page, stages[i], depth, outcome] += 1
            if inside and depth > deepest.get(stages[i], -1):
                deepest[stages[i]] = depth
                everyone[stages[i], depth, outcome] += 1
                for p in known:
                    had[p, stages[i], depth, outcome] += 1
    return met, everyone, had


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(EVENT, min_size=1, max_size=12), min_size=1, max_size=4), st.integers(1, 12), st.integers(0, 12),
    st.integers(13, 33),
)  # fmt: skip
def test_counts_against_a_plain_reading(people, within, start, end):
    everyone_met = [*people, [(14, "off", "/a"), (14, "off", "/b")]]  # so that both are pieces
    rows = [[(t, n, None, {"page": p} if p else {}) for t, n, p in person] for person in everyone_met]
    made = trails(MAP, rows, 1, as_of=29)
    view = view_of(made, MAP, period=Period(moment(start), moment(max(end, 15))))
    pieces, beside = pieces_of(view, "page", None, within, None, 9)
    found = count(view, pieces, beside)
    met, everyone, had = plain(everyone_met, within, start, view.end, 29)
    names = ("", *pieces.names)
    told = {(names[p], *rest): int(found.met[p, *rest]) for p, *rest in np.argwhere(found.met)}
    told_had = {(names[p], *rest): int(found.had[p, *rest]) for p, *rest in np.argwhere(found.had)}
    told_all = {tuple(k): int(found.everyone[tuple(k)]) for k in np.argwhere(found.everyone).tolist()}
    assert told == dict(met)
    assert told_all == dict(everyone)
    assert told_had == dict(had)
    once, twice = (content(view_of(trails(MAP, rows, b, as_of=29), MAP), by="page", within=within) for b in (1, 2))
    assert once.groups == twice.groups
    assert measure_view(view, "content", {"by": "page"}).within == MAP.window
