"""polku identities and polku note: what they say, as JSON and to people."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from polku.cli import main
from polku.record.project import create_project

MAP = Path(__file__).parent.parent / "notes" / "journey.yaml"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "shop"
    folder.mkdir()
    shutil.copy(MAP, folder / "journey.yaml")
    create_project(folder, "en").close()
    return folder


def test_notes_and_joins_by_command(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def ask(*words: str) -> dict[str, object]:
        return json.loads(run(capsys, *words, "--json"))

    first = ask("note", str(shop), "--name", "Anna", "--customer", "anna@example.fi", "--touchpoint", "call")
    second = ask("note", str(shop), "--customer", "K-7", "--touchpoint", "sale", "--value", "10")
    assert (first["event"], second["user_id"]) == ("Call", "number:K-7")
    plan = ask("identities", "merge", str(shop), "anna@example.fi", "K-7", "--why", "same", "--preview")
    assert (plan["written"], len(plan["before"]), len(plan["after"])) == (False, 2, 1)
    assert plan["after"][0]["events"] == 2
    done = ask("identities", "merge", str(shop), "anna@example.fi", "K-7", "--why", "same")
    assert done["written"] is True
    assert ask("identities", "list", str(shop), "K-7")["total"] == 2
    (join,) = ask("identities", "joins", str(shop), "K-7")["joins"]
    assert (join["join"], join["evidence"], join["counts"]) == (done["join"], "same", True)
    assert "stage decision" in run(capsys, "identities", "undo", str(shop), str(join["join"]), "--language", "en")
    assert ask("identities", "joins", str(shop), "--undone")["joins"][0]["undone_by"].startswith("cli")
    held = ask("identities", "quarantine", str(shop), "--keep", "K-7")
    assert [(h["value"], h["verdict"]) for h in held["quarantine"]] == [("number:K-7", "kept")]
    assert ask("identities", "quarantine", str(shop), "--release", "K-7")["total"] == 0
    told = run(capsys, "identities", "merge", str(shop), "anna@example.fi", "K-7", "--why", "yes", "--language", "en")
    assert f"polku identities undo {shop} " in " ".join(told.split()).replace("- ", "-")
    log = run(capsys, "audit", str(shop), "--json")
    assert "customer.merged" in log
    assert not [word for word in ("K-7", "anna", "same") if word in log], "the log outlives who is forgotten"
    assert ask("note", str(shop), "--undo", str(second["event_id"])) == {"removed": second["event_id"]}


def run(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["identities", "list", "nobody"], "no customer with the id"),
        (["identities", "undo", "99"], "no join number 99"),
        (["note", "--customer", "x"], "--touchpoint"),
        (["note", "--customer", "x", "--touchpoint", "cal"], "did you mean call"),
        (["note", "--customer", "x", "--touchpoint", "call", "--when", "noon"], "is no time"),
    ],
)
def test_what_cannot_be_done_is_told(
    shop: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    place = 1 if words[0] == "note" else 2
    with pytest.raises(SystemExit):
        main([*words[:place], str(shop), *words[place:], "--language", "en"])
    assert message in capsys.readouterr().err
