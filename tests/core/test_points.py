"""What can be named at each point."""

import pytest

from sandbox.core.points import DOCUMENTS, fields, lists


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
    assert fields("promote") == {}


@pytest.mark.parametrize("point", DOCUMENTS)
def test_what_can_be_gone_over(point: str) -> None:
    expected = {
        "create": ("replicas",),
        "scan": ("replicas",),
        "egress": ("hosts",),
        "snapshot": ("tables",),
        "export": ("found",),
        "import": ("found",),
    }
    assert lists(point) == expected.get(point, ())  # type: ignore[arg-type]
