"""waiver: what people and programs see from the denial to its end."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from sandbox.cli.blocks import cell
from sandbox.core.errors import Denied
from sandbox.core.ports import Context
from sandbox.drivers.registry.store import SqlRegistry
from sandbox.usecases.deciding import RequestAcceptRequest, accept
from sandbox.usecases.planning import PlanRequest, plan
from sandbox.usecases.waiving import WaiverRequestRequest, request_waiver
from tests.cli.conftest import Cli, Seen, error
from tests.usecases.asking_up import make, wish

REQUEST = ("waiver", "request", "ttl-max", "spring-coupon", "--until", "9d")
WHY = ("--reason", "Runs [/x] two weeks")


@pytest.fixture
def _home(home: Path, registry: SqlRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_HOME", str(home))


@pytest.mark.usefixtures("_home")
def test_from_a_request_to_its_end(cli: Cli) -> None:
    code, out, _ = cli(*REQUEST, *WHY, "--ticket", "CHG-7")
    assert code == 0
    for words in (
        "request   r1, waiting",
        "rule      ttl-max: A sandbox ends within 7 days / サンドボックスは7日以内に終了する",
        "There is no sandbox spring-coupon now",
        "ticket    CHG-7",
        "what for  Runs [/x] two weeks",
        "to be answered by: it",
        "yes       sandbox waiver approve r1 --reason WHY",
        "no        sandbox waiver reject r1 --reason WHY",
    ):
        assert words in out
    code, out, _ = cli("waiver", "approve", "r1", "--reason", "Agreed")
    assert code == 0
    assert "r1, accepted" in out
    assert "to be answered by" not in out
    assert "sandbox waiver approve" not in out
    assert "duties are not separated" in out
    ends = json.loads(cli("waiver", "list", "-o", "json")[1])["waivers"][0]["ask"]["content"]
    assert cell(datetime.fromisoformat(ends["until"])) in cli("request", "list")[1]
    code, out, _ = cli("waiver", "list")
    assert "ttl-max  spring-coupon" in out
    assert "accepted" in out
    code, out, _ = cli("waiver", "revoke", "1", "--reason", "Over")
    assert code == 0
    assert "revoked   " in out
    assert cli("waiver", "list") == (0, "No waiver waits or holds.\n", "")
    assert "revoked" in cli("waiver", "list", "--all")[1]


@pytest.mark.usefixtures("snapshot")
def test_what_was_broken_and_what_is_waived_is_told(ctx: Context, seen: Seen) -> None:
    with pytest.raises(Denied) as caught:
        make(ctx, ttl="200h")
    assert "sandbox waiver request ttl-max spring-coupon --until 14d" in caught.value.hint
    asked = PlanRequest(wish=wish(ttl="200h"))
    assert f"\n{caught.value.hint}\n" in seen(plan(ctx, asked))
    wanted = WaiverRequestRequest(
        rule="ttl-max", subject="spring-coupon", reason="Two weeks", until="3d"
    )
    out = seen(request_waiver(ctx, wanted))
    assert "said      the time to live (hours) is 200, the limit is 168" in out
    assert "said      有効期間（時間）は 200 です。上限は 168 です" in out
    accept(ctx, RequestAcceptRequest(id="r1", reason="Agreed"))
    out = seen(plan(ctx, asked))
    for words in (", 1 waived; steps", "  waived  ttl-max", "waiver: r1"):
        assert words in out


@pytest.mark.usefixtures("_home")
@pytest.mark.parametrize(
    ("arguments", "code", "name"),
    [
        ((*REQUEST, "--reason", " "), 3, "invalid"),
        ((*REQUEST[:-1], "soon", *WHY), 3, "invalid"),
        ((*REQUEST[:-1], "15d", *WHY), 4, "denied"),
        (("waiver", "show", "r7"), 5, "not_found"),
    ],
)
def test_refusals(cli: Cli, arguments: tuple[str, ...], code: int, name: str) -> None:
    got, out, _ = cli(*arguments, "-o", "json")
    assert (got, error(out)["code"]) == (code, name)


@pytest.mark.usefixtures("_home")
def test_programs_read_the_whole_record(cli: Cli) -> None:
    assert cli(*REQUEST)[0] == 2
    cli(*REQUEST, *WHY)
    found = json.loads(cli("waiver", "list", "-o", "json")[1])
    (view,) = found["waivers"]
    assert (view["state"], view["ask"]["content"]["rule"]) == ("waiting", "ttl-max")
    cli("waiver", "reject", "r1", "--reason", "No")
    assert json.loads(cli("waiver", "show", "r1", "-o", "json")[1])["view"]["state"] == "refused"
