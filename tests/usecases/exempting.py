"""What the tests of waivers ask for and look at."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.core.errors import Denied
from sandbox.core.ports import Actor, Context
from sandbox.usecases.asks import RequestResult
from sandbox.usecases.deciding import (
    WaiverApproveRequest,
    approve_waiver,
)
from sandbox.usecases.exempt import exempt
from sandbox.usecases.waiving import (
    WaiverRequestRequest,
    request_waiver,
)
from tests.usecases.leasing import NAME

ASK = WaiverRequestRequest(
    rule="ttl-max", subject=NAME, reason=" Runs two weeks ", until="3d", ticket=" CHG-7 "
)
LONG = "200h"
WEEK = "exceptions: {max_days: 7, approver_role: it}"


def as_(context: Context, name: str, *roles: str) -> Context:
    return replace(context, actor=Actor(name, f"operating-system user {name}", frozenset(roles)))


def asked(context: Context, **changes: str) -> RequestResult:
    return request_waiver(context, ASK.model_copy(update=changes))


def yes(context: Context, id: str = "r1") -> RequestResult:
    return approve_waiver(context, WaiverApproveRequest(id=id, reason="Agreed"))


def given(context: Context, rule: str = "ttl-max", **changes: str) -> str:
    """Have a waiver and return its id."""
    return yes(context, asked(context, rule=rule, **changes).view.ask.id).view.ask.id


def rewrite(home: Path, rule: str, before: str, after: str, policy: str = "baseline") -> None:
    """Change what stands in a rule."""
    file = home / f"policies/{policy}.yaml"
    head, rest = file.read_text("utf-8").split(f"id: {rule}\n")
    assert before in rest
    file.write_text(f"{head}id: {rule}\n{rest.replace(before, after, 1)}", "utf-8")


def exempted(context: Context, subject: str = NAME, owner: str = "anna") -> dict[str, str]:
    with context.registry.reading() as tx:
        return dict(exempt(tx, subject, owner, context.now()))


def refused_by(do: Callable[[], object]) -> list[str]:
    with pytest.raises(Denied) as caught:
        do()
    return [f["rule"] for f in caught.value.details["decision"]["findings"] if not f["waiver"]]
