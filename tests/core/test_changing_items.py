"""The cheapest change of items of a list: it passes, and nothing smaller does, item by item."""

import random
from itertools import product
from typing import Any

import pytest

from sandbox.core.changing import changed, cheapest
from sandbox.core.rules import PolicySet
from tests.core.policies import NOW, decide, policy_set, rule

NUMBERS = range(-1, 7)
# Hosts can be left out of what is asked; replicas cannot.
LISTS = ("hosts", "replicas")
Cost = tuple[int, int, float]


def leaf(dice: random.Random) -> dict[str, Any]:
    a, b = dice.sample(range(6), 2)
    tests: list[dict[str, Any]] = [{"max": a}, {"min": a}, {"equals": a}, {"not_equals": a}]
    tests.append({"one_of": [a, b]})
    return {"field": dice.choice("ab"), **dice.choice(tests)}


def condition(dice: random.Random) -> dict[str, Any]:
    shape = dice.choice(["leaf", "any", "all", "not"])
    if shape in ("any", "all"):
        return {shape: [leaf(dice), leaf(dice)]}
    return {"not": leaf(dice)} if shape == "not" else leaf(dice)


def random_rule(dice: random.Random, number: int, over: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"for_each": over, "assert": condition(dice)}
    if dice.random() < 0.3:
        fields["when"] = condition(dice)
    return rule(id=f"r{number}", **fields)


def least(policies: PolicySet, over: str, item: dict[str, int]) -> Cost | None:
    """Return what the cheapest change of one item costs, by trying all; None if none passes."""
    asserted = {c.field for r in policies.rules for one in r.asserts for c in one.leaves()}
    costs = [(0, 1, 1.0)] if over == "hosts" else []
    for values in product(*(NUMBERS if name in asserted else [item[name]] for name in "ab")):
        other = dict(zip("ab", values, strict=True))
        if decide(policies, {over: [other]}).verdict == "allow":
            moved = [name for name in "ab" if other[name] != item[name]]
            far = sum(abs(other[n] - item[n]) / max(abs(item[n]), 1) for n in moved)
            costs.append((len(moved), 0, float(far)))
    return min(costs, default=None)


@pytest.mark.parametrize("seed", range(30))
def test_nothing_smaller_passes_item_by_item(seed: int) -> None:
    dice = random.Random(seed)
    over = dice.choice(LISTS)
    policies = policy_set(*(random_rule(dice, n, over) for n in range(dice.choice([1, 2, 3]))))
    items = [{name: dice.choice(NUMBERS) for name in "ab"} for _ in range(dice.choice([1, 2]))]
    tries, stuck, _ = cheapest(policies, {"create": {over: items}}, now=NOW, waived={})
    each = [least(policies, over, item) for item in items]
    assert bool(stuck) is (None in each)
    if not stuck:
        after = changed({"create": {over: items}}, tries)["create"]
        assert decide(policies, after).verdict == "allow"
        known, asked = (sum(one.asked is wanted for one in tries) for wanted in (False, True))
        cost = known, asked, sum(one.choice.distance for one in tries)
        assert cost == pytest.approx([sum(part) for part in zip(*filter(None, each), strict=True)])
