"""`policy scan` and `policy impact`: what runs, by today's rules, and by those of a new file."""

from collections import Counter
from datetime import datetime

from sandbox.core.comparing import RuleChange, compared
from sandbox.core.errors import InvalidInput, NotFound
from sandbox.core.moments import read_moment
from sandbox.core.ports import Context
from sandbox.core.rules import PolicySet
from sandbox.core.scanning import Affected, Drift, Everything, affected, scanned
from sandbox.core.text import clean, closest
from sandbox.core.values import Request, Result
from sandbox.core.waivers import granted
from sandbox.usecases.desk import answers


class PolicyScanResult(Result):
    """What runs and does not keep today's rules. `clean` if no enforced rule is broken.

    `judged` sandboxes were looked at by `rules` rules; `broken` of them break an enforced one. `at`
    is the moment whose rules and waivers count.
    """

    clean: bool
    at: datetime
    judged: int
    rules: int
    broken: int
    drift: tuple[Drift, ...]
    policy: str
    policy_digest: str


class PolicyScanRequest(Request[PolicyScanResult]):
    """Ask what runs and does not keep today's rules, or those of the moment `on` (ISO 8601); of
    one sandbox, if named."""

    name: str = ""
    on: str = ""


class PolicyImpactResult(Result):
    """What a new policy file would change: rules, and running sandboxes by them.

    `replaces` says whether a file of that name is there already; `judged` sandboxes were looked at,
    by the rules and waivers of the moment `at`. `later` are new rules that are not in force then.
    """

    file: str
    at: datetime
    later: tuple[str, ...]
    replaces: bool
    policy_digest: str
    rules: tuple[RuleChange, ...]
    judged: int
    affected: tuple[Affected, ...]

    @property
    def counts(self) -> Counter[str]:
        """How many rules became what."""
        return Counter(change.what for change in self.rules)


class PolicyImpactRequest(Request[PolicyImpactResult]):
    """Ask what would change if a file of this name and content stood in policies/, today or at the
    moment `on` (ISO 8601)."""

    file: str
    content: bytes
    on: str = ""


@answers(PolicyScanRequest)
def scan(context: Context, request: PolicyScanRequest) -> PolicyScanResult:
    """Judge what runs by the rules at `scan`, as they are today. Nothing is changed.

    Raises InvalidInput where no rule is in force there, NotFound if what is named does not run.
    """
    policies, everything = context.catalogue.policies(), _everything(context, request.on)
    running = [s for s in everything.running() if request.name in ("", s.name)]
    if request.name and not running:
        names = [sandbox.name for sandbox in everything.running()]
        raise NotFound(
            "No sandbox of that name runs." + closest(request.name, names),
            subject=clean(request.name),
            hint="See: sandbox list",
        )
    drift = scanned(everything, policies, request.name)
    broken = {d.id for d in drift if d.mode == "enforce" and not d.waiver}
    return PolicyScanResult(
        clean=not broken,
        at=everything.at,
        judged=len(running),
        rules=len(policies.in_force("scan", everything.at)),
        broken=len(broken),
        drift=tuple(drift),
        policy=policies.metadata.name,
        policy_digest=policies.digest(),
    )


@answers(PolicyImpactRequest)
def impact(context: Context, request: PolicyImpactRequest) -> PolicyImpactResult:
    """Return what the file would change; raises InvalidInput, with its place, for a wrong one."""
    old = context.catalogue.policies()
    new = context.catalogue.with_policy(request.file, request.content).policies()
    everything = _everything(context, request.on)
    rules = compared(old, new, everything.at)
    return PolicyImpactResult(
        file=request.file,
        replaces=_is_there(context, request.file),
        policy_digest=new.digest(),
        at=everything.at,
        later=_later(new, {change.rule for change in rules}, everything.at),
        rules=tuple(rules),
        judged=len(everything.running()),
        affected=tuple(affected(everything, old, new)),
    )


def _is_there(context: Context, file: str) -> bool:
    return any(name.rpartition("/")[2] == file for name in context.catalogue.policy_files())


def _later(policies: PolicySet, names: set[str], at: datetime) -> tuple[str, ...]:
    """Return which of these rules do not do all that they will, at that moment."""
    days = {
        rule.id: (rule.effective_from or policies.effective_from, rule.enforce_after)
        for rule in policies.rules
        if rule.id in names
    }
    return tuple(name for name, both in days.items() if any(day and day > at for day in both))


def _everything(context: Context, on: str) -> Everything:
    now = context.now().astimezone()
    at = _moment(on, now) if on else now
    with context.registry.reading() as tx:
        cost = context.settings.cost
        known = tx.sandboxes(), tx.snapshots(), granted(tx.asks())
        return Everything(*known, cost, now, at)


def _moment(text: str, now: datetime) -> datetime:
    """Return the moment that `text` is; a day is its beginning, where this machine is."""
    found = read_moment(text.strip())
    if isinstance(found, datetime):
        return found
    if found is None:
        raise InvalidInput(
            "This is no moment.",
            subject=clean(text),
            hint="Write a day, as 2027-01-01, or a time with its zone: 2027-01-01T09:00:00+09:00",
        )
    return datetime(found.year, found.month, found.day, tzinfo=now.tzinfo)
