"""What rules judge at the point `scan`: what runs, as if it were asked for now. Pure."""

from sandbox.core.judged import (
    CreateInput,
    HostInput,
    PurposeInput,
    ReplicaInput,
    RequestInput,
    TemplateInput,
    hours,
)
from sandbox.core.judged_beside import Beside
from sandbox.core.lifecycle import Sandbox
from sandbox.core.quotas import Amounts, weight
from sandbox.core.snapshot import Snapshot


class ScanInput(CreateInput):
    """What rules judge at the point `scan`: all that they judge at `create`, of what runs.

    `ttl_hours` is the whole length of its lease, with its extensions, `request` what it holds while
    it runs, and the totals are as they stand, with it. `hosts` are those outside that it reaches.
    """

    hosts: tuple[HostInput, ...] = ()

    @classmethod
    def of_running(
        cls,
        sandbox: Sandbox,
        snapshot: Snapshot | None,
        *,
        owner_totals: Amounts,
        home_totals: Amounts,
        beside: Beside,
    ) -> "ScanInput":
        """Return the document for `sandbox`; of a snapshot that is gone nothing is known."""
        spec = sandbox.spec
        return cls(
            ttl_hours=lease_hours(sandbox),
            purpose=PurposeInput.of(spec.purpose),
            template=TemplateInput.of(spec),
            owner=sandbox.lease.owner,
            owner_totals=owner_totals,
            home_totals=home_totals,
            request=RequestInput(**weight(sandbox).model_dump(), services=len(sandbox.parts)),
            replicas=(ReplicaInput.of(snapshot) if snapshot else _unknown(spec.snapshot),),
            steps=spec.steps,
            cost=beside.cost,
            lane=beside.lane,
            wip=beside.wip,
            hosts=tuple(HostInput(host=host) for host in spec.egress),
        )


def lease_hours(sandbox: Sandbox) -> float:
    """Return the whole length of a sandbox's lease as it stands, in hours."""
    started, deadline = sandbox.lease.started, sandbox.lease.deadline
    return hours(deadline - started if started and deadline else sandbox.lease.ttl)


def _unknown(snapshot: str) -> ReplicaInput:
    return ReplicaInput(
        snapshot=snapshot,
        source="",
        masked=False,
        access="read-only",
        rules_digest="",
        tables=(),
        classes=(),
    )
