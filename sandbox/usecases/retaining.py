"""`snapshot prune`: older snapshots go, as settings or source files say; none that is needed."""

from contextlib import suppress
from typing import Literal

from sandbox.core.errors import NotFound, SandboxError
from sandbox.core.ports import Context
from sandbox.core.retention import Holder, Retention, outdated
from sandbox.core.snapshot import Snapshot, SnapshotState
from sandbox.core.values import Request, Result, Value
from sandbox.usecases.desk import answers
from sandbox.usecases.snapshots import held_by, take_away


class Pruned(Value):
    """A snapshot that is kept no longer, and what became of it.

    `to do` in a dry run; `held` stays for now, by whom and until when `holders` tell; `failed`
    says why in `said`, and is found again.
    """

    id: str
    bytes: int
    why: str
    outcome: Literal["to do", "removed", "held", "failed"]
    holders: tuple[Holder, ...] = ()
    said: str = ""


class PruneResult(Result):
    """What is kept no longer, oldest first. `applied` is False for a dry run.

    `rules` tell by source how many or how long its snapshots are kept; none: all are.
    """

    applied: bool
    snapshots: tuple[Pruned, ...]
    rules: dict[str, str]

    @property
    def failed(self) -> bool:
        """Whether anything that should have gone could not be removed."""
        return any(each.outcome == "failed" for each in self.snapshots)


class PruneRequest(Request[PruneResult]):
    """Ask which snapshots are kept no longer; with `apply`, remove them."""

    apply: bool = False


@answers(PruneRequest)
def prune(context: Context, request: PruneRequest) -> PruneResult:
    """Find the snapshots that are kept no longer, and remove them if asked and nobody needs them.

    Raises InvalidInput for a source file that cannot be read: it may keep more.
    """
    rules = {name: _retention(context, name) for name in _sources(context)}
    due = [
        *_cut_off(context),
        *(each for n, rule in rules.items() for each in _due(context, n, rule)),
    ]
    return PruneResult(
        applied=request.apply,
        snapshots=tuple(_attended(context, s, why, apply=request.apply) for s, why in due),
        rules={name: rule.words for name, rule in rules.items() if rule.words},
    )


def surplus(context: Context) -> dict[str, str]:
    """Return by id the snapshots that the reaper removes, each with the reason.

    Those that somebody needs are left out, and so are sources whose file cannot be read.
    """
    due = _cut_off(context)
    for name in _sources(context):
        with suppress(SandboxError):
            due += _due(context, name, _retention(context, name))
    return {s.id: why for s, why in due if not held_by(context, s)}


def _sources(context: Context) -> list[str]:
    with context.registry.reading() as tx:
        return sorted({source for source, _ in tx.newest()})


def _retention(context: Context, source: str) -> Retention:
    """Return the rule of a source, else that of the home; raises InvalidInput for a bad file."""
    try:
        own = context.catalogue.source(source).snapshots
    except NotFound:  # its file was taken away, its snapshots are still there
        own = None
    return own or context.settings.snapshots


def _due(context: Context, source: str, rule: Retention) -> list[tuple[Snapshot, str]]:
    """Return what `rule` does not keep of a source, each experiment's snapshots by themselves."""
    with context.registry.reading() as tx:
        ready = [s for s in tx.snapshots(source) if s.state is SnapshotState.READY]
    series = dict.fromkeys(s.series for s in ready)
    now = context.now()
    return [
        each
        for one in series
        for each in outdated([s for s in ready if s.series == one], rule, now)
    ]


def _cut_off(context: Context) -> list[tuple[Snapshot, str]]:
    """Return the snapshots that are removed on record, but whose volume may still be there."""
    with context.registry.reading() as tx:
        gone = [s for s in tx.snapshots() if s.state is SnapshotState.REMOVED]
        return [(s, "its removal was cut off") for s in gone if tx.journaled(s.id)]


def _attended(context: Context, snapshot: Snapshot, why: str, *, apply: bool) -> Pruned:
    size = snapshot.manifest.bytes if snapshot.manifest else 0
    found = Pruned(id=snapshot.id, bytes=size, why=why, outcome="to do")
    if held := held_by(context, snapshot):
        return found.model_copy(update={"outcome": "held", "holders": held})
    if not apply:
        return found
    context.progress.say("prune", f"Removing {snapshot.id}")
    try:
        take_away(context, snapshot, why)
    except SandboxError as error:
        return found.model_copy(update={"outcome": "failed", "said": error.message})
    return found.model_copy(update={"outcome": "removed"})
