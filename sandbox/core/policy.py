"""Policies: rules as data, the typed request they judge, and the one evaluator. It fails closed.

A rule never passes by accident. A field that is missing, a value of another type, a `when` that
cannot be told, or a fault inside the rule itself is a finding like any other: it denies under
`enforce`, warns under `warn`, is noted under `audit`. A point at which no rule is in force denies
too, for silence is no consent.

How a rule is read: at one of its points (`at`), for each item of the list `for_each` (or once for
the whole request), if every condition of `when` holds, every condition of `assert` must hold.
With `for_each`, fields are those of the item. A missing list denies; an empty list holds, for
there is nothing in it that could break the rule.
"""

import copy
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, get_args

from pydantic import Field

from sandbox.core.errors import InvalidInput
from sandbox.core.operators import Language, Miss, kind, lookup, missing, wrong_kind
from sandbox.core.rules import Mode, Point, PolicySet, Rule, Waivable
from sandbox.core.template import Words
from sandbox.core.text import clean, closest
from sandbox.core.values import Value

Verdict = Literal["allow", "warn", "needs-approval", "deny"]
# What became of one rule. `not-applicable`: its `when` does not hold, or there is no item.
Outcome = Literal["held", "not-applicable", "missed", "waived"]
_WORSE: tuple[Outcome, ...] = ("not-applicable", "held", "waived", "missed")

_SUMMARY: Mapping[tuple[Verdict, Language], str] = {
    ("allow", "en"): "{count} rules hold.",
    ("allow", "ja"): "{count} 件の規則を満たしています。",
    ("warn", "en"): "Policy warns: {sentence}.",
    ("warn", "ja"): "ポリシーの警告: {sentence}。",
    ("needs-approval", "en"): "Policy asks for an approval: {sentence}.",
    ("needs-approval", "ja"): "ポリシーにより承認が必要: {sentence}。",
    ("deny", "en"): "Policy says no: {sentence}.",
    ("deny", "ja"): "ポリシーにより拒否: {sentence}。",
}
_WAIVED: Mapping[Language, str] = {
    "en": "{held} of {count} rules hold, {waived} waived.",
    "ja": "{count} 件の規則のうち {held} 件を満たし、{waived} 件は例外許可です。",
}
_REST: Mapping[Language, str] = {"en": " And {count} more.", "ja": " ほか {count} 件。"}
_POINTS = frozenset(get_args(Point))
# What denies, in place of a rule, where none is in force.
SILENCE = "no-rule-in-force"
# What an item of a list is called in a sentence: the first of these that it has.
_LABELS = ("name", "id", "host", "snapshot", "source")


class Finding(Value):
    """One way in which one rule does not hold, with all that is needed to tell why.

    `approval` are the roles whose yes stands in for it; without any, `enforce` denies. `operator`
    is empty where the rule could not be judged at all. `item` names the item of a `for_each`.
    `waived_by` is the role that can exempt (empty: nobody), for `waiver_max_days`; `waiver` is the
    one that does, so that it counts no more.
    """

    rule: str
    title: Words
    mode: Mode
    field: str
    item: str = ""
    operator: str = ""
    expected: Any = None
    actual: Any = None
    sentence: Words
    fix: Words
    approval: tuple[str, ...] = ()
    waived_by: str = ""
    waiver_max_days: int = 0
    waiver: str = ""


