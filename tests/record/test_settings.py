"""polku.toml: one place for every setting, read back as written, faults told all at once."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from polku.errors import ProjectError
from polku.record.settings import Settings, load_settings, project_language, read_settings, setting_names, settings_text


@pytest.mark.parametrize("language", ["fi", "en"])
def test_the_written_file_reads_back_as_the_defaults(language):
    text = settings_text(language)
    assert read_settings(text) == read_settings(f'language = "{language}"')
    assert tomllib.loads(text)["server"]["port"] == 8000


def test_every_setting_is_documented_in_both_languages():
    fi, en = settings_text("fi"), settings_text("en")
    for text in (fi, en):
        lines = text.splitlines()
        for name in setting_names():
            at = next(i for i, line in enumerate(lines) if line.startswith(f"{name.split('.')[-1]} = "))
            assert lines[at - 1].startswith("# ")
    said_fi = {line for line in fi.splitlines() if line.startswith("#")}
    said_en = {line for line in en.splitlines() if line.startswith("#")}
    assert not said_fi & said_en, "a setting's text has no Finnish"


def test_given_values_are_written():
    text = settings_text("en", server__port=9000, record__history='C:\\data "x"')
    settings = read_settings(text)
    assert settings.server.port == 9000
    assert settings.record.history == 'C:\\data "x"'


def test_all_faults_are_told_at_once_with_the_nearest_name():
    with pytest.raises(ProjectError) as caught:
        read_settings(
            'languge = "fi"\nport = 1\n[server]\nhots = "x"\nport = "a"\n[trails]\nfold = 3\n[sql]\nseconds=true'
        )
    said = str(caught.value)
    for piece in (
        "did you mean language",
        "did you mean server.port",
        "did you mean host",
        "whole number",
        "at most 1",
    ):
        assert piece in said
    assert "kokonaisluku" in caught.value.text("fi")


@pytest.mark.parametrize("text", ["language = fi", "[server", "a = 1\na = 2"])
def test_what_is_not_toml_is_said(text):
    with pytest.raises(ProjectError, match="TOML"):
        read_settings(text)


def test_a_section_written_as_a_value():
    with pytest.raises(ProjectError, match=r"\[server\]"):
        read_settings("server = 3")


def test_whole_numbers_serve_where_fractions_may_stand():
    assert read_settings("[trails]\nfold = 1").trails.fold == 1.0


def test_files(tmp_path: Path):
    assert load_settings(tmp_path) == Settings()
    assert project_language(tmp_path) is None
    (tmp_path / "polku.toml").write_text('\ufefflanguage = "en"', encoding="utf-8")
    assert load_settings(tmp_path).language == "en"
    assert project_language(tmp_path) == "en"
    (tmp_path / "polku.toml").write_bytes(b'language = "\xe4"')
    assert project_language(tmp_path) is None
    with pytest.raises(ProjectError, match="UTF-8"):
        load_settings(tmp_path)
