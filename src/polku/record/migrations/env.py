"""Alembic's entry: runs on the connection that polku.record.state hands over."""

from __future__ import annotations

from alembic import context

from polku.record.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
