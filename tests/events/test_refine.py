"""What the mover does by columns: names, robots, mail scanners; and that the live view and history agree."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku.events.agents import is_robot
from polku.events.refine import across, refine
from polku.events.refusals import Refusal
from polku.events.text import text_of
from polku.kernels.members import members
from polku.record.project import Project, create_project

START = dt.datetime(2026, 11, 26, 10, 0, tzinfo=dt.UTC)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"
GOOGLE = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

#: (user agent, whether it is a robot).
AGENTS = [
    (FIREFOX, False),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 "
     "Safari/537.36", False),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 "
     "Mobile/15E148 Safari/604.1", False),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 "
     "Instagram 350.0.0.0", False),
    ("Mozilla/5.0 (Linux; Android 14; SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile "
     "Safari/537.36 [FBAN/EMA;FBAV/440]", False),
    ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", False),
    ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", False),
    ("python-requests/2.32", False), ("axios/1.7.7", False), ("okhttp/4.12.0", False), ("curl/8.5.0", False),
    ("", False),
    (GOOGLE, True), ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", True),
    ("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", True),
    ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", True),
    ("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)", True),
    ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/130.0.0.0 "
     "Safari/537.36", True),
    ("OurOwnBot/1.0 (+https://example.fi)", True), ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) " + "x" * 5000, False),
]  # fmt: skip


@pytest.mark.parametrize(("agent", "robot"), AGENTS)
def test_agents(agent: str, robot: bool) -> None:
    assert is_robot(agent) is robot


def rows(*events: dict[str, Any]) -> pa.Table:
    """Events with ``event``, ``at`` (seconds after START), ``user``, ``properties``, ``context``."""
    return pa.table(
        {
            "event": pa.array([e["event"] for e in events], pa.string()),
            "original_event": pa.array([e.get("original") for e in events], pa.string()),
            "time": pa.array([START + dt.timedelta(seconds=e.get("at", 0)) for e in events], pa.timestamp("us", "UTC")),
            "user_id": pa.array([e.get("user") for e in events], pa.string()),
            "anonymous_id": pa.array([e.get("anonymous") for e in events], pa.string()),
            "properties": pa.array(
                [json.dumps(e["properties"]) if "properties" in e else None for e in events], pa.string()
            ),
            "context": pa.array([json.dumps(e["context"]) if "context" in e else None for e in events], pa.string()),
        }
    )


def test_names_are_canonical_and_the_original_is_kept() -> None:
    given = rows(
        {"event": "add_to_cart"},
        {"event": "Product Added"},
        {"event": "own"},
        {"event": "purchase", "original": "mine"},
    )
    table = refine(given).table
    assert table["event"].to_pylist() == ["Product Added", "Product Added", "own", "Order Completed"]
    assert table["original_event"].to_pylist() == ["add_to_cart", None, None, "mine"]
    assert table.schema == given.schema
    assert refine(given.slice(0, 0)).table.num_rows == 0


def reasons(table: pa.Table, several: bool = True) -> list[str | None]:
    refined = refine(table)
    if several:
        across(refined.table, refined.refused)
    return [Refusal(r).name if r else None for r in refined.refused.tolist()]


def test_robots_are_refused_wherever_their_agent_stands_and_others_are_not() -> None:
    given = rows(
        {"event": "page", "context": {"userAgent": GOOGLE}},
        {"event": "page", "context": {"page": {"title": 'say "userAgent":"Googlebot/2.1"'}, "userAgent": FIREFOX}},
        {"event": "page", "context": {"library": {"name": "x"}}},
        {"event": "page"},
        {"event": "page", "context": {"userAgent": 'Googlebot/2.1 "quoted" \\ ä'}},
        {"event": "page", "context": {"userAgent": None}},
        {"event": "page", "context": {"page": {"title": GOOGLE}}},
    )
    assert reasons(given) == ["BOT", None, None, None, "BOT", None, None]
    assert refine(given, keep_bots=True).refused.tolist() == [0] * 7
    assert refine(given).kept().num_rows == 5


MAIL = {"message": "m1"}
#: (rows, what becomes of each).
SCANNERS: list[tuple[list[dict[str, Any]], list[str | None]]] = [
    # opened within seconds of the sending that the event itself tells
    ([{"event": "email_opened", "at": 4, "properties": {"sent_at": START.timestamp()}},
      {"event": "Email Clicked", "at": 9, "properties": {"delivered_at": "2026-11-26T10:00:00Z"}},
      {"event": "Email Opened", "at": 11, "properties": {"sent_at": START.timestamp()}},
      {"event": "Email Opened", "at": 4, "properties": {"sent_at": "soon"}},
      {"event": "page", "at": 1, "properties": {"sent_at": START.timestamp()}}],
     ["MAIL_SCANNER", "MAIL_SCANNER", None, None, None]),
    # of the delivery that another event tells, to the same customer, of the same mail
    ([{"event": "Email Delivered", "at": 0, "user": "u1", "properties": MAIL},
      {"event": "Email Opened", "at": 3, "user": "u1", "properties": MAIL},
      {"event": "Email Opened", "at": 3, "user": "u2", "properties": MAIL},
      {"event": "Email Opened", "at": 3, "user": "u1", "properties": {"message": "m2"}},
      {"event": "Email Opened", "at": 300, "user": "u1", "properties": MAIL}],
     [None, "MAIL_SCANNER", None, None, None]),
    # every link
    ([{"event": "Email Clicked", "at": i, "user": "u1", "properties": {**MAIL, "url": f"/{i}"}} for i in range(4)]
     + [{"event": "Email Clicked", "at": 60, "user": "u1", "properties": {**MAIL, "url": "/9"}}],
     ["MAIL_SCANNER"] * 4 + [None]),
    ([{"event": "Email Clicked", "at": i, "user": "u1", "properties": {**MAIL, "url": "/same"}} for i in range(6)],
     [None] * 6),
    ([{"event": "Email Clicked", "at": i * 20, "user": "u1", "properties": {"url": f"/{i}"}} for i in range(6)],
     [None] * 6),
]  # fmt: skip


@pytest.mark.parametrize(("events", "wanted"), SCANNERS)
def test_mail_scanners(events: list[dict[str, Any]], wanted: list[str | None]) -> None:
    assert reasons(rows(*events)) == wanted


OBJECTS = st.dictionaries(
    st.sampled_from(["userAgent", "a", "userAgen", 'x"userAgent"']), st.text() | st.none() | st.integers()
)


@settings(deadline=None)
@given(objects=st.lists(st.none() | OBJECTS), spaces=st.booleans())
def test_a_member_is_found_as_a_json_reader_finds_it(objects: list[dict[str, Any] | None], spaces: bool) -> None:
    separators = (", ", " : ") if spaces else (",", ":")
    texts = [
        None if o is None else json.dumps(o, ensure_ascii=False, separators=separators).encode("utf-8", "replace")
        for o in objects
    ]
    text = text_of(pa.array([None if t is None else t.decode() for t in texts], pa.string()))
    starts, ends, hashes = members(text.data, text.offsets, text.valid, "userAgent")
    for at, one in enumerate(objects):
        wanted = (one or {}).get("userAgent")
        if not isinstance(wanted, str):
            assert starts[at] == -1
            assert hashes[at] == 0
            continue
        found = json.loads(b'"' + text.data[starts[at] : ends[at]].tobytes() + b'"')
        assert found == wanted.encode("utf-8", "replace").decode()
    same = {
        h: {(o or {}).get("userAgent") for o, other in zip(objects, hashes, strict=True) if other == h}
        for h in hashes
        if h
    }
    assert all(len(agents) == 1 for agents in same.values())


# -- in a project -----------------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Any:
    with create_project(tmp_path / "shop", "en") as made:
        yield made


def arrive(project: Project, *events: dict[str, Any]) -> None:
    project.inbox.append([
        {"event_id": e["id"], "time": START + dt.timedelta(seconds=e.get("at", 0)), "event": e["event"],
         "source": "shop",
         "user_id": e.get("user"), "properties": json.dumps(e.get("properties", {})),
         "context": json.dumps(e.get("context", {}))}
        for e in events
    ])  # fmt: skip


def live(project: Project) -> list[str]:
    snapshot, tail = project.look(["event_id", "event"])
    stored = project.history.read(["event_id", "event"], files=snapshot.files).read_all()
    return sorted(f"{r['event_id']} {r['event']}" for r in [*stored.to_pylist(), *tail.to_pylist()])


def test_the_live_view_is_what_history_will_be(project: Project) -> None:
    arrive(project, {"id": "1", "event": "add_to_cart", "user": "u1"}, {"id": "2", "event": "page", "user": "bot",
           "context": {"userAgent": GOOGLE}}, {"id": "3", "event": "page", "user": "u1"})  # fmt: skip
    before = live(project)
    moved = project.mover.move()
    assert (moved.events, moved.refused, moved.duplicates) == (2, 1, 0)
    assert live(project) == before == ["1 Product Added", "3 page"]
    assert project.identities.customer_of("user", "bot") is None
    with project.state.read() as connection:
        from polku.record import tables

        (kept,) = [dict(r._mapping) for r in connection.execute(tables.refused_events.select())]
        (count,) = [dict(r._mapping) for r in connection.execute(tables.refusals.select())]
    assert (kept["reason"], kept["place"], kept["source"]) == ("bot", "mover", "shop")
    assert json.loads(kept["raw"])["event_id"] == "2"
    assert (count["source"], count["reason"], count["count"]) == ("shop", "bot", 1)


def test_a_move_of_robots_only_ends_too(project: Project) -> None:
    arrive(project, {"id": "1", "event": "page", "context": {"userAgent": GOOGLE}})
    assert project.mover.move().refused == 1
    assert (project.inbox.waiting(), live(project)) == (0, [])
    arrive(project, {"id": "2", "event": "page"})
    assert project.mover.move().events == 1


def test_trails_hear_of_what_a_scanner_made_and_they_have_counted(project: Project) -> None:
    arrive(project, *({"id": str(i), "event": "Email Clicked", "at": i, "user": "u1", "properties": {"url": f"/{i}"}}
                      for i in range(5)))  # fmt: skip
    position = project.changes(None, ["event_id"]).position
    assert len(live(project)) == 5
    assert project.mover.move().refused == 5
    changes = project.changes(position, ["event_id"])
    assert changes.dirty == {project.identities.customer_of("user", "u1")}
    assert live(project) == []


def test_a_mail_that_an_earlier_move_delivered(project: Project) -> None:
    """The delivery stands in history when the scanner's open arrives; others' mails and later opens are people's."""
    mail, other = {"message": "m1"}, {"message": "m2"}
    delivered = {"event": "Email Delivered", "user": "u1", "properties": mail}
    arrive(project, {**delivered, "id": "1", "at": -3600}, {**delivered, "id": "2"})
    assert project.mover.move().events == 2
    opened = {"event": "Email Opened", "properties": mail}
    arrive(project, {**opened, "id": "3", "at": 4, "user": "u1"}, {**opened, "id": "4", "at": 5, "user": "u2"},
           {**opened, "id": "5", "at": 6, "user": "u1", "properties": other},
           {**opened, "id": "6", "at": 900, "user": "u1"})  # fmt: skip
    moved = project.mover.move()
    assert (moved.events, moved.refused) == (3, 1)
    assert live(project) == ["1 Email Delivered", "2 Email Delivered", *(f"{i} Email Opened" for i in (4, 5, 6))]


def test_robots_are_kept_where_the_settings_say_so(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "polku.toml").write_text('[collect]\nbots = "keep"\n', encoding="utf-8")
    with create_project(tmp_path / "shop", "en") as project:
        arrive(project, {"id": "1", "event": "page", "context": {"userAgent": GOOGLE}})
        assert project.mover.move().events == 1


def test_refusing_is_a_matter_of_columns() -> None:
    """Many rows of few agents: each distinct agent is judged once."""
    is_robot.cache_clear()
    agents = [GOOGLE, *(f"Shop app {i}" for i in range(9))]
    refined = refine(rows(*({"event": "page", "context": {"userAgent": agents[i % 10]}} for i in range(2000))))
    assert int((refined.refused != 0).sum()) == 200
    assert is_robot.cache_info().misses == 10
    assert isinstance(refined.refused, np.ndarray)
