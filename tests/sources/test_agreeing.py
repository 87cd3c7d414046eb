"""Consent in files: rows are judged as events at the doors, and become decisions when it is said who asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polku.record.clock import now
from polku.record.consents import Decision
from polku.record.project import Project, create_project
from polku.sources.importing import import_files
from polku.sources.mapping import Mapping

MAP = (
    "polku: 1\ntitle: A\ntimezone: UTC\nstages:\n  - id: all\n    touchpoints:\n      - {id: p, match: {event: page}}\n"
)
COLUMN = (
    "user_id,event,time,consent,email\n"
    "anna,page,2026-01-01,,\n"
    "anna,page,2026-01-02,Newsletter; analytics,anna@example.fi\n"
    "anna,page,2026-01-03,email,\n"
    'bert,page,2026-01-03,"{""analytics"": false, ""ads"": true}",bert@example.fi\n'
    "carl,page,2026-01-04,yes,carl@example.fi\n"
    "dora,page,2026-01-05,,dora@example.fi\n"
)
LINES = [
    {"userId": "anna", "event": "page", "timestamp": "2026-01-02T00:00:00Z",
     "context": {"consent": {"categoryPreferences": {"Analytics": True}, "source": "banner"}}},
    {"event": "page", "timestamp": "2026-01-03T00:00:00Z", "anonymousId": "c7",
     "context": {"ids": {"number": "K-1"}, "traits": {"email": "eva@example.fi"}}},
    {"event": "page", "timestamp": "2026-01-03T00:00:00Z", "userId": "undefined",
     "context": {"ids": {"email": "hash7"}}},
]  # fmt: skip


def made(folder: Path, rule: str = "") -> Project:
    (folder / "shop").mkdir()
    (folder / "shop" / "polku.toml").write_text(f"[consent]\n{rule}\n", encoding="utf-8")
    (folder / "shop" / "journey.yaml").write_text(MAP, encoding="utf-8")
    (folder / "rows.csv").write_text(COLUMN, encoding="utf-8")
    (folder / "lines.jsonl").write_text("\n".join(json.dumps(line) for line in LINES), encoding="utf-8")
    return create_project(folder / "shop", "en")


def rows(project: Project, what: str = "user_id, consent") -> list[tuple[object, ...]]:
    return [tuple(r.values()) for r in project.sql(f"select {what} from events order by time, seq").to_pylist()]


def told(project: Project) -> list[tuple[str, str, bool, str]]:
    return sorted((d.value, d.purpose, d.granted, d.source) for d in project.consents.recent())


def test_a_column_is_the_events_own_and_decides_nothing_by_itself(tmp_path):
    with made(tmp_path) as project:
        report = import_files(project, tmp_path / "rows.csv")
        assert [(r.reason.name, r.count) for r in report.refused] == [("NO_CONSENT", 1)]
        assert report.refused[0].examples[0].text == ""
        assert rows(project) == [
            ("anna", None), ("anna", "analytics,email"), ("anna", "email"), ("carl", None), ("dora", None),
        ]  # fmt: skip
        assert (report.decisions, told(project)) == (0, [])
        assert project.contacts.count()["email"] == 3, "bert said no: his address is not kept"


def test_it_becomes_decisions_when_it_is_said_who_asked(tmp_path):
    with made(tmp_path) as project:
        asked = Mapping(consent_source="register form")
        assert import_files(project, tmp_path / "rows.csv", asked).decisions == 4
        assert told(project) == [
            ("anna", "analytics", True, "register form"), ("anna", "email", True, "register form"),
            ("bert", "ads", True, "register form"), ("bert", "analytics", False, "register form"),
        ]  # fmt: skip
        again = import_files(project, tmp_path / "rows.csv", asked)
        assert (again.stored, again.decisions) == (0, 0)
        (tmp_path / "more.csv").write_text("user_id,event,time\nanna,page,2026-02-01\nbert,page,2026-02-02\n")
        more = import_files(project, tmp_path / "more.csv")
        assert (more.stored, more.refused_count) == (1, 1)
        assert rows(project)[-1] == ("anna", "analytics,email")


def test_what_events_say_in_their_context_decides_and_the_strongest_id_is_the_users(tmp_path):
    with made(tmp_path) as project:
        report = import_files(project, tmp_path / "lines.jsonl")
        assert report.without_customer == 0
        assert told(project) == [("anna", "analytics", True, "banner")]
        assert rows(project) == [("anna", "analytics"), ("number:K-1", None), ("email:hash7", None)]


@pytest.mark.parametrize("rule", ["keep", "anonymous", "refuse"])
def test_the_settings_say_what_becomes_of_whom(tmp_path, rule):
    with made(tmp_path, f'denied = "{rule}"\nunknown = "{rule}"') as project:
        project.consents.decide([Decision("user", "dora", "analytics", True, 0, "call", noted_at=now())])
        report = import_files(project, tmp_path / "rows.csv")
        users = [user for (user,) in rows(project, "user_id")]
        if rule == "keep":
            assert users == ["anna", "anna", "anna", "bert", "carl", "dora"]
        elif rule == "refuse":
            assert (users, report.refused_count) == (["anna", "dora"], 4)
        else:
            assert users == [None, "anna", None, None, None, "dora"]
            assert "bert" not in json.dumps(rows(project, "properties, context"))
        assert project.contacts.count()["email"] == (4 if rule == "keep" else 2)
