"""The first files of a project: the map, the pieces of content that its guidance names, and the settings.

Each file gets its name when it is whole, and the map, which makes the folder a project, comes last. Until then
``.polku-begun`` names the files that are being written: a start that was stopped (Ctrl-C, a kill) can be made again,
and takes away what the first one left.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from polku.errors import ProjectError
from polku.language import N_

#: Names the files of a start that is under way, each with the hash of its text.
BEGUN = ".polku-begun"
#: A piece of content as guidance names it.
_PIECE = re.compile(r"\bcontent/([a-z0-9_]+\.(?:fi|en)\.md)\b")

#: A constant of the shop's as a piece asks for it.
_CONSTANT = re.compile(r"\{\{\s*shop\.(\w+)")
FACTS = {
    "fi": "Kaupan omat tiedot, joita sisältö kysyy. Poista risuaidat ja täytä; polku content check kertoo puutteet.",
    "en": "The shop's own facts, which content asks for. Take the # away and fill in; polku content check finds gaps.",
}
EXAMPLES = {"url": "https://shop.example", "delivery_price": '{fi: "4,90 €", en: "€4.90"}'}


def content_named_in(journey: str) -> dict[str, str]:
    """The shipped pieces that the map's text names, each once and in order: ``content/NAME.LANGUAGE.md`` to its text.

    A piece that is not shipped is left out, since then it is the user's own.
    """
    shipped = resources.files(__package__) / "content"
    pieces = {}
    for file in dict.fromkeys(_PIECE.findall(journey)):
        if (piece := shipped / file).is_file():
            pieces[f"content/{file}"] = piece.read_text("utf-8")
    return pieces


def facts_for(pieces: Mapping[str, str], language: str) -> dict[str, str]:
    """``content/facts.yaml`` with the shop's own constants that pieces ask for; nothing where none asks for any.

    They stand in comments, for a person to fill in: no letter is to leave with an address that was made up.
    """
    asked = dict.fromkeys(name for text in pieces.values() for name in _CONSTANT.findall(text))
    if not asked:
        return {}
    lines = [f"# {FACTS[language]}", "# shop:", *(f"#   {name}: {EXAMPLES.get(name, '...')}" for name in asked)]
    return {"content/facts.yaml": "\n".join(lines) + "\n"}


def begin(folder: Path, journey: str, language: str, more: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Write ``journey.yaml``, ``content/`` and ``polku.toml`` into ``folder``; the paths written, the map last.

    ``journey`` is the map's text, ``language`` ("fi" or "en") that of the settings' comments, ``more`` other files by
    name. Raises ProjectError when anything that would be written is there already, before the first byte is written.
    """
    # The settings are documented once, where they are read; the map's room asks for that text and for nothing else.
    from polku.record.settings import settings_text

    pieces = content_named_in(journey)
    files = {
        **pieces,
        **facts_for(pieces, language),
        **(more or {}),
        "polku.toml": settings_text(language),
        "journey.yaml": journey,
    }
    _clear(folder)
    _refuse_to_overwrite(folder, tuple(files))
    (folder / "content").mkdir(parents=True, exist_ok=True)
    _write(folder, BEGUN, json.dumps({name: _hash(text.encode("utf-8")) for name, text in files.items()}))
    for name, text in files.items():
        _write(folder, name, text)
    (folder / BEGUN).unlink()
    return tuple(folder / name for name in files)


def _write(folder: Path, name: str, text: str) -> None:
    """Write a file that has its name only when it is whole and on the disk."""
    part = folder / f"{BEGUN}.part"
    with part.open("w", encoding="utf-8", newline="\n") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    part.rename(folder / name)


def _clear(folder: Path) -> None:
    """Remove what a start that was stopped left, except what was changed since; all stays when it got to the map."""
    begun, part = folder / BEGUN, folder / f"{BEGUN}.part"
    if part.is_file():
        part.unlink()
    if not begun.is_file():
        return
    if not (folder / "journey.yaml").exists():
        for name, known in json.loads(begun.read_text(encoding="utf-8")).items():
            file = folder / name
            if file.is_file() and _hash(file.read_bytes()) == known:
                file.unlink()
    begun.unlink()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _refuse_to_overwrite(folder: Path, files: tuple[str, ...]) -> None:
    for place in (folder, *folder.parents):
        if place.exists():
            if not place.is_dir():
                raise ProjectError(
                    N_("{folder} cannot be a project's folder: {file} is a file. Choose another folder."),
                    folder=str(folder),
                    file=str(place),
                )
            break
    there = [name for name in (*files, ".polku") if (folder / name).exists()]
    if there:
        raise ProjectError(
            N_(
                "{folder} has {files} already, and nothing is overwritten. "
                "Open it as it is (polku status {folder}), or start in another folder."
            ),
            folder=str(folder),
            files=", ".join(there),
        )
