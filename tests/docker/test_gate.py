"""The leak gate on a real PostgreSQL: what is planted there stops the build. See conftest.py."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from sandbox.core.attestation import to_sign
from sandbox.core.errors import Denied
from tests.docker.conftest import Home
from tests.docker.source_samples import build, changed, rows, source_of

pytestmark = pytest.mark.docker

KEEP = {"class": "internal", "mask": "keep"}
DROP = {"class": "internal", "mask": "drop"}
HIDDEN = {"class": "personal", "mask": "drop"}
COLUMNS: dict[str, Any] = {
    "id": {"class": "personal", "mask": "integer-hmac"},
    "mail": {"class": "contact", "mask": "fake-mail"},
    "phone": {"class": "contact", "mask": {"method": "fake-phone", "by": "id"}},
    "clean": KEEP,
    **dict.fromkeys(("note", "profile", "state"), DROP),
    "leaked": HIDDEN,
}
PLAN = {"method": "json", "paths": {"$.plan": {"class": "internal"}}}
# Which column is listed with more than it should be, and what the gate says of it.
PLANTED: list[tuple[dict[str, Any], str, str, int]] = [
    ({"note": KEEP}, "note", "mail", 1),
    ({"note": {"class": "personal", "mask": {
        "method": "preserve", "reason": "Read by the support desk only"}}}, "note", "mail", 1),
    ({"profile": {"class": "internal", "mask": PLAN}}, "profile $.plan", "phone-jp", 1),
    ({"state": KEEP}, "state", "mail", 1),
]  # fmt: skip
TABLE = """
CREATE TYPE state AS ENUM ('new', 'old', 'ask a@real.example');
CREATE TABLE leaky AS SELECT n AS id, 'p' || n || '@real.example' AS mail,
  '090-1234-' || lpad((n % 10000)::text, 4, '0') AS phone, 'order ' || n AS clean,
  CASE WHEN n = 123456 THEN 'write to a@real.example' ELSE 'order ' || n END AS note,
  jsonb_build_object('plan', CASE WHEN n = 99 THEN '080-1234-5678' ELSE 'gold' END) AS profile,
  'new'::state AS state, 'case K' || md5(n::text) AS leaked
  FROM generate_series(1, {count}) n;
