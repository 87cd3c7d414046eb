"""polku hook: what a sample would become, what is wrong with a mapping, what senders there are examples for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polku.cli import main
from polku.cli.hooks import EXAMPLES, example_text
from polku.record.project import create_project

SAMPLES = Path(__file__).parents[1] / "sources" / "hooks"
TOPIC = ["--header", "X-Shopify-Topic: orders/create"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hooks") / "shop"
    folder.mkdir()
    broken = '[[hooks]]\nname = "broken"\nsignature = "bearer"\nevent = "kind"\nvalue = "sum"\n'
    text = "\n".join(example_text(name) for name in EXAMPLES) + broken
    (folder / "polku.toml").write_text('language = "en"\n' + text, encoding="utf-8")
    create_project(folder).close()
    return folder


class Told:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *words: object, code: int = 0) -> str:
        with pytest.raises(SystemExit) as end:
            main([str(w) for w in words])
        found = self.capsys.readouterr()
        assert end.value.code == code, found.err
        return found.out + found.err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Told:
    return Told(capsys)


def test_a_sample_is_shown_as_it_would_be_stored_and_is_not(shop: Path, run: Told) -> None:
    told = json.loads(run("hook", "try", shop, "shopify", SAMPLES / "shopify.json", *TOPIC, "--json"))
    assert told["stored"] is False
    event = told["items"][0]["event"]
    assert (event["event"], event["value"], event["currency"]) == ("Order Completed", 39.8, "EUR")
    assert "anna@example.fi" not in json.dumps(told)
    assert event["context"]["ids"]["email"]
    with create_project(shop) as project:
        assert project.inbox.waiting() == 0
    said = run("hook", "try", shop, "mailchimp", SAMPLES / "mailchimp.form", "--language", "fi")
    assert "Email Subscribed" in said
    assert "Mitään ei tallennettu" in said


def test_what_does_not_fit_is_told_with_its_expression(shop: Path, run: Told, tmp_path: Path) -> None:
    sample = tmp_path / "sample.json"
    sample.write_text('{"kind": "Order", "sum": "many"}', encoding="utf-8")
    told = json.loads(run("hook", "try", shop, "broken", sample, "--json", code=1))
    assert told["items"] == [{
        "place": 0, "refused": "unreadable_value", "field": "value", "expression": "sum",
        "message": 'it gives "many", and a number is needed',
    }]  # fmt: skip
    assert "value = sum" in run("hook", "try", shop, "broken", sample, code=1)
    assert "left_out" in run("hook", "try", shop, "shopify", SAMPLES / "shopify.json", "--json", "--header",
                             "X-Shopify-Topic: products/update", code=1)  # fmt: skip


def test_faults_of_the_asker(shop: Path, run: Told, tmp_path: Path) -> None:
    assert "shopify" in run("hook", "try", shop, "shopfy", SAMPLES / "shopify.json", code=2)
    assert "cannot be read" in run("hook", "try", shop, "shopify", tmp_path / "none.json", code=1)
    assert "no header" in run("hook", "try", shop, "shopify", SAMPLES / "shopify.json", "--header", "x", code=2)
    (tmp_path / "cut.json").write_text("{", encoding="utf-8")
    assert "not JSON" in run("hook", "try", shop, "shopify", tmp_path / "cut.json", code=1)
    assert "shopify" in run("hook", "example", "magento", code=2)


def test_hooks_and_examples_are_listed(shop: Path, run: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLKU_HOOK_SHOPIFY", "s3cret")
    monkeypatch.delenv("POLKU_HOOK_STRIPE", raising=False)
    listed = {one["name"]: one for one in json.loads(run("hook", "list", shop, "--json"))}
    assert [*listed] == [*EXAMPLES, "broken"]
    assert (listed["shopify"]["secret_is_set"], listed["stripe"]["secret_is_set"]) == (True, False)
    assert "s3cret" not in run("hook", "list", shop)
    for name in EXAMPLES:
        assert run("hook", "example", name) == example_text(name)
