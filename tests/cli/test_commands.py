"""The commands as a person runs them: text and JSON, Finnish and English, right and wrong."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from polku.cli import main
from polku.journey import templates
from polku.journey.load import load_journey
from polku.web.mapview import SHORT, said_of

HERE = Path(__file__).parent
EVENTS = [
    ("anna", "2026-03-01 10:00", "Product Viewed", ""),
    ("anna", "2026-03-01 10:05", "Product Added", ""),
    ("anna", "2026-03-01 10:09", "Order Completed", "1 299,50 €"),
    ("bertta", "2026-03-01 11:00", "Product Viewed", ""),
    ("bertta", "2026-03-02 09:00", "Product Added", ""),
    ("celia", "2026-03-02 12:00", "Product Viewed", ""),
    ("celia", "9999-01-01 00:00", "Product Viewed", ""),
]


class Run:
    """The outcome of one command."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def polku(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    monkeypatch.setenv("POLKU_LANGUAGE", "en")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str | Path) -> Run:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(w) for w in words])
        out = capsys.readouterr()
        return Run(int(stop.value.code or 0), out.out, out.err)

    return run


@pytest.fixture
def shop(tmp_path: Path, polku: Callable[..., Run]) -> Path:
    folder = tmp_path / "shop"
    assert polku("init", folder, "--template", "shop-5", "--language", "en").code == 0
    file = tmp_path / "events.csv"
    with file.open("w", encoding="utf-8", newline="") as f:
        csv.writer(f).writerows([("customer", "time", "event", "value"), *EVENTS])
    done = polku("import", folder, file, "--json")
    assert done.code == 0, done.err
    assert done.json["stored"] == 6
    return folder


@pytest.mark.parametrize("language", ["fi", "en"])
@pytest.mark.parametrize("template", templates.names())
def test_init_makes_a_project_without_faults(
    tmp_path: Path, polku: Callable[..., Run], template: str, language: str
) -> None:
    made = polku("init", tmp_path / "p", "--template", template, "--language", language, "--json")
    assert made.code == 0, made.err
    assert {"journey.yaml", "polku.toml"} <= set(made.json["files"])
    checked = polku("check", tmp_path / "p", "--json")
    assert (checked.code, checked.json["errors"]) == (0, 0)


def test_an_example_is_told_and_its_events_come_in(tmp_path: Path, polku: Callable[..., Run]) -> None:
    told = polku("init", tmp_path / "e", "--example", "running-shoes", "--language", "fi").out
    words = re.search(r"polku (import .+?\.jsonl),", told)
    assert words is not None, told
    assert polku(*words[1].split(), "--json").json["stored"] > 10


def test_init_keeps_what_is_there(shop: Path, polku: Callable[..., Run]) -> None:
    before = (shop / "journey.yaml").read_bytes()
    again = polku("init", shop, "--template", "b2b")
    assert again.code == 1
    assert "journey.yaml" in again.err
    assert (shop / "journey.yaml").read_bytes() == before


def test_check_tells_every_fault_with_its_place(shop: Path, polku: Callable[..., Run]) -> None:
    file = shop / "journey.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("timezone: Europe/Helsinki", "timezone: Europe/Helsinky") + "\nnonsense: 1\n", "utf-8")
    found = polku("check", shop)
    assert found.code == 1
    assert "Europe/Helsinki" in found.out, "the nearest name is told"
    assert "nonsense" in found.out
    assert all(":" in line for line in found.out.splitlines()[:2])
    refused = polku("status", shop)
    assert refused.code == 1
    assert "Traceback" not in refused.err


def test_status_shows_the_same_numbers_as_json(shop: Path, polku: Callable[..., Run]) -> None:
    told = polku("status", shop, "--period", "all", "--json").json
    assert told["customers"]["n"] == 3
    assert {s["id"]: s["now"]["n"] for s in told["stages"]}["purchase"] == 1
    drawn = polku("status", shop, "--period", "all")
    assert drawn.code == 0
    assert "3 customers on the map" in drawn.out
    narrow = polku("status", shop, "--view", "plan")
    assert narrow.code == 0


