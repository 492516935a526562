"""request: what people and programs see of what waits for a yes."""

import json
from datetime import UTC, datetime

import pytest

from sandbox.core.asks import AskContent
from sandbox.core.ports import Context
from sandbox.usecases.asks import make_ask
from tests.cli.conftest import Cli, error
from tests.core.test_asks import DATA, EXPORT, MATCH
from tests.fakes import Clock

pytestmark = pytest.mark.usefixtures("stocked")


@pytest.fixture(autouse=True)
def _today(clock: Clock) -> None:
    clock.moment = datetime.now(UTC)


def asked(ctx: Context, content: AskContent) -> None:
    with ctx.registry.writing() as tx:
        make_ask(ctx, tx, content, subject="spring-coupon", purpose="A [/x] chart", roles=("it",))


def test_nothing_waits(cli: Cli) -> None:
    assert cli("request", "list") == (0, "Nothing waits.\n", "")


def test_list_and_show(cli: Cli, ctx: Context) -> None:
    asked(ctx, EXPORT)
    code, out, _ = cli("request", "list")
    assert code == 0
    assert "r1  export  spring-coupon  waiting" in out
    code, out, _ = cli("request", "show", "1")
    assert code == 0
    for words in ("r1, waiting", "lab.segments, 6 rows, 120 B, pseudonymised", "d" * 64, "A [/x]"):
        assert words in out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (DATA, ["data      core", "customers  gender"]),
        (MATCH, ["Mail of loyal.csv with core.customers.mail", "lab.loyal, 60 rows"]),
    ],
)
def test_every_kind_is_shown(cli: Cli, ctx: Context, content: AskContent, words: list[str]) -> None:
    asked(ctx, content)
    code, out, _ = cli("request", "show", "r1")
    assert code == 0
    assert all(each in out for each in words)
    subject = "core.customers" if content is DATA else "spring-coupon"
    assert cli("request", "list")[1].splitlines()[1].split()[1:3] == [content.kind, subject]


def test_the_end_of_a_day_is_shown_as_that_day(cli: Cli, ctx: Context, clock: Clock) -> None:
    local = clock.moment.astimezone()
    after = datetime(local.year + 1, 1, 1, tzinfo=local.tzinfo)
    with ctx.registry.writing() as tx:
        make_ask(
            ctx, tx, DATA, subject="core", purpose="A", roles=("it",), waits=after - clock.moment
        )
    assert f"until     {local.year}-12-31; to be answered by" in cli("request", "show", "r1")[1]
    assert f"{local.year}-12-31  A" in cli("request", "list")[1]


def test_refusals(cli: Cli, ctx: Context) -> None:
    asked(ctx, EXPORT)
    code, out, _ = cli("request", "show", "r7", "-o", "json")
    assert (code, error(out)["code"]) == (5, "not_found")
    code, out, _ = cli("request", "accept", "r1", "--reason", " ", "-o", "json")
    assert (code, error(out)["code"]) == (3, "invalid")
    assert cli("request", "accept", "r1")[0] == 2


def test_an_answer_says_that_duties_are_not_separated(cli: Cli, ctx: Context) -> None:
    asked(ctx, EXPORT)
    _, out, _ = cli("request", "refuse", "r1", "--reason", "No", "-o", "json")
    assert "duties are not separated" in json.loads(out)["warnings"][0]
