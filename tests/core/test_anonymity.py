"""k: which columns it is counted by, and what a source file may say of it."""

from typing import Any

import pytest

from sandbox.core.anonymity import quasi_columns
from sandbox.core.faults import source_faults
from sandbox.core.source import Source, Table
from tests.core.test_masking import source

YEAR = {"method": "generalise", "to": "year"}
COLUMNS: dict[str, Any] = {
    "who": {"class": "personal", "mask": "hmac"},
    "born": {"class": "quasi-identifier", "mask": YEAR},
    "sex": {"class": "quasi-identifier"},
    "area": {"class": "internal"},
    "gone": {"class": "quasi-identifier", "mask": "drop"},
}


def table(**said: Any) -> Table:
    return Table.model_validate({"columns": COLUMNS, **said})


def test_quasi_identifiers_are_those_of_the_class_unless_some_are_named() -> None:
    assert quasi_columns(table()) == ("born",)
    assert quasi_columns(table(quasi=("born", "area"))) == ("born", "area")
    assert quasi_columns(table(quasi=())) == ()


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({}, None),
        ({"k": 5}, None),
        ({"quasi": ["born", "area"], "subject": "who", "k": 5}, None),
        ({"quasi": []}, None),
        ({"quasi": ["birth"]}, "t: quasi names birth, which is no listed column"),
        ({"quasi": ["gone"]}, "t: quasi names gone, of which the mask drop leaves nothing"),
        ({"quasi": ["sex"]}, "t: quasi names sex, of which the mask null leaves nothing"),
        ({"subject": "whom"}, "t: subject names whom, which is no listed column"),
        ({"subject": "born"}, "t: subject names born, whose mask does not keep people apart"),
        ({"quasi": [], "k": 5}, "t: k needs columns to count by"),
        ({"quasi": [], "subject": "who"}, "t: subject says whom to count, but"),
        ({"orphans": ["x"]}, "t: orphans names x, which is no listed column"),
    ],
)
def test_what_a_file_may_say(said: dict[str, Any], fault: str | None) -> None:
    document = source({"t": COLUMNS}).model_dump(mode="json", by_alias=True)
    document["tables"]["t"] |= said
    found = source_faults(Source.model_validate(document))
    assert (found == []) if fault is None else found[0].startswith(fault)


def test_what_decides_the_rows_changes_the_rules_digest() -> None:
    plain = source({"t": COLUMNS})
    document = plain.model_dump(by_alias=True)
    digests = {plain.rules_digest()}
    for said in (
        {"k": 5}, {"k": 6}, {"quasi": ("born", "area")}, {"subject": "who"}, {"orphans": ("who",)},
    ):  # fmt: skip
        document["tables"]["t"] = {"columns": COLUMNS, **said}
        digests.add(Source.model_validate(document).rules_digest())
    document["tables"]["t"] = {"columns": COLUMNS}
    document["keys"] = {"scope": "experiment"}
    digests.add(Source.model_validate(document).rules_digest())
    assert len(digests) == 7
