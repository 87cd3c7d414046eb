"""The script that installs the Node SDKs, as a module."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location("find_node", Path(__file__).parents[2] / "scripts" / "find_node.py")
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
PLACE, ready, node = _module.PLACE, _module.ready, _module.node
