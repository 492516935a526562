"""Files that cross a border: what column names tell, and which columns can be matched."""

import pytest

from sandbox.core.crossing import (
    check_matchable,
    counts_people,
    groups_by,
    parse_match,
    singles_out,
)
from sandbox.core.errors import InvalidInput
from sandbox.core.source import Column


@pytest.mark.parametrize(
    ("column", "counts"),
    [
        *((name, True) for name in ("n", "N", "count", "customers", "customerCount", "会員数")),
        *((name, True) for name in ("count_star()", "人数", "buyers 2026", "active_users")),
        *(
            (name, False)
            for name in ("revenue", "nation", "country", "account", "discount", "金額")
        ),
        *((name, False) for name in ("customer_id", "mean", "region", "consumption")),
    ],
)
def test_names_that_count_people(column: str, counts: bool) -> None:
    assert counts_people(column) is counts


@pytest.mark.parametrize(
    ("column", "key"),
    [
        *(
            (name, True)
            for name in ("customer_id", "customerId", "USER-ID", "member no", "会員番号")
        ),
        *((name, False) for name in ("store_id", "customers", "id", "product code", "segment")),
    ],
)
def test_names_of_a_persons_key(column: str, key: bool) -> None:
    assert singles_out(column) is key


@pytest.mark.parametrize(
    ("column", "numeric", "groups"),
    [
        ("segment", False, True),
        ("revenue", True, False),
        ("store_id", True, True),
        ("item no", True, True),
        ("店舗番号", True, True),
        ("paid", True, False),
    ],
)
def test_what_tells_groups_apart(column: str, numeric: bool, groups: bool) -> None:
    assert groups_by(column, numeric=numeric) is groups


def test_a_match_names_two_columns() -> None:
    match = parse_match(" core.customers.mail = E-Mail=x ", "core")
    assert (match.core_column, match.file_column) == ("core.customers.mail", "E-Mail=x")


@pytest.mark.parametrize(
    ("method", "more", "fits"),
    [
        ("hmac", {}, True),
        ("fake-mail", {}, True),
        ("fake-mail", {"by": "customer_id"}, False),
        ("redact", {}, False),
        ("generalise", {"first": 3}, False),
    ],
)
def test_masks_that_can_be_matched(method: str, more: dict[str, object], fits: bool) -> None:
    mask = {"method": method, **more}
    rule = Column.model_validate({"class": "personal", "mask": mask})
    match = parse_match("core.customers.mail=Mail", "core")
    if fits:
        check_matchable(match, rule)
        return
    with pytest.raises(InvalidInput, match=f"Its mask, {method}"):
        check_matchable(match, rule)
