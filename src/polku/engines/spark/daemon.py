"""Spark's Python daemon, with the kernels' machinery loaded before it forks: a worker's process costs next to nothing.

Spark starts one daemon an executor (``spark.python.daemon.module``) and lets it fork a process for each task that runs
at once; those that were idle for a minute are ended. Loading numpy, Arrow and Numba takes each of them a second or two
otherwise.
"""

from __future__ import annotations

import pyspark.daemon

import polku.engines.spark.coding
import polku.engines.spark.running
import polku.measures.view

__all__ = ["polku", "pyspark"]

if __name__ == "__main__":
    pyspark.daemon.manager()
