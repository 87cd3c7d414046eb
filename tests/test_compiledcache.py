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


def test_a_first_answer_waits_for_nothing_that_only_compiling_needs(tmp_path: Path) -> None:
    """Cached kernels are loaded without Numba's compiler; what few questions need comes when it is asked for."""
    (tmp_path / "journey.yaml").write_text(
        "title: Shop\nstages:\n"
        "  - {id: look, touchpoints: [{id: product, match: {event: Product Viewed}}]}\n"
        "  - {id: buy, touchpoints: [{id: order, match: {event: Order Completed}}]}\n"
    )
    events = "time,event,user_id\n2026-01-01 10:00,Product Viewed,anna\n2026-01-02 10:00,Order Completed,anna\n"
    (tmp_path / "events.csv").write_text(events)
    code = (
        "import polku, sys\n"
        "from polku.kernels import compiled\n"
        f"with polku.open({str(tmp_path)!r}) as shop:\n"
        "    assert list(shop.funnel(['product', 'order'], within='7d').reached) == [1, 1]\n"
        "here = [name for name in ('duckdb', 'sqlglot', 'phonenumbers', 'crawleruseragents') if name in sys.modules]\n"
        "here += [name for name in ('scipy.linalg', 'numba.np.arraymath') if compiled.QUICK and name in sys.modules]\n"
        "sys.exit(', '.join(here) or 0)"
    )
    bring = [sys.executable, "-m", "polku", "import", str(tmp_path), str(tmp_path / "events.csv"), "--json"]
    assert subprocess.run(bring, capture_output=True, check=False).returncode == 0
    for _ in range(2):  # the first may have to compile
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
