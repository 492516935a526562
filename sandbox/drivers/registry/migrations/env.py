"""Run by Alembic: upgrades on the connection, and inside the transaction, of the registry."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
