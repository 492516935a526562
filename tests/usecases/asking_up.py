"""What the tests of the use cases ask for and look at, again and again."""

from pathlib import Path
from typing import Any

from sandbox.core.audit import NewEvent, first_break
from sandbox.core.ports import Context
from sandbox.core.resolving import Wish
from sandbox.usecases.provisioning import UpRequest, UpResult, up

PURPOSE = "Which lapsed customers react to a coupon?"


def wish(name: str = "spring-coupon", **changes: Any) -> Wish:
    values = {"name": name, "template": "segment-rfm", "purpose": PURPOSE, "ttl": "3h"}
    return Wish.model_validate(values | changes)


def make(context: Context, name: str = "spring-coupon", **changes: Any) -> UpResult:
    return up(context, UpRequest(wish=wish(name, **changes)))


def cap(home: Path, rule: str, most: float) -> None:
    """Set the most that a rule of the home's baseline allows."""
    file = home / "policies" / "baseline.yaml"
    head, rest = file.read_text("utf-8").split(f"id: {rule}\n")
    old = rest[rest.index("max: ") : rest.index("}")]
    file.write_text(f"{head}id: {rule}\n{rest.replace(old, f'max: {most}', 1)}", "utf-8")


def approve_host(home: Path, host: str) -> None:
    """Have the home's baseline approve one host outside."""
    file = home / "policies" / "baseline.yaml"
    file.write_text(file.read_text("utf-8").replace("one_of: []", f"one_of: [{host}]"), "utf-8")


def events(context: Context, subject: str | None = None) -> list[NewEvent]:
    with context.registry.reading() as tx:
        return [e.read() for e in tx.events(subject=subject)]


def codes(context: Context, subject: str | None = None) -> list[str]:
    return [e.code for e in events(context, subject)]


def chain_holds(context: Context) -> bool:
    with context.registry.reading() as tx:
        return first_break(tx.chain(), tx.head())[1] is None


def state(context: Context, name: str = "spring-coupon") -> str:
    with context.registry.reading() as tx:
        found = tx.sandbox(name)
        return found.state.value if found else "none"


def journal(context: Context, subject: str) -> list[tuple[str, str]]:
    with context.registry.reading() as tx:
        return tx.journaled(subject)
