"""The first files of a project: the map, the pieces of content that its guidance names, and the settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from polku.errors import ProjectError
from polku.language import N_

#: A piece of content as guidance names it.
_PIECE = re.compile(r"\bcontent/([a-z0-9_]+\.(?:fi|en)\.md)\b")


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


def begin(folder: Path, journey: str, language: str, more: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Write ``journey.yaml``, ``content/`` and ``polku.toml`` into ``folder``; the paths written, the map last.

    ``journey`` is the map's text, ``language`` ("fi" or "en") that of the settings' comments, ``more`` other files by
    name. Raises ProjectError when anything that would be written is there already, before the first byte is written.
    """
    # The settings are documented once, where they are read; the map's room asks for that text and for nothing else.
    from polku.record.settings import settings_text

    files = {
        **content_named_in(journey),
        **(more or {}),
        "polku.toml": settings_text(language),
        "journey.yaml": journey,
    }
    _refuse_to_overwrite(folder, tuple(files))
    (folder / "content").mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        with (folder / name).open("x", encoding="utf-8", newline="\n") as f:
            f.write(text)
    return tuple(folder / name for name in files)


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