def test_status_before_the_first_import(tmp_path: Path, polku: Callable[..., Run]) -> None:
    assert polku("init", tmp_path / "p", "--template", "shop-5", "--language", "fi").code == 0
    told = [line for line in polku("status", tmp_path / "p").out.splitlines() if line.startswith("! ")]
    assert len(told) == 1, "one word of what to do, not a warning for each touchpoint"
    assert "Tapahtumia ei vielä ole" in told[0]
    assert "Tapahtumia ei vielä ole" not in polku("status", tmp_path / "p", "--view", "plan").out


def test_errors_are_told_in_the_projects_language(tmp_path: Path, polku: Callable[..., Run]) -> None:
    folder = tmp_path / "kauppa"
    assert polku("init", folder, "--template", "shop-5", "--language", "fi").code == 0
    refused = ("customers", folder, "--stage", "ostoo")
    assert "Kartassa ei ole vaihetta" in polku(*refused).err, "the project's own, though the session is English"
    assert "Kartassa ei ole vaihetta" in polku(*refused, "--json").json["error"]["message"]
    assert "There is no stage 'ostoo' in this map." in polku(*refused, "--language", "en").err
    assert "→ cart?" in polku("customers", folder, "--touchpoint", "crt").err, "the nearest name is told"
    assert "There is no folder" in polku("status", tmp_path / "nowhere").err, "no project: the session's"
    (folder / "journey.yaml").write_text("polku: 1\nstages: 3\n", encoding="utf-8")
    assert "virheitä" in polku("status", folder).err


def test_status_in_finnish(shop: Path, polku: Callable[..., Run]) -> None:
    drawn = polku("status", shop, "--period", "all", "--language", "fi")
    assert "3 asiakasta kartalla" in drawn.out
    assert "Kosketuspisteet" in drawn.out


LANES = {
    "en": (
        "Goal", "Rules of the stage", "Here now", "Personas by stage", "Feeling", "Touchpoints", "Social media", "Web",
        "E-mail", "Store", "Actions", "Goals", "Questions", "Obstacles", "Content", "Tools", "Owner", "Guidance",
        "To do",
    ),
    "fi": (
        "Tavoite", "Vaiheen säännöt", "Nyt tässä", "Persoonat vaiheittain", "Tunne", "Kosketuspisteet", "Verkko",
        "Sähköposti", "Myymälä", "Teot", "Tavoitteet", "Kysymykset", "Esteet", "Sisältö", "Työkalut", "Vastuuhenkilö",
        "Ohjaus", "Tehtävää",
    ),
}  # fmt: skip


@pytest.mark.parametrize("language", ["fi", "en"])
def test_status_has_every_lane_of_the_map(shop: Path, polku: Callable[..., Run], language: str) -> None:
    drawn = polku("status", shop, "--period", "all", "--language", language).out
    starts = {re.split(r"\s{2,}", line.strip())[0] for line in drawn.splitlines()}
    assert [lane for lane in LANES[language] if lane not in starts] == []


def test_status_tells_every_figure_of_a_touchpoint(shop: Path, tmp_path: Path, polku: Callable[..., Run]) -> None:
    """Also in the view that a person sees first, which holds plan and actual."""
    later = tmp_path / "later.csv"
    later.write_text("customer,time,event\ndora,2026-06-30 12:00,Product Viewed\n", encoding="utf-8")
    assert polku("import", shop, later).code == 0
    for view in ("both", "actual"):
        told = " ".join(polku("status", shop, "--period", "all", "--view", view).out.split())
        assert "here last" in told, view
        assert "events in the period" in told
        assert "went on 50.0% (1 of 2)" in told  # of the two who met the cart
        assert "dropped off 50.0% (1)" in told
        assert "median" in told
    planned = polku("status", shop, "--view", "plan").out
    assert "here last" not in planned
    for words in ("Entered when", "Lapses after", "at least"):
        assert words in " ".join(planned.split()), "what the plan says of a stage stands in the plan"


