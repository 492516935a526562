"""The evaluator against a slow one of its own kind, over rules and documents made at random."""

import math
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from sandbox.core.operators import OPERATORS
from sandbox.core.policy import evaluate
from sandbox.core.rules import Condition
from tests.core import reference
from tests.core.policies import NOW, policy_set, rule

CASES, RULES = 800, 3
NUMBERS = (0, 1, 2, 1.0, 1.5, -3)
MOMENTS = ("2026-04-01", "2026-04-02", "2026-04-01T09:00:00+0900", "2026-04-01T00:30:00+0000")
TEXTS = ("", " ", "x", "yx", "read-only", "2026-02-30", "2026-04-01T09:00:00", *MOMENTS)
SCALARS: tuple[Any, ...] = (*NUMBERS, True, False, *TEXTS)
ODD: tuple[Any, ...] = (None, math.nan, math.inf, [], {}, *SCALARS)
Dice = random.Random


def some(dice: Dice, choices: tuple[Any, ...], least: int = 0) -> list[Any]:
    return [dice.choice(choices) for _ in range(dice.randint(least, 3))]


def _one_kind(dice: Dice) -> tuple[Any, ...]:
    """Return scalars of one kind, mostly: a list of several kinds is rarer in real rules."""
    return dice.choice((NUMBERS, TEXTS, (True, False), SCALARS))


# What stands in a field, mostly; then which operator asks for what, mostly of a field that fits.
FIELDS: dict[str, Callable[[Dice], Any]] = {
    "n": lambda dice: dice.choice(NUMBERS),
    "t": lambda dice: dice.choice(TEXTS),
    "d": lambda dice: dice.choice(MOMENTS),
    "l": lambda dice: some(dice, _one_kind(dice)),
}
EXPECTED: dict[str, tuple[str, Callable[[Dice], Any]]] = {
    "equals": ("nt", lambda dice: dice.choice(SCALARS)),
    "not_equals": ("nt", lambda dice: dice.choice(SCALARS)),
    "min": ("n", lambda dice: dice.choice((-1, 0, 1, 1.5))),
    "max": ("n", lambda dice: dice.choice((-1, 0, 1, 1.5))),
    "one_of": ("nt", lambda dice: some(dice, _one_kind(dice))),
    "none_of": ("nt", lambda dice: some(dice, _one_kind(dice), 1)),
    "contains_any": ("l", lambda dice: some(dice, _one_kind(dice), 1)),
    "contains_all": ("l", lambda dice: some(dice, _one_kind(dice), 1)),
    "present": ("ntl", lambda dice: dice.random() < 0.5),
    "longer_than": ("tl", lambda dice: dice.choice((0, 1, 2))),
    "matches": ("t", lambda dice: dice.choice(("*", "?", "x*", "*x", "?x", "read-*", "*-*"))),
    "before": ("d", lambda dice: dice.choice(MOMENTS)),
    "after": ("d", lambda dice: dice.choice(MOMENTS)),
    "within": ("d", lambda dice: [dice.choice(MOMENTS), dice.choice(MOMENTS)]),
}


def condition(dice: Dice, depth: int = 0) -> dict[str, Any]:
    if depth < 3 and dice.random() < 0.25:
        inner = [condition(dice, depth + 1) for _ in range(dice.randint(1, 3))]
        word = dice.choice(reference.JOINING)
        return {word: inner[0] if word == "not" else inner}
    name = dice.choice(tuple(EXPECTED))
    fitting, expected = EXPECTED[name]
    field = dice.choice(fitting if dice.random() < 0.95 else "ntdl")
    return {"field": dice.choice(("", "", "g.")) + field, name: expected(dice)}


def a_rule(dice: Dice, number: int) -> dict[str, Any]:
    conditions = [condition(dice) for _ in range(dice.randint(1, 2))]
    made = rule(
        id=f"r{number}",
        mode=dice.choice(("enforce", "enforce", "warn", "audit")),
        at=dice.choice((["export"], ["export", "import"], ["import"])),
        effective_from=_near(dice, 0.95),
    )
    made["assert"] = conditions[0] if dice.random() < 0.5 else conditions
    if dice.random() < 0.4:
        made["when"] = [condition(dice) for _ in range(dice.randint(1, 2))]
    if dice.random() < 0.2:
        made["for_each"] = dice.choice(("items", "items", "g.items", "n"))
    if made["mode"] != "enforce" and dice.random() < 0.3:
        made["enforce_after"] = _near(dice, 0.5)
    if made["mode"] == "enforce" and dice.random() < 0.4:
        made["approval"] = ["it"]
    if dice.random() < 0.5:
        made["exceptions"] = {"max_days": 3, "approver_role": "it"}
    return made


