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
import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import AwareDatetime, Field, field_validator, model_validator

from sandbox.core.errors import InvalidInput
from sandbox.core.operators import (
    OPERATORS,
    Language,
    Miss,
    check,
    kind,
    lookup,
    missing,
    wrong_kind,
)
from sandbox.core.template import Words
from sandbox.core.text import clean, closest
from sandbox.core.values import Value

Mode = Literal["enforce", "warn", "audit"]
Verdict = Literal["allow", "warn", "needs-approval", "deny"]
Point = Literal[
    "create", "extend", "idle", "egress", "import", "export", "snapshot", "start", "promote",
    "release", "scan",
]  # fmt: skip
Scalar = bool | int | float | str

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
_REST: Mapping[Language, str] = {"en": " And {count} more.", "ja": " ほか {count} 件。"}
_POINTS = frozenset(get_args(Point))
# Where somebody's yes can stand in for what a rule wants.
_APPROVABLE = frozenset({"export", "import"})
# What an item of a list is called in a sentence: the first of these that it has.
_LABELS = ("name", "id", "host", "snapshot", "source")


def _tuple(value: Any) -> Any:
    # Below a validator of ours, strict reading no longer takes JSON's lists for tuples.
    return tuple(value) if isinstance(value, list) else value


class _Misplaced(ValueError):
    """What is wrong inside a list, and with which of its items: pydantic names only the list."""

    def __init__(self, problem: str, *place: int | str) -> None:
        super().__init__(problem)
        self.place = place


class Condition(Value):
    """One test of one field (`owner_totals.memory_mb`) by exactly one operator."""

    field: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$")]
    equals: Scalar | None = None
    not_equals: Scalar | None = None
    min: Annotated[float, Field(allow_inf_nan=False)] | None = None
    max: Annotated[float, Field(allow_inf_nan=False)] | None = None
    one_of: tuple[Scalar, ...] | None = None  # an empty list allows nothing
    contains_any: Annotated[tuple[Scalar, ...], Field(min_length=1)] | None = None
    present: bool | None = None
    longer_than: Annotated[int, Field(ge=0)] | None = None
    matches: Annotated[str, Field(min_length=1)] | None = None

    @field_validator("one_of", "contains_any", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return _tuple(value)

    @model_validator(mode="after")
    def _one_operator(self) -> "Condition":
        if len(used := [name for name in OPERATORS if getattr(self, name) is not None]) != 1:
            found = " and ".join(used) or "none"
            raise ValueError(
                f"a condition has exactly one operator of {', '.join(OPERATORS)}; found: {found}"
            )
        return self

    @property
    def operator(self) -> str:
        """The name of its operator; raises LookupError if it has none that we know."""
        for name in OPERATORS:
            if getattr(self, name, None) is not None:
                return name
        raise LookupError("it has no operator that this version knows")

    def miss(self, scope: Mapping[str, Any]) -> Miss | None:
        """Return what `scope` misses of it, None if it holds."""
        name = self.operator
        return check(name, getattr(self, name), self.field, scope)


class Waivable(Value):
    """Who may exempt somebody from a rule, and for how long at most."""

    max_days: Annotated[int, Field(ge=1, le=366)]
    approver_role: Annotated[str, Field(min_length=1)]


class Rule(Value):
    """One rule. `effective_from` defaults to that of its set.

    With `approval`, what does not hold is not denied but waits for a yes of one of these roles.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]
    title: Words
    mode: Mode
    at: Annotated[tuple[Point, ...], Field(min_length=1)]
    effective_from: AwareDatetime | None = None
    for_each: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$")] | None = None
    when: tuple[Condition, ...] = ()
    asserts: Annotated[tuple[Condition, ...], Field(alias="assert", min_length=1)]
    fix: Words
    approval: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    exceptions: Literal["never"] | Waivable = "never"

    @model_validator(mode="after")
    def _approvable(self) -> "Rule":
        if self.approval is not None and (self.mode != "enforce" or {*self.at} - _APPROVABLE):
            where = ", ".join(sorted(_APPROVABLE))
            raise ValueError(f"approval goes with mode enforce, at no other points than {where}")
        return self

    @field_validator("when", "asserts", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, Mapping) else _tuple(value)


class PolicyMetadata(Value):
    """What a policy set is called, who answers for it, and the change that brought it."""

    name: Annotated[str, Field(min_length=1)]
    version: Annotated[str, Field(min_length=1)]
    owner: Annotated[str, Field(min_length=1)]
    change: Annotated[str, Field(min_length=1)]


class PolicySet(Value):
    """Rules that belong together, as one file or merged from all files of a home."""

    api_version: Annotated[Literal["sandbox.policy/v1"], Field(alias="apiVersion")]
    kind: Literal["PolicySet"]
    metadata: PolicyMetadata
    effective_from: AwareDatetime
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]

    @field_validator("rules")
    @classmethod
    def _ids_once(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        ids = [rule.id for rule in rules]
        for number, name in enumerate(ids):
            if name in ids[:number]:
                raise _Misplaced(f"the rule id {name} is used more than once", number, "id")
        return rules

    def in_force(self, point: str, now: datetime) -> list[Rule]:
        """Return the rules that judge at `point` at `now` (aware)."""
        start = self.effective_from
        return [r for r in self.rules if point in r.at and (r.effective_from or start) <= now]

    def canonical(self) -> str:
        """Return the set as JSON in one fixed form: store it, and any decision can be re-judged."""
        plain = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    def digest(self) -> str:
        """Return the SHA-256 of `canonical()`."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()


class Finding(Value):
    """One way in which one rule does not hold, with all that is needed to tell why.

    `approval` are the roles whose yes stands in for it; without any, `enforce` denies. `operator`
    is empty where the rule could not be judged at all. `item` names the item of a `for_each`.
    `waived_by` is the role that can exempt (empty: nobody), for `waiver_max_days`.
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


class Decision(Value):
    """What a policy set said to one request, kept whole: input, rules' digest and tool's version.

    `evaluated` counts the rules in force at the point, `held` those without a finding.
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
    findings: tuple[Finding, ...]
    document: dict[str, Any]

    def to_approve(self) -> tuple[Finding, ...]:
        """Return the findings for which somebody's yes stands in."""
        return tuple(finding for finding in self.findings if finding.approval)

    def said(self) -> list[Finding]:
        """Return the findings that are told; what denies comes first, however the rules stand."""
        said = [finding for finding in self.findings if finding.mode != "audit"]
        return sorted(said, key=lambda finding: (finding.mode != "enforce", bool(finding.approval)))

    def joined(self, other: "Decision") -> "Decision":
        """Return both as one: the stricter verdict, the findings of both, the other's document
        under the name of its point."""
        return self.model_copy(
            update={
                "verdict": _verdict([*self.findings, *other.findings]),
                "evaluated": self.evaluated + other.evaluated,
                "held": self.held + other.held,
                "findings": self.findings + other.findings,
                "document": self.document | {other.point: other.document},
            }
        )

    def summary(self, language: Language = "en") -> str:
        """Return one line: the verdict, and the first rule that does not hold with its value."""
        if not (said := self.said()):
            return _SUMMARY["allow", language].format(count=self.evaluated)
        sentence = getattr(said[0].sentence, language)
        rest = _REST[language].format(count=len(said) - 1) if len(said) > 1 else ""
        return _SUMMARY[self.verdict, language].format(sentence=sentence) + rest


def evaluate(
    policies: PolicySet,
    point: str,
    document: Mapping[str, Any],
    *,
    now: datetime,
    tool_version: str,
    digest: str = "",
) -> Decision:
    """Return what `policies` say to `document` at `point`.

    Never raises for what rules or a plain document hold: what cannot be judged is a finding.
    Raises InvalidInput for a point that does not exist. `now` (aware) decides which rules are in
    force; `digest` is that of `policies` where the caller knows it already.
    """
    if point not in _POINTS:
        raise InvalidInput(
            "Policies know no such point." + closest(point, _POINTS),
            subject=clean(point),
            hint=f"Points: {', '.join(sorted(_POINTS))}",
        )
    rules = policies.in_force(point, now)
    broken = [(rule, misses) for rule in rules if (misses := _judge(rule, document))]
    findings = [_finding(rule, miss) for rule, misses in broken for miss in misses]
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
        held=len(rules) - len(broken),
        findings=tuple(findings),
        document=copy.deepcopy(dict(document)),
    )


