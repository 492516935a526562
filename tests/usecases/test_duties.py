"""Who may ask what and answer whom, as every request is asked."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.core.asks import AskState
from sandbox.core.errors import Denied, NotFound
from sandbox.core.people import FILE, recognised
from sandbox.core.ports import Context
from sandbox.core.snapshot import Snapshot
from sandbox.core.values import Request
from sandbox.usecases import duties
from sandbox.usecases.asks import RequestListRequest, RequestShowRequest, make_ask
from sandbox.usecases.audit import AuditListRequest, AuditVerifyRequest
from sandbox.usecases.deciding import RequestAcceptRequest, RequestRefuseRequest
from sandbox.usecases.desk import answer
from sandbox.usecases.homes import DoctorRequest
from sandbox.usecases.provisioning import UpRequest
from sandbox.usecases.sandboxes import DownRequest, ListRequest, OpenRequest
from sandbox.usecases.snapshots import BuildSnapshotRequest
from tests.core.test_asks import EXPORT
from tests.usecases.asking_up import events, make, state, wish

NAME = "spring-coupon"
YES, NO = RequestAcceptRequest(id="r1", reason="Sums"), RequestRefuseRequest(id="r1", reason="No")
PEOPLE = """
apiVersion: sandbox.people/v1
kind: People
people:
  - {name: anna, user: anna, roles: [marketer, it]}
  - {name: hana, user: hsato, roles: [marketer]}
  - {name: ken, user: kito, roles: [it]}
  - {name: mari, user: mari, roles: [marketer, it]}
  - {name: vera, user: vera, roles: [viewer]}
  - {name: aiko, user: aiko, roles: [auditor]}
