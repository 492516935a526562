"""The cheapest change: it passes, and nothing smaller does, by trying everything there is."""

import difflib
import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any, get_args

import pytest

from sandbox.core.changing import Ways, changed, cheapest
from sandbox.core.judged import CreateInput, PurposeInput, RequestInput, TemplateInput
from sandbox.core.levers import DERIVED, LEVERS, REMOVABLE
from sandbox.core.lifecycle import Steps
from sandbox.core.points import DOCUMENTS, fields, lists
from sandbox.core.quotas import Amounts
from sandbox.core.rules import PolicySet, Rule
from sandbox.core.source import Method
from tests.core.policies import NOW, decide, policy_set, rule

# Places of a request, whether it can be said otherwise, and all values that are tried there.
NUMBERS = list(range(-2, 9))
TEXTS = ["csv", "json", "text", "jason", "", "…"]
ITEMS = ["a", "b", "c"]
LISTS = [list(some) for count in range(4) for some in combinations(ITEMS, count)]
PLACES: dict[str, tuple[bool, list[Any]]] = {
    "ttl_hours": (True, NUMBERS),
    "rows": (True, NUMBERS),
    "format": (True, TEXTS),
    "tabular": (True, [True, False]),
    "label": (False, TEXTS),
    "k": (False, NUMBERS),
    "classes": (False, LISTS),
}


def passes(policies: PolicySet, document: Mapping[str, Any]) -> bool:
    return decide(policies, dict(document)).verdict in ("allow", "warn")


def ways(policies: PolicySet, document: Mapping[str, Any]) -> Ways:
    return cheapest(policies, {"create": document}, now=NOW, waived={})


def far(own: Any, other: Any) -> float:
    if isinstance(own, bool):
        return 1.0
    if isinstance(own, list):
        return len({*own} ^ {*other}) / max(len(own), 1)
    if isinstance(own, str):
        if other in ("…", ""):
            return 1.0
        return 1 - difflib.SequenceMatcher(None, own, other).ratio()
    return float(abs(other - own) / max(abs(own), 1))


