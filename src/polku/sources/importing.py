"""The import: files in, one commit of history, one report. All or nothing, over all the files of a command.

Nothing is visible before the writer's one Delta commit; a stop before it (an error in the last of the files, Ctrl-C,
a kill) leaves history as it was, and what lies in staging is removed when the project is next opened.
"""

from __future__ import annotations

import concurrent.futures as cf
import dataclasses
import datetime as dt
import hashlib
import json
import os
import secrets
import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from polku.events import pipeline
from polku.events.refusals import Refusal
from polku.language import N_
from polku.record.clock import EPOCH
from polku.record.hashes import Kind, id_hash
from polku.record.tables import identities, imports, refusals
from polku.sources.agreeing import Agreeing
from polku.sources.files import expand
from polku.sources.grouping import grouped
from polku.sources.mapping import Mapping
from polku.sources.naming import Namer
from polku.sources.opening import open_source
from polku.sources.planning import Planned, plan, settle_order
from polku.sources.private import Private, is_erased
from polku.sources.raw import RawBatch, Source
from polku.sources.refused import RefusedRows, clean, csv_line
from polku.sources.report import LONGEST_EXAMPLE, MOST_EXAMPLES, Example, FileReport, ImportReport, Refused

if TYPE_CHECKING:
    from polku.record.project import Project
    from polku.record.writer import Committed

__all__ = ["ImportReport", "Mapping", "import_files", "preview"]

#: (bytes done, bytes in all, what is being done)
Progress = Callable[[float, float | None, str], None]
READING = N_("Reading events")
WRITING = N_("Writing history")
UNUSED_RENAME = N_("--rename: no event of the files is called {old!r}.")
OTHER_SETTINGS = N_(
    "{file} was imported before with other settings: events that were stored then may now be in history twice."
)

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True)
class Preview:
    """How a file would be read."""

    source: Source
    planned: Planned


def preview(
    project: Project, paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], mapping: Mapping | None = None
) -> list[Preview]:
    """What ``import_files`` would take each column for; reads only the files' beginnings (whole where dates are
    unclear).
    """
    shown = _prepare(project, paths, mapping or Mapping(), dt.datetime.now(dt.UTC))
    _close(one.source for one in shown)
    return shown


