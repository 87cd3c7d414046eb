"""The examples in the docstrings say what the functions answer."""

from __future__ import annotations

import doctest
import importlib

import pytest

NAMES = ("histories", "fitting", "bgnbd", "mbgnbd", "paretonbd", "bgbb", "gammagamma", "sbg")


@pytest.mark.parametrize("name", NAMES)
def test_examples_run(name):
    module = importlib.import_module(f"polku.statistics.btyd.{name}")
    assert doctest.testmod(module).failed == 0