class Decision(Value):
    """What a policy set said to one request, kept whole: input, rules' digest and tool's version.

    `evaluated` counts the rules in force at the point, `held` those without a finding; `results`
    says of each what became of it. `at` is when: rules begin and waivers end by the clock.
    """

    verdict: Verdict
    point: Point
    at: datetime
    policy: str
    policy_version: str
    policy_digest: str
    tool_version: str
    evaluated: int
    held: int
    results: dict[str, Outcome] = Field(default_factory=dict)
    findings: tuple[Finding, ...]
    document: dict[str, Any]

    @property
    def waivers(self) -> tuple[str, ...]:
        """The waivers that were used."""
        return tuple(dict.fromkeys(f.waiver for f in self.findings if f.waiver))

    def to_approve(self) -> tuple[Finding, ...]:
        """Return the findings for which somebody's yes stands in."""
        return tuple(f for f in self.findings if f.approval and not f.waiver)

    def denying(self) -> tuple[Finding, ...]:
        """Return the findings that deny: enforced, approvable by nobody, and not waived."""
        enforced = (f for f in self.findings if f.mode == "enforce" and not f.waiver)
        return tuple(found for found in enforced if not found.approval)

    def said(self) -> list[Finding]:
        """Return the findings that are told; what denies comes first, however the rules stand."""
        said = [f for f in self.findings if f.mode != "audit" and not f.waiver]
        return sorted(said, key=lambda finding: (finding.mode != "enforce", bool(finding.approval)))

    def joined(self, other: "Decision") -> "Decision":
        """Return both as one: the stricter verdict, the findings of both, the other's document
        under the name of its point."""
        return self.model_copy(
            update={
                "verdict": _verdict([*self.findings, *other.findings]),
                "evaluated": self.evaluated + other.evaluated,
                "held": self.held + other.held,
                "results": _worse(self.results, other.results),
                "findings": self.findings + other.findings,
                "document": self.document | {other.point: other.document},
            }
        )

    def summary(self, language: Language = "en") -> str:
        """Return one line: the verdict, and the first rule that does not hold with its value."""
        if not (said := self.said()):
            return self._all_well(language)
        sentence = getattr(said[0].sentence, language)
        rest = _REST[language].format(count=len(said) - 1) if len(said) > 1 else ""
        return _SUMMARY[self.verdict, language].format(sentence=sentence) + rest

    def _all_well(self, language: Language) -> str:
        """Return how many rules hold; what a waiver exempts from does not."""
        waived = sum(outcome == "waived" for outcome in self.results.values())
        words = _WAIVED[language] if waived else _SUMMARY["allow", language]
        return words.format(count=self.evaluated, held=self.held, waived=waived)


def evaluate(
    policies: PolicySet,
    point: str,
    document: Mapping[str, Any],
    *,
    now: datetime,
    tool_version: str,
    digest: str = "",
    waived: Mapping[str, str] | None = None,
) -> Decision:
    """Return what `policies` say to `document` at `point`.

    Never raises for what rules or a plain document hold: what cannot be judged is a finding.
    Raises InvalidInput for a point that does not exist. `now` (aware) decides which rules are in
    force; `digest` is that of `policies` where the caller knows it already. `waived` are the rules
    that waivers exempt the request from, each with its waiver's id (see waivers.py).
    """
    check_point(point)
    rules = policies.in_force(point, now)
    results: dict[str, Outcome] = {}
    findings: list[Finding] = []
    for rule in rules:
        misses, applies = _judge(rule, document)
        waiver = rule.exempt_by(waived or {})
        found = [_finding(rule, miss, now, waiver) for miss in misses]
        results[rule.id] = _outcome(found, applies)
        findings += found
    if not rules:
        findings = [_silence(point)]
    return Decision(
        verdict=_verdict(findings),
        point=point,
        at=now,
        policy=policies.metadata.name,
        policy_version=policies.metadata.version,
        policy_digest=digest or policies.digest(),
        tool_version=tool_version,
        evaluated=len(rules),
        held=sum(result in ("held", "not-applicable") for result in results.values()),
        results=results,
        findings=tuple(findings),
        document=copy.deepcopy(dict(document)),
    )


def holds(rule: Rule, scope: Mapping[str, Any]) -> bool:
    """Say whether `scope`, a whole document or one item of a list, misses nothing of a rule."""
    try:
        return not _in_scope(rule, scope)
    except Exception:  # whatever goes wrong in a rule counts against the request
        return False


def missed_by(rule: Rule, document: Mapping[str, Any]) -> list[Miss]:
    """Return what `document` misses of a rule; what cannot be judged is a miss like any other."""
    return _judge(rule, document)[0]


def check_point(point: str) -> None:
    """Raise InvalidInput, with the nearest, if there is no point of that name."""
    if point not in _POINTS:
        raise InvalidInput(
            "Policies know no such point." + closest(point, _POINTS),
            subject=clean(point),
            hint=f"Points: {', '.join(sorted(_POINTS))}",
        )


def _outcome(findings: list[Finding], applies: bool) -> Outcome:
    if not findings:
        return "held" if applies else "not-applicable"
    return "waived" if all(finding.waiver for finding in findings) else "missed"


