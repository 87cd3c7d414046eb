"""From a file to history: what is stored, what is refused and why, what a second import does."""

# ruff: noqa: E501 - files as they are written
from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polku.errors import SourceError
from polku.events.refusals import Refusal
from polku.language import Reader
from polku.record.project import Project
from polku.sources.importing import Mapping, import_files, preview

from .conftest import NOW, bring, make_project, stored

Write = Callable[..., Path]

SHOP = """\
user_id,event,time,value,platform
u1,page,2026-01-01T10:00:00Z,,web
u1,add_to_cart,2026-01-01T10:05:00Z,12.5,web
u2,page,2026-01-01T11:00:00Z,,app
"""


def test_a_plain_file(project: Project, write: Write) -> None:
    report = bring(project, write("shop.csv", SHOP))
    assert (report.read, report.stored, report.duplicates, report.refused) == (3, 3, 0, ())
    assert (report.new_customers, report.without_customer) == (2, 0)
    assert report.events == {"page": 2, "Product Added": 1}
    assert report.renamed == {"add_to_cart": ("Product Added", 1)}
    assert stored(project, "user_id", "event", "original_event", "value", "source", "properties") == [
        ("u1", "page", None, None, "csv:shop.csv", '{"platform":"web"}'),
        ("u1", "Product Added", "add_to_cart", 12.5, "csv:shop.csv", '{"platform":"web"}'),
        ("u2", "page", None, None, "csv:shop.csv", '{"platform":"app"}'),
    ]


def test_the_same_file_twice_changes_nothing(project: Project, write: Write) -> None:
    path = write("shop.csv", SHOP)
    first = bring(project, path)
    before = stored(project, "event_id", "time")
    again = bring(project, path)
    assert (first.stored, again.stored, again.duplicates, again.version) == (3, 0, 3, None)
    assert stored(project, "event_id", "time") == before


def test_the_file_under_another_name_or_packed_is_the_same_file(project: Project, write: Write) -> None:
    bring(project, write("shop.csv", SHOP))
    assert bring(project, write("copy.csv.gz", gzip.compress(SHOP.encode()))).stored == 0
    assert bring(project, write("semicolons.csv", SHOP.replace(",", ";"))).stored == 0
    assert bring(project, write("utf16.csv", SHOP.encode("utf-16"))).stored == 0


def test_a_file_that_grew_brings_what_is_new(project: Project, write: Write) -> None:
    bring(project, write("shop.csv", SHOP))
    report = bring(project, write("shop.csv", SHOP + "u1,page,2026-01-01T10:00:00Z,,web\nu3,page,2026-01-02,,web\n"))
    assert (report.stored, report.duplicates) == (2, 3)  # the repeated row is the second of its kind


def test_files_of_one_command_are_imported_one_after_the_other(project: Project, write: Write) -> None:
    one = write("one.csv", SHOP)
    two = write("two.csv", SHOP + "u9,page,2026-01-03,,web\n")
    report = bring(project, [one, two])
    assert (report.stored, report.duplicates, report.read) == (4, 3, 7)
    assert [(f.stored, f.duplicates) for f in report.files] == [(3, 0), (1, 3)]
    assert len(project.history.commits_since(0) or ()) == 1


def test_patterns(project: Project, write: Write) -> None:
    folder = write("logs/a.csv", SHOP).parent
    write("logs/b.csv", SHOP.replace("u1", "u7"))
    assert bring(project, str(folder / "*.csv")).stored == 5
    with pytest.raises(SourceError, match="No file matches"):
        bring(project, str(folder / "*.tsv"))
    with pytest.raises(SourceError, match=r"Did you mean .*a\.csv"):
        bring(project, folder / "aa.csv")
    with pytest.raises(SourceError, match="is a folder"):
        bring(project, folder)


REFUSALS = [
    ("u1,page,,1", Refusal.NO_TIME),
    ("u1,page,soon,1", Refusal.UNREADABLE_TIME),
    ("u1,page,9999-01-01,1", Refusal.TIME_TOO_LATE),
    ("u1,page,2026-11-25 12:00Z,1", Refusal.TIME_TOO_LATE),
    ("u1,page,1000-01-01,1", Refusal.TIME_TOO_EARLY),
    ("u1,,2026-01-01,1", Refusal.NO_EVENT),
    ("u1,page,2026-01-01,many", Refusal.UNREADABLE_VALUE),
    ("u1,page,2026-01-01,inf", Refusal.VALUE_NOT_FINITE),
    ("u1,page,2026-01-01", Refusal.TOO_FEW_COLUMNS),
    ("u1,page,2026-01-01,1,2", Refusal.TOO_MANY_COLUMNS),
    ('"u1,page,2026-01-01,1', Refusal.OPEN_QUOTE),
]