@pytest.mark.parametrize(
    ("zone", "shown"),
    [([], "as of 2 Mar 2026 12:00 (Europe/Helsinki)"), (["--timezone", "UTC"], "as of 2 Mar 2026 10:00 (UTC)"),
     (["--timezone", "America/New_York"], "as of 2 Mar 2026 05:00 (America/New_York)")],
)  # fmt: skip
def test_times_are_in_the_zone_asked_for(shop: Path, polku: Callable[..., Run], zone: list[str], shown: str) -> None:
    period = ["--period", "2026-03-01..2026-03-03"]
    drawn = polku("status", shop, *period, *zone).out
    assert shown in drawn
    assert "period 1 Mar 2026 to 2 Mar 2026" in drawn, "the period's days are the map's"
    first = polku(*zone, "customer", shop, "anna").out
    assert ("10:00" if not zone else "08:00" if zone[1] == "UTC" else "03:00") in first


def test_an_unknown_zone_is_told(shop: Path, polku: Callable[..., Run]) -> None:
    for words in (("status", shop, "--timezone", "Europe/Helsinky"), ("--timezone", "Mars", "status", shop)):
        told = polku(*words)
        assert told.code == 2
        assert "There is no time zone" in told.err
    assert "Aikavyöhykettä" in polku("status", shop, "--timezone", "Mars", "--language", "fi").err
    with (shop / "polku.toml").open(encoding="utf-8") as f:
        text = f.read()
    assert 'timezone = ""' in text
    (shop / "polku.toml").write_text(text.replace('timezone = ""', 'timezone = "Asia/Tokyo"'), encoding="utf-8")
    assert "(Asia/Tokyo)" in polku("status", shop).out


@pytest.mark.parametrize("width", ["80", "120", "200"])
@pytest.mark.parametrize("language", ["fi", "en"])
def test_status_is_read_at_a_glance(
    shop: Path, polku: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, width: str, language: str
) -> None:
    """The lists of the plan are cut short, the stage's own texts first; ``--view plan`` tells them all. Nothing is
    wider than the terminal."""
    monkeypatch.setenv("COLUMNS", width)
    journey = load_journey(shop / "journey.yaml")
    drawn = polku("status", shop, "--language", language, "--period", "2026-03-01..2026-03-02")
    whole = polku("status", shop, "--language", language, "--view", "plan")
    assert max(len(line) for line in drawn.out.splitlines()) <= int(width)
    words = [" ".join(re.sub(r"[^\w ]", " ", told.out).split()) for told in (drawn, whole)]
    asked = [list(dict.fromkeys(str(item.text) for item in said_of(s, "questions"))) for s in journey.stages]
    long = next(texts for texts in asked if len(texts) > SHORT + 1)
    questions = [" ".join(re.sub(r"[^\w ]", " ", text).split()) for text in long]
    if width == "80":  # one stage below the other, so that texts are not broken by the next column
        assert questions[0] in words[0]
        assert questions[-1] not in words[0]
        assert all(q in words[1] for q in questions)
    assert ("muuta" if language == "fi" else "more") in words[0]
    assert "2026" in words[0]
    assert ("3 3 2026" if language == "fi" else "3 Mar 2026") not in words[0]  # the period ends with its last day


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["stages"], "stages"),
        (["conversion", "--from", "Product Viewed", "--to", "Order Completed"], "conversion"),
        (["leaving", "--to", "Order Completed"], "leaving"),
        (["bounce", "--by", "touchpoint"], "bounce"),
        (["exit", "--by", "touchpoint"], "exit"),
        (["funnel", "--steps", "Product Viewed,Product Added,Order Completed", "--within", "7d"], "funnel"),
        (["sources", "--to", "Order Completed"], "sources"),
    ],
)
def test_every_measure(shop: Path, polku: Callable[..., Run], words: list[str], part: str) -> None:
    told = polku("measure", shop, *words, "--json")
    assert told.code == 0, told.err
    assert told.json["measure"] == part
    assert polku("measure", shop, *words, "--define").out.strip()


def test_funnel_counts(shop: Path, polku: Callable[..., Run]) -> None:
    steps = "Product Viewed,Product Added,Order Completed"
    told = polku("measure", shop, "funnel", "--steps", steps, "--json").json
    assert [s["reached"]["n"] for s in told["steps"]] == [3, 2, 1]


