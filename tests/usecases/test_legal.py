"""Personal data leaves the core once legal has said yes; in a demo home nobody is asked."""

from dataclasses import replace

import pytest

from sandbox.core.errors import Denied
from sandbox.core.ports import Context
from sandbox.usecases.deciding import RequestAcceptRequest, accept
from sandbox.usecases.snapshots import BuildSnapshotRequest, build

BUILD = BuildSnapshotRequest(source="core")


def test_legal_approves_personal_data(ctx: Context) -> None:
    assert ctx.settings.demo
    assert build(ctx, BUILD).snapshot.state == "ready"
    real = replace(ctx, settings=ctx.settings.model_copy(update={"demo": False}))
    with pytest.raises(Denied) as asked:
        build(real, BUILD)
    findings = asked.value.details["decision"]["findings"]
    assert [found["rule"] for found in findings] == ["legal-approves-personal"]
    assert "holds is contact, internal, personal" in findings[0]["sentence"]["en"]
    said = accept(real, RequestAcceptRequest(id=asked.value.details["request"], reason="Masked"))
    assert said.view.ask.roles == ("legal",)
    assert build(real, BUILD).snapshot.state == "ready"
