"""What people see of rules, of what is wrong with them, and of their tests."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sandbox.cli.blocks import Block, Grid, Line, cell, named

if TYPE_CHECKING:
    from sandbox.core.policy_trials import Trial
    from sandbox.core.template import Words
    from sandbox.usecases.policies import (
        PolicyCheckResult,
        PolicyListResult,
        PolicySchemaResult,
        PolicyTestResult,
        RuleLine,
        RuleResult,
    )


def _listed(result: "PolicyListResult") -> list[Block]:
    count = f"{_count(len(result.rules), 'rule')} of {_count(len(result.files), 'file')}"
    total = f"{count}, digest {result.digest[:12]}"
    grid = Grid(("rule", "mode", "at", "wants", "else"), cut=frozenset({"wants"}))
    for line in result.rules:
        both = (line.title.en, line.title.ja)
        wants = " / ".join(both if result.language == "en" else reversed(both))
        grid.rows.append((line.id, _mode(line), ", ".join(line.at), wants, _instead(line)))
    return [named("policy", total), grid]


def _mode(line: "RuleLine") -> str:
    return line.mode if line.in_force else f"{line.mode}, from {line.since[:10]}"


def _instead(line: "RuleLine") -> str:
    """Return what stands in for a rule that is missed: a yes, an exemption, or nothing."""
    said = [f"approval by {', '.join(line.approval)}"] if line.approval else []
    said += [f"waiver by {line.waived_by}"] if line.waived_by else []
    return "; ".join(said)


def _shown(result: "RuleResult") -> list[Block]:
    line = result.line
    since = f"since {line.since[:10]}" if line.in_force else f"not in force before {line.since}"
    then = f", enforce after {line.enforce_after}" if line.enforce_after else ""
    shown: list[Block] = [
        named("rule", f"{line.id} ({line.place})"),
        *_both("title", line.title),
        named("mode", f"{line.mode}{then}; {since}"),
        named("at", ", ".join(line.at)),
    ]
    shown += [named("for each", f"of {result.for_each}")] if result.for_each else []
    for label, conditions in (("when", result.when), ("wants", result.wants)):
        for number, words in enumerate(conditions):
            shown += _both("" if number else label, words)
    shown += _both("fix", result.fix)
    most = f" (role), for at most {line.waiver_max_days} days" if line.waived_by else ""
    roles = ", ".join(line.approval)
    shown += [named("approval", f"a yes of {roles} (role) stands in")] if roles else []
    return [*shown, named("waiver", f"by {line.waived_by}{most}" if most else "never")]


def _both(label: str, words: "Words") -> list[Block]:
    return [named(label, words.en), named("", words.ja)]


def _checked(result: "PolicyCheckResult") -> list[Block]:
    shown: list[Block] = []
    for problem in result.problems:
        rule = f" {problem.rule}" if problem.rule else ""
        red = problem.level == "error"
        shown += [
            named("wrong" if red else "note", f"{problem.place}{rule}", "red" if red else ""),
            *_both("", problem.said),
        ]
    counted = Counter(problem.level for problem in result.problems)
    looked = f"{result.rules} rules in {result.files} files"
    if result.clean:
        notes = f"; {_count(counted['note'], 'note')}" if counted["note"] else ""
        return [*shown, named("sound", f"{looked}{notes}", "green")]
    return [*shown, named("checked", f"{looked}: {_count(counted['error'], 'problem')}", "red")]


def _tested(result: "PolicyTestResult") -> list[Block]:
    shown: list[Block] = []
    for trial in result.trials:
        shown += _unexpected(trial) if trial.ending != "passed" else []
    covered = result.coverage
    shown += _rules("untested", covered.untested, "no test at all", "red")
    shown += _rules("half", covered.never_missed, "no test that misses it", "yellow")
    shown += _rules("half", covered.never_held, "no test that keeps it", "yellow")
    ended = Counter(trial.ending for trial in result.trials)
    said = ", ".join(f"{ended[e]} {e}" for e in ("passed", "failed", "wrong") if ended[e])
    total = f"{said or 'there are no tests'}, {_count(len(result.files), 'file')}"
    return [*shown, named("tests", total, "green" if result.passed else "red")]


def _unexpected(trial: "Trial") -> list[Block]:
    name = f": {trial.name}" if trial.name else ""
    where = f"{trial.file}:{trial.line} {trial.rule}{name}"
    return [named(trial.ending, where, "red"), *_both("", trial.why)]


def _rules(label: str, rules: Sequence[str], said: str, style: str) -> list[Block]:
    return [named(label, f"{said}: {', '.join(rules)}", style)] if rules else []


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _schema(result: "PolicySchemaResult") -> list[Block]:
    text = json.dumps(result.model_dump(), ensure_ascii=False, indent=2)
    return [Line(cell(line), raw=True) for line in text.splitlines()]


SHOWN: dict[str, Callable[[Any], list[Block]]] = {
    "PolicyListResult": _listed,
    "RuleResult": _shown,
    "PolicyCheckResult": _checked,
    "PolicyTestResult": _tested,
    "PolicySchemaResult": _schema,
}
