"""Decisions judged again from what is stored, and explained."""

from datetime import timedelta
from typing import Any

import pytest

from sandbox.core.errors import Conflict
from sandbox.core.explaining import explained
from sandbox.core.judged import EgressInput, HostInput, PurposeInput, TemplateInput
from sandbox.core.policy import Decision, evaluate
from sandbox.core.rejudging import completed, documents, judged_again, repeated, rules_from, same
from sandbox.core.rules import PolicySet
from sandbox.core.template import Words
from tests.core.policies import NOW, policy_set, rule

TTL = rule(
    id="ttl-max",
    exceptions={"max_days": 14, "approver_role": "it"},
    **{"assert": {"field": "ttl_hours", "max": 168}},
)
HOST = rule(
    id="hosts",
    at=["egress"],
    for_each="hosts",
    **{"assert": {"field": "host", "one_of": ["a.example"]}},
)


def outward(*hosts: str) -> dict[str, Any]:
    return EgressInput(
        hosts=tuple(HostInput(host=host) for host in hosts),
        owner="anna",
        purpose=PurposeInput.of("Which customers react?"),
        template=TemplateInput(name="t", version="1", digest="d"),
        classes=(),
    ).as_document()


def judged(policies: PolicySet, hours: float, *hosts: str, **waived: str) -> Decision:
    said = evaluate(
        policies, "create", {"ttl_hours": hours}, now=NOW, tool_version="1", waived=waived
    )
    if hosts:
        said = said.joined(evaluate(policies, "egress", outward(*hosts), now=NOW, tool_version="1"))
    return said


def test_a_stored_decision_is_judged_again_to_the_very_same() -> None:
    policies = policy_set(TTL, HOST)
    for said in (
        judged(policies, 200, "a.example", "b.example"),
        judged(policies, 100),
        judged(policies, 200, **{"ttl-max": "r3"}),
    ):
        stored = Decision.model_validate_json(said.model_dump_json())
        kept = rules_from(policies.canonical(), said.policy_digest)
        assert repeated(stored, kept) == said


def test_what_was_joined_is_taken_apart_again() -> None:
    said = judged(policy_set(TTL, HOST), 200, "b.example")
    assert documents(said) == {"create": {"ttl_hours": 200}, "egress": outward("b.example")}


def test_rules_that_were_changed_in_the_registry_are_refused() -> None:
    policies = policy_set(TTL)
    text = policies.canonical().replace("168", "999")
    with pytest.raises(Conflict, match="not those"):
        rules_from(text, policies.digest())


def test_other_rules_say_other_things() -> None:
    said = judged(policy_set(TTL), 200)
    looser = policy_set(rule(id="ttl-max", **{"assert": {"field": "ttl_hours", "max": 240}}))
    again = judged_again(said, looser, now=NOW + timedelta(days=1), waived={}, tool="2")
    assert (said.verdict, again.verdict, again.tool_version) == ("deny", "allow", "2")


def test_a_denial_is_explained_with_its_change_and_its_waiver() -> None:
    policies = policy_set(TTL)
    told = explained(judged(policies, 200), policies, now=NOW, waived={})
    (change,) = told.changes
    assert (change.place, change.before, change.after, change.how.en) == (
        "ttl_hours",
        200,
        168,
        "--ttl 168h",
    )
    assert change.said.en == "the time to live (hours): 200 → 168"
    assert change.said.ja == "有効期間（時間）: 200 → 168"
    assert [(e.rule, e.role, e.max_days) for e in told.exempt] == [("ttl-max", "it", 14)]


def test_a_rule_that_nobody_can_waive_leaves_no_way_by_waivers() -> None:
    policies = policy_set(TTL, rule(id="never", **{"assert": {"field": "ttl_hours", "max": 100}}))
    told = explained(judged(policies, 200), policies, now=NOW, waived={})
    assert told.exempt == ()
    assert [change.after for change in told.changes] == [100]


def test_hosts_are_left_out_one_by_one() -> None:
    policies = policy_set(TTL, HOST)
    said = judged(policies, 100, "a.example", "b.example", "c.example")
    told = explained(said, policies, now=NOW, waived={})
    assert [(c.place, c.left_out, c.how.en) for c in told.changes] == [
        ("hosts[1]", True, "without --egress b.example"),
        ("hosts[2]", True, "without --egress c.example"),
    ]


