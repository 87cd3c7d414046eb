"""Of several processes that need a kernel one compiles it."""

from __future__ import annotations

import os
import subprocess
import sys

KERNEL = """
import numpy as np
from polku.kernels.compiled import inner, kernel

@inner
def half(number):
    return number // 2

@kernel
def middle(values):
    return np.sort(values)[half(len(values))]
"""
ASKING = """
import numpy as np
from slow import half, middle
kinds = ("float64", "int32", "int64")
assert [middle(np.arange(5, dtype=kind)) for kind in kinds] == [2, 2, 2]
print(*(sum(each.stats.cache_misses.values()) for each in (middle, half)))
"""


def test_each_kernel_is_compiled_by_one_process_and_what_it_kept_is_whole(tmp_path):
    (tmp_path / "slow.py").write_text(KERNEL)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def asked(n):
        command = [sys.executable, "-c", ASKING]
        children = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(n)]
        return [[int(number) for number in child.communicate()[0].split()] for child in children]

    assert [sum(counts) for counts in zip(*asked(3), strict=True)] == [3, 1]
    assert asked(1) == [[0, 0]]
