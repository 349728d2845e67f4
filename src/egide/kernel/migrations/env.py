"""Alembic's environment: runs the one history on the connection that `migrate.upgrade` hands over."""

from __future__ import annotations

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=context.config.attributes.get("metadata"), render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
