"""Everything that runs, judged by today's rules, or by those of tomorrow. Pure.

The sums over all sandboxes are made once; each is judged without looking at the others again.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.core.comparing import compared
from sandbox.core.cost import charge, spent
from sandbox.core.errors import InvalidInput
from sandbox.core.judged import EgressInput
from sandbox.core.judged_beside import ALONE, Beside, LaneInput, WipInput
from sandbox.core.judged_scan import ScanInput, lease_hours
from sandbox.core.lanes import in_progress, lane_of
from sandbox.core.lifecycle import Sandbox, Spec
from sandbox.core.phases import HELD, State
from sandbox.core.policy import SILENCE, Decision, Finding, Outcome, Verdict, evaluate, missed_by
from sandbox.core.prices import CostSettings
from sandbox.core.quotas import Amounts, holds, weight
from sandbox.core.rejudging import QUIET
from sandbox.core.rules import Mode, Point, PolicySet, Rule
from sandbox.core.snapshot import Snapshot
from sandbox.core.template import Words
from sandbox.core.values import Value
from sandbox.core.version import VERSION
from sandbox.core.waivers import Waiver, waived

_Rules = list[tuple[Rule, Mode]]
_Broken = dict[str, Verdict]
_ORDER: tuple[Verdict, ...] = ("allow", "warn", "needs-approval", "deny")
_SAYS: Mapping[Mode, Verdict] = {"audit": "allow", "warn": "warn", "enforce": "deny"}
_POINTS: tuple[Point, ...] = ("scan", "create", "egress")


class Drift(Value):
    """One rule of today that a running sandbox does not keep.

    `before` is what the rule made of it when it was asked for: empty if it was not judged then.
    `waiver` exempts it now; `waived_by` is the role that could.
    """

    sandbox: str
    id: str
    owner: str
    state: State
    rule: str
    title: Words
    mode: Mode
    said: Words
    fix: Words
    before: Outcome | None = None
    waiver: str = ""
    waived_by: str = ""


class Affected(Value):
    """A running sandbox about which other rules would say something else, were it asked for now.

    `broken` are the rules that it would no longer keep, `kept` those that it would keep again.
    """

    sandbox: str
    id: str
    owner: str
    point: Point
    before: Verdict
    after: Verdict
    broken: tuple[str, ...]
    kept: tuple[str, ...]
    said: Words


class Everything:
    """All sandboxes on record, and what is known of them together, at `now`.

    `at` is when rules and waivers are looked at: they begin and end by the clock.
    """

    def __init__(
        self,
        sandboxes: Sequence[Sandbox],
        snapshots: Iterable[Snapshot],
        waivers: Iterable[Waiver],
        cost: CostSettings,
        now: datetime,
        at: datetime | None = None,
    ) -> None:
        self.now, self.at = now, at or now
        self._cost, self._ever = cost, sandboxes
        self._snapshots = {snapshot.id: snapshot for snapshot in snapshots}
        self._waivers: defaultdict[str, list[Waiver]] = defaultdict(list)
        for waiver in waivers:
            self._waivers[waiver.subject].append(waiver)
        self._owners: defaultdict[str, Amounts] = defaultdict(Amounts)
        self._home = Amounts()
        self._campaigns: defaultdict[str, list[Sandbox]] = defaultdict(list)
        self._expedited = [sandbox for sandbox in sandboxes if sandbox.spec.expedite]
        self._urgent: LaneInput | None = None
        self._spent: dict[str, float] = {}
        self._wip: dict[str, int] = {}
        self._add_up()

    def _add_up(self) -> None:
        for sandbox in self._ever:
            held = holds(sandbox, self.now)
            self._home = self._home.plus(held)
            self._campaigns[sandbox.spec.campaign].append(sandbox)
            if sandbox.state is not State.POOLED:
                owner = sandbox.lease.owner
                self._owners[owner] = self._owners[owner].plus(held)

    def running(self) -> list[Sandbox]:
        """Return what runs, or stands still with its lease running on."""
        return [sandbox for sandbox in self._ever if sandbox.state_at(self.now) in HELD]

    def waived(self, sandbox: Sandbox) -> Mapping[str, str]:
        """Return the rules that a sandbox is exempt from, with their waivers' ids."""
        owner = sandbox.lease.owner
        return waived(self._waivers.get(sandbox.name, ()), sandbox.name, owner, self.at)

    def documents(self, sandbox: Sandbox) -> dict[Point, dict[str, Any]]:
        """Return what is judged of a sandbox at `scan`, and at `create` were it asked for now."""
        snapshot = self._snapshots.get(sandbox.spec.snapshot)
        scanned = ScanInput.of_running(
            sandbox,
            snapshot,
            owner_totals=self._owners[sandbox.lease.owner],
            home_totals=self._home,
            beside=self._beside(sandbox),
        ).as_document()
        found: dict[Point, dict[str, Any]] = {"scan": scanned}
        found["create"] = {name: value for name, value in scanned.items() if name != "hosts"}
        if sandbox.spec.egress and snapshot:
            outward = EgressInput.of(sandbox.spec, snapshot, owner=sandbox.lease.owner)
            found["egress"] = outward.as_document()
        return found

    def _beside(self, sandbox: Sandbox) -> Beside:
        spec, cost = sandbox.spec, self._cost
        if not (spec.campaign or spec.expedite or cost.counted or cost.campaigns):
            return ALONE
        length = lease_hours(sandbox)
        return Beside(
            cost=charge(cost, spec.campaign, weight(sandbox), length, self._before(sandbox)),
            lane=self._lane(sandbox),
            wip=WipInput(campaign=self._in_progress(spec)),
        )

    def _lane(self, sandbox: Sandbox) -> LaneInput:
        """Return its lane; what is expedited is counted once, and without it by taking it away."""
        spec, zone = sandbox.spec, self.now.tzinfo
        mine = lane_of(spec, sandbox.lease.owner, (sandbox,), self.now, zone=zone)
        if not spec.expedite:
            return mine
        if self._urgent is None:
            self._urgent = lane_of(spec, "", self._expedited, self.now, zone=zone)
        counts = {
            "expedited": 1 + self._urgent.expedited - mine.expedited,
            "overdue": self._urgent.overdue - mine.overdue,
        }
        return mine.model_copy(update=counts)

    def _in_progress(self, spec: Spec) -> int:
        """Return the work in progress of a campaign, counted once for all of its sandboxes."""
        code = spec.campaign
        if code not in self._wip:
            # It counts one more, for a request that is not on record yet; these all are.
            found = in_progress(spec, self._campaigns[code], self.now).campaign
            self._wip[code] = max(0, found - 1)
        return self._wip[code]

    def _before(self, sandbox: Sandbox) -> float:
        """Return what the sandbox's team has spent this month without it."""
        team = self._cost.team(sandbox.spec.campaign)
        if team not in self._cost.budgets:
            return 0
        if team not in self._spent:
            self._spent[team] = spent(self._ever, self._cost, team, self.now)
        return self._spent[team] - spent([sandbox], self._cost, team, self.now)


