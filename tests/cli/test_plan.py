"""`plan` as people and scripts see it: what it prints, and the code with which `up` would end."""

import json

import pytest

from sandbox.cli import render
from sandbox.core.ports import Context
from sandbox.usecases.planning import PlanRequest, PlanResult, plan
from tests.usecases.asking_up import make, wish

pytestmark = pytest.mark.usefixtures("snapshot")


def planned(ctx: Context, **changes: str) -> PlanResult:
    return plan(ctx, PlanRequest(wish=wish(**changes)))


def printed(result: PlanResult, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    render.show(result, "table")
    return capsys.readouterr().out


def test_each_answer_has_its_words_and_its_exit_code(
    ctx: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    for answer, words, code in [
        (planned(ctx), "spring-coupon would be made\n", 0),
        (planned(ctx, purpose="test"), "spring-coupon would be denied\n", 4),
    ]:
        assert words in printed(answer, capsys)
        assert render.exit_code(answer) == code
    make(ctx)
    for answer, words, code in [
        (planned(ctx), "spring-coupon runs already and would be returned\n", 0),
        (planned(ctx, ttl="5h"), "would be refused: A sandbox of that name runs already, with", 6),
    ]:
        assert words in printed(answer, capsys)
        assert render.exit_code(answer) == code
    assert "remove it first: sandbox down spring-coupon" in printed(answer, capsys)


def test_the_whole_plan_is_printed_even_if_the_answer_is_no(
    ctx: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(planned(ctx, purpose="test"), capsys)
    assert "purpose-said" in text
    assert "container" in text
    render.show(planned(ctx, purpose="test"), "json")
    assert json.loads(capsys.readouterr().out)["answer"] == "denied"
