"""The main job on a real engine and a real PostgreSQL, as its users do it."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docker.browser import cookie_of, get, path_of
from tests.docker.conftest import PURPOSE, UP, Core, Home

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def spring(home: Home) -> Iterator[dict[str, Any]]:
    """A running sandbox for all tests that only look at it, or work in its lab."""
    before = home.listing()
    yield home.json("up", "spring", *UP)["sandbox"]
    home.run("down", "spring")
    assert home.listing() == before


def test_the_snapshot_has_the_rows_of_the_source(home: Home, demo_core: Core) -> None:
    manifest = home.json("snapshot", "list")["snapshots"][-1]["manifest"]
    for table in manifest["tables"]:
        assert table["rows"] == int(demo_core.psql(f"SELECT count(*) FROM {table['name']}"))
    assert sum(t["rows"] for t in manifest["tables"]) == 116_799


def test_sql_joins_core_and_an_imported_file(
    home: Home, spring: dict[str, Any], tmp_path: Path
) -> None:
    home.run("exec", "spring", "--", "/opt/venv/bin/python", "/opt/template/rfm.py")
    budgets = tmp_path / "coupon budgets.csv"
    budgets.write_text(
        "segment,budget_yen,note\nchampions,300000,=cmd|' /C calc'!A0\nlapsed,5,[/x]\n"
    )
    assert home.json("import", "spring", str(budgets))["table"] == "coupon_budgets"
    rows = home.json(
        "sql",
        "spring",
        """
        SELECT s.segment, count(*), sum(c.prefecture IS NOT NULL), any_value(b.note)
        FROM lab.segments s JOIN core.customers c USING (customer_id)
        JOIN lab.coupon_budgets b USING (segment) GROUP BY 1 ORDER BY 1""",
    )["rows"]
    assert [r[0] for r in rows] == ["champions", "lapsed"]
    assert rows[0][1] > 1000
    assert rows[0][3] == "=cmd|' /C calc'!A0"
    as_csv = home.run(
        "sql", "spring", "SELECT note FROM lab.coupon_budgets ORDER BY 1", "-o", "csv"
    )
    assert "\"'=cmd" in as_csv or "'=cmd" in as_csv
    assert "[/x]" in as_csv


def test_the_row_limit_is_said(home: Home, spring: dict[str, Any]) -> None:
    cut = home.json("sql", "spring", "FROM core.purchases", "--limit", "3")
    assert len(cut["rows"]) == 3
    assert cut["more"] is True
    assert home.json("sql", "spring", "SELECT 1", "--limit", "1")["more"] is False


@pytest.mark.parametrize("statement", [
    "INSERT INTO core.purchases SELECT * FROM core.purchases",
    "DELETE FROM core.customers",
    "CREATE TABLE core.mine (x int)",
    "SELECT 1; SELECT 2",
    "selct 1",
    "",
])  # fmt: skip
def test_sql_that_must_not_work(home: Home, spring: dict[str, Any], statement: str) -> None:
    assert home.json("sql", "spring", statement, code=3)["error"]["code"] == "invalid"


ATTEMPTS = {
    "write the replica": "open('/replica/core/core.duckdb', 'r+b')",
    "write beside the replica": "open('/replica/core/x', 'w')",
    "write the root file system": "open('/etc/x', 'w')",
    "change the deadline": "open('/run/sandbox/deadline', 'w')",
    "read the guard's memory": "open('/proc/1/mem', 'rb').read(1)",
    "reach outside": "socket.create_connection(('192.0.2.1', 443), timeout=1)",
    "look up a name": "socket.getaddrinfo('example.com', 443)",
    "open a raw socket": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "become root": "os.setuid(0)",
}


@pytest.mark.parametrize("code", ATTEMPTS.values(), ids=ATTEMPTS.keys())
def test_attacks_from_inside_are_refused(home: Home, spring: dict[str, Any], code: str) -> None:
    program = f"import os, socket\ntry:\n    {code}\nexcept OSError:\n    raise SystemExit(42)"
    home.run("exec", "spring", "--", "/opt/venv/bin/python", "-c", program, code=42)


def test_the_host_is_out_of_reach(home: Home, spring: dict[str, Any]) -> None:
    """A server of this test's own listens on every address of the host; no packet may reach it."""
    server = socket.create_server(("0.0.0.0", 0))
    reached: list[socket.socket] = []
    listener = threading.Thread(target=lambda: reached.append(server.accept()[0]), daemon=True)
    listener.start()
    port = server.getsockname()[1]
    own = home.client.networks.get(f"sandbox-{spring['id']}").attrs["IPAM"]["Config"][0]["Subnet"]
    hosts = [own.rsplit(".", 1)[0] + f".{int(own.rsplit('.', 1)[1].split('/')[0]) + 1}"]
    for network in home.client.networks.list():
        hosts += [c["Gateway"] for c in network.attrs["IPAM"]["Config"] or [] if "Gateway" in c]
    program = f"""
import socket, sys
for host in {hosts!r}:
    try:
        socket.create_connection((host, {port}), timeout=0.5)
    except OSError:
        continue
    sys.exit(host)
"""
    home.run("exec", "spring", "--", "/opt/venv/bin/python", "-c", program)
    assert not reached
    with socket.create_connection(("127.0.0.1", port)):
        listener.join(5)
    # The server did answer all the while: only the sandbox could not reach it.
    assert len(reached) == 1
    reached[0].close()
    server.close()


