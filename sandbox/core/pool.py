"""The warm pool: sandboxes that were made ahead, which of them serves a request, and which must go.

Pure. A pooled sandbox is nobody's: no owner, no purpose, no route, no link. Its lease has not
begun; its guards end it after LIFETIME, whatever happens to us.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.core.anatomy import PROXY, Images
from sandbox.core.lease import spoken
from sandbox.core.lifecycle import Sandbox, Spec
from sandbox.core.pattern import PartPattern, Pattern
from sandbox.core.phases import Pooled, State
from sandbox.core.template import Template
from sandbox.core.version import VERSION

# After this its guards end a pooled sandbox.
LIFETIME = timedelta(days=1)
# So long before that it makes way for a fresh one, and serves nobody any more.
MARGIN = timedelta(hours=1)
CLAIMED = "claimed"
NONE_LEFT = "none is left"
# Words for one thing; the others stand for several.
_ONE = frozenset({"template", "snapshot", "egress", "version"})


@dataclass(frozen=True)
class Want:
    """How many of a template are to be ready, and after which pattern.

    `trouble` says why nothing can be made of the template now; the pattern is None then, unless
    the data is `too_old` for a new sandbox: that says why, and what is pooled serves nobody either.
    """

    template: str
    count: int
    pattern: Pattern | None
    trouble: str = ""
    too_old: str = ""


@dataclass(frozen=True)
class Pool:
    """The pool as it is seen: what is wanted, and all that are pooled, oldest first.

    `leave` says why all of them must go, whatever they are.
    """

    wants: tuple[Want, ...]
    pooled: tuple[Sandbox, ...]
    leave: str = ""


def pattern_of(spec: Spec, template: Template, images: Images, rules: str) -> Pattern:
    """Return what a sandbox of `spec` is made after; `rules` is the digest of its source's."""
    made, limits = images.parts(), template.limits()
    # Of a proxy `egress` tells: nothing that has one is pooled.
    parts = {
        name: PartPattern(image=made[name].tag, memory_mb=m.memory_mb, cpus=m.cpus, pids=m.pids)
        for name, m in limits.items()
        if name != PROXY
    }
    return Pattern(
        template=spec.template_digest,
        snapshot=spec.snapshot,
        rules=rules,
        parameters=spec.parameters,
        parts=parts,
        egress=spec.egress,
        version=VERSION,
    )


def differences(wanted: Pattern, made: Pattern) -> tuple[str, ...]:
    """Return in words what `made` has otherwise than it is `wanted`; nothing: it serves."""
    same_parts = wanted.parts.keys() == made.parts.keys()
    pairs = [(wanted.parts[n], made.parts[n]) for n in wanted.parts if n in made.parts]
    differ = {
        "template": wanted.template != made.template,
        "snapshot": wanted.snapshot != made.snapshot,
        "source rules": wanted.rules != made.rules,
        "parameters": wanted.parameters != made.parameters,
        "services": not same_parts,
        "images": any(a.image != b.image for a, b in pairs),
        "limits": any(a.model_copy(update={"image": b.image}) != b for a, b in pairs),
        "egress": sorted(wanted.egress) != sorted(made.egress),
        "version": wanted.version != made.version,
    }
    return tuple(word for word, differs in differ.items() if differs)


def unclaimed(sandbox: Sandbox) -> bool:
    """Say whether it is the pool's own: being made for it, pooled, or on its way out of it."""
    return not sandbox.lease.owner


def pattern_made(sandbox: Sandbox) -> Pattern | None:
    """Return what a pooled sandbox was made after, None of any other."""
    return sandbox.phase.pattern if isinstance(sandbox.phase, Pooled) else None


def is_over(sandbox: Sandbox, now: datetime) -> bool:
    """Say whether a pooled sandbox is too near its guards' deadline to be given to anybody."""
    return now >= sandbox.phase.since + LIFETIME - MARGIN


def candidates(
    pooled: Iterable[Sandbox], template: str, wanted: Pattern, now: datetime
) -> list[Sandbox]:
    """Return the pooled sandboxes that serve a request after `wanted`, oldest first."""
    return [
        s
        for s in pooled
        if s.spec.template == template
        and (made := pattern_made(s))
        and not differences(wanted, made)
        and not is_over(s, now)
    ]


def why_cold(pooled: Iterable[Sandbox], template: str, wanted: Pattern, now: datetime) -> str:
    """Return in words why none of the pooled sandboxes serves: what the nearest has otherwise."""
    ours = [s for s in pooled if s.spec.template == template and not is_over(s, now)]
    found = [differences(wanted, made) for s in ours if (made := pattern_made(s))]
    nearest = min(found, key=len, default=())
    if not nearest:
        return NONE_LEFT
    return f"{_listed(nearest)} {'differs' if nearest[0] in _ONE and not nearest[1:] else 'differ'}"


def why_retired(sandbox: Sandbox, pool: Pool, now: datetime) -> str:
    """Return why a pooled sandbox must go, "" if it stays.

    Of more than are wanted the oldest go. One whose pattern cannot be told now stays.
    """
    want = next((w for w in pool.wants if w.template == sandbox.spec.template), None)
    if want is None or want.count == 0:
        return "its template is not pooled any more"
    if why := pool.leave or _stale(sandbox, want, now):
        return why
    fresh = [
        s for s in pool.pooled if s.spec.template == want.template and not _stale(s, want, now)
    ]
    surplus = fresh[: max(0, len(fresh) - want.count)]
    if any(s.id == sandbox.id for s in surplus):
        return f"{len(fresh)} are pooled, {want.count} are wanted"
    return ""


def lacking(
    wants: Iterable[Want], sandboxes: Iterable[Sandbox], now: datetime
) -> Mapping[str, int]:
    """Return how many of each template are to be made; what is being made counts as there."""
    there = [s for s in sandboxes if unclaimed(s)]
    return {
        want.template: short
        for want in wants
        if (short := want.count - sum(_counts(s, want, now) for s in there)) > 0
    }


def _counts(sandbox: Sandbox, want: Want, now: datetime) -> bool:
    if sandbox.spec.template != want.template:
        return False
    if sandbox.state is State.PROVISIONING:
        return True
    return sandbox.state is State.POOLED and not _stale(sandbox, want, now)


def _stale(sandbox: Sandbox, want: Want, now: datetime) -> str:
    if is_over(sandbox, now):
        return f"it is older than {spoken(LIFETIME - MARGIN)}"
    if want.too_old:
        return want.too_old
    made = pattern_made(sandbox)
    if made is None or want.pattern is None:
        return ""
    words = differences(want.pattern, made)
    return f"not what is made now: {_listed(words)}" if words else ""


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
