"""A map that was read once is remembered, and never wrongly."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from polku.journey import templates, where
from polku.journey.fault import FaultyMapError
from polku.journey.load import load_journey
from polku.journey.remembered import decoded, encoded, remembered
from polku.journey.where import parse_where


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".polku").mkdir()
    (tmp_path / "journey.yaml").write_text(templates.text("b2b", "fi"), encoding="utf-8")
    return tmp_path


def kept(project: Path) -> Path:
    return project / ".polku" / "cache" / "journey.json"


@pytest.mark.parametrize("name", templates.names())
def test_what_is_remembered_is_what_was_read(project: Path, name: str) -> None:
    file = project / "journey.yaml"
    file.write_text(templates.text(name, "en"), encoding="utf-8")
    first = load_journey(project)
    where._known.clear()
    again = remembered(file, file.read_bytes())
    assert again == first
    for text, found in list(where._known.items()):
        where._known.clear()
        assert found == parse_where(text)
        assert [f.column for f in found.fields] == [f.column for f in parse_where(text).fields]


def test_a_changed_map_is_read_again(project: Path) -> None:
    assert load_journey(project).currency == "EUR"
    file = project / "journey.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("currency: EUR", "currency: SEK"), encoding="utf-8")
    assert load_journey(project).currency == "SEK"
    assert load_journey(project).currency == "SEK"


def test_a_faulty_map_is_never_remembered(project: Path) -> None:
    load_journey(project)
    file = project / "journey.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "surprise: 1\n", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(FaultyMapError):
            load_journey(project)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"of": 1}', '{"of": "x", "journey": {}, "wheres": {}}'])
def test_a_broken_cache_does_no_harm(project: Path, content: str) -> None:
    journey = load_journey(project)
    kept(project).write_text(content, encoding="utf-8")
    assert load_journey(project) == journey
    assert json.loads(kept(project).read_text(encoding="utf-8"))["journey"]["title"]


def test_a_cache_that_was_meddled_with_is_not_believed(project: Path) -> None:
    journey = load_journey(project)
    data = json.loads(kept(project).read_text(encoding="utf-8"))
    data["wheres"] = {"event = 'x'": ["Explode", 1]}
    kept(project).write_text(json.dumps(data), encoding="utf-8")
    assert load_journey(project) == journey
    data["wheres"], data["journey"] = {}, {"title": "x"}
    kept(project).write_text(json.dumps(data), encoding="utf-8")
    assert load_journey(project) == journey


def test_a_folder_without_a_cache_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "journey.yaml").write_text(templates.text("b2b", "fi"), encoding="utf-8")
    load_journey(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["journey.yaml"]


@pytest.mark.parametrize(
    "text",
    [
        "event = 'a' and (value > 1 or not properties.x like 'a%')",
        "lower(properties.x::text) ilike 'ä_' or traits.y is null or properties.z",
        "properties.d::timestamp between '2026-01-01' and '2026-02-01T10:00:00+02:00'",
        "properties.a in (1, 'x', true) and properties.\"a b\" = -0.5",
    ],
)
def test_a_tree_survives_json(text: str) -> None:
    root = parse_where(text).root
    assert decoded(json.loads(json.dumps(encoded(root)))) == root


def test_a_quick_start_imports_no_parser(project: Path) -> None:
    load_journey(project)
    code = (
        "import sys; from polku.journey.load import load_journey; load_journey(sys.argv[1]); "
        "print([m for m in ('sqlglot', 'ruamel.yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(project)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
