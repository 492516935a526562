"""States become phases: what belongs to a state stands with it."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# Frozen here on purpose: a later change of core's LIVE states needs a migration of its own.
_LIVE = (
    "state IN ('awaiting-approval', 'pooled', 'provisioning', 'ready', 'frozen', 'expired', "
    "'removing')"
)
_BY = "an earlier version"


def upgrade() -> None:
    """Turn `state` and `reason` of every record into a phase; widen what counts as live."""
    connection = op.get_bind()
    for key, body in connection.execute(sa.text("SELECT id, body FROM sandbox")).all():
        row = {"id": key, "body": json.dumps(_with_phase(json.loads(body)), ensure_ascii=False)}
        connection.execute(sa.text("UPDATE sandbox SET body = :body WHERE id = :id"), row)
    for column in ("name", "subnet"):
        op.drop_index(f"sandbox_live_{column}", "sandbox")
        op.create_index(
            f"sandbox_live_{column}",
            "sandbox",
            [column],
            unique=True,
            sqlite_where=sa.text(_LIVE),
            postgresql_where=sa.text(_LIVE),
        )


def _with_phase(body: dict) -> dict:  # type: ignore[type-arg]
    state, why = body.pop("state"), body.pop("reason", "")
    since = body["lease"].get("started") or body["created"]
    phase = {"state": state, "since": since}
    if state == "failed":
        phase["why"] = why
    if state == "removing":
        phase |= {"by": _BY, "why": why}
    if state == "destroyed":
        own = {"sandbox": body["id"], "name": body["name"], "owner": body["lease"]["owner"]}
        phase["certificate"] = own | {"at": since, "by": _BY, "why": why, "gone": []}
    return body | {"phase": phase}