@pytest.mark.parametrize(("line", "reason"), REFUSALS)
def test_a_refused_row_is_told_kept_and_can_be_mended(
    project: Project, write: Write, line: str, reason: Refusal
) -> None:
    good = "u2,page,2026-01-01,5\n"
    report = bring(project, write("f.csv", "user_id,event,time,value\n" + good + line + "\n" + good))
    assert (report.read, report.stored, report.refused_count) == (3, 2, 1)
    assert [(r.reason, r.count, r.examples[0].line) for r in report.refused] == [(reason, 1, 3)]
    [kept] = report.refused_files
    lines = kept.read_text("utf-8").splitlines()
    assert lines[0] == "_polku_line,_polku_reason,user_id,event,time,value"
    assert lines[1].startswith(f"3,{reason.name.lower()},")
    assert len(lines) == 2
    kept.write_text(f"{lines[0]}\n3,{reason.name.lower()},u1,page,2026-01-01,1\n", encoding="utf-8")
    mended = bring(project, kept)
    assert (mended.stored, mended.refused) == (1, ())
    assert stored(project, "user_id", "value", "properties")[-1] == ("u1", 1.0, None)


def test_the_file_of_refused_rows_can_be_imported_as_it_is(project: Project, write: Write) -> None:
    rows = "".join(f"{line}\n" for line, _ in REFUSALS)
    first = bring(project, write("f.csv", "user_id,event,time,value\n" + rows + "u1,page,2026-01-01,1\n"))
    again = bring(project, list(first.refused_files))
    assert again.stored == 0
    assert again.refused_count == first.refused_count == len(REFUSALS)


def test_all_or_nothing_over_all_files(project: Project, write: Write) -> None:
    good = write("good.csv", SHOP)
    with pytest.raises(SourceError, match="does not tell all"):
        bring(project, [good, write("bad.csv", "x,y\n1a,2b\n")])
    cut = write("cut.csv.gz", gzip.compress(SHOP.encode() * 3000)[:-9])
    with pytest.raises(SourceError, match="cannot be unpacked"):
        bring(project, [good, cut], event="event", time="time", customer="user_id")
    assert project.history.rows() == 0
    assert not list((project.folder / ".polku" / "refused").glob("*"))


def test_rows_without_a_customer_are_kept_and_counted(project: Project, write: Write) -> None:
    text = "user_id,anonymous_id,event,time\nu1,,page,2026-01-01\n,a1,page,2026-01-01\n,,page,2026-01-01\nnull,undefined,page,2026-01-01\n"
    report = bring(project, write("f.csv", text))
    assert (report.stored, report.without_customer, report.new_customers) == (4, 2, 2)


def test_ids_of_its_own_are_used_and_met_once(project: Project, write: Write) -> None:
    text = "event_id,user_id,event,time\nx1,u1,page,2026-01-01\nx2,u1,page,2026-01-01\nx1,u1,page,2026-01-02\n,u1,page,2026-01-01\n"
    report = bring(project, write("f.csv", text))
    assert (report.stored, report.duplicates) == (3, 1)
    ids = [row[0] for row in stored(project, "event_id")]
    assert ids[:2] == ["x1", "x2"]
    assert len(ids[2]) == 11
    assert bring(project, write("g.csv", text)).stored == 0
    later = bring(
        project, write("h.csv", "event_id,user_id,event,time\nx1,u1,page,2026-05-01\nx9,u1,page,2026-05-01\n")
    )
    assert (later.stored, later.duplicates) == (1, 1)


