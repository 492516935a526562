"""Types of a real PostgreSQL, as docs/sources.md says they arrive. See conftest.py."""

from pathlib import Path
from typing import Any

import pytest

from sandbox.core.errors import InvalidInput
from tests.docker.source_samples import build, changed, opened, source_of

pytestmark = pytest.mark.docker

KINDS = {
    "small": ("smallint", "-1", "SMALLINT", "-1"),
    "whole": ("integer", "2147483647", "INTEGER", "2147483647"),
    "big": ("bigint", "9223372036854775807", "BIGINT", "9223372036854775807"),
    "yes": ("boolean", "true", "BOOLEAN", "true"),
    "nan": ("double precision", "'NaN'", "DOUBLE", "nan"),
    "endless": ("real", "'-Infinity'", "FLOAT", "-inf"),
    "exact": ("numeric(38,2)", "1.5", "DECIMAL(38,2)", "1.50"),
    "fixed": ("char(3)", "'a'", "VARCHAR", "a"),
    "net": ("inet", "'10.0.0.0/8'", "VARCHAR", "10.0.0.0/8"),
    "paid": ("money", "'12.50'", "VARCHAR", "$12.50"),
    "marked": ("xml", "'<a/>'", "VARCHAR", "<a/>"),
    "day": ("date", "'infinity'", "DATE", "infinity"),
    "hour": ("time", "'12:30'", "TIME", "12:30:00"),
    "plain": ("timestamp", "'-infinity'", "TIMESTAMP", "-infinity"),
    "moment": ("timestamptz", "'2026-01-31 23:30+09'", "TIMESTAMP WITH TIME ZONE",
               "2026-01-31 14:30:00+00"),
    "span": ("interval", "'1 day 2:00'", "INTERVAL", "1 day 02:00:00"),
    "document": ("json", "'{\"a\": [1]}'", "VARCHAR", '{"a": [1]}'),
    "stored": ("jsonb", "'{\"a\": [1]}'", "VARCHAR", '{"a": [1]}'),
    "id": ("uuid", "'123e4567-e89b-12d3-a456-426655440000'", "UUID",
           "123e4567-e89b-12d3-a456-426655440000"),
    "bytes": ("bytea", "'\\x00ff'", "BLOB", "\\x00\\xFF"),
    "list": ("int[]", "'{1,NULL,2}'", "INTEGER[]", "[1, NULL, 2]"),
    "texts": ("text[]", "'{よい,\"a,b\"}'", "VARCHAR[]", "[よい, 'a,b']"),
    "mood": ("mood", "'よい'", "ENUM('よい', 'x')", "よい"),
    "long": ("text", "repeat('長い😀', 200000)", "VARCHAR", "長い😀" * 200_000),
    "wide": ("varchar(9)", "'ｆｕｌｌ'", "VARCHAR", "ｆｕｌｌ"),
}  # fmt: skip


def test_types_arrive_as_the_documentation_says(demo_core: Any, tmp_path: Path) -> None:
    keep = {"class": "internal", "mask": "keep"}
    columns = ", ".join(f"{name} {kind[0]}" for name, kind in KINDS.items())
    values = ", ".join(kind[1] for kind in KINDS.values())
    made = (
        f"CREATE TYPE mood AS ENUM ('よい', 'x'); CREATE TABLE kinds ({columns}); "
        f"INSERT INTO kinds VALUES ({values}); CREATE TABLE empty (id int); "
        "CREATE TABLE no_number (n numeric(5,2), big numeric, list numeric[], fine numeric); "
        "INSERT INTO no_number VALUES ('NaN', 'Infinity', '{NaN}', 1), (1, -1, '{1}', 1); "
        "GRANT SELECT ON kinds, empty, no_number TO core_reader"
    )
    with changed(demo_core, made, "DROP TABLE kinds, empty, no_number; DROP TYPE mood"):
        source = source_of(demo_core, {"kinds": dict.fromkeys(KINDS, keep), "empty": {"id": keep}})
        built = build(demo_core, tmp_path / "x.duckdb", source)
        wrong = source_of(
            demo_core, {"no_number": dict.fromkeys(("n", "big", "list", "fine"), keep)}
        )
        with pytest.raises(InvalidInput, match=r"NaN or infinite.* Columns: n, big, list$"):
            build(demo_core, tmp_path / "y.duckdb", wrong)
    assert {t.name: t.rows for t in built.tables} == {"kinds": 1, "empty": 0}
    types = {c.name: c.type for c in built.tables[0].columns}
    assert types == {name: kind[2] for name, kind in KINDS.items()}
    with opened(built.path) as con:
        con.execute("SET TimeZone = 'UTC'")
        found = con.execute("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM kinds").fetchall()[0]
    assert dict(zip(KINDS, found, strict=True)) == {n: kind[3] for n, kind in KINDS.items()}
