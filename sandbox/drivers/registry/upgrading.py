"""Making and migrating the registry's tables, by Alembic; imported only when one is due."""

import sqlite3
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(path: Path, revision: str, installation: str | None) -> None:
    """Bring the file at `path` to `revision`, all or nothing; note a fresh one's `installation`.

    Raises sqlite3.Error as the database says it.
    """
    raw = sqlite3.connect(path, isolation_level=None)
    engine = sa.create_engine("sqlite+pysqlite://", creator=lambda: raw, poolclass=sa.StaticPool)
    try:
        with engine.connect() as connection:
            # Driven by hand: the driver itself would open a transaction only at the first write,
            # and none before tables are made.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            _run(connection, revision)
            if installation is not None:
                noted = sa.table("meta", sa.column("key"), sa.column("value"))
                row = {"key": "installation", "value": installation}
                connection.execute(sa.insert(noted).values(row))
            connection.commit()
    except sa.exc.DBAPIError as error:
        raise error.orig or error from error
    finally:
        engine.dispose()
        raw.close()


def _run(connection: sa.Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
