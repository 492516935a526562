"""The first tables.

Columns beside `body` exist only where an index needs them; what a row says stands in `body`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Frozen here on purpose: a later change of core's LIVE states needs a migration of its own.
_LIVE = "state IN ('provisioning', 'ready', 'expired', 'removing')"


def upgrade() -> None:
    """Make everything that a fresh registry has."""
    op.create_table(
        "meta",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    _records()
    _events()


def _records() -> None:
    op.create_table(
        "sandbox",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("subnet", sa.Integer),
        sa.Column("created", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("sandbox_name", "sandbox", ["name", "created"])
    op.create_index("sandbox_state", "sandbox", ["state", "created"])
    for column in ("name", "subnet"):
        op.create_index(
            f"sandbox_live_{column}",
            "sandbox",
            [column],
            unique=True,
            sqlite_where=sa.text(_LIVE),
            postgresql_where=sa.text(_LIVE),
        )
    op.create_table(
        "snapshot",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("created", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "journal",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("subject", sa.Text, nullable=False, index=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
    )


def _events() -> None:
    op.create_table(
        "event",
        sa.Column("seq", sa.Integer, primary_key=True),
        # Two events after the same one would fork the chain.
        sa.Column("prev", sa.Text, nullable=False, unique=True),
        sa.Column("hash", sa.Text, nullable=False, unique=True),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("event_subject", "event", [sa.text("json_extract(body, '$.subject')")])
