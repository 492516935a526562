"""What a source file says wrongly of its connection is told in place, with the nearest word."""

import pytest

from sandbox.core.errors import InvalidInput
from sandbox.core.source import Source
from tests.reading import load_as

FILE = """\
apiVersion: sandbox.source/v1
kind: Source
metadata: {name: core}
connection: %s
owners: {extract: it-data, transform: it-data}
tables: {t: {columns: {a: {class: public}}}}
"""
LOGIN = "host: h, database: d, user: u"


@pytest.mark.parametrize(
    ("connection", "says"),
    [
        (f"{{type: mysq, {LOGIN}}}", "4:1: `connection.type` must be one of postgres, mysql, "
         "mariadb, sqlite, csv, parquet, excel. Did you mean mysql?"),
        (f"{{{LOGIN}}}", "the key `connection.type` is missing"),
        ("{type: mysql, hots: h, database: d, user: u, password: {env: P}}",
         "4:27: unknown key `hots`. Did you mean host?"),
        ("{type: csv, files: {t: {file: x, delimeter: '|'}}}", "Did you mean delimiter?"),
        ("{type: csv, files: {t: x}, host: h}", "unknown key `host`"),
        ("{type: csv, files: {t: ../x}}", "`connection.files.t`: must be a path below the home"),
        ("{type: csv, files: {t: x}, encoding: sjiss}", "must be an encoding"),
        ("{type: sqlite}", "the key `connection.file` is missing"),
        (f"{{type: postgres, {LOGIN}, password: geheim}}", "`connection.password` must be a group"),
        (f"{{type: postgres, {LOGIN}, password: {{}}}}", "name one place"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_place(connection: str, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_as(Source, "sources/core.yaml", (FILE % connection).encode())
    assert says in caught.value.message
    assert "geheim" not in caught.value.message
