"""What can be named at each point."""

import pytest

from sandbox.core.points import DOCUMENTS, fields, lists, possible


def test_fields_are_told_with_their_kinds() -> None:
    found = fields("create")
    assert found["ttl_hours"] == {"number"}
    assert found["purpose.words"] == {"number"}
    assert found["owner_totals"] == {"group"}
    assert found["replicas"] == {"list"}
    assert fields("create", "replicas")["masked"] == {"boolean"}
    assert fields("create", "replicas")["classes"] == {"list"}
    assert fields("export")["kind"] == {"text"}
    assert fields("create", "steps") == {}
    assert fields("create", "replicas.tables") == {}
    assert fields("promote")["verdict"] == {"text"}
    assert fields("create")["cost.budget"] == {"number", "nothing"}


@pytest.mark.parametrize("point", DOCUMENTS)
def test_what_can_be_gone_over(point: str) -> None:
    expected = {
        "create": ("replicas",),
        "scan": ("replicas", "hosts"),
        "egress": ("hosts",),
        "snapshot": ("tables", "columns"),
        "promote": ("evidence",),
        "release": ("evidence",),
        "export": ("found",),
        "import": ("found",),
    }
    assert lists(point) == expected.get(point, ())


def test_fields_of_few_values_are_told_with_all_of_them() -> None:
    assert possible("export")["kind"] == {"table", "file"}
    assert "contact" in possible("export", "found")["data_class"]
    assert possible("create", "replicas") == {"access": frozenset({"read-only", "read-write"})}
    assert "lane.name" in possible("create")
    assert "owner" not in possible("create")
    assert possible("create", "steps") == {}
