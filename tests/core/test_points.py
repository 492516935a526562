"""What can be named at each point."""

import pytest

from sandbox.core.judged import WORDS
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


def test_every_field_has_words_in_both_languages() -> None:
    for point in DOCUMENTS:
        for over in ("", *lists(point)):
            # A group of fields is compared by none of them, but by its fields.
            named = [name for name, kinds in fields(point, over).items() if "group" not in kinds]
            for name in named:
                assert name in WORDS, f"{name} at {point}"
                en, ja = WORDS[name]
                assert en.isascii(), name
                assert not ja.isascii(), name
