"""Guidance: the right content to the right customer at the right moment; see docs/guidance-inside.md."""
