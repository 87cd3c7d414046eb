"""Reviews out of a CSV export: of Judge.me, Trustpilot, Google and others like them; their columns are guessed.

The rows go through the project's import as any file's do, so that the same file a second time adds nothing, and nobody
who was erased comes back. Replies of the shop come along.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from polku.errors import SourceError
from polku.language import N_
from polku.record import tables
from polku.record.clock import now
from polku.sources.importing import ImportReport, Progress, import_files
from polku.sources.mapping import Mapping as ColumnMapping
from polku.surveys.answering import without_numbers
from polku.surveys.reviews import EVENT, reviews_of

if TYPE_CHECKING:
    from polku.record.project import Project

#: What a column may be called (letters and digits alone, in small), the likeliest first.
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "rating": ("rating", "stars", "reviewstars", "starrating", "reviewrating", "score", "ratingvalue", "arvosana",
               "tähdet"),
    "text": ("text", "body", "reviewcontent", "reviewbody", "reviewtext", "content", "comment", "review", "message",
             "arvostelu", "kommentti", "teksti"),
    "title": ("title", "reviewtitle", "headline", "otsikko"),
    "author": ("author", "reviewername", "reviewusername", "reviewer", "consumername", "displayname", "nickname",
               "customername", "username", "name", "nimi"),
    "email": ("email", "revieweremail", "consumeremail", "customeremail", "referenceemail", "sähköposti"),
    "customer": ("customerid", "customernumber", "asiakasnumero"),
    "time": ("reviewdate", "reviewcreatedutc", "createdat", "createtime", "publishedat", "created", "date", "time",
             "datetime", "updatetime", "päivä", "päivämäärä", "pvm"),
    "product_id": ("productid", "productsku", "sku", "itemid", "producthandle", "handle", "gtin", "tuotenumero"),
    "product": ("productname", "producttitle", "product", "itemname", "tuote"),
    "review_id": ("reviewid", "id", "uuid"),
    "reply": ("reply", "companyreply", "companyreplycontent", "companyreplytext", "reviewreply", "replycontent",
              "replytext", "vastaus"),
}  # fmt: skip
#: Google's words for stars.
STARS: Final = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_OF: Final = re.compile(r"^([1-5](?:[.,]\d+)?)(?:\s*(?:/|out of|of)\s*5(?:[.,]0+)?)?(?:\s*(?:stars?|tähteä|★))?$", re.I)
MOST_BYTES: Final = 200_000_000
MOST_REFUSED: Final = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Refused:
    """A row that is no review. ``line``: of the file, from 1."""

    line: int
    reason: str
    facts: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file: its columns as they were understood, rows, reviews read, replies, rows refused (how many,
    and the first of them), and the report of the import itself."""

    columns: Mapping[str, str]
    rows: int
    read: int
    replies: int
    refused: int
    examples: tuple[Refused, ...]
    report: ImportReport | None


def guessed(header: Sequence[str]) -> dict[str, str]:
    """What each column is: our name to the file's.

    >>> guessed(["Review Id", "Review Stars", "Review Content", "Review Created (UTC)", "Company Reply"])["time"]
    'Review Created (UTC)'
    """
    plain = {re.sub(r"[^a-z0-9äö]", "", name.lower()): name for name in reversed(header)}
    found: dict[str, str] = {}
    for ours, words in COLUMNS.items():
        taken = set(found.values())
        name = next((plain[word] for word in words if word in plain and plain[word] not in taken), None)
        if name is not None:
            found[ours] = name
    return found


def stars(text: str) -> float | None:
    """The stars of a cell, 1 to 5; None where there are none.

    >>> [stars(text) for text in ("5", "4,5", "FIVE", "★★★★☆", "3 / 5", "80", "")]
    [5.0, 4.5, 5.0, 4.0, 3.0, None, None]
    """
    said = text.strip()
    if said and set(said) <= {"★", "☆", "⭐"}:
        count = sum(1 for sign in said if sign != "☆")
        return float(count) if 1 <= count <= 5 else None
    if said.lower() in STARS:
        return float(STARS[said.lower()])
    found = _OF.match(said)
    value = float(found[1].replace(",", ".")) if found else None
    return value if value is not None and value <= 5 else None


