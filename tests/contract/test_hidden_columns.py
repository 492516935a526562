"""What a file lists and its login may not read is named before anything is built."""

import pytest

from sandbox.core.errors import Unavailable
from sandbox.core.source import Source
from sandbox.drivers.sources.login import refuse_hidden
from tests.core.test_source import demo_document, demo_source


def every(source: Source, *tables: str) -> set[tuple[str, str]]:
    return {(t, c) for t in tables or source.tables for c in source.tables[t].columns}


def test_a_table_and_a_column_are_named_with_the_grants_that_mend_it() -> None:
    source = demo_source()
    unseen = every(source, "consents") | {("customers", "mail"), ("payroll", "salary")}
    with pytest.raises(Unavailable, match=r"lists: customers\.mail, consents\.$") as raised:
        refuse_hidden(source, "core (here)", "Shop", unseen)
    assert raised.value.details == {
        "hidden": ["customers.mail", "consents"],
        "grant": [
            'GRANT SELECT ON "Shop"."customers" TO "core_reader";',
            'GRANT SELECT ON "Shop"."consents" TO "core_reader";',
        ],
    }
    assert 'GRANT SELECT ON "Shop"."consents"' in raised.value.hint


def test_where_nothing_can_be_read_the_schema_may_be_closed_too() -> None:
    source = demo_source()
    with pytest.raises(Unavailable) as raised:
        refuse_hidden(source, "core", "public", every(source))
    assert raised.value.details["grant"][0] == 'GRANT USAGE ON SCHEMA "public" TO "core_reader";'
    assert raised.value.details["hidden"] == list(source.tables)


def test_what_is_not_listed_or_is_dropped_need_not_be_readable() -> None:
    document = demo_document()
    document["tables"]["purchases"]["columns"]["quantity"] |= {"class": "credential"}
    document["tables"]["purchases"]["columns"]["quantity"]["mask"] = {"method": "drop"}
    source = Source.model_validate(document)
    refuse_hidden(source, "core", "public", {("payroll", "salary"), ("purchases", "quantity")})