def scanned(everything: Everything, policies: PolicySet, name: str = "") -> list[Drift]:
    """Return what running sandboxes (or the one called `name`) do not keep of the rules at `scan`.

    Raises InvalidInput if no rule is in force there: nothing would be looked at, and all seem well.
    """
    if not policies.in_force("scan", everything.at):
        raise InvalidInput(
            "No rule of this home is judged at scan.",
            subject="policies/",
            hint="Add scan to `at` of the rules that what runs must keep.",
        )
    digest = policies.digest()
    return [
        drift
        for sandbox in everything.running()
        if name in ("", sandbox.name)
        for drift in _drifts(everything, sandbox, policies, digest)
    ]


def _drifts(
    everything: Everything, sandbox: Sandbox, policies: PolicySet, digest: str
) -> list[Drift]:
    document = everything.documents(sandbox)["scan"]
    decision = _said(policies, "scan", document, everything, sandbox, digest)
    return [_drift(sandbox, finding) for finding in decision.findings]


def _said(
    policies: PolicySet,
    point: Point,
    document: Mapping[str, Any],
    everything: Everything,
    sandbox: Sandbox,
    digest: str = "-",
) -> Decision:
    return evaluate(
        policies,
        point,
        document,
        now=everything.at,
        tool_version=VERSION,
        digest=digest,
        waived=everything.waived(sandbox),
    )


