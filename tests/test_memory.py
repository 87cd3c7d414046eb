"""Free memory goes back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

from polku.memory import Keeper

#: Threads that each hold small blocks and free most of them: what stays pins down heaps that are nearly empty.
LEAVES_HOLES = """
import ctypes, re, sys, threading
from polku.memory import Keeper
keeper, libc = Keeper(), ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
def resident():
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024
def work():
    blocks = [libc.malloc(4000) for _ in range(5000)]
    for block in blocks:
        ctypes.memset(block, 1, 4000)
    for at, block in enumerate(blocks):
        if at % 50:
            libc.free(block)
assert keeper.few_heaps()
for thread in [threading.Thread(target=work) for _ in range(4)]:
    thread.start(), thread.join()
before = resident()
assert keeper.give_back() and not keeper.give_back()
print(before - resident())
"""


@pytest.mark.skipif(sys.platform != "linux" or Keeper()._glibc is None, reason="only glibc keeps it")
def test_what_is_free_goes_back() -> None:
    done = subprocess.run([sys.executable, "-c", LEAVES_HOLES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10, "megabytes"


def test_a_round_is_not_repeated_at_once() -> None:
    keeper = Keeper(every=3600.0)
    assert [keeper.give_back(), keeper.give_back()] == [True, False]
    assert Keeper(every=0.0).give_back()
