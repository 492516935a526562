"""What tells a live source from its file: columns that came, went, or changed their type."""

import pytest

from sandbox.core.drift import LiveTypes, drift, refuse_drift
from sandbox.core.errors import InvalidInput
from sandbox.core.source import Source
from tests.core.test_source import demo_document, demo_source


def as_listed(source: Source) -> LiveTypes:
    return {name: dict.fromkeys(table.columns, "VARCHAR") for name, table in source.tables.items()}


@pytest.mark.parametrize(
    ("live", "new", "missing"),
    [
        ({}, (), ()),
        ({"purchases": ["coupon"]}, ("purchases.coupon",), ()),
        ({"staff": ["name"]}, (), ()),
        ({"purchases": ["-amount"]}, (), ("purchases.amount",)),
        ({"purchases": ["-amount", "Amount"]}, ("purchases.Amount",), ("purchases.amount",)),
    ],
)
def test_drift_names_each_column(
    live: dict[str, list[str]], new: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    source = demo_source()
    found = as_listed(source)
    for table, changes in live.items():
        here = set(found.get(table, {}))
        here |= {c for c in changes if not c.startswith("-")}
        found[table] = dict.fromkeys(here - {c[1:] for c in changes if c.startswith("-")}, "")
    result = drift(source, found)
    assert (result.new, result.missing) == (new, missing)
    assert bool(result) == bool(new or missing)


def test_table_that_is_gone_is_drift() -> None:
    source = demo_source()
    found = as_listed(source)
    del found["consents"]
    assert len(drift(source, found).missing) == 4


@pytest.mark.parametrize(
    ("stated", "before", "live", "retyped"),
    [
        ("", "", "INTEGER", False),
        ("", "INTEGER", "INTEGER", False),
        ("", "INTEGER", "VARCHAR", True),
        ("", "INTEGER", "", False),
        ("VARCHAR", "INTEGER", "VARCHAR", False),
        ("varchar", "INTEGER", "VARCHAR", False),
        ("INTEGER", "", "VARCHAR", True),
        ("INTEGER", "VARCHAR", "VARCHAR", True),
    ],
)
def test_a_type_is_that_of_the_file_else_of_the_last_snapshot(
    stated: str, before: str, live: str, retyped: bool
) -> None:
    document = demo_document()
    document["tables"]["purchases"]["columns"]["quantity"]["type"] = stated
    source = Source.model_validate(document)
    there = as_listed(source)
    there["purchases"]["quantity"] = live
    found = drift(source, there, {"purchases": {"quantity": before}})
    assert found.retyped == (
        (f"purchases.quantity was {stated or before}, is {live}",) if retyped else ()
    )
    assert bool(found) is retyped


def test_a_refusal_says_what_to_do_with_a_new_type() -> None:
    source = demo_source()
    there = as_listed(source)
    refuse_drift(source, drift(source, there))
    there["purchases"]["quantity"] = "DOUBLE"
    with pytest.raises(InvalidInput, match="quantity was INTEGER, is DOUBLE") as raised:
        refuse_drift(source, drift(source, there, {"purchases": {"quantity": "INTEGER"}}))
    assert "type: ..." in raised.value.hint
    del there["purchases"]["amount"]
    with pytest.raises(InvalidInput, match=r"not in the source: purchases\.amount") as raised:
        refuse_drift(source, drift(source, there))
    assert "type: ..." not in raised.value.hint