def import_reviews(
    project: Project, file: Path, columns: Mapping[str, str] | None = None, author: str = "",
    progress: Progress | None = None,
) -> Imported:  # fmt: skip
    """Read a CSV file of reviews into the project. ``columns``: which column is what, where the guess is wrong.

    Raises SourceError when it cannot be read, or has no column of stars or of times.
    """
    rows, known = _rows(file, columns or {})
    kept: list[dict[str, Any]] = []
    replies: dict[str, str] = {}
    refused: list[Refused] = []
    lines = 0
    for line, row in rows:
        lines += 1
        made = _review(project, row, known, file.stem)
        if isinstance(made, str):
            refused.append(Refused(line, made, {"value": row.get(known["rating"], "")[:60]}))
            continue
        kept.append(made)
        if answer := row.get(known.get("reply", ""), "").strip():
            replies[made["event_id"]] = answer
    report = _import(project, kept, file, progress) if kept else None
    written = _reply(project, replies, author) if report is not None else 0
    return Imported(known, lines, len(kept), written, len(refused), tuple(refused[:MOST_REFUSED]), report)


def _rows(file: Path, said: Mapping[str, str]) -> tuple[Iterator[tuple[int, dict[str, str]]], dict[str, str]]:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise SourceError(N_("{file} is larger than {most} MB."), file=file.name, most=MOST_BYTES // 1_000_000)
        raw = file.read_bytes()
    except OSError as fault:
        raise SourceError(N_("{file} cannot be read: {fault}."), file=str(file), fault=fault.strerror or "") from fault
    text = _text(raw)
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    header = [name for name in reader.fieldnames or () if name]
    known = {**guessed(header), **_chosen(said, header)}
    for needed, what in (("rating", N_("stars")), ("time", N_("dates"))):
        if needed not in known:
            raise SourceError(
                N_("{file}: no column of {what} was found; say which with --column {needed}=NAME. Columns: {columns}."),
                file=file.name, what=what, needed=needed, columns=", ".join(header) or "-",
            )  # fmt: skip
    return ((reader.line_num, {k: v or "" for k, v in row.items() if isinstance(k, str)}) for row in reader), known


def _text(raw: bytes) -> str:
    for encoding in ("utf-8-sig", "utf-16") if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("windows-1252", "replace")


def _chosen(said: Mapping[str, str], header: Sequence[str]) -> dict[str, str]:
    from polku.sources.mapping import column_of

    for ours in said:
        if ours not in COLUMNS:
            raise SourceError(N_("Reviews have no {name!r}; there are: {known}."), name=ours, known=", ".join(COLUMNS))
    return {ours: column_of(name, header, "--column") for ours, name in said.items()}


def _review(project: Project, row: Mapping[str, str], known: Mapping[str, str], source: str) -> dict[str, Any] | str:
    """A row as an event; or why it is none."""

    def cell(ours: str) -> str:
        return row.get(known[ours], "").strip() if ours in known else ""

    rating = stars(cell("rating"))
    if rating is None:
        return N_("{value!r} is no number of stars from 1 to 5")
    if not cell("time"):
        return N_("the row has no time")
    addresses = project.contacts.addresses
    told: dict[str, Any] = {
        "rating": rating, "text": without_numbers(addresses, cell("text")), "title": cell("title"),
        "author": cell("author"), "product_id": cell("product_id"), "product": cell("product"), "via": "import",
    }  # fmt: skip
    content = json.dumps([told, cell("time"), cell("email")], ensure_ascii=False).encode()
    id = cell("review_id") or hashlib.blake2b(content, digest_size=12).hexdigest()
    event_id = f"review-{id}"
    made = {
        "event": EVENT, "time": cell("time"), "event_id": event_id, "review_id": id,
        **{key: value for key, value in told.items() if value != ""},
    }  # fmt: skip
    who = cell("email") or cell("customer")
    made["customer" if who else "anonymous"] = who or f"reviewer-{id}"
    return made


def _import(project: Project, rows: list[dict[str, Any]], file: Path, progress: Progress | None) -> ImportReport:
    with tempfile.TemporaryDirectory(dir=project.data) as folder:
        made = Path(folder) / f"{file.stem}.jsonl"
        made.write_text(
            "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8", newline="\n"
        )
        given = {name for row in rows for name in row}
        said = ColumnMapping(
            event="event", time="time", event_id="event_id", source="reviews", keep_names=True,
            customer="customer" if "customer" in given else None,
            anonymous="anonymous" if "anonymous" in given else None,
        )  # fmt: skip
        return import_files(project, made, said, progress=progress)


def _reply(project: Project, replies: Mapping[str, str], author: str) -> int:
    """Keep the shop's replies to reviews that have none here yet; those of rows that the import refused are left."""
    if not replies:
        return 0
    whose = {r.id: r for r in reviews_of(project)}
    row = tables.review_replies
    with project.state.write() as connection:
        there = set(connection.execute(sa.select(row.c.review)).scalars())
        made = [
            {"review": id, "customer": -1 if whose[id].customer is None else whose[id].customer, "text": text,
             "author": author, "made_at": now()}
            for id, text in replies.items() if id in whose and id not in there
        ]  # fmt: skip
        if made:
            connection.execute(sa.insert(row), made)
    return len(made)
