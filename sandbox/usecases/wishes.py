"""A wish, resolved against the home's files and judged by its policies: what plan and up share."""

from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from sandbox.core.anatomy import Images
from sandbox.core.errors import Denied, InvalidInput
from sandbox.core.freshness import check_fresh
from sandbox.core.judged import CreateInput, EgressInput, StartInput, StartKind
from sandbox.core.lifecycle import Sandbox, Spec
from sandbox.core.pattern import Pattern
from sandbox.core.phases import LIVE
from sandbox.core.policy import Decision, evaluate
from sandbox.core.pool import pattern_of
from sandbox.core.ports import Context, Transaction
from sandbox.core.quotas import Account, Amounts, account, starting
from sandbox.core.resolving import (
    Wish,
    choose_snapshot,
    key_series,
    lacking_tables,
    reaching,
    resolve,
)
from sandbox.core.snapshot import Snapshot
from sandbox.core.template import Template
from sandbox.core.text import check_name
from sandbox.core.version import VERSION
from sandbox.usecases.charging import beside, known_payer
from sandbox.usecases.exempt import exempt
from sandbox.usecases.images import images_of
from sandbox.usecases.modes import defaults_here


@dataclass(frozen=True)
class Resolved:
    """Everything that a wish leads to, before anything is made.

    `rules` is the digest of the source's rules as they stand in the home, `max_age` how old its
    data may be.
    """

    wish: Wish
    template: Template
    snapshot: Snapshot
    images: Images
    spec: Spec
    rules: str
    max_age: timedelta | None = None

    def pattern(self) -> Pattern:
        """Return what a sandbox of the pool must be equal in to serve the wish."""
        return pattern_of(self.spec, self.template, self.images, self.rules)


def resolve_wish(context: Context, wish: Wish) -> Resolved:
    """Return what `wish` leads to; raises the errors of its parts and touches nothing."""
    check_name(wish.name)
    wish = known_payer(context, wish)
    template = context.catalogue.template(wish.template)
    template = reaching(template, wish, context.settings.gateway.domain)
    source = context.catalogue.source(template.needs.source)
    experiment = key_series(source, wish.experiment)
    snapshot = fitting_snapshot(context, template, wish.snapshot, experiment)
    images = images_of(context, template)
    spec = resolve(
        wish,
        template,
        source,
        snapshot,
        digest=context.catalogue.template_digest(template.name),
        image=images.services[template.answers].tag,
        actor=context.actor.name,
        defaults=defaults_here(context),
    )
    rules = source.rules_digest()
    return Resolved(wish, template, snapshot, images, spec, rules, source.max_age)


def resolve_again(context: Context, sandbox: Sandbox, wanted: str) -> Resolved:
    """Return what `sandbox` is made of today, on the snapshot `wanted`, or on the newest if ""."""
    spec = sandbox.spec
    template = context.catalogue.template(spec.template)
    template = template.model_copy(update={"egress": spec.egress})
    source = context.catalogue.source(template.needs.source)
    snapshot = fitting_snapshot(context, template, wanted, spec.experiment)
    images = images_of(context, template)
    today = {
        "template_version": template.metadata.version,
        "template_digest": context.catalogue.template_digest(template.name),
        "image": images.services[template.answers].tag,
        "snapshot": snapshot.id,
    }
    wish = Wish(name=sandbox.name, template=spec.template)
    spec, rules = spec.model_copy(update=today), source.rules_digest()
    return Resolved(wish, template, snapshot, images, spec, rules, source.max_age)


def fitting_snapshot(
    context: Context, template: Template, wanted: str, experiment: str
) -> Snapshot:
    """Return the snapshot `wanted`, else the newest, for a sandbox made from `template`.

    Raises what `choose_snapshot` does, InvalidInput if it lacks tables that `template` needs.
    """
    source = template.needs.source
    with context.registry.reading() as tx:
        known = tx.snapshots(source)
    snapshot = choose_snapshot(wanted, source, known, experiment)
    lacking = lacking_tables(template, snapshot)
    if lacking:
        raise InvalidInput(
            f"The snapshot lacks what the template needs: {', '.join(lacking)}.",
            subject=snapshot.id,
            hint=f"Add the tables to sources/{snapshot.source}.yaml and build a new snapshot.",
        )
    return snapshot


