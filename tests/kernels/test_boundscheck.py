"""Kernels once more with every index checked: a fixed buffer overflowed once, and memory was corrupted silently."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long
TESTS = Path(__file__).parents[1]
ONLY = ("test_a_customer_with_very_many_events", "test_sums_of_a_sliding_window", "test_sessions_that_mingle",
        "test_many_events_of_one_customer", "test_quartiles_are_exact", "test_exit_is", "test_every_count_of_visits",
        "test_counts_reconcile", "test_as_plain_python_counts", "test_more_steps_than", "test_a_very_long_trail",
        "test_where_nothing_goes_with_it", "test_the_plain_kernel", "test_codes_that_share_a_bit")  # fmt: skip


#: The kernels of stages and funnels, which hold what each customer did in windows; all others in the soak.
ROOMS = [
    pytest.param(["kernels/test_fold.py", "kernels/test_funnels.py"], id="kernels"),
    pytest.param(["measures"], id="measures", marks=pytest.mark.soak),
]


@pytest.mark.parametrize("room", ROOMS)
def test_no_kernel_reads_or_writes_beyond_its_arrays(tmp_path, room):
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_OPT": "0", "NUMBA_CACHE_DIR": str(tmp_path)}
    # unoptimised: quicker to compile; a cache that cannot be written then is no fault of ours
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", "-k", " or ".join(ONLY),
               *(str(TESTS / path) for path in room)]  # fmt: skip
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