ALTER TABLE leaky ADD PRIMARY KEY (id);
COMMENT ON TABLE leaky IS 'of a@real.example';
COMMENT ON COLUMN leaky.clean IS 'of a@real.example';
GRANT SELECT ON leaky TO core_reader
"""
GONE = "DROP TABLE leaky; DROP TYPE state"


def refused(core: Any, target: Path, columns: dict[str, Any]) -> list[tuple[str, str, int]]:
    with pytest.raises(Denied) as stopped:
        build(core, target, source_of(core, {"leaky": columns}))
    assert not target.exists()
    assert "real.example" not in str(stopped.value) + json.dumps(stopped.value.details)
    leaks = stopped.value.details["gate"]["leaks"]
    return [(leak["column"], leak["detector"], leak["count"]) for leak in leaks]


@pytest.mark.slow
def test_each_planted_leak_stops_a_build_of_many_rows(demo_core: Any, tmp_path: Path) -> None:
    target = tmp_path / "x.duckdb"
    with changed(demo_core, TABLE.format(count=200_000), GONE):
        for columns, column, detector, count in PLANTED:
            assert refused(demo_core, target, {**COLUMNS, **columns}) == [(column, detector, count)]
        # What is hidden in one column stands in another: only the source's own values tell.
        demo_core.psql("UPDATE leaky SET note = leaked")
        found = refused(demo_core, target, {**COLUMNS, "note": HIDDEN, "leaked": KEEP})
        assert {(c, d) for c, d, _ in found if c} == {("leaked", "real-value")}
        built = build(demo_core, target, source_of(demo_core, {"leaky": COLUMNS}))
        assert built.gate.passed
        assert str(built.gate.relations.unique[0]) == "leaky(id)"
        stored = rows(target, "SELECT compression FROM pragma_storage_info('leaky')")
        assert "Dictionary" in str(stored) or "FSST" in str(stored)


def test_a_mask_that_does_nothing_stops_the_build(demo_core: Any, tmp_path: Path) -> None:
    """The source is given, row by row, the very values that the mask makes by the customer."""
    target = tmp_path / "x.duckdb"
    columns = {"n": KEEP, **{k: v for k, v in COLUMNS.items() if k in ("id", "phone")}}
    with changed(
        demo_core,
        "CREATE TABLE leaky AS SELECT n AS id, n, '03-1234-' || (1000 + n) AS phone "
        "FROM generate_series(1, 300) n; GRANT SELECT ON leaky TO core_reader",
        "DROP TABLE leaky",
    ):
        build(demo_core, target, source_of(demo_core, {"leaky": columns}))
        made = rows(target, "SELECT n, phone FROM leaky")
        target.unlink()
        values = ", ".join(f"({n}, '{phone}')" for n, phone in made)
        demo_core.psql(
            f"UPDATE leaky SET phone = v.phone FROM (VALUES {values}) AS v (n, phone) "
            "WHERE leaky.n = v.n"
        )
        found = refused(demo_core, target, columns)
    assert ("phone", "equal", 300) in found


def test_keys_of_the_source_hold_or_the_build_stops(demo_core: Any, tmp_path: Path) -> None:
    target = tmp_path / "x.duckdb"
    token = {"class": "personal", "mask": {"method": "hmac", "prefix": "c_"}}
    other = {"class": "personal", "mask": {"method": "hmac", "prefix": "k_"}}
    with changed(
        demo_core,
        "CREATE TABLE far (id text PRIMARY KEY, mail text UNIQUE); "
        "CREATE TABLE near (far_id text REFERENCES far (id), n int); "
        "INSERT INTO far SELECT n, 'p' || n || '@real.example' FROM generate_series(1, 50) n; "
        "INSERT INTO near SELECT n, n FROM generate_series(1, 50) n; "
        "GRANT SELECT ON far, near TO core_reader",
        "DROP TABLE near; DROP TABLE far",
    ):
        null = {"class": "contact", "mask": "null"}
        tables = {"far": {"id": token, "mail": null}, "near": {"far_id": token, "n": KEEP}}
        built = build(demo_core, target, source_of(demo_core, tables))
        held = built.gate.relations
        assert [str(r) for r in held.references] == ["near(far_id) in far(id)"]
        assert held.given_up == ("far(mail) is unique no longer: mask null of mail",)
        target.unlink()
        tables["near"]["far_id"] = other
        with pytest.raises(Denied, match=r"near\.far_id: reference, 50"):
            build(demo_core, target, source_of(demo_core, tables))


def test_a_refused_build_leaves_its_findings_and_a_good_one_its_proof(
    home: Home, demo_core: Any, nothing_left: None, tmp_path: Path
) -> None:
    plant = "UPDATE customers SET prefecture = 'a@real.example' WHERE customer_id = '00007'"
    back = "UPDATE customers SET prefecture = '東京都' WHERE customer_id = '00007'"
    there = demo_core.psql("SELECT prefecture FROM customers WHERE customer_id = '00007'").strip()
    with changed(demo_core, plant, back.replace("東京都", there)):
        error = home.json("snapshot", "build", "core", code=4)["error"]
    assert error["code"] == "denied"
    assert "customers.prefecture: mail, 1" in error["message"]
    refused = home.json("snapshot", "list", "--all")["snapshots"][-1]
    assert refused["state"] == "failed"
    assert "prefecture" in home.run("snapshot", "show", refused["id"])
    assert "real.example" not in json.dumps([error, refused])

    good = home.json("snapshot", "build", "core")["snapshot"]["id"]
    try:
        found = home.json("snapshot", "verify", good)
        assert (found["same_file"], found["signature_holds"]) == (True, True)
        envelope = json.loads(home.run("snapshot", "attest", good))
        pem = home.run("snapshot", "attest", good, "--public-key")
        key = load_pem_public_key(pem.encode())
        assert isinstance(key, Ed25519PublicKey)
        content = base64.b64decode(envelope["payload"])
        signature = base64.b64decode(envelope["signatures"][0]["sig"])
        key.verify(signature, to_sign(envelope["payloadType"], content))
        stated = json.loads(content)
        assert stated["subject"][0]["name"] == good
        assert stated["predicate"]["label"] == "pseudonymised"
        assert stated["predicate"]["rows"]["purchases"] == 69_659
    finally:
        home.run("snapshot", "rm", good)
