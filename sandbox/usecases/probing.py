"""Is it up, and does it hold? First answers and attacks, before anybody gets the link."""

import json
import time
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Network
from typing import Any

from sandbox.core.anatomy import LAB_UID, PYTHON, Anatomy, confined, container_name
from sandbox.core.errors import Unavailable
from sandbox.core.lifecycle import Endpoint, Sandbox
from sandbox.core.objects import Ran, Route, as_user
from sandbox.core.ports import Context
from sandbox.core.replica import DATABASE, SERVER_UID
from sandbox.core.template import Template
from sandbox.core.text import clean
from sandbox.usecases.together import together

_POSTGRES_SECONDS = 60.0
_PSQL = (
    "/usr/lib/postgresql/15/bin/psql",
    *("-X", "-q", "-v", "ON_ERROR_STOP=1"),
    *("-h", "/tmp", "-U", "postgres", "-d"),  # noqa: S108 - the server's own tmpfs
)
PSQL = (*_PSQL, "lab")
_ASK_STANDBY = (*_PSQL, DATABASE, "-A", "-t", "-c", "SELECT pg_is_in_recovery(), pg_reload_conf()")


def wait_for_tool(context: Context, sandbox: Sandbox, endpoint: Endpoint) -> None:
    """Return when the tool answers through the gateway; raises Unavailable with its last words."""
    route = route_to(context, sandbox, endpoint)
    _poll(
        context,
        container_name(sandbox.id, endpoint.part),
        endpoint.seconds,
        lambda: context.gateway.answers(route, endpoint.path),
    )


def route_to(context: Context, sandbox: Sandbox, endpoint: Endpoint) -> Route:
    """Return the route of a sandbox; its secret is derived, so it is stored nowhere."""
    secret = context.keys.derive(sandbox.secret("link"))
    return Route(sandbox.name, endpoint.address, endpoint.port, secret, endpoint.ignore)


def lab_password(context: Context, sandbox: Sandbox) -> str:
    """Return the password of the lab's one login; it is derived, so it is stored nowhere."""
    return context.keys.derive(sandbox.secret("lab"))


def settle_lab(context: Context, sandbox: Sandbox) -> None:
    """Wait for the lab and give its one login the sandbox's own password."""
    lab = container_name(sandbox.id, "lab")
    password = lab_password(context, sandbox)
    # psql quotes the variable itself; on stdin it is seen by no `ps`.
    script = f"\\set password '{password}'\nALTER ROLE lab PASSWORD :'password';\n".encode()

    def set_password() -> bool:
        """Try it once."""
        ran = context.engine.run(lab, PSQL, user=as_user(LAB_UID), stdin=script)
        return ran.code == 0

    _poll(context, lab, _POSTGRES_SECONDS, set_password)


def settle_replica(context: Context, container: str) -> None:
    """Return when a standby answers, by the rules for logins that it finds now.

    Raises Unavailable with its last words if it does not, or if it is none: then it could be
    written.
    """

    def stands_by() -> bool:
        """Ask it once; by this it also reads its rules again."""
        ran = context.engine.run(container, _ASK_STANDBY, user=as_user(SERVER_UID))
        said = ran.out.strip() if ran.code == 0 else b""
        if said not in (b"", b"t|t"):
            raise Unavailable("The PostgreSQL replica can be written.", subject=container)
        return bool(said)

    _poll(context, container, _POSTGRES_SECONDS, stands_by)


def attack(context: Context, sandbox: Sandbox, anatomy: Anatomy) -> None:
    """Attack every service from inside, as its own user; raises Unavailable if one gives way."""
    question = {"phase": "fast", "forbidden": _forbidden(context, anatomy)}
    services, tool = anatomy.services, anatomy.endpoint.part
    asks = (partial(ask_attacks, context, s.name, question) for s in services.values())
    found = [
        check if part == tool else check | {"name": f"{part}: {check['name']}"}
        for part, checks in zip(services, together(*asks), strict=True)
        for check in checks
    ]
    raise_fallen(sandbox, found)


def raise_fallen(sandbox: Sandbox, checks: list[dict[str, Any]]) -> None:
    """Raise Unavailable on `sandbox` if any of `checks` got through, naming them."""
    fallen = [check["name"] for check in checks if not check["held"]]
    if fallen:
        raise Unavailable(
            f"The sandbox failed its own isolation test: {', '.join(fallen)}.",
            subject=sandbox.name,
            hint="It was removed again. Tell IT; see: sandbox doctor",
            details={"failed_checks": fallen},
        )


def ask_attacks(context: Context, container: str, question: dict[str, Any]) -> list[dict[str, Any]]:
    """Run one phase of the attacks inside `container`; return about, name, held and detail of each.

    Raises Unavailable if the program itself fails.
    """
    # -I: what the owner put into the work folder must not be taken for a module of ours.
    command = confined(PYTHON, "-I", "-m", "sandbox_verify")
    ran = context.engine.run(container, command, stdin=json.dumps(question).encode() + b"\n")
    checks: list[dict[str, Any]] = read_json(ran, container)["checks"]
    return checks


def _forbidden(context: Context, anatomy: Anatomy) -> list[tuple[str, int]]:
    """What must not be reached: the host on its bridges, and the cloud's metadata service."""
    hosts = [str(IPv4Network(anatomy.network.subnet or "")[1]), "172.17.0.1", "169.254.169.254"]
    ports = (22, 80, 2375, context.settings.gateway.port)
    return [(host, port) for host in hosts for port in ports]


def smoke(context: Context, sandbox_id: str, template: Template) -> tuple[Ran, float]:
    """Run a template's own smoke test inside its running sandbox; return it and its seconds."""
    began = time.monotonic()
    container = container_name(sandbox_id, template.answers)
    ran = context.engine.run(container, template.smoke)
    return ran, round(time.monotonic() - began, 3)


def read_json(ran: Ran, container: str) -> dict:  # type: ignore[type-arg]
    """Return the JSON object a program of ours printed inside; raises Unavailable otherwise."""
    try:
        answer = json.loads(ran.out)
        assert isinstance(answer, dict)
    except (ValueError, AssertionError):
        said = clean((ran.err or ran.out).decode(errors="replace"))[-300:]
        raise Unavailable(
            f"The program inside failed (exit {ran.code}): {said}",
            subject=container,
            hint="See: sandbox logs NAME",
        ) from None
    return answer


def _poll(context: Context, container: str, seconds: float, ready: Callable[[], bool]) -> None:
    """Ask `ready` until it says yes; a container that ended, or too long a wait, is an error."""
    begin = time.monotonic()
    looked = begin
    while not ready():
        now = time.monotonic()
        died = now - looked > 1 and not context.engine.is_running(container)
        looked = now if now - looked > 1 else looked
        if died or now - begin > seconds:
            _give_up(context, container, "ended" if died else f"did not answer in {seconds:.0f} s")
        time.sleep(0.03)


def _give_up(context: Context, container: str, what: str) -> None:
    raise Unavailable(
        f"The container {what}.", subject=container, hint=last_words(context, container)
    )


def last_words(context: Context, container: str) -> str:
    """Return what a container that is of no use wrote last, as a hint."""
    last = context.engine.logs(container, 8).decode(errors="replace")
    return "Its last words:\n" + clean(last, keep_newlines=True).strip()