def test_only_the_link_opens_the_page(home: Home, spring: dict[str, Any]) -> None:
    assert get(home, "spring", "/").status == 403
    assert get(home, "elsewhere", "/").status == 403
    opened = get(home, "spring", path_of(home.run("open", "spring")))
    assert opened.status == 303
    cookie, *marks = opened.headers["Set-Cookie"].split("; ")
    assert "HttpOnly" in marks
    assert get(home, "spring", "/", Cookie=cookie).status == 200
    assert get(home, "spring", "/", Cookie=cookie, Origin="http://evil.example").status == 403
    assert get(home, "spring", "/", Cookie=cookie[:-2] + "xx").status == 403


def test_no_secret_is_where_others_look(home: Home, spring: dict[str, Any]) -> None:
    secret = cookie_of(home, "spring").rsplit("~", 1)[1]
    said = home.run("show", "spring", "-o", "json") + home.run("audit", "list", "-o", "json")
    for part in ("tool", "lab"):
        container = home.client.containers.get(f"sandbox-{spring['id']}-{part}")
        said += json.dumps(container.attrs) + container.logs().decode()
        said += str(container.top())
    assert secret not in said
    tool = home.client.containers.get(f"sandbox-{spring['id']}-tool")
    login: Any = tool.exec_run(["cat", "/run/sandbox/lab.json"], user="10001").output
    password = json.loads(login)["password"]
    assert len(password) > 30
    assert password not in said


def test_every_container_is_hardened(home: Home, spring: dict[str, Any]) -> None:
    for part in ("tool", "lab"):
        attrs = home.client.containers.get(f"sandbox-{spring['id']}-{part}").attrs
        config = attrs["HostConfig"]
        assert config["ReadonlyRootfs"] is True
        assert config["CapDrop"] == ["ALL"]
        assert "no-new-privileges" in config["SecurityOpt"]
        assert config["PidsLimit"] > 0
        assert 0 < config["Memory"] == config["MemorySwap"]
        assert attrs["Config"]["User"] not in ("", "0", "root")
        assert attrs["Path"] == "/sandbox/guard"
        assert not any(b.startswith("/") for b in config["Binds"])


def test_up_again_is_the_same_sandbox(home: Home, spring: dict[str, Any]) -> None:
    again = home.json("up", "spring", *UP)
    assert again["created"] is False
    assert again["sandbox"]["id"] == spring["id"]
    other = home.json(
        "up", "spring", *UP[:3], "A wholly different question about post codes", code=6
    )
    assert other["error"]["differs"] == ["purpose"]


def test_a_snapshot_in_use_stays(home: Home, spring: dict[str, Any]) -> None:
    refused = home.json("snapshot", "rm", spring["snapshot"], code=6)
    assert refused["error"]["used_by"] == ["spring"]


def test_exec_passes_the_code_and_the_output_on(home: Home, spring: dict[str, Any]) -> None:
    assert home.run("exec", "spring", "--", "sh", "-c", "echo out; exit 17", code=17) == "out\n"


def test_the_template_passes_its_own_smoke_test(home: Home, nothing_left: None) -> None:
    checked = home.json("template", "check", "segment-rfm")
    assert checked["passed"] is True


def test_a_denied_request_makes_nothing(home: Home, nothing_left: None) -> None:
    error = home.json("up", "too-long", *UP, "--ttl", "90d", code=4)["error"]
    (found,) = error["decision"]["findings"]
    assert (found["rule"], found["actual"], found["expected"]) == ("ttl-max", 2160, 168)
    assert "168h" in found["fix"]["en"]
    assert found["fix"]["ja"]
    assert (
        home.json("audit", "list", "--subject", "too-long")["events"][-1]["code"]
        == "sandbox.denied"
    )


def test_two_at_once_do_not_see_each_other(home: Home, nothing_left: None) -> None:
    starts = [home.start("up", name, *UP, "-o", "json") for name in ("one", "two")]
    made = [json.loads(s.communicate(timeout=120)[0])["sandbox"] for s in starts]
    try:
        cookie = cookie_of(home, "two")
        address = cookie.split("=")[1].split("~")[0]
        program = f"import socket\ntry: socket.create_connection(({address!r}, 2718), timeout=1)\n"
        program += "except OSError: raise SystemExit(42)"
        home.run("exec", "one", "--", "/opt/venv/bin/python", "-c", program, code=42)
        assert get(home, "one", "/", Cookie=cookie).status == 403
        assert made[0]["id"] != made[1]["id"]
    finally:
        for name in ("one", "two"):
            home.run("down", name)


@pytest.mark.slow  # a minute of waiting; test_leases.py waits for one that ends, too
def test_containers_end_on_time_with_nothing_of_ours_running(
    home: Home, nothing_left: None
) -> None:
    sandbox = home.json("up", "short", *UP, "--ttl", "1m")["sandbox"]
    tool = home.client.containers.get(f"sandbox-{sandbox['id']}-tool")
    lab = home.client.containers.get(f"sandbox-{sandbox['id']}-lab")
    until = time.monotonic() + 70
    while time.monotonic() < until and "running" in (tool.status, lab.status):
        time.sleep(1)
        tool.reload()
        lab.reload()
    assert (tool.status, lab.status) == ("exited", "exited")
    assert home.json("show", "short")["sandbox"]["state"] == "expired"
    assert home.json("sql", "short", "SELECT 1", code=6)["error"]["state"] == "expired"
    home.run("down", "short")


def test_the_record_holds_and_tells_the_story(home: Home, nothing_left: None) -> None:
    home.run("up", "told", *UP)
    home.run("down", "told", "--reason", "done with it")
    events = home.json("audit", "list", "--subject", "told")["events"]
    codes = [e["code"].removeprefix("sandbox.") for e in events]
    assert codes == ["requested", "ready", "removing", "destroyed"]
    assert events[0]["reason"] == PURPOSE
    assert events[2]["reason"] == "done with it"
    assert home.json("audit", "verify")["holds"] is True
