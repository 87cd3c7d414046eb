"""Addresses, Java, pyspark: what is missing is told with what to do. None of it needs Java."""

from __future__ import annotations

import json
import stat
import string
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from polku.engines import cluster, java
from polku.engines.engine import engine_of
from polku.engines.java import find_java, version_of
from polku.engines.spark.building import hadoop_path
from polku.engines.spark.session import _worker_fault, quiet_about_pandas, secret_of, settings
from polku.errors import EngineError, MissingExtraError, RecordError
from polku.record.project import Project, create_project

from .world import events, store


def fake_java(folder: Path, told: str) -> None:
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{told}' >&2\n", encoding="utf-8")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "25" 2025-09-16 LTS', 25),
        ("no such thing", None),
    ],
)
def test_java_tells_its_version(told: str, version: int | None) -> None:
    assert version_of(told) == version


def test_java_is_that_of_java_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_java(tmp_path, 'openjdk version "21.0.1"')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert (find_java().program, find_java().version) == (str(tmp_path / "bin" / "java"), 21)


def test_an_old_java_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_java(tmp_path, 'java version "1.8.0_402"')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(EngineError, match=r"Java 17 or later; .* is 8"):
        find_java()


def test_a_java_that_says_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_java(tmp_path, "")
    (tmp_path / "bin" / "java").write_text("#!/bin/sh\nexec sleep 20\n", encoding="utf-8")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setattr(java, "PATIENCE", 0.2)
    with pytest.raises(EngineError, match="did not tell its version"):
        find_java()


@pytest.mark.parametrize("home", ["/there/is/none", None])
def test_a_missing_java_is_told_with_how_to_install_it(
    home: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if home is None:
        monkeypatch.delenv("JAVA_HOME", raising=False)
    else:
        monkeypatch.setenv("JAVA_HOME", home)
    with pytest.raises(EngineError, match="apt install openjdk-17-jre-headless"):
        find_java()


def test_a_missing_pyspark_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        cluster.start_cluster()
    assert 'pip install "polku[spark]"' in str(caught.value)


def test_this_machine_is_no_engine() -> None:
    assert engine_of(None) is None
    assert engine_of("threads") is None


@pytest.mark.parametrize("address", ["spark:/127.0.0.1", "spark://here", "spark://here:x", "http://here:7077", "7077"])
def test_an_address_that_does_not_fit_is_refused(address: str) -> None:
    with pytest.raises(EngineError, match="is no engine"):
        engine_of(address)


def test_an_engine_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polku.engines.spark.session.find_java", lambda: None)
    with pytest.raises(EngineError, match="polku engine start"):
        engine_of(f"spark://127.0.0.1:{cluster._free_port('127.0.0.1')}")


def test_a_taken_port_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(cluster, "find_java", lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(EngineError, match="is taken"):
        cluster.start_cluster(port=taken.getsockname()[1], folder=tmp_path)


def test_what_does_not_start_is_told_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_java(tmp_path / "java", 'openjdk version "17.0.15"')  # it answers, and runs nothing
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "java"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with pytest.raises(EngineError, match="The master did not start"):
        cluster.start_cluster(port=0, folder=tmp_path / "logs")
    assert not list((tmp_path / "state").rglob("*.properties"))


def test_a_secret_is_kept_from_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    file = cluster.secret_file("127.0.0.1", 7077)
    cluster._write_secret(file, "hush")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    told = secret_of("spark://127.0.0.1:7077")
    assert told["spark.authenticate.secret"] == "hush"
    assert "spark.master.rest.enabled" not in told
    assert "hush" not in str(settings("spark://127.0.0.1:7077"))
    assert secret_of("spark://127.0.0.1:7078") == {}
    assert secret_of("local[2]") == {}


def test_kernels_compiled_here_are_found_by_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/shared/kernels")
    assert settings("spark://10.0.0.1:7077")["spark.executorEnv.NUMBA_CACHE_DIR"] == "/shared/kernels"
    assert "spark.driver.host" not in settings("spark://10.0.0.1:7077")
    assert settings("spark://localhost:7077")["spark.driver.bindAddress"] == "127.0.0.1"


def test_one_warning_is_kept_quiet_and_no_other() -> None:
    import warnings

    with quiet_about_pandas():
        warnings.warn("PySpark does not yet fully support pandas >= 3.0.0.", FutureWarning, stacklevel=1)
        with pytest.raises(FutureWarning):
            warnings.warn("Something else", FutureWarning, stacklevel=1)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("/data/shop/history", "file:///data/shop/history"),
        ("/data/a [shop]/{x}", r"file:///data/a \[shop\]/\{x\}"),
        ("s3://bucket/history", "s3a://bucket/history"),
        ("gs://bucket/history", "gs://bucket/history"),
    ],
)
def test_paths_as_hadoop_opens_them(uri: str, path: str) -> None:
    assert hadoop_path(uri) == path


