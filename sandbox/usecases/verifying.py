"""`verify`: attack a running sandbox from inside, by every way that its owner could try."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from ipaddress import IPv4Network
from typing import Any

from sandbox.core.addressing import GATEWAY_PORT, POSTGRES_PORT, Addresses, addresses, subnet_of
from sandbox.core.anatomy import PROXY, container_name, services_of
from sandbox.core.egress import PROXY_PORT
from sandbox.core.errors import Unavailable
from sandbox.core.lifecycle import Endpoint, Sandbox
from sandbox.core.phases import LIVE, State
from sandbox.core.ports import Context
from sandbox.core.text import clean
from sandbox.core.values import Request, Result, Value
from sandbox.usecases.desk import answers
from sandbox.usecases.egress import attacks_on
from sandbox.usecases.idling import not_counted
from sandbox.usecases.probing import ask_attacks, route_to
from sandbox.usecases.recording import record, why_it_ended
from sandbox.usecases.sandboxes import running

# A refusal tells as much as an answer, so a few ports stand for all.
_PORTS = (22, 80, 443, 2375, 2376, POSTGRES_PORT)
_LAST_PORT = 65535
_METADATA = ("169.254.169.254", "169.254.170.2")
_PHASES = {
    "quiet": "Attacking core data, network, gateway, container and guard",
    "proxy": "Attacking the proxy",
    "lab": "Attacking the lab's PostgreSQL",
    "replica": "Attacking the PostgreSQL replica",
    "limits": "Filling memory and processes",
}
# Each costs a second or two of time-outs: more would show nothing new.
_MOST_OTHERS = 8
_MOST_HOSTS = 8


class Check(Value):
    """One attack: what it was about, whether the wall held, and what the attacker saw."""

    about: str
    name: str
    held: bool
    detail: str


class VerifyResult(Result):
    """Every attack that was tried; `held` if none got through. `notes` say what was left out."""

    name: str
    id: str
    held: bool
    checks: tuple[Check, ...]
    notes: tuple[str, ...]
    seconds: float


class VerifyRequest(Request[VerifyResult]):
    """Attack a running sandbox from inside, harmlessly."""

    name: str


@answers(VerifyRequest)
def verify(context: Context, request: VerifyRequest) -> VerifyResult:
    """Run every attack inside every service, as its own user, and record what got through.

    Raises Conflict if the sandbox is not ready, Unavailable if the attacks cannot be run.
    """
    began = time.monotonic()
    sandbox = running(context, request.name)
    others = _others(context, sandbox)
    since = context.now()
    with (
        context.files.working_on(sandbox.id),
        not_counted(context, sandbox),
        _failure_on_record(context, sandbox, since),
    ):
        checks = _attacked(context, sandbox, others)
    failed = [check.name for check in checks if not check.held]
    with context.registry.writing() as tx:
        record(
            context,
            tx,
            "sandbox.verified",
            sandbox.name,
            id=sandbox.id,
            began=since.isoformat(),
            tried=len(checks),
            held=len(checks) - len(failed),
            failed=failed,
        )
    return VerifyResult(
        name=sandbox.name,
        id=sandbox.id,
        held=not failed,
        checks=tuple(checks),
        notes=(*_left_out(sandbox, others), *_outside(context)),
        seconds=round(time.monotonic() - began, 3),
    )


@contextmanager
def _failure_on_record(context: Context, sandbox: Sandbox, since: datetime) -> Iterator[None]:
    """Write that attacks were begun and not ended: the proxy has seen them all the same."""
    try:
        yield
    except BaseException as error:
        with context.registry.writing() as tx:
            why, began = why_it_ended(error), since.isoformat()
            record(
                context,
                tx,
                "sandbox.verify-failed",
                sandbox.name,
                reason=why,
                id=sandbox.id,
                began=began,
            )
        raise


def _attacked(context: Context, sandbox: Sandbox, others: list[Sandbox]) -> list[Check]:
    """Attack from the tool by every way, and from each other service by all but the lab's login."""
    quiet = {
        "phase": "quiet",
        "hosts": _hosts(context, sandbox),
        "others": [target for other in others for target in _targets(other)],
        "unused": _unused(sandbox),
        "ports": [*_PORTS, context.settings.gateway.port],
        "gateway": _gateway(context, sandbox, others),
    }
    parted = {PROXY: _proxy(context, sandbox, others), "lab": {"phase": "lab"}}
    beside = [question for part, question in parted.items() if part in sandbox.parts]
    beside += [{"phase": "replica"}] if sandbox.replica else []
    limits = {"phase": "limits"}
    tool = _endpoint(sandbox).part
    checks = _asked(context, sandbox, tool, [quiet, *beside, limits])
    for other in services_of(sandbox):
        if other != tool:
            found = _asked(context, sandbox, other, [quiet, limits])
            checks += [c.model_copy(update={"name": f"{other}: {c.name}"}) for c in found]
    return checks


