"""The yes that snapshots of a source want, where rules at `snapshot` ask for one.

It is for the masking rules, not for one copy: once it is given, every build of them goes through
until it lapses.
"""

from sandbox.core.approval import reasons, satisfied
from sandbox.core.asks import AskState, SnapshotAsk
from sandbox.core.policy import Decision
from sandbox.core.ports import Context
from sandbox.core.publishing import SnapshotInput
from sandbox.core.source import Source
from sandbox.usecases.approving import approved, counts, waits
from sandbox.usecases.exempt import exempt


def let_out(
    context: Context,
    source: Source,
    experiment: str,
    document: SnapshotInput,
    decision: Decision,
) -> str:
    """Return the request by whose yes snapshots of these rules are published, "" if none is wanted.

    Raises Denied, once that is asked, while there is no yes.
    """
    content = SnapshotAsk(
        source=source.name,
        digest=source.rules_digest(),
        experiment=experiment,
        label=document.label,
        classes=document.classes,
        days=context.settings.approvals.snapshot_days,
        **reasons(decision),
    )
    purpose = f"Snapshots of {source.name}, masked by the rules that its file has now"
    return approved(
        context, decision, content, subject=source.name, purpose=purpose, denied="snapshot.denied"
    )


def check_not_asked(context: Context, source: Source, experiment: str) -> None:
    """Raise Denied if the yes to snapshots of these rules is waited for, or was refused lately.

    It costs nothing here, and a whole build later. A rule that asked and is gone counts no more.
    """
    now, digest = context.now(), source.rules_digest()
    with context.registry.reading() as tx:
        asked = [a for a in tx.asks(source.name) if counts(a, now)]
        waived = exempt(tx, source.name, source.owners.extract, now)
    rules = context.catalogue.policies().in_force("snapshot", now)
    asking = {r.id: r.approval for r in rules if r.approval and not r.exempt_by(waived)}
    same = [
        ask
        for ask in asked
        if isinstance(content := ask.content, SnapshotAsk)
        and (content.digest, content.experiment) == (digest, experiment)
        and not {*content.rules} - satisfied(ask, asking)
    ]
    if same and not any(ask.state is AskState.ACCEPTED for ask in same):
        raise waits(context, same[-1])