"""
As = Callable[[str], Context]


@pytest.fixture
def by(ctx: Context, home: Path) -> As:
    """Give the context of whoever has that operating-system user, in a home of several people."""
    (home / FILE).write_text(PEOPLE, "utf-8")

    def known(user: str) -> Context:
        actor = recognised(ctx.catalogue.people(), user, "", allowed=False, day=ctx.now().date())
        return replace(ctx, actor=actor)

    return known


def denied(context: Context, request: Request) -> Denied:  # type: ignore[type-arg]
    before = len(events(context))
    with pytest.raises(Denied) as raised:
        answer(context, request)
    assert len(events(context)) == before + 1
    last = events(context)[-1]
    assert (last.code.partition(".")[2], last.actor) == ("denied", context.actor.name)
    assert raised.value.hint
    return raised.value


def test_a_role_is_asked_for_before_anything_happens(by: As) -> None:
    error = denied(by("hsato"), BuildSnapshotRequest(source="core"))
    assert error.message == "`snapshot build` is for it, data-owner; hana is marketer."
    assert error.hint == "Ask one of them: anna, ken, mari"
    last = events(by("kito"))[-1]
    assert (last.code, last.details["verb"]) == ("verb.denied", "snapshot build")
    assert answer(by("kito"), BuildSnapshotRequest(source="core")).snapshot.source == "core"


def test_who_only_looks_asks_for_nothing(by: As, snapshot: Snapshot) -> None:
    for user in ("vera", "aiko"):
        denied(by(user), UpRequest(wish=wish()))
        assert answer(by(user), ListRequest()).sandboxes == ()
    denied(by("vera"), AuditListRequest())
    assert answer(by("aiko"), AuditListRequest()).events


def test_whom_nobody_knows_may_look_at_the_homes_health_alone(by: As) -> None:
    error = denied(by("root"), ListRequest())
    assert "root is nobody here" in error.message
    assert error.hint == "IT adds you to people.yaml."
    assert answer(by("root"), DoctorRequest()).checks


def test_what_is_in_no_row_is_refused(by: As) -> None:
    class FireRequest(RequestListRequest):
        """Ask for what nobody thought of."""

    assert "No role may do this (FireRequest)" in denied(by("anna"), FireRequest()).message


def test_a_sandbox_is_its_owners(by: As, snapshot: Snapshot) -> None:
    make(by("hsato"))
    error = denied(by("mari"), OpenRequest(name=NAME))
    assert error.message == "It is hana's sandbox, and mari is marketer, it."
    assert error.details["owner"] == "hana"
    assert denied(by("aiko"), OpenRequest(name=NAME)).hint == "Ask one of them: hana"
    assert (
        denied(by("aiko"), DownRequest(name=NAME)).hint == "Ask one of them: anna, hana, ken, mari"
    )
    assert answer(by("hsato"), OpenRequest(name=NAME)).link
    with pytest.raises(NotFound):
        answer(by("mari"), OpenRequest(name="elsewhere"))


def test_it_ends_what_is_anybodys(by: As, ctx: Context, snapshot: Snapshot) -> None:
    make(by("hsato"))
    make(by("mari"), "other")
    denied(by("hsato"), DownRequest(name="other"))
    assert state(ctx, "other") == "ready"
    answer(by("kito"), DownRequest(name=NAME))
    answer(by("mari"), DownRequest(name="other"))
    assert (state(ctx), state(ctx, "other")) == ("destroyed", "destroyed")


def asked(context: Context, roles: tuple[str, ...] = ("it",)) -> None:
    with context.registry.writing() as tx:
        make_ask(context, tx, EXPORT, subject=NAME, purpose="A chart", roles=roles)


@pytest.mark.parametrize("request_", [YES, NO])
def test_nobody_answers_themselves(by: As, request_: Request) -> None:  # type: ignore[type-arg]
    asked(by("mari"))
    error = denied(by("mari"), request_)
    assert error.message == "mari asked for it, and nobody answers themselves."
    assert error.hint == "Who can: anna, ken"
    assert events(by("mari"))[-1].code == "answer.denied"


def test_whoever_is_called_otherwise_since_does_not_answer_themselves(by: As, home: Path) -> None:
    asked(by("mari"))
    (home / FILE).write_text(PEOPLE.replace("name: mari,", "name: Mari Sato,"), "utf-8")
    error = denied(by("mari"), YES)
    assert error.message == "Mari Sato asked for it, and nobody answers themselves."
    assert error.hint == "Who can: anna, ken"


@pytest.mark.parametrize("request_", [YES, NO])
def test_only_a_role_that_it_waits_for_answers(by: As, request_: Request) -> None:  # type: ignore[type-arg]
    asked(by("hsato"), ("legal",))
    error = denied(by("kito"), request_)
    assert error.message == "It waits for a yes of legal (role); ken is it."
    assert error.hint == "Nobody can: people.yaml names no one else."


def test_whoever_lost_the_role_answers_no_more(by: As, home: Path) -> None:
    asked(by("hsato"))
    (home / FILE).write_text(PEOPLE.replace("kito, roles: [it]", "kito, roles: [sales]"), "utf-8")
    assert denied(by("kito"), YES).details["why"] == "role"
    assert answer(by("mari"), YES).view.state is AskState.ACCEPTED


def test_the_one_who_has_the_role_answers_another(by: As) -> None:
    asked(by("hsato"))
    result = answer(by("kito"), YES)
    assert result.view.state is AskState.ACCEPTED
    assert result.warnings == (duties.UNGUARDED,)
    assert events(by("kito"))[-1].identity == "operating-system user kito"
    assert answer(by("aiko"), RequestShowRequest(id="r1")).view.ask.decision is not None


def test_what_to_know_of_duties(ctx: Context, home: Path, by: As) -> None:
    ken = by("kito")
    asserted = ken.settings.model_copy(update={"identity": "asserted"})
    assert duties.duties(replace(ken, settings=asserted)) == duties.ASSERTED
    assert duties.duties(replace(ken, served=True)) == duties.SERVED
    (said,) = answer(by("aiko"), AuditVerifyRequest()).warnings
    assert said.startswith(duties.UNGUARDED)
    check = answer(ken, DoctorRequest()).checks[-1]
    assert check.said == f"6 people by people.yaml; {duties.UNGUARDED}"
    (home / FILE).unlink()
    assert duties.duties(ctx) == duties.PERSONAL
    assert duties.eligible(ctx, {"it"}) == ()
