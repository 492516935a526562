"""What runs, by the rules of today and of tomorrow; a thousand of them in time."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.cost import charge, spent
from sandbox.core.errors import InvalidInput
from sandbox.core.judged_beside import CostInput
from sandbox.core.lanes import in_progress, lane_of
from sandbox.core.lease import Lease
from sandbox.core.lifecycle import Sandbox, Spec
from sandbox.core.phases import Failed, Frozen, Provisioning, Ready
from sandbox.core.prices import CostSettings
from sandbox.core.quotas import account, weight
from sandbox.core.rules import PolicySet
from sandbox.core.scanning import Everything, affected, scanned
from sandbox.core.snapshot import ColumnCopy, Snapshot, TableCopy
from sandbox.core.waivers import Waiver
from sandbox.drivers.catalogue.home import HomeCatalogue
from tests.contract.registry_samples import NOON, a_manifest, a_sandbox, a_snapshot
from tests.core.policies import policy_set, rule

ROOT = Path(__file__).resolve().parents[2]

NOW = NOON + timedelta(hours=1)
WORDS = {"field": "purpose.words", "min": 50}
WAIVABLE = {"max_days": 14, "approver_role": "it"}


def masked() -> Snapshot:
    column = ColumnCopy(name="mail", type="VARCHAR", data_class="contact", mask="hmac")
    table = TableCopy(name="customers", rows=10, columns=(column,))
    return a_snapshot(manifest=a_manifest(tables=(table,)))


def everything(*sandboxes: Sandbox, waivers: tuple[Waiver, ...] = ()) -> Everything:
    return Everything(sandboxes, [masked()], waivers, CostSettings(), NOW)


def at_scan(**fields: Any) -> PolicySet:
    return policy_set(rule(id="r", at=["scan"], **fields))


def broken(policies: PolicySet, *sandboxes: Sandbox, **known: Any) -> list[str]:
    return [d.rule for d in scanned(everything(*sandboxes, **known), policies) if not d.waiver]


@pytest.mark.parametrize(
    ("wants", "breaks"),
    [
        (WORDS, True),
        ({"field": "ttl_hours", "max": 72}, False),
        ({"field": "ttl_hours", "max": 71}, True),
        ({"field": "owner_totals.memory_mb", "max": 1024}, False),
        ({"field": "owner_totals.memory_mb", "max": 1023}, True),
        ({"field": "home_totals.sandboxes", "max": 3}, False),
        ({"field": "home_totals.sandboxes", "max": 2}, True),
        ({"field": "request.memory_mb", "equals": 512}, False),
        ({"field": "owner", "equals": "anna"}, False),
    ],
)
def test_it_is_judged_with_the_sums_as_they_stand(wants: dict[str, Any], breaks: bool) -> None:
    others = [a_sandbox("a2", name="a2"), _of("bert", "b1")]
    drift = scanned(everything(a_sandbox(), *others), at_scan(**{"assert": wants}), "spring-coupon")
    assert {d.sandbox for d in drift} == ({"spring-coupon"} if breaks else set())


def _of(owner: str, id: str, **changes: Any) -> Sandbox:
    lease = Lease(owner=owner, ttl=timedelta(hours=72), started=NOON)
    return a_sandbox(id, name=id, lease=lease, **changes)


COST = CostSettings.model_validate(
    {
        "prices": {"cpu_hour": 10, "memory_gb_hour": 4, "sandbox_hour": 1},
        "campaigns": {"spring": {"team": "crm"}, "autumn": {"team": "crm"}, "web": {"team": "web"}},
        "budgets": {"crm": 50_000},
    }
)


def test_what_is_beside_it_is_what_it_would_be_at_create() -> None:
    """The sums are made once for all; here each is made anew for each."""
    specs = [("spring", False), ("spring", True), ("autumn", True), ("web", False), ("", False)]
    phases = [
        Ready(since=NOON),
        Frozen(since=NOON, by="it", reason="x"),
        Failed(since=NOON, why="x"),
    ]
    all_of_them = [
        _of(owner, f"{owner}{n}-{m}", phase=phase, spec=_charged(code, expedite))
        for owner in ("anna", "bert")
        for n, (code, expedite) in enumerate(specs)
        for m, phase in enumerate(phases)
    ]
    whole = Everything(all_of_them, [masked()], (), COST, NOW)
    running = whole.running()
    assert len(running) == 20
    for one in running:
        held = account(all_of_them, NOW, owner=one.lease.owner, asked=weight(one), besides=one.id)
        found = whole.documents(one)["create"]
        assert found["cost"] == _cost(one, all_of_them).model_dump(mode="json")
        assert found["wip"] == in_progress(one.spec, all_of_them, NOW, one.id).model_dump()
        lane = lane_of(one.spec, one.lease.owner, all_of_them, NOW, one.id, NOW.tzinfo)
        assert found["lane"] == lane.model_dump()
        if one.phase.state == "ready":
            assert found["owner_totals"] == held.owner.plus(held.asked).model_dump()
            assert found["home_totals"] == held.home.plus(held.asked).model_dump()


def _charged(code: str, expedite: bool) -> Spec:
    sponsor = "mari" if expedite else ""
    changes = {"campaign": code, "expedite": expedite, "sponsor": sponsor}
    return a_sandbox().spec.model_copy(update=changes)


def _cost(one: Sandbox, others: list[Sandbox]) -> CostInput:
    team = COST.team(one.spec.campaign)
    before = spent(others, COST, team, NOW, one.id) if team in COST.budgets else 0
    return charge(COST, one.spec.campaign, weight(one), 72, before)


def test_a_longer_lease_counts_with_its_extensions() -> None:
    lease = Lease(owner="anna", ttl=timedelta(hours=100), started=NOON)
    policies = at_scan(**{"assert": {"field": "ttl_hours", "max": 99}})
    assert broken(policies, a_sandbox(lease=lease)) == ["r"]


def test_hosts_and_replicas_are_looked_at() -> None:
    spec = a_sandbox().spec.model_copy(update={"egress": ("api.example.com",)})
    hosts = at_scan(for_each="hosts", **{"assert": {"field": "host", "one_of": []}})
    assert broken(hosts, a_sandbox()) == []
    assert broken(hosts, a_sandbox(spec=spec)) == ["r"]
    replicas = at_scan(for_each="replicas", **{"assert": {"field": "masked", "equals": True}})
    assert broken(replicas, a_sandbox()) == []
    gone = a_sandbox().spec.model_copy(update={"snapshot": "core@2020-01-01.1"})
    assert broken(replicas, a_sandbox(spec=gone)) == ["r"]


def test_only_what_runs_or_stands_still_is_judged() -> None:
    policies = at_scan(**{"assert": WORDS})
    frozen = Frozen(since=NOON, by="it", reason="Looking")
    assert broken(policies, a_sandbox(phase=frozen)) == ["r"]
    assert broken(policies, a_sandbox(phase=Provisioning(since=NOON))) == []
    over = Lease(owner="anna", ttl=timedelta(minutes=30), started=NOON)
    assert broken(policies, a_sandbox(lease=over)) == []


def test_a_waiver_exempts_until_it_ends() -> None:
    policies = at_scan(exceptions=WAIVABLE, **{"assert": WORDS})
    waiver = Waiver(
        id="r1", rule="r", subject="spring-coupon", owner="anna", approved=NOON, until=NOW
    )
    later = waiver.model_copy(update={"until": NOW + timedelta(seconds=1)})
    assert broken(policies, a_sandbox(), waivers=(waiver,)) == ["r"]
    assert broken(policies, a_sandbox(), waivers=(later,)) == []


def test_what_it_was_at_its_start_is_told() -> None:
    policies = at_scan(**{"assert": WORDS})
    kept = a_sandbox(decision={"results": {"r": "held"}})
    assert [d.before for d in scanned(everything(kept), policies)] == ["held"]
    assert [d.before for d in scanned(everything(a_sandbox()), policies)] == [None]


def test_without_a_rule_at_scan_nothing_seems_well() -> None:
    with pytest.raises(InvalidInput, match="No rule"):
        scanned(everything(a_sandbox()), policy_set(rule()))


def test_whoever_would_be_denied_by_new_rules_is_named() -> None:
    old = policy_set(rule(id="r", **{"assert": {"field": "ttl_hours", "max": 72}}))
    new = policy_set(rule(id="r", **{"assert": {"field": "ttl_hours", "max": 48}}))
    (found,) = affected(everything(a_sandbox(), _short()), old, new)
    assert (found.sandbox, found.point, found.before, found.after) == (
        "spring-coupon",
        "create",
        "allow",
        "deny",
    )
    assert found.broken == ("r",)
    (back,) = affected(everything(a_sandbox()), new, old)
    assert (back.after, back.kept) == ("allow", ("r",))


def _short() -> Sandbox:
    lease = Lease(owner="anna", ttl=timedelta(hours=24), started=NOON)
    return a_sandbox("a2", name="short", lease=lease)


def test_whoever_is_exempt_is_not_affected() -> None:
    old, new = (
        policy_set(
            rule(id="r", exceptions=WAIVABLE, **{"assert": {"field": "ttl_hours", "max": n}})
        )
        for n in (72, 48)
    )
    waiver = Waiver(
        id="r1",
        rule="r",
        subject="spring-coupon",
        owner="anna",
        approved=NOON,
        until=NOW + timedelta(days=1),
    )
    assert affected(everything(a_sandbox(), waivers=(waiver,)), old, new) == []
    assert len(affected(everything(a_sandbox()), old, new)) == 1


def test_what_nobody_can_judge_nobody_can_approve() -> None:
    old, new = (
        policy_set(rule(id="r", approval=["it"], **{"assert": {"field": field, "max": 1}}))
        for field in ("ttl_hours", "no_such")
    )
    (found,) = affected(everything(a_sandbox()), old, new)
    assert (found.before, found.after) == ("needs-approval", "deny")


def test_rules_at_egress_are_looked_at_for_those_that_reach_out() -> None:
    spec = a_sandbox().spec.model_copy(update={"egress": ("api.example.com",)})
    old, new = (_hosts(["api.example.com"]), _hosts([]))
    found = affected(everything(a_sandbox(spec=spec), _short()), old, new)
    assert [(a.sandbox, a.point, a.after) for a in found] == [("spring-coupon", "egress", "deny")]


def _hosts(approved: list[str]) -> PolicySet:
    wants = {"assert": {"field": "host", "one_of": approved}}
    return policy_set(rule(id="o"), rule(id="r", at=["egress"], for_each="hosts", **wants))


def test_the_last_rule_of_a_point_taken_away_denies() -> None:
    old = policy_set(
        rule(id="r", **{"assert": {"field": "owner", "present": True}}), rule(id="s", at=["scan"])
    )
    new = policy_set(rule(id="s", at=["scan"]))
    (found,) = affected(everything(a_sandbox()), old, new)
    assert (found.point, found.after, found.broken) == ("create", "deny", ("no-rule-in-force",))


def test_the_first_rule_at_scan_concerns_whoever_breaks_it() -> None:
    owned = rule(id="o", **{"assert": {"field": "owner", "present": True}})
    long = rule(id="r", at=["scan"], **{"assert": {"field": "ttl_hours", "max": 48}})
    both = everything(a_sandbox(), _short())
    found = affected(both, policy_set(owned), policy_set(owned, long))
    assert [(a.sandbox, a.point, a.before, a.after, a.broken) for a in found] == [
        ("spring-coupon", "scan", "allow", "deny", ("r",))
    ]
    assert affected(both, policy_set(owned, long), policy_set(owned)) == []


def test_a_thousand_are_judged_in_time() -> None:
    """Two seconds for a thousand is the goal: a hundred are enough to see it go wrong."""
    shipped = HomeCatalogue(ROOT).policies()
    many = [_of(f"o{n % 50}", f"s{n}") for n in range(100)]
    tighter = [
        one.model_copy(
            update={
                "asserts": tuple(
                    c.model_copy(update={"max": 0.0}) if c.max else c for c in one.asserts
                )
            }
        )
        for one in shipped.rules
    ]
    new = shipped.model_copy(update={"rules": tuple(tighter)})
    began = time.process_time()
    scanned(everything(*many), shipped)
    assert len(affected(everything(*many), shipped, new)) >= 100
    assert time.process_time() - began < 0.4


def test_what_is_urgent_is_counted_once_for_all() -> None:
    many = [_of(f"o{n % 50}", f"s{n}", spec=_charged("spring", True)) for n in range(400)]
    whole = Everything(many, [masked()], (), COST, NOW)
    began = time.process_time()
    assert all(whole.documents(one)["scan"]["lane"]["expedited"] == 400 for one in many)
    assert time.process_time() - began < 0.6