def account_of(
    context: Context, tx: Transaction, template: Template, besides: str = "", owner: str = ""
) -> Account:
    """Return what `owner` and the home hold at this moment, and what `template` asks for.

    Without an owner it is the caller's account. `besides` is the id of a sandbox whose place the
    new one takes.
    """
    total = template.total()
    asked = Amounts(
        sandboxes=1, memory_mb=total.memory_mb, cpus=total.cpus, disk_mb=template.disk_mb
    )
    held, now, owner = tx.sandboxes(LIVE), context.now(), owner or context.actor.name
    return account(held, now, owner=owner, asked=asked, besides=besides)


def decide_anew(context: Context, tx: Transaction, resolved: Resolved, again: Sandbox) -> Decision:
    """Return what policy says to `again`, which there is, if it were asked for as `resolved` now.

    Its lease is its own, and stays as it is.
    """
    return judge_wish(context, tx, resolved, again.lease.owner, again.id)


def decide(
    context: Context, tx: Transaction, resolved: Resolved, besides: str = "", owner: str = ""
) -> Decision:
    """Return what policy says, counting what owner and home hold at this moment.

    Without an owner it is the caller's wish. `besides` is the id of a sandbox whose place the new
    one takes. Raises Denied, whatever the rules say, for data that is too old, and for a time to
    live that no lease has here.
    """
    decision = judge_wish(context, tx, resolved, owner or context.actor.name, besides)
    if decision.verdict != "deny":  # what a rule says to it tells more
        check_fresh(resolved.snapshot, resolved.max_age, context.now())
        _check_lease(context, resolved)
    return decision


def judge_wish(
    context: Context, tx: Transaction, resolved: Resolved, owner: str, besides: str = ""
) -> Decision:
    """Return what policy alone says to the wish, asked by `owner`; `besides` as in `decide`."""
    spec = resolved.spec
    held = account_of(context, tx, resolved.template, besides, owner)
    hours = spec.ttl_minutes / 60
    document = CreateInput.of(
        spec,
        resolved.snapshot,
        owner=owner,
        account=held,
        services=len(resolved.template.services),
        beside=beside(
            context, tx, spec, owner=owner, asked=held.asked, hours=hours, besides=besides
        ),
    )
    judged = partial(judge, context, subject=resolved.wish.name, owner=owner, tx=tx)
    decision = judged("create", document.as_document())
    if resolved.spec.egress:
        outward = EgressInput.of(resolved.spec, resolved.snapshot, owner=owner)
        decision = decision.joined(judged("egress", outward.as_document()))
    return decision


def _check_lease(context: Context, resolved: Resolved) -> None:
    try:
        limits = context.settings.lease.limits()
        limits.check_first(timedelta(minutes=resolved.spec.ttl_minutes))
    except Denied as error:
        error.subject = resolved.wish.name
        raise


def decide_start(context: Context, tx: Transaction, wanted: Sandbox, kind: StartKind) -> Decision:
    """Return what policy says to a sandbox that stands still and is `wanted` to run again."""
    held = starting(tx.sandboxes(LIVE), context.now(), wanted)
    document = StartInput.of(wanted, held, kind).as_document()
    return judge(context, "start", document, subject=wanted.name, owner=wanted.lease.owner, tx=tx)


def judge(
    context: Context,
    point: str,
    document: dict[str, Any],
    *,
    subject: str,
    owner: str,
    tx: Transaction | None = None,
) -> Decision:
    """Return what the policies in force say at `point` to `document`.

    `subject` and `owner` are whose waivers count; they are looked up in `tx`, where one is open.
    """
    policies, now = context.catalogue.policies(), context.now()
    with nullcontext(tx) if tx else context.registry.reading() as at:
        waived = exempt(at, subject, owner, now)
    return evaluate(policies, point, document, now=now, tool_version=VERSION, waived=waived)


def raise_denial(name: str, decision: Decision) -> None:
    """Raise Denied on `name` if the decision says so, once its transaction is over."""
    if decision.verdict == "deny":
        raise Denied(
            decision.summary(),
            subject=name,
            hint=exemption(name, decision),
            details={"decision": decision.model_dump(mode="json")},
        )


def exemption(name: str, decision: Decision) -> str:
    """Return how to ask for an exemption, a line for each rule that denies, if all allow one."""
    denies = {found.rule: found for found in decision.denying()}
    if not all(found.waived_by for found in denies.values()):
        return ""
    return "\n".join(
        f"An exemption: sandbox waiver request {rule} {name} "
        f"--until {found.waiver_max_days}d --reason WHY"
        for rule, found in denies.items()
    )