def import_files(
    project: Project,
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    mapping: Mapping | None = None,
    *,
    progress: Progress | None = None,
    received_at: dt.datetime | None = None,
) -> ImportReport:
    """Read files into the project's history: every row is stored, a duplicate, or refused with a reason.

    ``paths``: files or patterns (CSV, Parquet, JSON Lines; plain, gzip, zstd). ``mapping``: which column is what; the
    rest is guessed. ``received_at``: the moment of the import (default now). Raises SourceError when a file cannot be
    read or is not clear; then nothing was stored of any.
    """
    said = mapping or Mapping()
    now = (received_at or dt.datetime.now(dt.UTC)).astimezone(dt.UTC)
    began = time.perf_counter()
    ready = _prepare(project, paths, said, now)
    name = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    folder = project.folder / ".polku" / "refused"
    clean(folder)
    refused = RefusedRows(folder, name)
    private = Private(project, (now - EPOCH) // dt.timedelta(microseconds=1), f"import:{name}")
    agreeing = Agreeing(project, private, f"import:{name}", said.consent_source)
    customers = project.identities.count()
    account = project.journey().subject == "account"
    label = ready[0].source.path.name if len(ready) == 1 else f"{ready[0].source.path.name} (+{len(ready) - 1})"
    tell = progress or (lambda done, total, what: None)
    total = sum(one.source.size for one in ready)
    counts = _Counts()
    try:
        with project.history.writer("import", label, identity=name) as writer:
            namer = Namer(project.history, several=len(ready) > 1)
            before = 0
            for one in ready:
                counts.start(one)
                namer.next_file(one.source.shape.facts.get("rows", 0))
                for raw, made, nobody, joined in _events(one, account, private, agreeing):
                    named = namer.name(made)
                    table = made.table.append_column("event_id", named.ids)
                    if named.known.any():
                        fresh = pa.array(~named.known)
                        table, nobody = table.filter(fresh), nobody[~named.known]
                    _keep_refused(refused, counts, one.source, raw, made.refused)
                    counts.add(raw, made, table, nobody, joined, one.planned)
                    if table.num_rows:
                        writer.add(table)
                    tell(min(total, before + raw.done), total, READING)
                before += one.source.size
            refused.finish()
            tell(total, None, WRITING)
            committed = writer.commit({"files": [str(one.source.path) for one in ready]})
            private.keep(project)
            decisions = agreeing.keep(project)
            kept = refused.keep()
    finally:
        refused.drop()
        _close(one.source for one in ready)
    counts.dropped(committed)
    new = _new_customers(project, customers, account)
    report = counts.report(project, said, name, ready, committed, kept, new, time.perf_counter() - began)
    report = dataclasses.replace(report, decisions=decisions)
    _record(project, said, report, now)
    return report


def _prepare(project: Project, paths: Any, said: Mapping, now: dt.datetime) -> list[Preview]:
    zone = project.journey().timezone
    sources: list[Source] = []
    try:
        for path in expand(paths):
            sources.append(open_source(path, said))
        planned = settle_order([plan(source, said, zone, now) for source in sources], sources)
    except BaseException:
        _close(sources)
        raise
    return [Preview(source, one) for source, one in zip(sources, planned, strict=True)]


def _close(sources: Iterable[Source]) -> None:
    for source in sources:
        source.close()


def _new_customers(project: Project, before: int, account: bool) -> int:
    """Customers all of whose ids are new: whose key, the smallest number of their ids, was given since ``before``."""
    subject = identities.c.kind == "account" if account else identities.c.kind != "account"
    query = sa.select(sa.func.count()).where(
        identities.c.id > before, identities.c.customer == identities.c.id, subject
    )
    with project.state.read() as connection:
        return int(connection.execute(query).scalar_one())


class _Made(NamedTuple):
    raw: RawBatch
    batch: pipeline.Batch
    nobody: npt.NDArray[np.bool_]
    joined: int = 0  # rows that count for another row's event


def _events(one: Preview, account: bool, private: Private, agreeing: Agreeing) -> Iterator[_Made]:
    """The file's events; where rows are lines of events, all of them behind the last row."""
    if not one.planned.plan.group:
        yield from _made(one, account, private, agreeing)
        return
    lines: list[pipeline.Batch] = []
    for raw, batch, _, _ in _made(one, account, private, agreeing):
        lines.append(batch)
        nothing = pipeline.Batch(batch.table.slice(0, 0), None, np.zeros(0, np.uint64), batch.refused)
        yield _Made(raw, nothing, np.zeros(0, np.bool_), batch.table.num_rows)
    if any(batch.table.num_rows for batch in lines):
        batch = grouped(lines)
        end = RawBatch({}, np.zeros(0, np.int64), done=one.source.size)
        yield _Made(end, batch, _nobody(batch.table, account), -batch.table.num_rows)


def _made(one: Preview, account: bool, private: Private, agreeing: Agreeing) -> Iterator[_Made]:
    """The file's batches through the pipeline, on two threads, in order."""
    made = one.planned.plan
    batches = one.source.batches(made.used, made.keep, made.typed)

    def work(raw: RawBatch) -> _Made:
        clean, how = private.clean(raw, made)
        batch = pipeline.run(clean.columns, raw.rows, how, one.planned.translate, clean.json, clean.rest, raw.untyped)
        batch = agreeing.judge(private.bar(clean, batch))
        return _Made(raw, batch, _nobody(batch.table, account))

    return _ordered(work, batches, 2)


def _ordered(work: Callable[[In], Out], items: Iterator[In], threads: int) -> Iterator[Out]:
    """``work`` over ``items`` on ``threads``, results in order, never more than a few waiting."""
    pool = cf.ThreadPoolExecutor(threads, "polku-import")
    waiting: deque[cf.Future[Out]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _nobody(table: pa.Table, account: bool) -> npt.NDArray[np.bool_]:
    """bool[n]: rows that name no customer (no id, or one such as "null")."""
    nobody = np.ones(table.num_rows, np.bool_)
    kinds: tuple[Kind, ...] = ("account",) if account else ("user", "anonymous")
    for kind in kinds:
        if (column := f"{kind}_id") in table.column_names:
            nobody &= id_hash(kind, table.column(column)) == 0
    return nobody


def _keep_refused(
    out: RefusedRows, counts: _Counts, source: Source, raw: RawBatch, reasons: npt.NDArray[np.uint8]
) -> None:
    """Write the batch's refused rows, in the order of their lines, and count them."""
    rows = [(int(raw.lines[at]), Refusal(int(reasons[at])), at) for at in np.flatnonzero(reasons).tolist()]
    found = [(line, reason, _text(raw, at)) for line, reason, at in rows] + [
        (b.line, b.reason, b.text) for b in raw.bad
    ]
    for line, reason, text in sorted(found, key=lambda f: f[0]):
        if is_erased(reason):  # nothing of them may be kept but that there was a row
            counts.refuse(source, line, reason, "")
            continue
        out.add(source.shape, line, reason, text)
        counts.refuse(source, line, reason, text)


def _text(raw: RawBatch, row: int) -> str:
    if raw.text is not None:
        return raw.text[row]
    return csv_line(["" if (v := column[row].as_py()) is None else v for column in raw.columns.values()])


@dataclass
class _Counts:
    """What the import counts as it goes."""

    files: list[dict[str, Any]] = field(default_factory=list)
    reasons: dict[Refusal, tuple[int, list[Example]]] = field(default_factory=dict)
    without: int = 0
    first: int | None = None
    last: int | None = None
    events: Tally[str] = field(default_factory=Tally)
    renamed: dict[str, tuple[str, int]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def start(self, one: Preview) -> None:
        self.files.append({"read": 0, "stored": 0, "duplicates": 0, "refused": 0, "joined": 0})

    def add(
        self,
        raw: RawBatch,
        made: pipeline.Batch,
        table: pa.Table,
        nobody: npt.NDArray[np.bool_],
        joined: int,
        planned: Planned,
    ) -> None:
        file = self.files[-1]
        bad = int((made.refused != 0).sum()) + len(raw.bad)
        file["read"] += raw.rows + len(raw.bad)
        file["refused"] += bad
        file["stored"] += table.num_rows
        file["joined"] += joined
        file["duplicates"] += raw.rows + len(raw.bad) - bad - joined - table.num_rows
        self.without += int(nobody.sum())
        for name, count in _counted(table.column("event")).items():
            self.events[name] += count
        for old, count in (
            _counted(made.table.column("original_event")).items() if "original_event" in made.table.column_names else ()
        ):
            self.seen.add(old)
            if planned.plan.original_event is None:
                self.renamed[old] = (planned.translate(old), self.renamed.get(old, ("", 0))[1] + count)
        if table.num_rows:
            span = pc.min_max(table.column("time").cast(pa.int64())).as_py()
            self.first = span["min"] if self.first is None else min(self.first, span["min"])
            self.last = span["max"] if self.last is None else max(self.last, span["max"])

    def refuse(self, source: Source, line: int, reason: Refusal, text: str) -> None:
        count, examples = self.reasons.setdefault(reason, (0, []))
        if len(examples) < MOST_EXAMPLES:
            short = " ".join(text.split())
            examples.append(
                Example(
                    source.path.name, line, short if len(short) <= LONGEST_EXAMPLE else short[:LONGEST_EXAMPLE] + "..."
                )
            )
        self.reasons[reason] = (count + 1, examples)

    def dropped(self, committed: Committed) -> None:
        """Rows that another import brought meanwhile: they are duplicates after all."""
        left = committed.dropped
        for file in reversed(self.files):
            some = min(left, file["stored"])
            file["stored"] -= some
            file["duplicates"] += some
            left -= some

    def report(
        self,
        project: Project,
        said: Mapping,
        name: str,
        ready: Sequence[Preview],
        committed: Committed,
        kept: Sequence[Path],
        new: int,
        seconds: float,
    ) -> ImportReport:
        files = []
        for one, counted in zip(ready, self.files, strict=True):
            made = one.planned.plan
            rest = [c for c in one.source.shape.columns if c not in made.used]
            chosen = tuple(c for c in rest if made.keep is None or c in made.keep)
            notes = []
            if counted["stored"] and _imported_otherwise(project, one.source, said):
                notes.append((OTHER_SETTINGS, (("file", one.source.path.name),)))
            files.append(
                FileReport(
                    str(one.source.path), one.source.shape, one.planned.choices, chosen, notes=tuple(notes), **counted
                )
            )
        unused = tuple(
            (UNUSED_RENAME, (("old", old),)) for old in said.rename if old not in self.seen and said.rename[old] != old
        )
        if unused and files:
            files[-1] = _with_notes(files[-1], unused)
        return ImportReport(
            id=name,
            files=tuple(files),
            read=sum(f.read for f in files),
            stored=committed.rows,
            duplicates=sum(f.duplicates for f in files),
            refused=tuple(
                Refused(reason, count, tuple(examples))
                for reason, (count, examples) in sorted(self.reasons.items(), key=lambda r: (-r[1][0], r[0]))
            ),
            without_customer=self.without,
            new_customers=new,
            first=_moment(self.first),
            last=_moment(self.last),
            events=dict(self.events.most_common()),
            renamed=dict(sorted(self.renamed.items(), key=lambda r: -r[1][1])),
            refused_files=tuple(kept),
            seconds=seconds,
            version=committed.version,
            joined=sum(f.joined for f in files),
        )


def _with_notes(file: FileReport, notes: Any) -> FileReport:
    return dataclasses.replace(file, notes=(*file.notes, *notes))


def _counted(column: pa.ChunkedArray) -> dict[str, int]:
    """How often each word stands in the column."""
    counts: dict[str, int] = {}
    for chunk in column.chunks:
        words = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
        codes = words.indices.drop_null().to_numpy(zero_copy_only=False)
        for word, count in zip(
            words.dictionary.to_pylist(), np.bincount(codes, minlength=len(words.dictionary)).tolist(), strict=True
        ):
            if count:
                counts[word] = counts.get(word, 0) + count
    return counts


def _moment(value: int | None) -> dt.datetime | None:
    return None if value is None else EPOCH + dt.timedelta(microseconds=value)


def fingerprint(path: Path) -> str:
    """A short name of the file's content: its size, its first and last megabyte."""
    size = path.stat().st_size
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    with path.open("rb") as f:
        digest.update(f.read(1 << 20))
        f.seek(max(0, size - (1 << 20)))
        digest.update(f.read(1 << 20))
    return digest.hexdigest()


def _imported_otherwise(project: Project, source: Source, said: Mapping) -> bool:
    """Whether this very file was imported before with another mapping."""
    with project.state.read() as connection:
        rows = connection.execute(
            sa.select(imports.c.report, imports.c.stored).where(imports.c.fingerprint == fingerprint(source.path))
        ).all()
    mine = _told(said)
    return any(row.stored and row.report and json.loads(row.report).get("mapping") != mine for row in rows)


def _told(said: Mapping) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(json.dumps(said.to_dict()))
    return told


def _record(project: Project, said: Mapping, report: ImportReport, now: dt.datetime) -> None:
    """Note the import and its refusals in the state."""
    told = report.to_dict()
    at = (now - EPOCH) // dt.timedelta(microseconds=1)
    with project.state.write() as connection:
        for number, file in enumerate(report.files, 1):
            connection.execute(
                imports.insert().values(
                    id=report.id if number == 1 else f"{report.id}-{number}",
                    source=file.path,
                    fingerprint=fingerprint(Path(file.path)),
                    state="done",
                    started_at=at,
                    finished_at=at + int(report.seconds * 1e6),
                    version=report.version,
                    read=file.read,
                    stored=file.stored,
                    duplicates=file.duplicates,
                    refused=file.refused,
                    report=json.dumps({"mapping": _told(said), **(told if number == 1 else {})}, ensure_ascii=False),
                )
            )
        for refused in report.refused:
            key = {"source": f"import:{report.id}", "reason": refused.reason.name.lower()}
            example = (
                f"{refused.examples[0].file}:{refused.examples[0].line} {refused.examples[0].text}"
                if refused.examples
                else None
            )
            connection.execute(refusals.insert().values(**key, count=refused.count, example=example, time=at))
