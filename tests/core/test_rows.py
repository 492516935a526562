"""Which rows are copied: what a file may say, and how a manifest tells it."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from sandbox.core.faults import source_faults
from sandbox.core.rows import first_day, rows_described
from sandbox.core.source import Source, Table, Window
from tests.core.test_masking import source

AS_OF = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
COLUMNS = {
    name: {"class": "internal", "mask": mask}
    for name, mask in (("status", "drop"), ("day", "keep"), ("who", "hmac"))
}


def table(**chosen: Any) -> Table:
    return Table.model_validate({"columns": COLUMNS, **chosen})


def wrong(**chosen: Any) -> list[str]:
    document = source({"t": COLUMNS}).model_dump(by_alias=True)
    document["tables"]["t"] |= chosen
    return source_faults(Source.model_validate(document))


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({}, None),
        ({"where": {"status": "paid"}}, None),
        ({"where": {"status": ["paid", 7, None, True]}}, None),
        ({"where": {"state": "paid"}}, "t: where names state, which is no listed column"),
        ({"where": {"status": []}}, "t: where says nothing of status"),
        ({"since": {"column": "day", "days": 30}}, None),
        ({"since": {"column": "day", "day": "2026-01-01"}}, None),
        ({"since": {"column": "dai", "days": 30}}, "t: since names dai"),
        ({"since": {"column": "day"}}, "t: since takes either"),
        ({"since": {"column": "day", "days": 3, "day": "2026-01-01"}}, "t: since takes either"),
        ({"sample": {"by": "who", "percent": 10}}, None),
        ({"sample": {"by": "who", "most": 1000, "seed": 7}}, None),
        ({"sample": {"by": "whom", "percent": 10}}, "t: sample names whom"),
        ({"sample": {"by": "who"}}, "t: sample takes percent"),
    ],
)
def test_what_a_file_may_say(chosen: Any, says: str | None) -> None:
    found = wrong(**chosen)
    assert (found == []) if says is None else found[0].startswith(says)


@pytest.mark.parametrize(
    "chosen",
    [
        {"where": "status = 'paid'"}, {"where": {"status": 1.5}}, {"since": {"days": 3}},
        {"since": {"column": "day", "days": 0}}, {"sample": {"by": "who", "percent": 100}},
        {"sample": {"by": "who", "percent": 0}}, {"sample": {"by": "who", "most": 0}},
        {"rows": 7},
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(chosen: Any) -> None:
    with pytest.raises(ValidationError):
        table(**chosen)


def test_a_window_counts_from_the_moment_of_the_data() -> None:
    assert first_day(Window(column="day", days=23), AS_OF) == date(2026, 10, 31)
    assert first_day(Window(column="day", day=date(2020, 2, 29)), AS_OF) == date(2020, 2, 29)


def test_a_manifest_tells_which_rows_were_copied() -> None:
    chosen = table(
        where={"status": ["paid", None]},
        since={"column": "day", "days": 23},
        sample={"by": "who", "percent": 2.5, "most": 10000, "seed": 3},
    )
    assert rows_described(chosen, AS_OF) == (
        "status is paid or empty; day from 2026-10-31; 2.5 % of who; "
        "at most 10,000 rows by who; seed 3"
    )
    assert rows_described(table(), AS_OF) == ""


def test_rules_digest_tells_which_rows_but_is_what_it_was_without() -> None:
    plain = source({"t": COLUMNS})
    document = plain.model_dump(by_alias=True)
    digests = {plain.rules_digest()}
    for chosen in (
        {"where": {"status": ["paid"]}}, {"where": {"status": ["open"]}},
        {"sample": {"by": "who", "percent": 3}}, {"sample": {"by": "who", "percent": 3, "seed": 1}},
        {"since": {"column": "day", "days": 3}},
    ):  # fmt: skip
        document["tables"]["t"] = {"columns": COLUMNS, **chosen}
        digests.add(Source.model_validate(document).rules_digest())
    assert len(digests) == 6