def cost(document: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[int, int, float]:
    """Return how many places differ that are only known, that can be asked, and how far."""
    names = [n for n in document if document[n] != other[n]]
    known = sum(not PLACES[name][0] for name in names)
    return known, len(names) - known, sum(far(document[n], other[n]) for n in names)


def every(
    policies: PolicySet, document: Mapping[str, Any], free: Sequence[str]
) -> Iterator[dict[str, Any]]:
    # A text that no enforced rule names is one like any other, and told as such.
    named = {text for r in policies.rules if r.mode == "enforce" for text in texts_of(r)}
    for values in product(*(PLACES[name][1] for name in free)):
        other = dict(document) | dict(zip(free, values, strict=True))
        news = {(n, v) for n, v in other.items() if isinstance(v, str) and v != document[n]}
        if all(v in ("…", "") or (n, v) in named for n, v in news):
            yield other


def texts_of(one: Rule) -> Iterator[tuple[str, str]]:
    for leaf in one.conditions():
        expected = getattr(leaf, leaf.operator)
        several = expected if isinstance(expected, tuple) else (expected,)
        yield from ((leaf.field or "", v) for v in several if isinstance(v, str))


def leaf(dice: random.Random, names: Sequence[str]) -> dict[str, Any]:
    name = dice.choice(names)
    values = PLACES[name][1]
    if values is NUMBERS:
        few = dice.sample(range(7), 2)
        tests = [{"max": few[0]}, {"min": few[0]}, {"equals": few[0]}, {"not_equals": few[0]}]
        return {"field": name, **dice.choice([*tests, {"one_of": few}, {"none_of": few}])}
    if values is TEXTS:
        few_texts = dice.sample(TEXTS[:4], 2)
        tests_of_texts: list[dict[str, Any]] = [
            {"equals": few_texts[0]},
            {"not_equals": few_texts[0]},
            {"one_of": few_texts},
            {"none_of": few_texts},
            {"present": True},
        ]
        return {"field": name, **dice.choice(tests_of_texts)}
    if values is LISTS:
        some = dice.sample(ITEMS, dice.choice([1, 2]))
        return {"field": name, dice.choice(["contains_any", "contains_all"]): some}
    return {"field": name, "equals": dice.choice([True, False])}


def condition(dice: random.Random, names: Sequence[str]) -> dict[str, Any]:
    shape = dice.choice(["leaf", "leaf", "leaf", "any", "all", "not"])
    if shape == "leaf":
        return leaf(dice, names)
    inner = [leaf(dice, names) for _ in range(2)]
    return {"not": inner[0]} if shape == "not" else {shape: inner}


def random_rule(dice: random.Random, number: int, names: Sequence[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "assert": [condition(dice, names) for _ in range(dice.choice([1, 2]))]
    }
    if dice.random() < 0.4:
        fields["when"] = condition(dice, names)
    if dice.random() < 0.2:
        fields["approval"] = ["it"]
    mode = dice.choice(["enforce", "enforce", "enforce", "warn"])
    if mode == "warn":
        fields.pop("approval", None)
    return rule(id=f"r{number}", mode=mode, **fields)


def asserted(policies: PolicySet) -> set[str]:
    enforced = [r for r in policies.rules if r.mode == "enforce"]
    return {leaf.field or "" for r in enforced for c in r.asserts for leaf in c.leaves()}


@pytest.mark.parametrize("seed", range(30))
def test_it_passes_and_nothing_smaller_does(seed: int) -> None:
    dice = random.Random(seed)
    names = dice.sample(sorted(PLACES), 3)
    policies = policy_set(*(random_rule(dice, n, names) for n in range(dice.choice([1, 2, 3, 4]))))
    document = {name: dice.choice(PLACES[name][1]) for name in names}
    # What is only known of a request is otherwise only where a rule asks for that itself.
    free = [name for name in names if PLACES[name][0] or name in asserted(policies)]
    found = ways(policies, document)
    reachable = [other for other in every(policies, document, free) if passes(policies, other)]
    if found.stuck:
        assert not reachable
        return
    after = changed({"create": document}, found.tries)["create"]
    assert passes(policies, after)
    assert len(found.tries) == sum(document[name] != after[name] for name in names)
    best = min(cost(document, other) for other in reachable)
    assert cost(document, after) == pytest.approx(best)


def test_nobody_goes_round_a_rule_by_what_is_only_known() -> None:
    wants = {"when": {"field": "label", "equals": "csv"}, "assert": {"field": "gone", "max": 1}}
    document = {"label": "csv", "gone": "text"}
    assert [one.field for one in ways(policy_set(rule(**wants)), document).tries] == ["gone"]
    never = {"when": wants["when"], "assert": {"field": "label", "equals": "json"}}
    policies = policy_set(
        rule(**never), rule(id="b", **{"assert": {"field": "label", "equals": "csv"}})
    )
    assert ways(policies, document).stuck


def test_what_can_be_asked_otherwise_may_take_a_rule_away() -> None:
    wants = {"when": {"field": "matched", "equals": True}, "assert": {"field": "k", "min": 50}}
    document = {"matched": True, "k": 3}
    tries = ways(policy_set(rule(**wants)), document).tries
    assert [(one.field, one.choice.value) for one in tries] == [("matched", False)]


def test_a_rule_that_only_its_when_fact_could_turn_off_has_no_way_out() -> None:
    wants = {"when": {"field": "label", "equals": "csv"}, "assert": {"field": "k", "one_of": []}}
    document = {"label": "csv", "k": 3}
    assert ways(policy_set(rule(**wants)), document) == Ways([], ("some-rule",))


def test_too_many_rules_at_once_are_given_up_and_nothing_is_promised() -> None:
    places = [f"n{n}" for n in range(12)]
    joined = {"any": [{"all": [{"field": p, "equals": 7} for p in places]}]}
    document = dict.fromkeys(places, 1)
    assert ways(policy_set(rule(**{"assert": joined})), document).stuck


def test_a_request_that_no_point_takes_is_not_proposed() -> None:
    """A time to live is more than nothing: `CreateInput` says so."""
    judged = a_create(ttl_hours=5.0)
    policies = policy_set(rule(**{"assert": {"field": "ttl_hours", "max": 0}}))
    assert ways(policies, judged).stuck == ("some-rule",)
    assert not ways(policies, judged | {"more": 1}).stuck


def a_create(**changes: Any) -> dict[str, Any]:
    judged = CreateInput(
        ttl_hours=72,
        purpose=PurposeInput.of("Which customers react?"),
        template=TemplateInput(name="t", version="1", digest="d"),
        owner="anna",
        owner_totals=Amounts(),
        home_totals=Amounts(),
        request=RequestInput(services=1),
        replicas=(),
        steps=Steps(),
    )
    return judged.as_document() | changes


def test_no_sum_becomes_less_than_the_request_alone() -> None:
    judged = {"owner_totals": {"cpus": 6.0}, "request": {"cpus": 2.0}}

    def found(most: float) -> list[Any]:
        wants = {"field": "owner_totals.cpus", "max": most}
        return [
            one.choice.value for one in ways(policy_set(rule(**{"assert": wants})), judged).tries
        ]

    assert (found(2), found(1)) == ([2], [])

    # What was so before says nothing against another change.
    less = judged | {"home_totals": {"cpus": 1.0}, "extra": {"hours": 9.0}}
    policies = policy_set(rule(**{"assert": {"field": "extra.hours", "max": 5}}))
    assert [one.choice.value for one in ways(policies, less).tries] == [5]


def test_what_is_stuck_hides_no_other_change() -> None:
    policies = policy_set(
        rule(id="a", **{"assert": {"field": "rows", "max": 5}}),
        rule(id="b", **{"assert": {"field": "format", "one_of": []}}),
    )
    tries, stuck, _ = ways(policies, {"rows": 9, "format": "csv"})
    assert ([one.choice.value for one in tries], stuck) == ([5], ("b",))


def test_what_can_be_asked_otherwise_is_in_a_document() -> None:
    known = {name for point in DOCUMENTS for name in fields(point)}
    assert set(LEVERS) <= known
    assert {name for point in DOCUMENTS for name in lists(point)} >= set(REMOVABLE)
    assert all({name, base} <= set(fields(point)) for (point, name), base in DERIVED.items())


def test_the_first_and_last_moments_have_no_neighbours() -> None:
    wants = {"field": "day", "within": ["0001-01-01", "9999-12-31"]}
    policies = policy_set(rule(**{"assert": wants}))
    assert [t.choice.value for t in ways(policies, {"day": "never"}).tries] == ["0001-01-01"]


def test_the_nearest_moment_is_near_in_time() -> None:
    frozen = {"not": {"field": "day", "within": ["2026-12-25", "2027-01-05"]}}
    policies = policy_set(rule(**{"assert": frozen}))
    found = {
        day: [one.choice.value for one in ways(policies, {"day": day}).tries]
        for day in ("2026-12-30", "2027-01-03", "2027-02-01")
    }
    assert found == {"2026-12-30": ["2026-12-24"], "2027-01-03": ["2027-01-06"], "2027-02-01": []}


def test_a_fact_is_found_behind_much_that_could_be_asked() -> None:
    """What cannot help is not tried: else all that can be asked otherwise would come first."""
    asked = ["ttl_hours", "rows", "identities", "cost.amount", "purpose.words", "wip.campaign"]
    conditions = [{"field": name, "one_of": list(range(6))} for name in asked]
    joined = [{"any": [one, {"field": "k", "equals": 9}]} for one in conditions]
    wants = {"assert": [*joined, {"field": "k", "min": 5}]}
    document: dict[str, Any] = {"ttl_hours": 1, "rows": 1, "identities": 1, "k": 3}
    document |= {"cost": {"amount": 1}, "purpose": {"words": 1}, "wip": {"campaign": 1}}
    tries, stuck, _ = ways(policy_set(rule(**wants)), document)
    assert ([(one.field, one.choice.value) for one in tries], stuck) == ([("k", 5)], ())


def test_what_stands_in_the_way_of_a_change_is_named() -> None:
    policies = policy_set(
        rule(id="short", **{"assert": {"field": "rows", "max": 5}}),
        rule(id="long", **{"assert": {"field": "rows", "min": 7}}),
        rule(id="beside", **{"assert": {"field": "rows", "min": 1}}),
    )
    assert ways(policies, {"rows": 9}) == ([], ("short",), ("long",))
    assert ways(policies, {"rows": 6}) == ([], ("short", "long"), ())


def judged_at(point: str, document: dict[str, Any], *rules: dict[str, Any]) -> list[Any]:
    policies = policy_set(*(one | {"at": [point]} for one in rules))
    found = cheapest(policies, {point: document}, now=NOW, waived={})
    assert not found.stuck
    return [(one.field, one.choice.value, one.asked) for one in found.tries]


def test_a_field_of_few_values_may_have_one_that_no_rule_names() -> None:
    lane = {"when": {"field": "lane.name", "equals": "normal"}}
    capped = rule(**lane, **{"assert": {"field": "cost.listed", "min": 3}})
    assert judged_at("create", a_create(), capped) == [("lane.name", "expedite", True)]
    plain = {"for_each": "columns", "assert": {"field": "method", "none_of": ["keep", "drop"]}}
    column = {"name": "t.mail", "table": "t", "data_class": "contact", "method": "keep"}
    ((field, value, asked),) = judged_at("snapshot", {"columns": [column]}, rule(**plain))
    assert (field, asked) == ("columns.method", False)
    assert value in set(get_args(Method)) - {"keep", "drop"}


def test_what_there_is_already_is_not_asked_for_again() -> None:
    """A sandbox that asks for more time keeps its purpose and its lane; an export has its own."""
    short = rule(**{"assert": {"field": "purpose.words", "min": 4}})
    document = {"purpose": {"text": "why", "words": 1}}
    for point, asked in (("create", True), ("export", True), ("extend", False), ("start", False)):
        assert judged_at(point, document, short) == [("purpose.words", 4, asked)]
    lane = {"when": {"field": "lane.name", "equals": "expedite"}}
    most = rule(**lane, **{"assert": {"field": "extensions", "max": 1}})
    extended = {"lane": {"name": "expedite"}, "extensions": 2}
    assert judged_at("extend", extended, most) == [("extensions", 1, False)]


@pytest.mark.parametrize(
    ("form", "longer_than", "found"),
    [
        ("*JIRA-?*", 10, "…" * 5 + "JIRA-x"),
        ("JIRA-[0-9]*", 3, "JIRA-0"),
        ("*", 0, "…"),
        ("JIRA-?", 10, None),
    ],
)
def test_a_text_of_a_form_is_as_long_as_it_must_be(
    form: str, longer_than: int, found: str | None
) -> None:
    wants = [
        {"field": "reason.text", **test}
        for test in ({"matches": form}, {"longer_than": longer_than})
    ]
    tries, stuck, _ = ways(policy_set(rule(**{"assert": wants})), {"reason": {"text": ""}})
    assert [one.choice.value for one in tries] == ([found] if found else [])
    assert bool(stuck) is (found is None)
