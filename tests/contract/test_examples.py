"""Examples of a snapshot's values: what everybody may see of it, and nothing else."""

import sqlite3
from contextlib import closing
from pathlib import Path

from sandbox.core.source import Source
from sandbox.drivers.sources.reader import CoreReader
from tests.core.test_source import demo_document
from tests.fakes import Said

REASON = "Names of goods, typed by the shop itself"
COLUMNS = {
    "id": {"class": "personal", "mask": {"method": "hmac", "prefix": "p_"}},
    "kind": {"class": "internal"},
    "long": {"class": "internal"},
    "note": {"class": "personal", "mask": {"method": "preserve", "reason": REASON}},
    "memo": {"class": "personal", "mask": "redact"},
    "gone": {"class": "personal"},
    "zip": {"class": "quasi-identifier", "mask": {"method": "generalise", "first": 3}},
    "absent": {"class": "personal", "mask": "drop"},
}


def test_the_commonest_values_are_shown_but_of_what_is_preserved(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as con, con:
        con.execute(f"CREATE TABLE people ({', '.join(f'{c} TEXT' for c in COLUMNS)})")
        rows = (
            (str(n), "aaabbcdef"[n % 9], f"{n % 2}\x1b" + "x" * 80, "green tea", "m", "g",
             f"930-00{n % 90 + 10}", "a")
            for n in range(180)
        )  # fmt: skip
        con.executemany("INSERT INTO people VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    document = demo_document() | {
        "connection": {"type": "sqlite", "file": "shop.db"},
        "tables": {"people": {"columns": COLUMNS}},
    }
    source = Source.model_validate(document)
    built = CoreReader(tmp_path).copy(source, "", bytes(range(32)), tmp_path / "x.duckdb", Said())
    shown = {column.name: column.examples for column in built.tables[0].columns}
    assert "absent" not in shown
    assert shown["kind"] == ("a", "b", "c")
    assert shown["zip"] == ("930",)
    assert len(shown["id"]) == 3
    assert all(value.startswith("p_") for value in shown["id"])
    assert shown["note"] == shown["memo"] == shown["gone"] == ()
    assert shown["long"] == tuple(f"{n}\ufffd{'x' * 37}…" for n in range(2))