def _asked(
    context: Context, sandbox: Sandbox, part: str, questions: list[dict[str, Any]]
) -> list[Check]:
    """Return what the attacker in one part saw."""
    checks: list[Check] = []
    for question in questions:
        context.progress.say("verify", f"{_PHASES[question['phase']]}, from {part}")
        said = ask_attacks(context, container_name(sandbox.id, part), question)
        if not all("about" in each for each in said):
            raise Unavailable(
                "The sandbox is of an older version, whose image lacks these attacks.",
                subject=sandbox.name,
                hint=f"Make it again: sandbox down {sandbox.name}, then sandbox up",
            )
        checks += [_check(each) for each in said]
    return checks


def _check(said: dict[str, Any]) -> Check:
    words = {key: clean(str(said[key]))[:300] for key in ("about", "name", "detail")}
    return Check(held=said["held"] is True, **words)


def _others(context: Context, sandbox: Sandbox) -> list[Sandbox]:
    """Return the other sandboxes that run now, newest first."""
    now = context.now()
    with context.registry.reading() as tx:
        live = tx.sandboxes(LIVE)
    ready = [s for s in live if s.state_at(now) is State.READY and s.endpoint is not None]
    return [s for s in reversed(ready) if s.id != sandbox.id][:_MOST_OTHERS]


def _left_out(sandbox: Sandbox, others: list[Sandbox]) -> tuple[str, ...]:
    alone = () if others else ("No other sandbox runs, so reaching one was not tried.",)
    lab = () if "lab" in sandbox.parts else ("It has no lab, so PostgreSQL was not attacked.",)
    return alone + lab


def _outside(context: Context) -> tuple[str, ...]:
    """Say what nobody sees from inside: whether the host listens to what is sent to all."""
    if context.files.checks_sources():
        return ()
    return ("Whether multicasts reach UDP services of the host is not seen from inside: doctor.",)


def _endpoint(sandbox: Sandbox) -> Endpoint:
    assert sandbox.endpoint is not None  # what is ready has one
    return sandbox.endpoint


def _subnet(sandbox: Sandbox) -> IPv4Network:
    """Return its network by what it has: the range in the settings may have changed since."""
    return subnet_of(_endpoint(sandbox).address)


def _addresses(sandbox: Sandbox) -> Addresses:
    return addresses(_subnet(sandbox), 0)


def _hosts(context: Context, sandbox: Sandbox) -> list[str]:
    """Return addresses of the host, the first of the engine's networks, and of cloud metadata."""
    known = [IPv4Network(text, strict=False) for text in context.engine.subnets()]
    wide = [net for net in known if net.prefixlen < 31 and net != _subnet(sandbox)]
    bridges = sorted({str(net[1]) for net in wide} | {"172.17.0.1"})[:_MOST_HOSTS]
    return [str(_subnet(sandbox)[1]), *bridges, *_METADATA]


def _targets(other: Sandbox) -> list[tuple[str, int]]:
    own = _addresses(other)
    lab = [(own.lab, POSTGRES_PORT)] if "lab" in other.parts else []
    endpoint = _endpoint(other)
    proxy = [(own.proxy, PROXY_PORT)] if PROXY in other.parts else []
    replica = [(own.replica, POSTGRES_PORT)] if other.replica else []
    tool, gateway = (endpoint.address, endpoint.port), (own.gateway, GATEWAY_PORT)
    return [tool, *lab, *proxy, *replica, gateway]


def _unused(sandbox: Sandbox) -> list[str]:
    """Return the addresses of its network at which nobody should answer, the bridge's included."""
    own, subnet = _addresses(sandbox), _subnet(sandbox)
    used = {*own.services[: len(services_of(sandbox))], own.lab, own.gateway}
    used |= {own.proxy} if PROXY in sandbox.parts else set()
    used |= {own.replica} if sandbox.replica else set()
    return [str(host) for host in subnet.hosts() if str(host) not in used]


def _proxy(context: Context, sandbox: Sandbox, others: list[Sandbox]) -> dict[str, Any]:
    """Return what its proxy must lead to as little as to anything that is not approved."""
    own = _addresses(sandbox)
    inside = [_endpoint(sandbox).address, own.lab, own.gateway, own.proxy]
    inside += [own.replica] if sandbox.replica else []
    far = [_endpoint(other).address for other in others]
    targets = [*inside, *far, *_hosts(context, sandbox)]
    return attacks_on(sandbox, own.proxy, list(dict.fromkeys(targets)), last_port=_LAST_PORT)


def _gateway(context: Context, sandbox: Sandbox, others: list[Sandbox]) -> dict[str, Any]:
    """Return where the gateway is from inside, and the link that the owner has anyway."""
    endpoint = _endpoint(sandbox)
    link = context.gateway.link(route_to(context, sandbox, endpoint))
    url = context.gateway.url(sandbox.name)
    return {
        "address": _addresses(sandbox).gateway,
        "port": GATEWAY_PORT,
        "last_port": _LAST_PORT,
        "host": _host(url),
        "link": link.removeprefix(url),
        "own": endpoint.address,
        "others": [_host(context.gateway.url(other.name)) for other in others],
        "targets": [_endpoint(other).address for other in others],
    }


def _host(url: str) -> str:
    return url.partition("//")[2]
