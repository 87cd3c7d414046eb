"""Compiled kernels find a place also where neither the package nor the home can be written to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from polku import compiledcache


def test_a_package_that_can_be_written_to_keeps_numba_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(compiledcache.VARIABLE, raising=False)
    compiledcache.settle(tmp_path)
    assert compiledcache.VARIABLE not in os.environ


def test_without_a_home_there_is_a_folder_of_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiledcache.VARIABLE, "")  # so that it is put back afterwards
    monkeypatch.delenv(compiledcache.VARIABLE)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: "/proc/no-such-place")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    compiledcache.settle(tmp_path / "not there")
    found = Path(os.environ[compiledcache.VARIABLE])
    assert found.parent == tmp_path
    assert found.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.name != "posix", reason="folders that others can write to")
def test_a_folder_that_others_can_write_to_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_to_all = tmp_path / f"polku-{os.getuid()}"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    monkeypatch.setenv(compiledcache.VARIABLE, "")
    monkeypatch.delenv(compiledcache.VARIABLE)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: "/proc/no-such-place")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    compiledcache.settle(tmp_path / "not there")
    assert Path(os.environ[compiledcache.VARIABLE]) != open_to_all


def test_it_is_settled_before_numba_is_there() -> None:
    code = "import polku, sys; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