def test_columns_by_name_in_finnish(project: Project, write: Write) -> None:
    text = "asiakasnumero;tapahtuma;aika;summa;kanava\n17;tilaus;1.12.2025 klo 8.26;1 299,50 €;myymälä\n17;palautus;2.12.2025 9.00;-20,00 €;puhelin\n"
    report = bring(project, write("kauppa.csv", text.encode("cp1252")))
    assert stored(project, "user_id", "event", "time", "value", "currency", "channel", "properties") == [
        ("17", "Order Completed", NOW.replace(2025, 12, 1, 6, 26), 1299.5, "EUR", "store", '{"kanava":"myymälä"}'),
        ("17", "Order Refunded", NOW.replace(2025, 12, 2, 7, 0), -20.0, "EUR", "phone", '{"kanava":"puhelin"}'),
    ]
    told = report.text(Reader("fi"))
    assert "kauppa.csv: CSV, sarakkeiden erotin ';', cp1252" in told
    assert "asiakas: asiakasnumero (nimen perusteella)" in told


def test_a_day_or_month_that_nothing_tells_is_asked_for(project: Project, write: Write) -> None:
    path = write("f.csv", "user_id,event,time\nu1,page,3/4/2026\n")
    with pytest.raises(SourceError, match="--day-first or --month-first"):
        bring(project, path)
    bring(project, path, day_first=True)
    assert stored(project, "time")[0][0].date().isoformat() == "2026-04-02"  # midnight in Helsinki


def test_the_whole_column_tells_the_order(project: Project, write: Write) -> None:
    silent = "u1,page,3/4/2026 10:00\n" * 40_000
    bring(project, write("f.csv", "user_id,event,time\n" + silent + "u1,page,4/13/2026 10:00\n"))
    days = {row[0].date().isoformat() for row in stored(project, "time")}
    assert days == {"2026-03-04", "2026-04-13"}


def test_date_and_clock_in_two_columns(project: Project, write: Write) -> None:
    path = write("f.csv", "user_id,event,date,time\nu1,page,2026-01-01,10:30\nu1,page,2026-01-01,11:30\n,,,\n")
    report = bring(project, path)
    assert [c.column for c in report.files[0].choices if c.role == "time"] == ["date+time"]
    assert stored(project, "time")[0][0] == NOW.replace(2026, 1, 1, 8, 30)
    assert report.refused[0].reason is Refusal.NO_TIME


def test_traits_account_role_campaign_and_page_have_their_places(project: Project, write: Write) -> None:
    text = (
        "user_id,event,time,account,rooli,plan,age,utm_source,utm_campaign,page_path,colour\n"
        "u1,page,2026-01-01,acme,buyer,pro,27,instagram,summer,/x,red\n"
    )
    bring(project, write("f.csv", text), traits=("plan", "age"), account="account", role="rooli")
    [(account, context, properties)] = stored(project, "account_id", "context", "properties")
    assert account == "acme"
    assert json.loads(context) == {
        "traits": {"plan": "pro", "age": 27},
        "role": "buyer",
        "campaign": {"source": "instagram", "name": "summer"},
        "page": {"path": "/x"},
    }
    assert properties == '{"colour":"red"}'


def test_only_the_properties_named_are_kept(project: Project, write: Write) -> None:
    text = "user_id,event,time,a,b\nu1,page,2026-01-01,1,2\n"
    bring(project, write("f.csv", text), properties=("b",))
    assert stored(project, "properties") == [('{"b":2}',)]
    with pytest.raises(SourceError, match="--property: the file has no column 'c'"):
        bring(project, write("g.csv", text), properties=("c",))


def test_words_for_all_rows(project: Project, write: Write) -> None:
    text = "user_id,time,Quantity,UnitPrice\nu1,2026-01-01,6,2.55\nu1,2026-01-01,-1,2.55\n"
    report = bring(project, write("f.csv", text), event_name="Order Completed", value="Quantity*UnitPrice", currency="gbp", source="shop", channel="store")  # fmt: skip
    assert report.renamed == {}
    assert stored(project, "event", "value", "currency", "source", "channel") == [
        ("Order Completed", 15.3, "GBP", "shop", "store"),
        ("Order Completed", -2.55, "GBP", "shop", "store"),
    ]


def test_renaming(project: Project, write: Write) -> None:
    text = "user_id,event,time\nu1,purchase,2026-01-01\nu1,ostos,2026-01-01\n"
    report = bring(
        project, write("f.csv", text), rename={"ostos": "Order Completed", "purchase": "purchase", "nosuch": "x"}
    )
    assert report.events == {"purchase": 1, "Order Completed": 1}
    assert "--rename: no event of the files is called 'nosuch'." in report.text(Reader("en"))
    assert "purchase" not in report.text(Reader("en"))


