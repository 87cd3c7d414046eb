"""A real Spark master with workers on this machine, out of the pip package: what ``polku engine start`` runs.

Every cluster has a secret of its own, in a file that only its owner can read: without it anybody who reaches the
master's port could run code as the person who started it. :mod:`polku.engines.spark.session` finds it by the address.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from polku.engines.java import find_java
from polku.errors import EngineError, MissingExtraError
from polku.language import N_

MASTER, WORKER = "org.apache.spark.deploy.master.Master", "org.apache.spark.deploy.worker.Worker"
#: What they write to their logs when they are ready.
MASTER_READY = re.compile(r"Starting Spark master at (spark://\S+)")
WORKER_READY = re.compile(r"Successfully registered with master")
#: Seconds that a start may take: two Java machines on a busy computer are slow.
PATIENCE = 120.0
#: Seconds that each is given to end by itself.
GOODBYE = 15.0
LOOPBACK = "127.0.0.1"


def spark_home() -> Path:
    """The folder of the installed pyspark; MissingExtraError when it, or the pandas that it asks for, is not there."""
    import importlib.util

    origins = {}
    for package in ("pyspark", "pandas"):
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None:
            raise MissingExtraError(
                N_('Running on a cluster needs {package}: pip install "polku[{extra}]"'), extra="spark", package=package
            )
        origins[package] = Path(found.origin)
    return origins["pyspark"].parent


def secret_file(host: str, port: int) -> Path:
    """Where the secret of the cluster at this address lies: Spark properties, readable by their owner alone."""
    import platformdirs

    return Path(platformdirs.user_state_dir("polku")) / "engines" / f"{host.replace(':', '_')}-{port}.properties"


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("10.0.0.7")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(eq=False)
class Part:
    """A master or a worker: its process and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait_for(self, ready: re.Pattern[str], until: float) -> re.Match[str]:
        """What its log says when it is ready; EngineError when it ends or does not come up in time."""
        while True:
            told = self.log.read_text(encoding="utf-8", errors="replace")
            if found := ready.search(told):
                return found
            ended = self.process.poll() is not None
            if ended or time.monotonic() > until:
                raise EngineError(
                    N_("The {name} did not start. The end of its log ({log}) says: {told}"),
                    name=self.name,
                    log=str(self.log),
                    told=" | ".join(told.strip().splitlines()[-3:]),
                )
            time.sleep(0.1)


@dataclass(eq=False)
class Cluster:
    """A running standalone cluster; use it with ``with``, or call :meth:`stop`."""

    host: str
    cores: int
    memory: str
    folder: Path
    secret: Path
    url: str = ""
    master: Part | None = None
    workers: list[Part] = field(default_factory=list)
    _kept: tempfile.TemporaryDirectory[str] | None = None
    _started: int = 0

    def _run(self, name: str, kind: str, *options: str) -> Part:
        home = spark_home()
        script = home / "bin" / ("spark-class.cmd" if sys.platform == "win32" else "spark-class")
        log = self.folder / f"{name.replace(' ', '-')}.log"
        environment = {
            **os.environ,
            "SPARK_HOME": str(home),
            "SPARK_LOCAL_IP": self.host,  # every port, that of the status page included, opens here and nowhere else
            "SPARK_WORKER_DIR": str(self.folder / "work"),
            "SPARK_LOCAL_DIRS": str(self.folder / "local"),
        }
        command = [str(script), kind, "--host", self.host, "--webui-port", "0", "--properties-file", str(self.secret)]
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [*command, *options], stdout=sink, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment
            )
        return Part(name, process, log)

    def add_worker(self) -> Part:
        """Start one more worker; it is not waited for."""
        self._started += 1
        work = self.folder / "work" / str(self._started)
        work.mkdir(parents=True)
        part = self._run(
            f"worker {self._started}", WORKER, "--cores", str(self.cores), "--memory", self.memory,
            "--work-dir", str(work), self.url,
        )  # fmt: skip
        self.workers.append(part)
        return part

    def ended(self) -> Iterator[Part]:
        """The workers that have ended since, taken out of the list. EngineError when the master has."""
        if self.master is not None and self.master.process.poll() is not None:
            raise EngineError(
                N_("The master has ended. The end of its log says: {told}"),
                told=" | ".join(self.master.log.read_text("utf-8", "replace").strip().splitlines()[-3:]),
            )
        for part in [p for p in self.workers if p.process.poll() is not None]:
            self.workers.remove(part)
            yield part

    def stop(self) -> None:
        """End the workers, then the master; who does not end by itself is killed. May be called twice."""
        parts = [*self.workers, *([self.master] if self.master else [])]
        self.workers, self.master = [], None
        for part in parts:
            part.process.terminate()
        until = time.monotonic() + GOODBYE
        for part in parts:
            try:
                part.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                part.process.kill()
                part.process.wait()
        self.secret.unlink(missing_ok=True)
        if self._kept is not None:
            self._kept.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, _: TracebackType | None) -> None:
        self.stop()


def _write_secret(file: Path, secret: str) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as sink:
        sink.write(
            f"spark.authenticate true\nspark.authenticate.secret {secret}\nspark.network.crypto.enabled true\n"
            "spark.master.rest.enabled false\n"  # a second door, which asks nobody for the secret
        )


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def start_cluster(
    workers: int = 2,
    *,
    host: str = LOOPBACK,
    port: int = 7077,
    cores: int | None = None,
    memory: str = "2g",
    folder: Path | None = None,
) -> Cluster:
    """Start a master and ``workers`` workers and wait until all are ready.

    ``port`` 0 takes a free one. ``cores`` of each worker: by default the machine's, shared out. ``memory`` of each, for
    Java's part (``2g``, ``512m``); Python's comes on top. ``folder`` holds logs and scratch (default: a temporary one,
    removed at the end).
    Raises MissingExtraError without pyspark, EngineError without Java or when something does not come up.
    """
    spark_home()
    find_java()
    port = port or _free_port(host)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.settimeout(2)
        if probe.connect_ex((host, port)) == 0:  # Spark would take the next port and say so in its log only
            raise EngineError(
                N_("Port {port} is taken on {host}: is an engine running already? Give another with --port."),
                port=port,
                host=host,
            )
    kept = tempfile.TemporaryDirectory(prefix="polku-engine-") if folder is None else None
    home = folder if kept is None else Path(kept.name)
    assert home is not None  # one of the two is there
    home.mkdir(parents=True, exist_ok=True)
    share = cores if cores is not None else max(1, (os.cpu_count() or 1) // max(1, workers))
    secret = secret_file(host, port)
    _write_secret(secret, secrets.token_urlsafe(32))
    cluster = Cluster(host, share, memory, home, secret, _kept=kept)
    try:
        until = time.monotonic() + PATIENCE
        cluster.master = cluster._run("master", MASTER, "--port", str(port))
        cluster.url = cluster.master.wait_for(MASTER_READY, until)[1]
        for part in [cluster.add_worker() for _ in range(workers)]:
            part.wait_for(WORKER_READY, until)
    except BaseException:
        cluster.stop()
        raise
    return cluster