def _drift(sandbox: Sandbox, finding: Finding) -> Drift:
    return Drift(
        sandbox=sandbox.name,
        id=sandbox.id,
        owner=sandbox.lease.owner,
        state=sandbox.state,
        rule=finding.rule,
        title=finding.title,
        mode=finding.mode,
        said=finding.sentence,
        fix=finding.fix,
        before=_before(sandbox.decision, finding.rule),
        waiver=finding.waiver,
        waived_by=finding.waived_by,
    )


def _before(decision: Mapping[str, Any], rule: str) -> Outcome | None:
    """Return what a rule made of a sandbox by its stored decision; older ones do not tell."""
    results = decision.get("results")
    found = results.get(rule) if isinstance(results, Mapping) else None
    return found if found in ("held", "not-applicable", "missed", "waived") else None


def affected(everything: Everything, old: PolicySet, new: PolicySet) -> list[Affected]:
    """Return the running sandboxes about which `new` says something else than `old`.

    Only rules that differ are judged of all; whole sets only of those about which they differ.
    """
    changes = {change.rule for change in compared(old, new, everything.at)}
    judged = {point: _judged(point, (old, new), changes, everything.at) for point in _POINTS}
    digest = new.digest()
    found = []
    for sandbox in everything.running():
        exempt = everything.waived(sandbox)
        for point, document in everything.documents(sandbox).items():
            verdicts = _verdicts(judged[point], document, exempt)
            if verdicts is not None:
                said = _said(new, point, document, everything, sandbox, digest)
                found.append(_affected(sandbox, *verdicts, said))
    return found


@dataclass(frozen=True)
class _Judged:
    """The rules at a point: those that differ as they are and as they would be, and the others.

    `silent` tells of both whether there is no rule at all; then everything is denied.
    """

    old: _Rules
    new: _Rules
    same: _Rules
    silent: tuple[bool, bool]


def _judged(
    point: Point, sets: tuple[PolicySet, PolicySet], ids: set[str], now: datetime
) -> _Judged:
    old, new = (
        [(rule, rule.mode_at(now)) for rule in policies.in_force(point, now)] for policies in sets
    )
    quiet = point in QUIET  # without a rule there nothing is judged
    if quiet and not new:
        return _Judged([], [], [], (False, False))
    return _Judged(
        old=[one for one in old if one[0].id in ids],
        new=[one for one in new if one[0].id in ids],
        same=[one for one in new if one[0].id not in ids],
        silent=(not old and not quiet, not new),
    )


def _verdicts(
    judged: _Judged, document: Mapping[str, Any], exempt: Mapping[str, str]
) -> tuple[_Broken, _Broken] | None:
    """Return what is broken before and after, if the verdict differs."""
    before, after = (_broken(rules, document, exempt) for rules in (judged.old, judged.new))
    if before == after and judged.silent[0] == judged.silent[1]:
        return None
    rest = _broken(judged.same, document, exempt)
    silence: _Broken = {SILENCE: "deny"}
    was, will = (
        silence if silent else found | rest
        for found, silent in zip((before, after), judged.silent, strict=True)
    )
    return (was, will) if _strictest(was) != _strictest(will) else None


def _broken(rules: _Rules, document: Mapping[str, Any], exempt: Mapping[str, str]) -> _Broken:
    """Return the rules that are broken, each with what it alone would say."""
    found: _Broken = {}
    for rule, mode in rules:
        if not rule.exempt_by(exempt) and (missed := missed_by(rule, document)):
            # What nobody can judge, nobody can approve.
            asks = rule.approval and mode == "enforce" and not any(m.unclear for m in missed)
            found[rule.id] = "needs-approval" if asks else _SAYS[mode]
    return found


def _strictest(broken: _Broken) -> Verdict:
    return max(broken.values(), key=_ORDER.index, default="allow")


def _affected(sandbox: Sandbox, was: _Broken, will: _Broken, said: Decision) -> Affected:
    return Affected(
        sandbox=sandbox.name,
        id=sandbox.id,
        owner=sandbox.lease.owner,
        point=said.point,
        before=_strictest(was),
        after=said.verdict,
        broken=tuple(sorted({*will} - {*was})),
        kept=tuple(sorted({*was} - {*will})),
        said=Words(en=said.summary("en"), ja=said.summary("ja")),
    )
