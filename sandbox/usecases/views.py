"""What people and programs see of a sandbox: one view for `up`, `list`, `show` and `down`."""

from datetime import datetime

from sandbox.core.lifecycle import Sandbox, Steps
from sandbox.core.phases import State, allowed_actions
from sandbox.core.ports import Context
from sandbox.core.template import ParameterValue
from sandbox.core.values import Value


class SandboxView(Value):
    """A sandbox as it stands now. Times are UTC; `minutes_left` is 0 once it has expired."""

    id: str
    name: str
    owner: str
    state: State
    template: str
    template_version: str
    purpose: str
    steps: Steps
    parameters: dict[str, ParameterValue]
    snapshot: str
    created: datetime
    ready: datetime | None
    deadline: datetime | None
    minutes_left: int | None
    url: str
    memory_mb: int
    cpus: float
    reason: str
    allowed_actions: tuple[str, ...]


def view(context: Context, sandbox: Sandbox) -> SandboxView:
    """Return the view of `sandbox` at this moment."""
    now = context.now()
    state = sandbox.state_at(now)
    deadline = sandbox.lease.deadline
    left = max(0, int((deadline - now).total_seconds()) // 60) if deadline else None
    return SandboxView(
        id=sandbox.id,
        name=sandbox.name,
        owner=sandbox.lease.owner,
        state=state,
        template=sandbox.spec.template,
        template_version=sandbox.spec.template_version,
        purpose=sandbox.spec.purpose,
        steps=sandbox.spec.steps,
        parameters=sandbox.spec.parameters,
        snapshot=sandbox.spec.snapshot,
        created=sandbox.created,
        ready=sandbox.lease.started,
        deadline=deadline,
        minutes_left=left,
        url=context.gateway.url(sandbox.name) if state is State.READY else "",
        memory_mb=sandbox.memory_mb,
        cpus=sandbox.cpus,
        reason=sandbox.reason,
        allowed_actions=allowed_actions(state),
    )
