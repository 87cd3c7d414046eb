"""The pages of measures: each of the catalogue in both languages, its pictures, its files, its form."""

from __future__ import annotations

import csv
import html
import io
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from polku.measures.catalogue import CATALOGUE
from polku.measures.families import TITLES
from polku.web import docs
from polku.web.forms import CHOICES

from .conftest import Site
from .reading import other_texts, read, web_texts

FUNNEL = "/measures/funnel?steps=product,cart,order&within=7d"
OUTSIDE = ("/../pyproject.toml", "/%2e%2e/pyproject.toml", "//etc/passwd", "/.x", "/none.md")


def test_every_choice_has_words() -> None:
    missing = {c for m in CATALOGUE.values() for o in m.options for c in o.choices} - set(CHOICES)
    assert not missing, "add them to polku.web.forms.CHOICES"


@pytest.mark.parametrize("language", ["fi", "en"])
@pytest.mark.parametrize("name", CATALOGUE)
def test_every_measure_opens(site: Site, name: str, language: str) -> None:
    """With its defaults: an answer, or the reason why there is none above a form that can mend it; never an error."""
    response = site.get(f"/measures/{name}", language)
    assert response.status_code == 200, response.text[-1500:]
    page = read(response)
    assert page.faults == []
    assert len(page.ids) == len(set(page.ids))
    assert "None" not in page.texts
    answered = 'role="alert"' not in response.text
    assert ("<table" in response.text) == answered
    for drawn in re.findall(r"<svg [^>]*role=.*?</svg>", response.text, re.DOTALL):
        root = ElementTree.fromstring(html.unescape(drawn).replace("&", "&amp;") if "&nbsp;" in drawn else drawn)
        for name_of in ("aria-labelledby", "aria-describedby"):
            assert root.get(name_of) in page.ids
    if language == "fi" and answered:
        english = {t for t in {*web_texts(), *other_texts()} if "{" not in t and len(t) > 12}
        said = {t for t in page.texts if t in english and t not in TITLES}
        assert not {t for t in said if _finnish(t) != t}


def _finnish(text: str) -> str:
    from polku.language import translate

    return translate("fi", text)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_measure_as_files(site: Site, name: str) -> None:
    page = site.get(f"/measures/{name}").text
    if 'role="alert"' in page:
        return  # nothing to take away before something is chosen
    assert site.get(f"/api/measures/{name}").json()["measure"] == name
    tables = re.findall(r'href="(/measures/[^"]*format=csv[^"]*table=\d+)"', page)
    assert tables
    for link in tables:
        found = site.get(html.unescape(link))
        assert found.status_code == 200
        assert len(list(csv.reader(io.StringIO(found.text.lstrip("\ufeff"))))) >= 1
    pictures = re.findall(r'href="(/measures/[^"]*format=svg[^"]*)"', page)
    assert len(pictures) == len(re.findall(r"data-svg", page))
    for link in pictures:
        found = site.get(html.unescape(link))
        assert found.headers["content-type"].startswith("image/svg+xml")
        assert ElementTree.fromstring(found.content).tag == "{http://www.w3.org/2000/svg}svg"
        assert "attachment" in found.headers["content-disposition"]


def test_a_table_of_its_own_and_all_of_them(site: Site) -> None:
    whole = site.get("/measures/feeling?format=csv").text
    first = site.get("/measures/feeling?format=csv&table=1").text
    assert whole.lstrip("\ufeff").startswith(first.lstrip("\ufeff"))
    assert len(whole) > len(first)
    assert site.get("/measures/feeling?format=csv&table=99").status_code == 400
    assert site.get("/measures/funnel?format=svg&chart=99").status_code == 400
    assert site.get("/measures/stages?format=svg").status_code == 400  # it draws no picture


def test_what_was_asked_stays_in_the_form_and_in_every_link(site: Site) -> None:
    text = site.get(FUNNEL + "&by=session&order=strict").text
    assert 'value="product,cart,order"' in text
    assert 'value="7d"' in text
    assert '<option value="strict" selected>' in text
    for link in re.findall(r'href="(/(?:api/)?measures/funnel\?[^"]*)"', text):
        assert "steps=product%2Ccart%2Corder" in link
        assert "order=strict" in link


def test_every_option_of_a_measure_is_in_its_form(site: Site) -> None:
    for name in ("funnel", "experiment", "value", "transitions", "acquisition"):
        text = site.get(f"/measures/{name}").text
        for option in CATALOGUE[name].options:
            assert f'name="{option.name}"' in text, (name, option.name)
            assert html.escape(option.help, quote=True)[:30] in text or html.escape(option.help)[:20] in text


def test_the_measures_by_family_are_found_by_words(site: Site) -> None:
    every = read(site.get("/measures"))
    for name in CATALOGUE:
        assert f"/measures/{name}" in every.links
    assert "/measures/first_order" in every.links
    found = re.findall(r'<dt><a href="/measures/(\w+)"', site.get("/measures?q=drop+off").text)
    assert "funnel" in found
    assert "bounce" not in found
    assert "funnel" in re.findall(r'<dt><a href="/measures/(\w+)"', site.get("/measures?q=suppilo", "fi").text)
    assert "No measure has that" in site.get("/measures?q=unheard").text


@pytest.mark.parametrize("path", sorted({family.docs for family in TITLES.values() if docs.has(family.docs)}))
def test_a_definition_leads_to_its_page_of_the_docs(site: Site, path: str) -> None:
    response = site.get(f"/docs/{path}")
    assert response.status_code == 200
    page = read(response)
    assert page.faults == []
    assert "<h1" in response.text


def test_the_docs_stay_in_their_folder(site: Site) -> None:
    for path in OUTSIDE:
        assert site.get(f"/docs{path}").status_code == 404
    assert '<a href="/docs/measures/funnel.md">' in site.get(FUNNEL).text
    assert "<script" not in docs.html_of("# Title\n\n<script>alert(1)</script>\n")[1]
    assert docs.html_of("# Title `a`\n\n|a|b|\n|--:|:--|\n|1|2|\n") == (
        "Title `a`",
        '<h1 id="title-a">Title <code>a</code></h1>\n<table>\n<thead>\n<tr>\n<th class="right">a</th>\n'
        '<th class="left">b</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td class="right">1</td>\n<td class="left">2</td>\n'
        "</tr>\n</tbody>\n</table>\n",
    )


def test_the_docs_of_every_family_are_written_or_not_linked() -> None:
    folder = docs.folder()
    assert isinstance(folder, Path)
    for family in TITLES.values():
        assert docs.has(family.docs) == (folder / family.docs).is_file()