def test_names_can_be_kept(project: Project, write: Write) -> None:
    report = bring(project, write("f.csv", SHOP), keep_names=True)
    assert report.events == {"page": 2, "add_to_cart": 1}


def test_importing_with_other_settings_warns(project: Project, write: Write) -> None:
    path = write("f.csv", SHOP)
    bring(project, path)
    report = bring(project, path, keep_names=True)
    assert report.stored == 1
    assert "imported before with other settings" in report.text(Reader("en"))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"time": "tiem"}, "--time: the file has no column 'tiem'. Did you mean 'time'?"),
        (
            {"customer": "zzz"},
            "--customer: the file has no column 'zzz'. Its columns: user_id, event, time, value, platform.",
        ),
        ({"value": "value*price"}, "--value: the file has no column 'price'."),
        ({"currency": "euroja"}, "neither a column nor a currency"),
        ({"source": "platforn"}, "Did you mean 'platform'"),
        ({"event": "user_id"}, "was named for both --customer and --event"),
        ({"timezone": "Europe/Helsingfors"}, "There is no time zone"),
        ({"event": "event", "event_name": "x"}, "give one of them"),
        ({"decimal": ";"}, "The decimal mark"),
    ],
)
def test_mistakes_are_told(project: Project, write: Write, said: dict[str, str], message: str) -> None:
    with pytest.raises(SourceError) as told:
        bring(project, write("f.csv", SHOP), **{"customer": "user_id", **said} if "event" in said else said)
    assert message in str(told.value)
    assert told.value.text("fi") != str(told.value)


