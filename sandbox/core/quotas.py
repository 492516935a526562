"""Quotas: what sandboxes hold, and what a request adds to it. Rules say how much is allowed. Pure.

A sandbox holds its slot from its request until it has expired or ended, its disk as long as it has
volumes (frozen and expired ones too), its memory and CPUs only while its containers run.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field

from sandbox.core.lifecycle import Sandbox
from sandbox.core.phases import LIVE, RUNNING, State
from sandbox.core.values import Value


class Amounts(Value):
    """So many sandboxes, and the sums of their limits (MiB, CPUs)."""

    sandboxes: Annotated[int, Field(ge=0)] = 0
    memory_mb: Annotated[int, Field(ge=0)] = 0
    cpus: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    disk_mb: Annotated[int, Field(ge=0)] = 0

    def plus(self, other: "Amounts") -> "Amounts":
        """Return the sums of both."""
        return Amounts(
            sandboxes=self.sandboxes + other.sandboxes,
            memory_mb=self.memory_mb + other.memory_mb,
            cpus=round(self.cpus + other.cpus, 3),
            disk_mb=self.disk_mb + other.disk_mb,
        )


class Account(Value):
    """What a request adds (`asked`), and what its owner and the whole home hold without it."""

    asked: Amounts
    owner: Amounts
    home: Amounts


def weight(sandbox: Sandbox) -> Amounts:
    """Return what `sandbox` holds while it runs."""
    return Amounts(
        sandboxes=1, memory_mb=sandbox.memory_mb, cpus=sandbox.cpus, disk_mb=sandbox.disk_mb
    )


def holds(sandbox: Sandbox, now: datetime) -> Amounts:
    """Return what `sandbox` holds at `now`."""
    state = sandbox.state_at(now)
    if state not in LIVE or sandbox.lapsed(now):
        return Amounts()
    full, runs = weight(sandbox), state in RUNNING
    return Amounts(
        sandboxes=0 if state is State.EXPIRED else 1,
        memory_mb=full.memory_mb if runs else 0,
        cpus=full.cpus if runs else 0,
        disk_mb=full.disk_mb,
    )


def account(
    sandboxes: Iterable[Sandbox], now: datetime, *, owner: str, asked: Amounts, besides: str = ""
) -> Account:
    """Return what `owner` and the home hold, and what would be `asked` for on top.

    What is pooled counts for the home only. `besides` is the id of a sandbox whose place the
    request takes: it is left out.
    """
    mine, all_of_them = Amounts(), Amounts()
    for sandbox in sandboxes:
        held = holds(sandbox, now) if sandbox.id != besides else Amounts()
        all_of_them = all_of_them.plus(held)
        if sandbox.lease.owner == owner and sandbox.state is not State.POOLED:
            mine = mine.plus(held)
    return Account(asked=asked, owner=mine, home=all_of_them)


def starting(sandboxes: Sequence[Sandbox], now: datetime, wanted: Sandbox) -> Account:
    """Return the account of starting a sandbox again, as it is `wanted`.

    Only what it does not hold already is asked for.
    """
    held = next((holds(s, now) for s in sandboxes if s.id == wanted.id), Amounts())
    full = weight(wanted)
    more = {
        what: max(0, getattr(full, what) - getattr(held, what)) for what in Amounts.model_fields
    }
    return account(sandboxes, now, owner=wanted.lease.owner, asked=Amounts(**more))
