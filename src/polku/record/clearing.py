"""Places besides history and tables that may name a customer: the inbox, texts, files. Each is cleaned here of them."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from polku.errors import ProjectBusy
from polku.language import N_
from polku.record import tables
from polku.record.belonging import Belongings
from polku.record.inbox import pack, unpack
from polku.record.rewriting import row_mask
from polku.record.steps import reached

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from polku.record.project import Project

#: Seconds to wait for whoever takes news into the trails just now.
PATIENCE = 120.0
#: Bytes of the largest imported file that is looked through for the customer.
MOST_SEARCHED = 1 << 28


def empty_inbox(project: Project, of: Belongings) -> int:
    """Groups that hold events of theirs are written anew; nobody moves meanwhile, the lease is ours."""
    gone = 0
    table = tables.inbox
    with project.state.read() as connection:
        numbers = connection.execute(sa.select(table.c.last_seq).order_by(table.c.last_seq)).scalars().all()
    for last in numbers:
        with project.state.write() as connection:
            payload = connection.execute(sa.select(table.c.payload).where(table.c.last_seq == last)).scalar()
            if payload is not None:
                gone += _rewrite_group(connection, int(last), payload, of)
    reached("inbox rewritten")
    return gone


def _rewrite_group(connection: Connection, last: int, payload: bytes, of: Belongings) -> int:
    """One group of the inbox without their events; its numbers say what is left. Returns how many went."""
    rows = unpack(payload)
    kept = rows.filter(pc.invert(of.rows()))
    shared = row_mask(kept, of.shares())
    if kept.num_rows == rows.num_rows and not pc.any(shared).as_py():
        return 0
    same = tables.inbox.c.last_seq == last
    if not kept.num_rows:
        connection.execute(sa.delete(tables.inbox).where(same))
        return int(rows.num_rows)
    cleaned = pc.if_else(shared, pa.scalar(None, pa.string()), kept["anonymous_id"].cast(pa.string()))
    place = kept.schema.get_field_index("anonymous_id")
    kept = kept.set_column(place, kept.schema.field(place), cleaned.cast(kept.schema.field(place).type))
    numbers = pc.min_max(kept["seq"]).as_py()
    connection.execute(
        sa.update(tables.inbox)
        .where(same)
        .values(first_seq=numbers["min"], last_seq=numbers["max"], rows=kept.num_rows, payload=pack(kept))
    )
    return int(rows.num_rows - kept.num_rows)


def clean_texts(connection: Connection, name: str, column: str, words: Sequence[str]) -> int:
    """Rows of texts that name the customer: they go whole (refused events), or lose the text."""
    table = tables.metadata.tables.get(name)
    if table is None:
        return 0
    found = 0
    keys = list(table.primary_key.columns)
    pattern = mentions(words)
    rows = connection.execute(sa.select(*keys, table.c[column]).where(table.c[column].is_not(None))).all()
    for row in rows:
        if not pattern.search(row[-1]):
            continue
        same = sa.and_(*(key == value for key, value in zip(keys, row[:-1], strict=True)))
        if name == "refused_events":
            connection.execute(sa.delete(table).where(same))
        else:
            text = None if name == "refusals" else pattern.sub("...", row[-1])
            connection.execute(sa.update(table).where(same).values({column: text}))
        found += 1
    return found


def mentions(words: Sequence[str]) -> re.Pattern[str]:
    """Finds any of these words where it stands by itself, also as JSON writes it.

    >>> bool(mentions(["42"]).search('{"id": "42"}')), bool(mentions(["42"]).search("1423"))
    (True, False)
    """
    forms: dict[str, None] = {}
    for word in words:
        for form in (
            word,
            json.dumps(word)[1:-1],
            json.dumps(word, ensure_ascii=False)[1:-1],
            word.replace("@", "%40"),
        ):
            forms[form] = None
    longest = sorted((re.escape(form) for form in forms if form), key=len, reverse=True)
    return re.compile(r"(?<![\w-])(?:" + "|".join(longest) + r")(?![\w-])", re.IGNORECASE)


def clean_refused(folder: Path, words: Sequence[str]) -> int:
    """Take the rows that name any of ``words`` out of the files of refused rows. Returns how many."""
    if not folder.is_dir():
        return 0
    gone = 0
    pattern = mentions(words)
    for file in sorted(p for p in folder.iterdir() if p.is_file()):
        lines = file.read_text(encoding="utf-8", errors="surrogateescape").splitlines(keepends=True)
        head = 1 if ".csv" in file.suffixes else 0
        kept = lines[:head] + [line for line in lines[head:] if not pattern.search(line)]
        if len(kept) == len(lines):
            continue
        gone += len(lines) - len(kept)
        if len(kept) > head:
            partial = file.with_name(f"{file.name}.rewritten")
            partial.write_text("".join(kept), encoding="utf-8", errors="surrogateescape")
            partial.replace(file)
        else:
            file.unlink()
    return gone


def listed_hashes(connection: Connection) -> list[str]:
    """The hashes by which advertising platforms know those who were erased, until they are told to remove them."""
    row = tables.audience_listed.c
    found = connection.execute(sa.select(row.identifiers).where(row.origin.is_(None))).scalars()
    return sorted({one for text in found for ids in json.loads(text).values() for one in ids if one})


def clean_lists(folder: Path, hashes: Sequence[str]) -> int:
    """Take the rows with any of ``hashes`` out of the files of lists for ads; files that tell a platform whom to remove
    stay. Returns how many.
    """
    if not folder.is_dir() or not hashes:
        return 0
    gone, wanted = 0, set(hashes)
    for file in sorted(folder.glob("*/*/*.csv")):
        if file.name.endswith("-removed.csv"):
            continue
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = lines[:1] + [line for line in lines[1:] if wanted.isdisjoint(line.rstrip().split(","))]
        if len(kept) < len(lines):
            gone += len(lines) - len(kept)
            partial = file.with_name(f"{file.name}.rewritten")
            partial.write_text("".join(kept), encoding="utf-8")
            partial.replace(file)
    return gone


def backup_places(project: Project) -> list[str]:
    """Where backups of this project are, as far as it made them itself."""
    from polku.backups.taking import _places

    return [str(place) for place in _places(project)]


def imported_files(project: Project, words: Sequence[str]) -> list[str]:
    """Files of the shop's own that were imported and still name the customer: they are not Polku's to change."""
    with project.state.read() as connection:
        paths = connection.execute(sa.select(tables.imports.c.source).distinct()).scalars().all()
    needles = [word.encode() for word in words if len(word) > 3]
    found: list[str] = []
    for path in sorted({Path(p) for p in paths}):
        if path.is_file() and path.stat().st_size < MOST_SEARCHED and any(n in path.read_bytes() for n in needles):
            found.append(path.name)
    return found


def delete_backups(folder: Path) -> int:
    """Backups that migrations made hold the customer in a format of their own; they served their day."""
    gone = 0
    if folder.is_dir():
        for file in sorted(folder.glob("state-*.db*")):
            file.unlink()
            gone += 1
    return gone


def renew_trails(project: Project, words: Sequence[str]) -> int:
    """Trails without the customer. Where a page or another word of their tables names them, all of it is made anew."""
    from polku.trails import open_trails

    folder = project.data / "trails"
    if not folder.is_dir():
        return 0
    pattern = mentions(words)
    if any(_names(file, pattern) for file in sorted(folder.rglob("*")) if file.is_file()):
        shutil.rmtree(folder, ignore_errors=True)
    if project.map_file.exists():
        until = time.monotonic() + PATIENCE
        while open_trails(project).late:  # a server takes news in: it began before the customer was gone
            if time.monotonic() > until:
                raise ProjectBusy(
                    N_("Another process is still building the trails in {folder}. Try again when it is done."),
                    folder=str(folder),
                )
            time.sleep(0.1)
    return 1


def _names(file: Path, pattern: re.Pattern[str]) -> bool:
    """Whether a table of the trails (pages, manifests, properties) names somebody; arrays of numbers cannot."""
    if file.suffix == ".npy":
        return False
    return pattern.search(file.read_bytes().decode("utf-8", "replace")) is not None
