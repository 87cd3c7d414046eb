"""Connecting to Spark: the settings that Polku needs, and faults told in words of its own."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from polku.compiledcache import VARIABLE
from polku.engines.cluster import is_loopback, secret_file, spark_home
from polku.engines.java import find_java
from polku.errors import EngineError, PolkuError
from polku.language import N_

#: Seconds that a connection may take before it is given up.
PATIENCE = 60
#: pyspark 4.3 says so whenever Arrow is used beside pandas 3. Polku gives Spark Arrow batches, and pandas has no part
#: in them; every other warning is let through.
PANDAS = "PySpark does not yet fully support pandas"


@contextlib.contextmanager
def quiet_about_pandas() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=PANDAS, category=FutureWarning)
        yield


def settings(master: str) -> dict[str, str]:
    """Spark's settings for a master's address; all others are left to ``spark-defaults.conf``."""
    wanted = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        # A worker's process stays between questions, with its files mapped and its kernels loaded.
        "spark.python.worker.reuse": "true",
        "spark.python.daemon.module": "polku.engines.spark.daemon",
        # This process only gives out work: compiling its Java less thoroughly halves the time that it takes to start.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
        "spark.executorEnv.PYTHONHASHSEED": "0",
        "spark.driver.maxResultSize": "0",  # partial results all come here; their size is told in docs/scale.md
    }
    if VARIABLE in os.environ:  # kernels compiled once are found by the workers as well
        wanted[f"spark.executorEnv.{VARIABLE}"] = os.environ[VARIABLE]
    host = urlsplit(master).hostname
    if master.startswith("local") or (host is not None and is_loopback(host)):
        wanted |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    return wanted


def connect(master: str, options: dict[str, str] | None = None) -> tuple[Any, bool]:
    """A SparkSession of its own at ``master`` (``spark://host:port``, or anything that Spark knows), and whether the
    connection was made for it (else this process had one already, which others use).

    Raises MissingExtraError without pyspark, EngineError without Java, for an address that does not fit, when nobody
    answers there, and when this process already has a session elsewhere.
    """
    parts = urlsplit(master)
    try:
        fits = parts.scheme != "spark" or (parts.hostname is not None and parts.port is not None)
    except ValueError:
        fits = False
    if not fits or not re.match(r"spark://|local(\[|$)|local-cluster\[|yarn$|k8s://", master):
        raise EngineError(
            N_("{engine!r} is no engine. Write spark://host:port, as polku engine start tells it."), engine=master
        )
    spark_home()
    find_java()
    if parts.scheme == "spark":
        _reachable(master, parts.hostname or "", parts.port or 0)
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    running = SparkContext._active_spark_context
    if running is not None:
        if running.master != master:
            raise EngineError(
                N_("This process is connected to {other} already; a process has one Spark session. Stop that first."),
                other=running.master,
            )
        return SparkSession.builder.getOrCreate().newSession(), False
    return SparkSession(_context(master, {**settings(master), **(options or {})})), True


def _reachable(master: str, host: str, port: int) -> None:
    """Spark itself tries for minutes and then tells a stack trace."""
    import socket

    try:
        socket.create_connection((host, port), timeout=10).close()
    except OSError as fault:
        raise EngineError(
            N_("No engine answers at {engine} ({fault}). Start one with: polku engine start"),
            engine=master,
            fault=fault.strerror or str(fault),
        ) from None


def _context(master: str, wanted: dict[str, str]) -> Any:
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkException
    from pyspark.java_gateway import launch_gateway

    conf = SparkConf().setMaster(master).setAppName("polku")
    for name, value in wanted.items():
        conf.set(name, value)
    # Java's own chatter would stand between the lines of a command; it is kept for when something fails.
    handle, log = tempfile.mkstemp(prefix="polku-engine-", suffix=".log")
    try:
        with os.fdopen(handle, "wb") as sink, _workers_python():
            gateway = SparkContext._gateway or launch_gateway(conf, {"stdout": sink, "stderr": sink})
            for name, value in secret_of(master).items():
                conf.set(name, value)  # after Java has started: its command line is seen by everybody on the machine
            context = SparkContext(conf=conf, gateway=gateway)
    except Exception as fault:
        if not isinstance(fault, (PySparkException, OSError)) and not _is_py4j(fault):
            raise
        raise EngineError(
            N_("Spark could not be started ({fault}). Its log is in {log}."), fault=_first_line(fault), log=log
        ) from fault
    with contextlib.suppress(OSError):
        Path(log).unlink()  # what fails from here on comes as an exception
    return context


def secret_of(master: str) -> dict[str, str]:
    """The settings that a cluster of ``polku engine start`` asks for; none for any other."""
    parts = urlsplit(master)
    if parts.scheme != "spark" or parts.hostname is None or parts.port is None:
        return {}
    try:
        lines = secret_file(parts.hostname, parts.port).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return dict(line.split(" ", 1) for line in lines if line.startswith(("spark.authenticate", "spark.network")))


@contextlib.contextmanager
def _workers_python() -> Iterator[None]:
    """Workers run the Python that runs here, unless ``PYSPARK_PYTHON`` names another; Spark reads it when it starts."""
    if "PYSPARK_PYTHON" in os.environ:
        yield
        return
    os.environ["PYSPARK_PYTHON"] = sys.executable
    try:
        yield
    finally:
        del os.environ["PYSPARK_PYTHON"]


def _is_py4j(fault: BaseException) -> bool:
    """Whether the fault comes from the bridge to Java, whose errors are of no common kind."""
    return type(fault).__module__.partition(".")[0] == "py4j"


def _first_line(fault: BaseException) -> str:
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(fault).__name__


@contextlib.contextmanager
def told_plainly() -> Iterator[None]:
    """Spark's faults as EngineError: the last line of the worker's own traceback instead of two screens of Java."""
    from pyspark.errors import PySparkException

    try:
        yield
    except PolkuError:
        raise
    except PySparkException as fault:
        raise EngineError(N_("The engine could not finish: {fault}"), fault=_worker_fault(str(fault))) from fault
    except Exception as fault:
        if not _is_py4j(fault):
            raise
        raise EngineError(N_("The engine could not finish: {fault}"), fault=_worker_fault(str(fault))) from fault


def _worker_fault(text: str) -> str:
    """What a worker raised, of all that Spark says about it.

    >>> _worker_fault("Job aborted\\nTraceback (most recent call last):\\nValueError: no such step\\n\\n\\tat a.b")
    'ValueError: no such step'
    """
    found: list[str] = re.findall(r"^[\w.]+(?:Error|Exception|Interrupt): .*$", text, re.MULTILINE)
    python = [line for line in found if not line.startswith(("org.", "java."))]
    return (python or found or [_first_line(Exception(text))])[-1][:500]
