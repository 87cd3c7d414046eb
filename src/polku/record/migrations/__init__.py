"""Alembic's migrations of the state, shipped with the package and run by :mod:`polku.record.state`."""
