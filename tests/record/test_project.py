"""Opening, creating and refusing; the map's versions; SQL that reads everything and changes nothing."""

from __future__ import annotations

import pyarrow as pa
import pytest

from polku.errors import MapError, NotAProject, ProjectError, UsageError
from polku.language import LANGUAGES
from polku.record import query
from polku.record.project import create_project, open_project
from polku.record.query import Enrichment, enrich

from .events import event, stored

MAP = """\
polku: 1
title: Kauppa
subject: {subject}
timezone: Europe/Helsinki
stages:
  - id: awareness
    touchpoints:
      - {{id: visit, match: {{event: page}}}}
"""


def test_what_is_no_project_says_what_to_do(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "journey.yaml").write_text(MAP.format(subject="person"), encoding="utf-8")
    for folder, said in (
        ("nowhere", "no folder .*nowhere.*polku init"),
        ("file", "is a file"),
        ("empty", "no journey.yaml.*polku init"),
        ("", r"There is one in .*shop\."),
    ):
        with pytest.raises(NotAProject, match=said) as caught:
            open_project(tmp_path / folder)
        assert all(caught.value.text(language) for language in LANGUAGES)
        assert caught.value.text("fi") != caught.value.text("en")
    assert not (tmp_path / "empty" / ".polku").exists()


def test_a_map_alone_is_a_project(tmp_path):
    (tmp_path / "journey.yaml").write_text(MAP.format(subject="person"), encoding="utf-8")
    with open_project(tmp_path) as project:
        assert project.journey().title == "Kauppa"
        assert project.journey() is project.journey()
        assert project.language == "fi"
        assert project.reader().zone.key == "Europe/Helsinki"
        assert (tmp_path / ".polku" / ".gitignore").read_text(encoding="utf-8") == "*\n"
        project.map_file.write_text(MAP.format(subject="account"), encoding="utf-8")
        assert project.journey().subject == "account"
        assert project.subject() == "account"


def test_the_map_is_missed_where_it_is_needed(project):
    assert project.subject() == "person"
    with pytest.raises(MapError, match="polku init"):
        project.journey()


def test_versions_of_the_map(project):
    project.map_file.write_text("a", encoding="utf-8")
    assert [project.keep_map("sara"), project.keep_map("mikko")] == [1, 1]
    project.map_file.write_text("b", encoding="utf-8")
    assert project.keep_map("mikko") == 2


def test_settings_that_do_not_fit_stop_the_opening(tmp_path):
    create_project(tmp_path).close()
    (tmp_path / "polku.toml").write_text("[servr]", encoding="utf-8")
    with pytest.raises(ProjectError, match="did you mean server"):
        open_project(tmp_path)


def test_the_language_is_the_readers_else_the_projects(tmp_path):
    (tmp_path / "polku.toml").write_text('language = "en"', encoding="utf-8")
    for wish, spoken in ((None, "en"), ("fi-FI", "fi"), ("sv", "en")):
        with create_project(tmp_path, wish) as project:
            assert project.language == spoken


# -- SQL --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def shop(project):
    stored(
        project,
        event("a", 0, anonymous="c", account="acme"),
        event("b", 5, user="anna", anonymous="c", account="acme", name="Order Completed", traits={"size": "M"}),
        event("c", 90_000, name="page"),
    )
    project.inbox.append([event("d", 7, anonymous="c")])
    return project


def test_events_of_history_and_inbox_with_their_customer(shop):
    rows = shop.sql("select event_id, customer, day from events order by seq").to_pylist()
    assert [(r["event_id"], r["customer"]) for r in rows] == [("a", 1), ("b", 1), ("c", None), ("d", 1)]
    assert shop.sql("select event, count(*) as n from events group by all order by n").to_pylist() == [
        {"event": "Order Completed", "n": 1}, {"event": "page", "n": 3},
    ]  # fmt: skip


def test_customers_are_accounts_where_the_map_says_so(shop):
    shop.map_file.write_text(MAP.format(subject="account"), encoding="utf-8")
    acme = shop.identities.customer_of("account", "acme")
    found = shop.sql("select distinct customer from events where account_id is not null").to_pylist()
    assert found == [{"customer": acme}]


def test_identities_and_profiles(shop):
    assert {r["id"] for r in shop.sql("from identities").to_pylist()} == {"anna", "c", "acme"}
    assert shop.sql("select traits->>'size' as size from profiles").to_pylist() == [{"size": "M"}]


def test_an_empty_project_answers_too(project):
    assert project.sql("select count(*) as n, min(customer) as c from events").to_pylist() == [{"n": 0, "c": None}]


@pytest.mark.parametrize(
    "text", ["describe events", "summarize events", "show tables", "explain select 1", "from events"]
)
def test_ways_of_reading(shop, text):
    assert shop.sql(text).num_rows > 0


@pytest.mark.parametrize(
    "text",
    [
        "copy (select 1) to '{inside}'", "copy events to '{outside}'", "export database '{outside}'",
        "attach '{outside}'", "create table t as select 1", "drop view events", "set threads = 1",
        "insert into events select * from events", "pragma enable_profiling", "install httpfs", "load httpfs",
        "call pragma_version()", "select 1; select 2", "", "select * from read_csv('{secret}')",
        "select * from read_text('{secret}')", "select * from '{secret}'", "select * from glob('{secret}*')",
        "selct 1", "select evnt from events", "select * from sqlite_scan('{state}', 'identities')",
        "select * from shop", "select * from tail",
    ],
)  # fmt: skip
def test_nothing_else_is_read_and_nothing_written(shop, tmp_path, text):
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n", encoding="utf-8")
    inside, outside = shop.history.place.folder / "x.csv", tmp_path / "out"
    text = text.format(secret=secret, inside=inside, outside=outside, state=shop.data / "state.db")
    with pytest.raises(UsageError):
        shop.sql(text)
    assert not inside.exists()
    assert not outside.exists()


def test_a_query_that_takes_too_long_is_stopped(shop):
    object.__setattr__(shop.settings.sql, "seconds", 0.2)
    with pytest.raises(UsageError, match=r"stopped; the setting is sql\.seconds"):
        shop.sql("select count(*) from range(1000000) a, range(1000000) b where a.range % 7 = b.range % 11")


def test_another_room_adds_a_column(shop, monkeypatch):
    monkeypatch.setattr(query, "ENRICHMENTS", {})
    asked = []

    def make(project):
        def shout(name: pa.Array, time: pa.Array) -> pa.Array:
            asked.append(len(name))
            return pa.compute.utf8_upper(name)

        return shout

    enrich(Enrichment("loud", "VARCHAR", ("event", "time"), make))
    shop.sql("select event from events")
    assert asked == [], "a column that is not asked for costs nothing"
    assert shop.sql("select distinct loud from events where event = 'page'").to_pylist() == [{"loud": "PAGE"}]


def test_where_the_record_is_kept_can_be_said(tmp_path):
    far, state = (tmp_path / "far").as_posix(), (tmp_path / "s.db").as_posix()
    text = f"[record]\nhistory = '{far}'\nstate = 'sqlite:///{state}'\n"
    (tmp_path / "polku.toml").write_text(text, encoding="utf-8")
    with create_project(tmp_path) as project:
        stored(project, event("a", 0, user="anna"))
        assert project.sql("select count(customer) as n from events").to_pylist() == [{"n": 1}]
    assert (tmp_path / "far" / "_delta_log").is_dir()
    assert (tmp_path / "s.db").is_file()
