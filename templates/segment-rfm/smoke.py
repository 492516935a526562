"""Proves, inside a real sandbox, that the template does its work. One line per check."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import duckdb
import rfm
import sandbox_kit

NOTEBOOK = "/work/segment_rfm.py"
PAGE = "http://127.0.0.1:2718/health"

Connection = duckdb.DuckDBPyConnection


class Failed(Exception):
    """A check that did not hold; the text says what was found."""


def one(con: Connection, sql: str, *values: object) -> tuple[object, ...]:
    """Return the first row of `sql`. Raises Failed when there is none."""
    row = con.execute(sql, values).fetchone()
    if row is None:
        raise Failed(f"no row came back for: {sql}")
    return tuple(row)


def run(path: str) -> str:
    """Run a Python program in its folder and return what it printed."""
    ran = subprocess.run(  # noqa: S603
        [sys.executable, path], capture_output=True, text=True, timeout=120, cwd=Path(path).parent
    )
    if ran.returncode != 0:
        raise Failed(f"{path} ended with {ran.returncode}: {ran.stderr}")
    return ran.stdout


def tables_have_rows(con: Connection) -> str:
    """Both core tables that the template needs are there and filled."""
    customers = one(con, "SELECT count(*) FROM core.customers")[0]
    purchases = one(con, "SELECT count(*) FROM core.purchases")[0]
    if not customers or not purchases:
        raise Failed(f"core.customers has {customers} rows, core.purchases {purchases}")
    return f"{customers} customers, {purchases} purchases"


def segments_are_written(con: Connection) -> str:
    """The program fills the lab, and says what it did."""
    result = json.loads(run(rfm.__file__))
    if sum(result["segments"].values()) != result["customers"] or result["customers"] == 0:
        raise Failed(f"the segments do not add up: {result}")
    return f"{result['customers']} customers in {len(result['segments'])} segments"


def sums_agree(con: Connection) -> str:
    """Customers and value in the lab equal those of the window in core."""
    choice = rfm.choose(sandbox_kit.parameters(), rfm.days(con)[1])
    window = one(
        con,
        "SELECT count(DISTINCT customer_id), coalesce(sum(amount), 0) FROM core.purchases "
        "WHERE CAST(purchased_on AS DATE) BETWEEN ? AND ? AND customer_id IS NOT NULL",
        choice.first,
        choice.as_of,
    )
    lab = one(con, "SELECT count(*), sum(value) FROM lab.segments")
    if window != lab:
        raise Failed(f"core says {window}, lab says {lab}")
    return f"{lab[0]} customers, value {lab[1]}"


def core_and_lab_join(con: Connection) -> str:
    """Every customer of the lab is found in core in one query over both."""
    lab, both = one(
        con,
        "SELECT count(*), count(c.customer_id) "
        "FROM lab.segments s LEFT JOIN core.customers c USING (customer_id)",
    )
    if lab != both:
        raise Failed(f"{lab} customers in lab, but {both} of them in core.customers")
    return f"{both} customers found on both sides"


def notebook_runs(con: Connection) -> str:
    """Every cell of the notebook runs without an error."""
    run(NOTEBOOK)
    return NOTEBOOK


def page_answers(con: Connection) -> str:
    """The tool's own server says that it is well."""
    try:
        with urllib.request.urlopen(PAGE, timeout=30) as answer:
            return f"{PAGE} {answer.status}"
    except OSError as error:
        raise Failed(f"{PAGE} does not answer: {error}") from error


def sql_cannot_write_core(con: Connection) -> str:
    """A statement that would change core is refused."""
    for statement in ("DELETE FROM core.purchases", "CREATE TABLE core.mine (i INTEGER)"):
        try:
            con.execute(statement)
        except duckdb.Error:
            continue
        raise Failed(f"this went through: {statement}")
    return "DELETE and CREATE refused"


def kernel_keeps_core(con: Connection) -> str:
    """The replica's file cannot be opened for writing, whatever the program."""
    path = Path(
        str(one(con, "SELECT path FROM duckdb_databases() WHERE database_name = 'core'")[0])
    )
    for attempt in (lambda: path.open("r+b"), lambda: (path.parent / "mine").open("wb")):
        try:
            attempt().close()
        except OSError as error:
            reason = error.strerror
        else:
            raise Failed(f"{path.parent} could be written")
    return f"{path}: {reason}"


CHECKS: tuple[Callable[[Connection], str], ...] = (
    tables_have_rows,
    segments_are_written,
    sums_agree,
    core_and_lab_join,
    notebook_runs,
    sums_agree,
    page_answers,
    sql_cannot_write_core,
    kernel_keeps_core,
)


def main() -> int:
    """Run all checks; return 1 when any failed."""
    con = sandbox_kit.connect()
    failed = 0
    for check in CHECKS:
        name = check.__name__.replace("_", " ")
        try:
            print(f"ok    {name}: {check(con)}", flush=True)
        except (Failed, OSError, ValueError, subprocess.SubprocessError, duckdb.Error) as reason:
            # One line per check; the end of a traceback says why, its start only where.
            print(f"FAIL  {name}: {' '.join(str(reason).split())[-400:]}", flush=True)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