def _near(dice: Dice, begun: float) -> str:
    """Return a moment, so often now or before, else in a second."""
    late = timedelta(seconds=1) if dice.random() > begun else timedelta(hours=-dice.randint(0, 1))
    return (NOW + late).isoformat()


def value(dice: Dice, field: str) -> Any:
    return FIELDS[field](dice) if dice.random() < 0.95 else dice.choice(ODD)


def group(dice: Dice, depth: int = 0) -> dict[str, Any]:
    made = {name: value(dice, name) for name in FIELDS if dice.random() < 0.97}
    if depth < 2 and dice.random() < 0.95:
        made["g"] = group(dice, depth + 1)
    if depth < 2 and dice.random() < 0.9:
        items = [group(dice, depth + 1) for _ in range(dice.randint(0, 3))]
        made["items"] = items if dice.random() < 0.95 else [*items, dice.choice(ODD)]
    return made


def cases(seed: int = 20261123) -> list[tuple[list[dict[str, Any]], dict[str, Any], set[str]]]:
    dice = Dice(seed)
    made = []
    for _ in range(CASES):
        rules = [a_rule(dice, number) for number in range(dice.randint(1, RULES))]
        waived = {f"r{number}" for number in range(RULES) if dice.random() < 0.2}
        made.append((rules, group(dice), waived))
    return made


def test_both_evaluators_say_the_same() -> None:
    seen: Counter[str] = Counter()
    for rules, document, waived in cases():
        wanted = reference.verdict(rules, "export", document, NOW, waived)
        given = {name: f"w-{name}" for name in waived}
        found = evaluate(
            policy_set(*rules), "export", document, now=NOW, tool_version="1", waived=given
        )
        assert (found.verdict, found.results) == wanted, (rules, document, waived)
        # A decision tells of each rule that does not hold, and of no other.
        missed = {name for name, result in found.results.items() if result in ("missed", "waived")}
        assert {f.rule for f in found.findings} - {"no-rule-in-force"} == missed
        assert set(found.waivers) <= set(given.values())
        seen.update([found.verdict, *found.results.values()])
    wanted_often = ("deny", "warn", "allow", "needs-approval", "held", "missed", "waived")
    assert all(seen[one] >= 10 for one in (*wanted_often, "not-applicable")), seen


def test_every_operator_says_the_same_of_every_value() -> None:
    """One condition at a time: many more are seen, of mixed types above all."""
    dice = Dice(7)
    seen: dict[str, set[str]] = {name: set() for name in EXPECTED}
    for _ in range(4000):
        name = dice.choice(tuple(EXPECTED))
        fitting, expected = EXPECTED[name]
        test = {"field": "x", name: expected(dice)}
        there = {"x": value(dice, dice.choice((*fitting, *FIELDS)))}
        said, wanted = _said(test, there), _wanted(test, there)
        assert said == wanted, (test, there)
        seen[name].add(said)
    assert seen.keys() == OPERATORS.keys()
    clear, with_fault = {"true", "false"}, {"contains_any", "contains_all"}
    for name, found in seen.items():
        unclear = {"unclear"} if name != "present" else set()
        assert found == clear | unclear | ({"fault"} if name in with_fault else set()), name


def _said(test: dict[str, Any], there: dict[str, Any]) -> str:
    condition = Condition.model_validate(test)
    try:
        misses = condition.misses(there)
    except TypeError:
        return "fault"
    return "true" if not misses else "unclear" if misses[0].unclear else "false"


def _wanted(test: dict[str, Any], there: dict[str, Any]) -> str:
    try:
        return reference.truth(test, there)
    except reference.Fault:
        return "fault"


@pytest.mark.parametrize("waived", [set(), {"r0", "r1", "r2"}])
def test_an_empty_request_is_allowed_by_no_rule_about_it(waived: set[str]) -> None:
    """What a request does not say counts against it, whatever the rule wants but its absence."""
    dice = Dice(11)
    for _ in range(100):
        rules = [a_rule(dice, number) for number in range(RULES)]
        for made in rules:
            made |= {"mode": "enforce", "effective_from": NOW.isoformat(), "at": ["export"]}
            made.pop("enforce_after", None)
        asking = [m for m in rules if "when" not in m and not _satisfied_by_absence(m)]
        if asking:
            given = dict.fromkeys(waived, "w")
            found = evaluate(
                policy_set(*asking), "export", {}, now=NOW, tool_version="1", waived=given
            )
            assert found.verdict == "deny", asking


def _satisfied_by_absence(made: dict[str, Any]) -> bool:
    return "present" in str(made["assert"])
