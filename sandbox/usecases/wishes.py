"""A wish, resolved against the home's files and judged by its policies: what plan and up share."""

from dataclasses import dataclass
from typing import Any

from sandbox.core.anatomy import Images
from sandbox.core.errors import Denied, InvalidInput
from sandbox.core.lifecycle import Spec
from sandbox.core.phases import LIVE
from sandbox.core.policy import CreateInput, Decision, evaluate
from sandbox.core.ports import Context, Transaction
from sandbox.core.resolving import Wish, choose_snapshot, lacking_tables, resolve
from sandbox.core.snapshot import Snapshot
from sandbox.core.template import Template
from sandbox.core.text import check_name
from sandbox.core.version import VERSION
from sandbox.usecases.images import images_of


@dataclass(frozen=True)
class Resolved:
    """Everything that a wish leads to, before anything is made."""

    wish: Wish
    template: Template
    snapshot: Snapshot
    images: Images
    spec: Spec


def resolve_wish(context: Context, wish: Wish) -> Resolved:
    """Return what `wish` leads to; raises the errors of its parts and touches nothing."""
    check_name(wish.name)
    template = context.catalogue.template(wish.template)
    source = context.catalogue.source(template.needs.source)
    with context.registry.reading() as tx:
        snapshot = choose_snapshot(wish.snapshot, source.name, tx.snapshots(source.name))
    lacking = lacking_tables(template, snapshot)
    if lacking:
        raise InvalidInput(
            f"The snapshot lacks what the template needs: {', '.join(lacking)}.",
            subject=snapshot.id,
            hint=f"Add the tables to sources/{source.name}.yaml and build a new snapshot.",
        )
    images = images_of(context, template)
    spec = resolve(
        wish,
        template,
        source,
        snapshot,
        digest=context.catalogue.template_digest(template.name),
        image=images.services[template.answers].tag,
        actor=context.actor.name,
        defaults=context.settings.defaults,
    )
    return Resolved(wish, template, snapshot, images, spec)


def decide(context: Context, tx: Transaction, resolved: Resolved) -> Decision:
    """Return what policy says, counting what the owner holds at this moment."""
    total = resolved.template.total()
    mine = [s for s in tx.sandboxes(LIVE) if s.lease.owner == context.actor.name]
    document = CreateInput.of(
        resolved.spec,
        resolved.snapshot,
        owner=context.actor.name,
        owned=len(mine) + 1,
        owned_memory_mb=sum(s.memory_mb for s in mine) + total.memory_mb,
        limits=total,
        services=len(resolved.template.services),
    )
    return judge(context, "create", document.as_document())


def judge(context: Context, point: str, document: dict[str, Any]) -> Decision:
    """Return what the policies in force say at `point` to `document`."""
    policies = context.catalogue.policies()
    return evaluate(policies, point, document, now=context.now(), tool_version=VERSION)


def raise_denial(name: str, decision: Decision) -> None:
    """Raise Denied on sandbox `name` if the decision says so, once its transaction is over."""
    if decision.verdict == "deny":
        raise Denied(
            decision.summary(),
            subject=name,
            details={"decision": decision.model_dump(mode="json")},
        )