def test_all_hosts_are_left_out_where_none_may_be_reached() -> None:
    none = rule(
        id="none", at=["egress"], **{"assert": {"field": "label", "equals": "pseudonymised"}}
    )
    policies = policy_set(TTL, none)
    told = explained(judged(policies, 100, "a.example"), policies, now=NOW, waived={})
    assert [(c.place, c.left_out) for c in told.changes] == [("hosts[0]", True)]


def test_more_time_is_asked_for_less_where_the_whole_is_too_long() -> None:
    policies = policy_set(
        rule(id="whole", at=["extend"], **{"assert": {"field": "ttl_hours", "max": 336}}),
        rule(id="once", at=["extend"], **{"assert": {"field": "extension_hours", "max": 60}}),
    )
    document = {"ttl_hours": 340.0, "extension_hours": 72.0}
    said = evaluate(policies, "extend", document, now=NOW, tool_version="1")
    told = explained(said, policies, now=NOW, waived={})
    assert [(c.place, c.after) for c in told.changes] == [("extension_hours", 60)]
    only = policy_set(
        rule(id="whole", at=["extend"], **{"assert": {"field": "ttl_hours", "max": 336}})
    )
    told = explained(said, only, now=NOW, waived={})
    assert [(c.place, c.after) for c in told.changes] == [("extension_hours", 68)]


def test_an_approval_is_told_beside_the_change_that_needs_none() -> None:
    policies = policy_set(
        rule(
            id="rows",
            at=["export"],
            approval=["data-owner"],
            **{"assert": {"field": "rows", "max": 1000}},
        )
    )
    said = evaluate(policies, "export", {"rows": 2000}, now=NOW, tool_version="1")
    told = explained(said, policies, now=NOW, waived={})
    assert told.approvals == {"rows": ("data-owner",)}
    assert [c.after for c in told.changes] == [1000]


def test_no_change_is_promised_where_no_rule_can_be_judged() -> None:
    silent = evaluate(policy_set(rule()), "extend", {"x": 1}, now=NOW, tool_version="1")
    told = explained(silent, policy_set(rule()), now=NOW, waived={})
    assert (told.changes, told.stuck) == ((), ("no-rule-in-force",))


def test_other_words_are_no_other_decision_but_other_values_are() -> None:
    said = judged(policy_set(TTL), 200)
    (finding,) = said.findings
    reworded = finding.model_copy(update={"sentence": Words(en="too long", ja="長すぎます")})
    moved = finding.model_copy(update={"expected": 100})
    assert same(said, said.model_copy(update={"findings": (reworded,)}))
    assert not same(said, said.model_copy(update={"findings": (moved,)}))
    assert not same(said, said.model_copy(update={"verdict": "warn"}))


def test_what_an_earlier_version_kept_less_of_is_completed() -> None:
    document = outward("a.example")
    del document["label"]
    said = evaluate(policy_set(HOST), "egress", document, now=NOW, tool_version="0")
    assert completed(said).document == outward("a.example")
    odd = said.model_copy(update={"document": {"x": 1}})
    assert completed(odd) == odd


def test_a_change_of_what_is_true_or_false_is_told_by_what_is_so() -> None:
    own = rule(id="own", **{"assert": {"field": "lane.own_sponsor", "equals": False}})
    masked = rule(
        id="masked", for_each="replicas", **{"assert": {"field": "masked", "equals": True}}
    )
    document = {"lane": {"own_sponsor": True}, "replicas": [{"source": "core", "masked": False}]}
    policies = policy_set(own, masked)
    said = evaluate(policies, "create", document, now=NOW, tool_version="1")
    changes = explained(said, policies, now=NOW, waived={}).changes
    assert [change.said for change in changes] == [
        Words(
            en="the owner is the sponsor → the owner is not the sponsor",
            ja="責任者が申請者本人です → 責任者は申請者本人ではありません",
        ),
        Words(
            en="replicas core: it is not masked → it is masked",
            ja="replicas core: マスクされていません → マスク済みです",
        ),
    ]
