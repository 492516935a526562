"""`plan` as people and scripts see it: what it prints, and the code with which `up` would end."""

import json

import pytest

from sandbox.cli import render
from sandbox.core.ports import Context
from sandbox.usecases.planning import PlanRequest, PlanResult, plan
from tests.cli.conftest import Seen
from tests.usecases.asking_up import make, wish

pytestmark = pytest.mark.usefixtures("snapshot")


def planned(ctx: Context, **changes: str) -> PlanResult:
    return plan(ctx, PlanRequest(wish=wish(**changes)))


def test_each_answer_has_its_words_and_its_exit_code(ctx: Context, seen: Seen) -> None:
    for answer, words, code in [
        (planned(ctx), "spring-coupon would be made\n", 0),
        (planned(ctx, purpose="test"), "spring-coupon would be denied\n", 4),
    ]:
        assert words in seen(answer)
        assert render.exit_code(answer) == code
    make(ctx)
    for answer, words, code in [
        (planned(ctx), "spring-coupon runs already and would be returned\n", 0),
        (planned(ctx, ttl="5h"), "would be refused: A sandbox of that name runs already, with", 6),
    ]:
        assert words in seen(answer)
        assert render.exit_code(answer) == code
    assert "remove it first: sandbox down spring-coupon" in seen(answer)


def test_the_whole_plan_is_printed_even_if_the_answer_is_no(ctx: Context, seen: Seen) -> None:
    text = seen(planned(ctx, purpose="test"))
    assert "purpose-said" in text
    assert "container" in text
    programs = seen(planned(ctx, purpose="test"), "json")
    assert json.loads(programs)["answer"] == "denied"
