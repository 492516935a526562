"""The way out of a sandbox that names hosts: its proxy made, proven, and what went through it."""

from datetime import datetime
from typing import Any, NamedTuple

from sandbox.core.addressing import overlapped
from sandbox.core.anatomy import PROXY, Anatomy, container_name
from sandbox.core.egress import (
    PROXY_PORT,
    Asked,
    Contact,
    Span,
    asked,
    contacts,
    goes_back_to,
    proxy_files,
    refused_networks,
)
from sandbox.core.errors import SandboxError, Unavailable
from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import File
from sandbox.core.ports import Context, Transaction
from sandbox.usecases.probing import ask_attacks, last_words, raise_fallen
from sandbox.usecases.recording import record

# Events that tell of a `verify`, each with when it `began`.
VERIFIED = ("sandbox.verified", "sandbox.verify-failed")
# All that the engine keeps of one container's log.
_LOG_LINES = 100_000
_WAITING = ("/usr/bin/python3", "-IS", "/sandbox/resolver.py", "ready")


def subnets_of_others(context: Context, *, egress: bool) -> set[int]:
    """Return the numbers of subnets that others on the engine have, inside or (`egress`) outside.

    A sandbox has one number for its own network and that of its proxy.
    """
    networks, foreign = context.settings.network, context.engine.subnets()
    outside = overlapped(networks.outside, foreign) if egress else set()
    return overlapped(networks.range, foreign) | outside


def make_outside(context: Context, anatomy: Anatomy) -> None:
    """Make the network through which the proxy gets out, if there is one."""
    if anatomy.outside:
        context.engine.create_network(anatomy.outside)


def files_for_proxy(context: Context, sandbox: Sandbox, anatomy: Anatomy) -> list[File]:
    """Return what the proxy goes by, for the lease volume; nothing where there is none.

    Refused are all networks of the engine and all addresses of this machine, as they are now.
    """
    if anatomy.proxy is None:
        return []
    networks = context.settings.network
    own = [str(network) for network in (networks.range, networks.outside, *networks.refused)]
    return proxy_files(
        sandbox.spec.egress,
        address=anatomy.proxy_address,
        subnet=anatomy.network.subnet or "",
        refused=refused_networks([*own, *context.engine.subnets(), *context.own_addresses()]),
        resolvers=[str(address) for address in networks.resolvers],
    )


def start_proxy(context: Context, anatomy: Anatomy) -> None:
    """Make and start the proxy between its two networks, if there is one."""
    if anatomy.proxy is None:
        return
    name = anatomy.proxy.name
    context.engine.create_container(anatomy.proxy)
    context.engine.connect(anatomy.network.name, name, anatomy.proxy_address)
    context.engine.start(name)


def prove_proxy(context: Context, sandbox: Sandbox, anatomy: Anatomy) -> None:
    """Wait for the proxy, then attack it as the tool's user; raises Unavailable if it gives way."""
    if anatomy.proxy is None:
        return
    name = anatomy.proxy.name
    if context.engine.run(name, [*_WAITING, anatomy.proxy_address]).code != 0:
        raise Unavailable(
            "The proxy did not start.",
            subject=sandbox.name,
            hint=last_words(context, name),
        )
    own = [anatomy.gateway_address, anatomy.proxy_address]
    question = attacks_on(sandbox, anatomy.proxy_address, own)
    raise_fallen(sandbox, ask_attacks(context, anatomy.tool.name, question))


def attacks_on(
    sandbox: Sandbox, address: str, targets: list[str], *, last_port: int = 0
) -> dict[str, Any]:
    """Return what the attacks on the proxy at `address` are asked: to be a bridge to `targets`.

    Its ports are tried up to `last_port`.
    """
    return {
        "phase": "proxy",
        "address": address,
        "port": PROXY_PORT,
        "hosts": list(sandbox.spec.egress),
        "targets": targets,
        "last_port": last_port,
    }


class Told(NamedTuple):
    """What a proxy's log tells of its contacts, and whether it is the `whole` log."""

    contacts: tuple[Contact, ...] = ()
    whole: bool = True


def contacts_of(context: Context, sandbox: Sandbox) -> Told:
    """Return what the proxy of `sandbox` let through and refused, as far as its log still tells.

    The attacks that proved it, before the sandbox was handed out, are left out; those of `verify`
    are told apart.
    """
    since = sandbox.lease.started
    if PROXY not in sandbox.parts or since is None:
        return Told()
    try:
        log = _log(context, sandbox)
    except SandboxError:  # neither looking nor removing may depend on it
        return Told(whole=False)
    found = asked(log, since, _verified(context, sandbox))
    return Told(contacts(found), goes_back_to(log, since))


def requests_of(context: Context, sandbox: Sandbox) -> tuple[Asked, ...]:
    """Return the requests that the proxy of `sandbox` had since it was handed out, oldest first.

    Raises Unavailable or NotFound if the engine cannot tell its log.
    """
    since = sandbox.lease.started or sandbox.created
    return asked(_log(context, sandbox), since, _verified(context, sandbox))


def _log(context: Context, sandbox: Sandbox) -> str:
    log = context.engine.logs(container_name(sandbox.id, PROXY), _LOG_LINES)
    return log.decode("ascii", errors="replace")


def _verified(context: Context, sandbox: Sandbox) -> tuple[Span, ...]:
    """Return when `verify` attacked it: the record tells, so nobody can add to it by asking."""
    with context.registry.reading() as tx:
        events = [event.read() for event in tx.events(subject=sandbox.name)]
    return tuple(
        (datetime.fromisoformat(event.details["began"]), event.at)
        for event in events
        if event.code in VERIFIED and event.details["id"] == sandbox.id and "began" in event.details
    )


def record_contacts(context: Context, tx: Transaction, sandbox: Sandbox, found: Told) -> None:
    """Write which hosts outside a sandbox that ends was let through to, if it asked for any.

    Of what was refused only the number of requests is kept: names and addresses are whatever
    somebody tried; what was refused while `verify` ran, its attacks among it, is counted apart.
    `whole` is false where the log did not go back to the beginning any more.
    """
    if found == Told():
        return
    let_through = [contact for contact in found.contacts if not contact.refused]
    refused = [contact for contact in found.contacts if contact.refused]
    kept = {"host", "port", "times", "sent", "received", "last"}
    record(
        context,
        tx,
        "sandbox.reached",
        sandbox.name,
        id=sandbox.id,
        hosts=[c.model_dump(mode="json", include=kept) for c in let_through],
        refused=sum(contact.times for contact in refused if not contact.verifying),
        refused_in_verify=sum(contact.times for contact in refused if contact.verifying),
        whole=found.whole,
    )