def test_customers_and_customer(shop: Path, polku: Callable[..., Run]) -> None:
    everyone = polku("customers", shop, "--json").json
    assert {line["name"] for line in everyone["lines"]} == {"anna", "bertta", "celia"}
    cart = next(
        t["id"] for t in polku("status", shop, "--period", "all", "--json").json["touchpoints"] if t["events"] == 2
    )
    met = polku("customers", shop, "--touchpoint", cart, "--json").json
    assert {line["name"] for line in met["lines"]} == {"anna", "bertta"}
    story = polku("customer", shop, "anna", "--json").json
    assert [e["event"] for e in story["events"]] == ["Product Viewed", "Product Added", "Order Completed"]
    assert story["value"] == 1299.5
    assert len(story["reasons"]) == len(story["changes"]) > 0
    assert "1,299.50" in polku("customer", shop, "anna").out


def test_an_accounts_people_and_their_roles(tmp_path: Path, polku: Callable[..., Run]) -> None:
    firms, file = tmp_path / "firms", tmp_path / "rows.csv"
    assert polku("init", firms, "--template", "b2b", "--language", "fi").code == 0
    file.write_text(
        "account,user_id,event,time,role,channel\n"
        "Acme,anna@acme.fi,Lead Submitted,2026-06-01 10:00,champion,web\n"
        "Acme,pekka@acme.fi,Meeting Held,2026-06-15 10:00,economic_buyer,phone\n",
        encoding="utf-8",
    )
    assert polku("import", firms, file).code == 0
    told = polku("customer", firms, "Acme").out
    assert "Puolestapuhuja · anna@acme.fi · Verkko" in told
    assert "Rahasta päättävä · pekka@acme.fi · Puhelin" in told
    plan = polku("status", firms).out
    assert "· Puolestapuhuja: Saada muutos läpi" in plan, "the map's roles stand below it, as on the page"
    assert "Roolit" not in polku("status", firms, "--view", "actual").out


def test_sql_reads_and_cannot_write(shop: Path, polku: Callable[..., Run]) -> None:
    query = "select event, count(*) as n from events group by all order by event"
    assert polku("sql", shop, query, "--json").json == [
        {"event": "Order Completed", "n": 1},
        {"event": "Product Added", "n": 2},
        {"event": "Product Viewed", "n": 3},
    ]
    for bad in ("drop view events", "select * from 'journey.yaml'", "copy events to 'x.csv'", "selec 1"):
        refused = polku("sql", shop, bad)
        assert refused.code in (1, 2), bad
        assert "Traceback" not in refused.err


def test_the_sql_page_tells_what_there_is(shop: Path, polku: Callable[..., Run]) -> None:
    text = (Path(__file__).parents[2] / "docs" / "sql.md").read_text(encoding="utf-8")
    examples = re.findall(r"```sql\n(.+?)```", text, re.S)
    assert len(examples) >= 5
    for query in examples:
        assert polku("sql", shop, query, "--json").code == 0, query
    told = {"events": re.findall(r"^\| `(\w+)` \| (?:text|timestamp|number|integer|date)\b", text, re.M)}
    for table in ("identities", "profiles", "costs"):
        row = re.search(rf"^\| `{table}` \| (.+?) \|", text, re.M)
        told[table] = re.findall(r"`(\w+)`", row[1] if row else "")
    for table, columns in told.items():
        assert columns == [row["column_name"] for row in polku("sql", shop, f"describe {table}", "--json").json], table


@pytest.mark.parametrize("name", ["out.parquet", "out.csv", "out.csv.gz"])
def test_export_comes_back(shop: Path, tmp_path: Path, polku: Callable[..., Run], name: str) -> None:
    file = tmp_path / name
    assert polku("export", shop, file, "--json").json["rows"] == 6
    if name.endswith("parquet"):
        assert pq.read_table(file).num_rows == 6
    other = tmp_path / "other"
    polku("init", other, "--template", "shop-5", "--language", "en")
    again = polku("import", other, file, "--json")
    assert again.json["stored"] == 6, again.err
    assert polku("export", shop, file).code == 2, "an existing file is not replaced unasked"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["status", "nowhere"], 1, "nowhere"),
        (["init", "x", "--template", "shop5"], 2, "shop-5"),
        (["staus"], 2, "status"),
        (["status"], 2, "FOLDER"),
        (["templates", "--jsn"], 2, "--json"),
        (["--language", "sv", "templates"], 2, "fi"),
    ],
)
def test_wrong_usage_is_told(polku: Callable[..., Run], words: list[str], code: int, told: str) -> None:
    found = polku(*words)
    assert found.code == code
    assert told in found.err
    assert "Traceback" not in found.err