def test_everything_unclear_is_told_at_once(project: Project, write: Write) -> None:
    with pytest.raises(SourceError) as told:
        bring(project, write("f.csv", "created,createdat,x\n2026-01-01,2026-01-01,y\n"))
    text = str(told.value)
    assert "Several columns fit: created, createdat" in text
    assert "--event COLUMN" in text
    assert "--customer COLUMN" in text


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("f.csv", b"", "is empty"),
        ("f.csv", b"\n\n", "holds no lines"),
        ("f.xlsx", b"PK\x03\x04xxxx", "is a spreadsheet"),
        ("f.csv", b"%PDF-1.7", "is a PDF"),
        ("f.parquet", b"hello", "is named like Parquet but is not"),
        ("f.parquet", b"PAR1hello", "cannot be read as Parquet"),
        ("f.json", b'[{"a": 1}]', "is one JSON list"),
        ("f.jsonl", b"{nothing\n", "holds no JSON objects"),
    ],
)
def test_what_is_no_file_of_events(project: Project, write: Write, name: str, content: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        bring(project, write(name, content))


def test_preview_shows_the_guess_without_importing(project: Project, write: Write) -> None:
    [shown] = preview(project, write("f.csv", SHOP), Mapping())
    assert shown.planned.to_dict()["customer"] == {"column": "user_id", "why": "by its name"}
    assert project.history.rows() == 0


def test_progress_tells_how_far_it_is(project: Project, write: Write) -> None:
    told: list[tuple[float, float | None, str]] = []
    path = write("f.csv", SHOP)
    import_files(project, path, progress=lambda *t: told.append(t))
    assert told[0] == (len(SHOP), len(SHOP), "Reading events")
    assert told[-1][2] == "Writing history"


def test_the_report_as_json(project: Project, write: Write) -> None:
    report = bring(project, write("f.csv", SHOP + "u1,page,x,,\n"))
    told = json.loads(json.dumps(report.to_dict("fi"), allow_nan=False))
    assert (told["read"], told["stored"], told["refused"]) == (4, 3, 1)
    assert told["refusals"][0]["text"] == "aikaa ei voi lukea"
    assert told["files"][0]["columns"]["time"]["column"] == "time"


def test_polkus_own_export_maps_onto_itself(project: Project, write: Write, tmp_path: Path) -> None:
    bring(project, write("f.csv", SHOP))
    table = project.sql("select * from events order by seq")
    for name in ("export.parquet", "export.csv"):
        path = tmp_path / name
        if name.endswith("parquet"):
            pq.write_table(table, path)
        else:
            pa.csv.write_csv(table, path)
        assert bring(project, path).stored == 0
        with make_project(tmp_path / f"other-{name}") as other:
            report = bring(other, path)
            assert report.stored == 3
            columns = (
                "event_id",
                "time",
                "event",
                "original_event",
                "user_id",
                "value",
                "source",
                "properties",
                "received_at",
            )
            assert stored(other, *columns) == stored(project, *columns)


ROW = st.tuples(
    st.sampled_from(["u1", "u2", ""]),
    st.sampled_from(["page", "purchase"]),
    st.integers(1, 3),
    st.sampled_from(["", "1", "2,5"]),
)


@given(st.lists(ROW, max_size=25), st.lists(ROW, max_size=10))
@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_importing_again_adds_nothing_and_repeats_are_kept(
    tmp_path_factory: pytest.TempPathFactory, rows: list[object], more: list[object]
) -> None:
    """Truth of both halves: n equal rows in a file are n events, and a file that was imported brings no event again."""
    folder = tmp_path_factory.mktemp("again")

    def file(name: str, of: list[object]) -> Path:
        path = folder / name
        lines = [f"{u};{e};2026-01-0{d};{v}" for u, e, d, v in of]  # type: ignore[misc]
        path.write_text("\n".join(["user_id;event;time;value", *lines]) + "\n", encoding="utf-8")
        return path

    with make_project(folder / "shop") as project:
        first = bring(project, file("a.csv", rows))
        assert first.stored == len(rows)
        assert bring(project, file("b.csv", rows)).stored == 0
        longer = bring(project, file("c.csv", [*rows, *more]))
        assert (longer.stored, longer.duplicates) == (len(more), len(rows))
        assert len(set(stored(project, "event_id"))) == len(rows) + len(more)


CELLS = st.sampled_from(
    ["u1", "page", "2026-01-01", "9999-01-01", "1 299,50 €", "nan", "", '"', "\0", "\u00e4", "x;y", "1e999", "\udcff"]
)


@given(st.lists(st.lists(CELLS, min_size=3, max_size=5), max_size=20), st.sampled_from(["\n", "\r\n", ""]))
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_is_stored_or_refused_row_by_row(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], end: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    path = folder / "f.csv"
    body = "\n".join([";".join(r) for r in rows]) + end
    path.write_bytes(b"user_id;event;time;value\nu;page;2026-01-01;1\n" + body.encode("utf-8", "surrogateescape"))
    with make_project(folder / "shop") as project:
        report = bring(
            project,
            path,
            delimiter=";",
            customer="user_id",
            event="event",
            time="time",
            value="value",
            encoding="utf-8",
        )
        assert report.read == report.stored + report.duplicates + report.refused_count
        assert report.stored == project.history.rows()
        assert report.read >= 1
        again = bring(
            project,
            path,
            delimiter=";",
            customer="user_id",
            event="event",
            time="time",
            value="value",
            encoding="utf-8",
        )
        assert (again.read, again.stored, again.refused_count) == (report.read, 0, report.refused_count)


def test_the_finnish_excel_export(project: Project, write: Write) -> None:
    """cp1252, semicolons, decimal commas, a euro sign, a day and a clock in columns of their own."""
    rows = [
        "Asiakasnro;Päivä;Klo;Tapahtuma;Summa;Tuote",
        "101;1.3.2026;9.05;Tilaus;1 299,50 €;Mekko Ää",
        "102;13.3.2026;14.30.15;Tilaus;1\xa0299,50 €;Kenkä",
        "103;14.3.2026;;Tilaus;-12,00 €;Ääni",
    ]
    report = bring(project, write("kansio ä/tilaukset ääni.csv", "\r\n".join(rows).encode("cp1252")))
    assert (report.stored, report.refused) == (3, ())
    assert stored(project, "value", "currency") == [(1299.5, "EUR"), (1299.5, "EUR"), (-12.0, "EUR")]
    assert [json.loads(row[0])["Tuote"] for row in stored(project, "properties")] == ["Mekko Ää", "Kenkä", "Ääni"]
    moments = [row[0].astimezone(ZoneInfo("Europe/Helsinki")).isoformat() for row in stored(project, "time")]
    assert moments == ["2026-03-01T09:05:00+02:00", "2026-03-13T14:30:15+02:00", "2026-03-14T00:00:00+02:00"]
