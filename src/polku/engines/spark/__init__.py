"""Spark as an engine: the same kernels over buckets on shared storage, on as many machines as there are.

>>> import polku
>>> shop = polku.open("shop/", engine="spark://127.0.0.1:7077")              # doctest: +SKIP
>>> shop.funnel(["product", "cart", "order"], within="7d")                   # doctest: +SKIP
"""

from polku.engines.spark.engine import SparkEngine

__all__ = ["SparkEngine"]