def test_errors_as_json(polku: Callable[..., Run]) -> None:
    found = polku("status", "nowhere", "--json")
    assert found.json["error"]["code"] == "project.none"


def test_help_in_finnish(polku: Callable[..., Run]) -> None:
    found = polku("--language", "fi", "import", "--help")
    assert "Käyttö:" in found.out
    assert "Show this message" not in found.out


def test_unexpected_errors_keep_their_traceback_in_a_file(tmp_path: Path) -> None:
    code = "import polku.cli.app as a, sys\nsys.excepthook = a.unexpected\nraise RuntimeError('boom')"
    environment = {"POLKU_LANGUAGE": "fi", "TMPDIR": str(tmp_path), "TEMP": str(tmp_path), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert "Vika on Polussa" in done.stderr
    assert "Traceback" not in done.stderr
    [report] = tmp_path.glob("polku-error-*.txt")
    assert "RuntimeError: boom" in report.read_text(encoding="utf-8")
    assert str(report) in done.stderr


def test_an_unexpected_error_is_told_when_its_report_cannot_be_written(tmp_path: Path) -> None:
    code = "import polku.cli.app as a, sys, tempfile\ntempfile.tempdir = '/no/such'\nsys.excepthook = a.unexpected\n"
    code += "raise RuntimeError('boom')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "RuntimeError: boom" in done.stderr
    assert "sys.excepthook" not in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["serve", ".", "--port", "abc"], "--port ei kelpaa: tähän tarvitaan kokonaisluku."),
        (["serve", ".", "--port", "99999"], "--port ei kelpaa: arvo on enintään 65535."),
        (["customers", ".", "--limit", "0"], "--limit ei kelpaa: arvo on vähintään 1."),
        (["simulate", "w", "--months", "x"], "--months ei kelpaa: tähän tarvitaan luku."),
        (["status", ".", "ja", "muuta"], "Komennossa on liikaa: ja muuta."),
        (["status", ".", "--period"], "Valinnan --period perästä puuttuu arvo."),
    ],
)
def test_what_typer_says_is_said_in_finnish(polku: Callable[..., Run], words: list[str], told: str) -> None:
    found = polku("--language", "fi", *words)
    assert (found.code, told in found.err) == (2, True), found.err


def test_what_the_machine_refuses_is_told_as_such() -> None:
    import errno
    import sqlite3

    import sqlalchemy as sa

    from polku.cli.mishaps import mishap

    def told(error: BaseException) -> str:
        found = mishap(error)
        return "" if found is None else found.text("en")

    assert told(OSError(errno.ENOSPC, "No space left on device")).startswith("There is no room left on the disk.")
    assert told(PermissionError(errno.EACCES, "x", "/shop")) == "You have no permission to read or write /shop."
    assert told(OSError("Generic error: Permission denied (os error 13)")).startswith("You have no permission")
    engine = sa.create_engine("sqlite:///file:/no/such/folder/state.db?mode=ro&uri=true")
    with pytest.raises(sa.exc.OperationalError) as fault:
        engine.connect()
    assert isinstance(fault.value.orig, sqlite3.OperationalError)
    assert told(fault.value) == "You have no permission to read or write .polku/state.db."
    engine.dispose()
    assert told(FileNotFoundError(errno.ENOENT, "x", "lost")) == "", "a file that Polku lost is Polku's fault"
    assert told(ValueError("boom")) == ""


def test_the_commands_page_is_in_step() -> None:
    script = HERE.parents[1] / "scripts" / "write_commands_page.py"
    spec = importlib.util.spec_from_file_location("write_commands_page", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), f"run python scripts/{script.name}"


def test_control_c_is_told(polku: Callable[..., Run], shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("polku.journey.check.check", stopped)
    found = polku("check", shop)
    assert (found.code, found.err.strip()) == (130, "Stopped. Nothing was left half done.")


def test_control_c_while_the_program_is_read_shows_no_traceback() -> None:
    code = "import sys\nclass Stop:\n def find_spec(self, name, *_):\n  if name == 'typer': raise KeyboardInterrupt\n"
    code += "sys.meta_path.insert(0, Stop())\nfrom polku.cli import main\nmain(['templates'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "")