def _verdict(findings: list[Finding]) -> Verdict:
    modes = {"needs-approval" if finding.approval else finding.mode for finding in findings}
    if "enforce" in modes:
        return "deny"
    return "needs-approval" if "needs-approval" in modes else "warn" if "warn" in modes else "allow"


def _judge(rule: Rule, document: Mapping[str, Any]) -> list[Miss]:
    # Whatever goes wrong in a rule must count against the request, never for it.
    try:
        return list(_misses(rule, document))
    except Exception as fault:
        why = clean(str(fault)) or type(fault).__name__
        en = f"rule {rule.id} cannot be judged: {why}"
        return [Miss("", en, f"規則 {rule.id} を判定できません: {why}")]


def _misses(rule: Rule, document: Mapping[str, Any]) -> Iterator[Miss]:
    if rule.for_each is None:
        yield from _in_scope(rule, document)
        return
    found, items = lookup(document, rule.for_each)
    if not found or items is None:
        yield missing(rule.for_each)
    elif kind(items) != "list":
        yield wrong_kind(rule.for_each, items, ("list",))
    else:
        for number, item in enumerate(items, start=1):
            for miss in _in_item(rule, item):
                yield miss.of(_label(rule.for_each, number, item))


def _in_item(rule: Rule, item: Any) -> list[Miss]:
    if kind(item) != "group":
        return [wrong_kind("it", item, ("group",))]
    return _in_scope(rule, item)


def _in_scope(rule: Rule, scope: Mapping[str, Any]) -> list[Miss]:
    missed = [miss for condition in rule.when if (miss := condition.miss(scope))]
    if missed:
        # Plainly false: the rule is not about this. Unclear: nobody can tell, so it counts.
        return [miss for miss in missed if miss.unclear]
    return [miss for condition in rule.asserts if (miss := condition.miss(scope))]


def _label(for_each: str, number: int, item: Any) -> str:
    for name in _LABELS if isinstance(item, Mapping) else ():
        if isinstance(item.get(name), str) and item[name]:
            return f"{for_each} {clean(item[name])}"
    return f"{for_each} {number}"


def _finding(rule: Rule, miss: Miss) -> Finding:
    waivable = rule.exceptions if isinstance(rule.exceptions, Waivable) else None
    return Finding(
        rule=rule.id,
        title=rule.title,
        mode=rule.mode,
        field=miss.field,
        item=miss.item,
        operator=miss.operator,
        expected=list(miss.expected) if isinstance(miss.expected, tuple) else miss.expected,
        actual=miss.actual,
        sentence=Words(en=miss.en, ja=miss.ja),
        fix=rule.fix,
        # What nobody could judge, nobody can approve: it denies.
        approval=() if miss.unclear else rule.approval or (),
        waived_by=waivable.approver_role if waivable else "",
        waiver_max_days=waivable.max_days if waivable else 0,
    )


def _silence(point: str) -> Finding:
    return Finding(
        rule="no-rule-in-force",
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
