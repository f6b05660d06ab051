"""How Alembic runs the migrations: on the connection, and inside the transaction, that the store hands over."""

from __future__ import annotations

from alembic import context

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("the migrations are run by the store: fleet migrate up")

context.configure(connection=connection, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