def _worse(one: Mapping[str, Outcome], other: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """Return the results of both; of a rule that was judged twice, the one that tells more."""
    twice = {rule: max(one[rule], other[rule], key=_WORSE.index) for rule in one if rule in other}
    return {**one, **other, **twice}


def _verdict(findings: list[Finding]) -> Verdict:
    counted = [finding for finding in findings if not finding.waiver]
    modes = {"needs-approval" if finding.approval else finding.mode for finding in counted}
    if "enforce" in modes:
        return "deny"
    return "needs-approval" if "needs-approval" in modes else "warn" if "warn" in modes else "allow"


def _judge(rule: Rule, document: Mapping[str, Any]) -> tuple[list[Miss], bool]:
    """Return what is missed of a rule, and whether it is about this document at all."""
    # Whatever goes wrong in a rule must count against the request, never for it.
    try:
        scopes = list(_misses(rule, document))
    except Exception as fault:
        why = clean(str(fault)) or type(fault).__name__
        en = f"rule {rule.id} cannot be judged: {why}"
        return [Miss("", en, f"規則 {rule.id} を判定できません: {why}")], True
    told = [misses for misses in scopes if misses is not None]
    return [miss for misses in told for miss in misses], bool(told)


def _misses(rule: Rule, document: Mapping[str, Any]) -> Iterator[list[Miss] | None]:
    """Yield what each item, or the whole document, misses; None where the rule is not about it."""
    if rule.for_each is None:
        yield _in_scope(rule, document)
        return
    found, items = lookup(document, rule.for_each)
    if not found or items is None:
        yield [missing(rule.for_each)]
    elif kind(items) != "list":
        yield [wrong_kind(rule.for_each, items, ("list",))]
    else:
        for number, item in enumerate(items, start=1):
            misses = _in_item(rule, item)
            label = item_label(rule.for_each, number, item) if misses else ""
            yield misses and [miss.of(label) for miss in misses]


def _in_item(rule: Rule, item: Any) -> list[Miss] | None:
    if kind(item) != "group":
        return [wrong_kind("it", item, ("group",))]
    return _in_scope(rule, item)


def _in_scope(rule: Rule, scope: Mapping[str, Any]) -> list[Miss] | None:
    missed = [miss for condition in rule.when for miss in condition.misses(scope)]
    if missed:
        # Plainly false: the rule is not about this. Unclear: nobody can tell, so it counts.
        return [miss for miss in missed if miss.unclear] or None
    return [miss for condition in rule.asserts for miss in condition.misses(scope)]


def item_label(for_each: str, number: int, item: Any) -> str:
    """Return what one item of a list is called: by its name, else by its number from 1 on."""
    for name in _LABELS if isinstance(item, Mapping) else ():
        if isinstance(item.get(name), str) and item[name]:
            return f"{for_each} {clean(item[name])}"
    return f"{for_each} {number}"


def _finding(rule: Rule, miss: Miss, now: datetime, waiver: str) -> Finding:
    waivable = rule.exceptions if isinstance(rule.exceptions, Waivable) else None
    return Finding(
        rule=rule.id,
        title=rule.title,
        mode=rule.mode_at(now),
        field=miss.field,
        item=miss.item,
        operator=miss.operator,
        expected=list(miss.expected) if isinstance(miss.expected, tuple) else miss.expected,
        actual=miss.actual,
        sentence=Words(en=miss.en, ja=miss.ja),
        fix=rule.fix,
        # What nobody could judge, nobody can approve or has waived: it denies.
        approval=() if miss.unclear else rule.approval or (),
        waiver="" if miss.unclear else waiver,
        waived_by=waivable.approver_role if waivable else "",
        waiver_max_days=waivable.max_days if waivable else 0,
    )


def _silence(point: str) -> Finding:
    return Finding(
        rule=SILENCE,
        title=Words(en="At least one rule is in force", ja="有効な規則が少なくとも一つある"),
        mode="enforce",
        field="",
        sentence=Words(
            en=f"no rule is in force for {point}", ja=f"{point} に有効な規則がありません"
        ),
        fix=Words(
            en="IT adds a rule for this point in policies/",
            ja="IT部門が policies/ にこの時点の規則を追加します",
        ),
    )
