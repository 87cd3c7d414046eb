"""Every text of the pages exists in Finnish, and nothing is translated that nobody says."""

from __future__ import annotations

import re

from polku.language import _catalogue

from .reading import finnish, web_texts


def test_every_text_is_translated() -> None:
    texts, translated = web_texts(), finnish()
    assert sorted(t for t in texts if t not in _catalogue("fi")) == []
    assert sorted(t for t in translated if t not in texts) == []
    fields = re.compile(r"\{(\w+)")
    for english, said in translated.items():
        assert sorted(fields.findall(english)) == sorted(fields.findall(said)), english
