"""Finding the Java that Spark runs on, and saying how to get one where there is none."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from polku.errors import EngineError
from polku.language import N_

#: Spark 4 runs on this Java or a later one.
LEAST = 17
#: Seconds that it may take to say its version, on a busy machine.
PATIENCE = 60


@dataclass(frozen=True, slots=True)
class Java:
    """A Java that can be run: its program and its version's first number."""

    program: str
    version: int


def version_of(told: str) -> int | None:
    """The version's first number in what ``java -version`` says; None when it says none.

    >>> version_of('openjdk version "17.0.15" 2025-04-15'), version_of('java version "1.8.0_402"')
    (17, 8)
    """
    found = re.search(r'version "(\d+)(?:\.(\d+))?', told)
    if found is None:
        return None
    first = int(found[1])
    return int(found[2]) if first == 1 and found[2] else first


def find_java() -> Java:
    """The Java of ``JAVA_HOME``, else the one on the path: the one that Spark's own scripts take.

    Raises EngineError, with how to install one, when there is none or when it is too old.
    """
    home = os.environ.get("JAVA_HOME")
    program = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    try:
        if program is None:
            raise FileNotFoundError("java")
        told = subprocess.run([program, "-version"], capture_output=True, text=True, check=False, timeout=PATIENCE)
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        raise EngineError(
            N_(
                "Spark needs Java {least} or later, and there is none ({looked}). Install one: on Debian and Ubuntu "
                "apt install openjdk-17-jre-headless, on a Mac brew install openjdk@17, on Windows winget install "
                "EclipseAdoptium.Temurin.17.JRE; or let JAVA_HOME name the folder of one."
            ),
            least=LEAST,
            looked=f"JAVA_HOME={home}" if home else "PATH",
        ) from None
    except subprocess.TimeoutExpired:
        raise EngineError(
            N_(
                "{program} did not tell its version within {seconds} seconds. Let JAVA_HOME name the folder of another."
            ),
            program=program,
            seconds=PATIENCE,
        ) from None
    version = version_of(told.stderr + told.stdout)
    if version is None or version < LEAST:
        raise EngineError(
            N_(
                "Spark needs Java {least} or later; {program} is {version}. "
                "Install a newer one and let JAVA_HOME name its folder."
            ),
            least=LEAST,
            program=program,
            version=version if version is not None else (told.stderr.strip() or "?"),
        )
    return Java(program, version)
