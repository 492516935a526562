"""What people see of the warm pool."""

from typing import Any

import pytest

from sandbox.cli import tables_pool
from sandbox.cli.blocks import Line
from sandbox.cli.tables import blocks
from sandbox.usecases.sandboxes import ListResult


def said(shown: Any) -> list[tuple[str, str]]:
    return [(line.label.strip(), line.text) for line in shown if isinstance(line, Line)]


def test_list_tells_in_one_line_how_many_wait() -> None:
    result = ListResult(sandboxes=(), pooled={"segment-rfm": 2, "dashboard": 1})
    assert said(blocks(result)) == [
        ("pool", "1 dashboard, 2 segment-rfm made ahead, ready to be claimed"),
        ("", "No sandboxes. Make one with: sandbox up NAME --template T --purpose WHY"),
    ]
    assert len(said(blocks(ListResult(sandboxes=())))) == 1


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        ("", []),
        ("claimed", [("pool", "one is ready")]),
        ("snapshot differs", [("pool", "made anew: snapshot differs")]),
    ],
)
def test_plan_tells_what_the_pool_would_do(pool: str, expected: list[tuple[str, str]]) -> None:
    assert said(tables_pool.foreseen(pool)) == expected
