"""A live table, copied through masks into a file that the leak gate judges."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from sandbox.core.leaks import GateReport
from sandbox.core.places import places
from sandbox.core.source import Table
from sandbox.drivers.sources.connection import quoted
from sandbox.drivers.sources.gate import Known, judge
from sandbox.drivers.sources.masks import expression
from sandbox.drivers.sources.proof import Proof, proved_select
from sandbox.drivers.sources.real import real_values


class Bench:
    """A live table `live`, copied through masks into a file that the gate judges."""

    def __init__(self, con: duckdb.DuckDBPyConnection, file: Path) -> None:
        self.con, self.file = con, file

    def live(self, rows: str, count: int = 200) -> None:
        self.con.execute(f"CREATE TABLE live AS SELECT {rows} FROM range({count}) AS there(i)")

    def judged(
        self,
        columns: Mapping[str, Any],
        idle: tuple[str, ...] = (),
        after: tuple[str, ...] = (),
        canaries: tuple[str, ...] = (),
    ) -> GateReport:
        """Build and judge; the masks of `idle` do nothing, `after` is done to the file then."""
        table = Table.model_validate({"columns": columns})
        types = {row[0]: row[1] for row in self.con.execute("DESCRIBE live").fetchall()}
        proof = Proof(self.con)
        made = {
            name: (
                quoted(name) if name in idle else expression("t", name, types, table.columns),
                tuple(p for p in places("t", table) if p.column == name),
            )
            for name, rule in table.columns.items()
            if rule.mask.method != "drop"
        }
        select = proved_select(proof, "live", made)
        self.con.execute(f"ATTACH '{self.file}' AS snapshot")
        self.con.execute(f"CREATE TABLE snapshot.main.t AS {select}")
        for statement in after:
            self.con.execute(statement)
        self.con.execute("DETACH snapshot")
        real = real_values(self.con, "live", "true", table, types)
        known = Known(proof.equals(), real, canaries)
        return judge(self.con, self.file, {"t": table}, known, lambda _: None)