def test_a_workers_fault_is_one_line() -> None:
    told = "Job aborted\norg.apache.X: y\nTraceback (most recent call last):\nValueError: no such step\n\n\tat a.b"
    assert _worker_fault(told) == "ValueError: no such step"
    assert _worker_fault("\n Lost all executors \n more") == "Lost all executors"


@pytest.fixture
def project(tmp_path: Path) -> Any:
    with create_project(tmp_path / "shop", "en") as made:
        yield made


def vector_of(rows: Sequence[int]) -> bytes:
    """A deletion vector as Delta's protocol describes it: its magic number, then a 64-bit roaring bitmap."""
    header = struct.pack("<IQIIIHHI", 1681511377, 1, 0, 12346, 1, 0, len(rows) - 1, 16)
    return header + struct.pack(f"<{len(rows)}H", *rows)


def z85(data: bytes) -> str:
    """ZeroMQ's base 85, four bytes to five signs."""
    signs = string.digits + string.ascii_lowercase + string.ascii_uppercase + ".-:+=^!/*?&<>()[]{}@%$#"
    numbers = struct.unpack(f">{len(data) // 4}I", data)
    return "".join(signs[n // 85**k % 85] for n in numbers for k in (4, 3, 2, 1, 0))


@pytest.mark.parametrize("rows", [(3, 4, 7, 11, 18, 29), ()], ids=["a vector", "one that cannot be read"])
def test_deletion_vectors_are_refused(rows: tuple[int, ...], project: Project) -> None:
    """Another tool deletes rows by a vector, with the commit that it would write."""
    stored = events(60)
    for row in stored:
        row["time"] = row["time"].replace(month=3, day=25)
    store(project, stored)
    snapshot = project.history.snapshot()
    assert snapshot.rows == 60
    folder = project.history.place.folder
    assert folder is not None
    file = snapshot.files[0]
    packed = vector_of(rows) if rows else b"\0" * 8
    vector = {
        "storageType": "i", "pathOrInlineDv": z85(packed), "sizeInBytes": len(packed), "cardinality": len(rows)
    }  # fmt: skip
    features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
    partition = {"day": str(file.day)}
    actions = [
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}},
        {"remove": {"path": file.path, "dataChange": True, "deletionTimestamp": 0, "partitionValues": partition}},
        {
            "add": {
                "path": file.path, "partitionValues": partition, "size": file.size, "modificationTime": 0,
                "dataChange": True, "stats": json.dumps({"numRecords": 60}), "deletionVector": vector,
            }
        },
    ]  # fmt: skip
    log = folder / "_delta_log" / f"{snapshot.version + 1:020d}.json"
    log.write_text("\n".join(json.dumps(a) for a in actions) + "\n", encoding="utf-8")
    with pytest.raises(RecordError, match="deletion vectors"):
        project.history.snapshot()


def test_arrow_kinds_of_history_are_known_to_spark() -> None:
    from polku.engines.spark.building import KINDS
    from polku.events.schema import HISTORY

    assert {field.type for field in HISTORY} == set(KINDS)
    assert KINDS[pa.timestamp("us", "UTC")] == "timestamp"
