"""The language of policies: sets of rules, each with conditions on fields of what it judges.

A set is one YAML file of `policies/`, or all of them merged. What rules mean is in policy.py.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from sandbox.core.moments import Instant, checked_moment
from sandbox.core.operators import LANGUAGES, OPERATORS, Miss, check, facts
from sandbox.core.people import Approver
from sandbox.core.template import Words
from sandbox.core.values import Value

Mode = Literal["enforce", "warn", "audit"]
Point = Literal[
    "create", "extend", "idle", "egress", "import", "export", "snapshot", "start", "promote",
    "release", "scan",
]  # fmt: skip
Scalar = bool | int | float | str
Moment = Annotated[str, AfterValidator(checked_moment)]

# Where somebody's yes can stand in for what a rule wants.
APPROVABLE = frozenset({"create", "egress", "export", "import", "snapshot"})


def _tuple(value: Any) -> Any:
    # Below a validator of ours, strict reading no longer takes JSON's lists for tuples.
    return tuple(value) if isinstance(value, list) else value


class _Misplaced(ValueError):
    """What is wrong inside a list, and with which of its items: pydantic names only the list."""

    def __init__(self, problem: str, *place: int | str) -> None:
        super().__init__(problem)
        self.place = place


class _Said(Value):
    """What an author wrote: a key that is there says something."""

    @model_validator(mode="after")
    def _no_blanks(self) -> Self:
        for name in self.model_fields_set:
            # A limit or a day that was left blank would be one that nobody keeps.
            if getattr(self, name) is None:
                key = type(self).model_fields[name].alias or name
                raise _Misplaced("says nothing; leave the key out, or say what is meant", key)
        return self


class Condition(_Said):
    """One test: of one field (`owner_totals.memory_mb`) by exactly one operator; or of others.

    `any` holds if one of its conditions does, `all` if each does, `not` if its condition plainly
    does not. What cannot be told, as a field that is missing, is neither: it makes unclear whatever
    it is part of, but for an `any` that holds by another.
    """

    field: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$")] | None = None
    equals: Scalar | None = None
    not_equals: Scalar | None = None
    min: Annotated[float, Field(allow_inf_nan=False)] | None = None
    max: Annotated[float, Field(allow_inf_nan=False)] | None = None
    one_of: tuple[Scalar, ...] | None = None  # an empty list allows nothing
    none_of: Annotated[tuple[Scalar, ...], Field(min_length=1)] | None = None
    contains_any: Annotated[tuple[Scalar, ...], Field(min_length=1)] | None = None
    contains_all: Annotated[tuple[Scalar, ...], Field(min_length=1)] | None = None
    present: bool | None = None
    longer_than: Annotated[int, Field(ge=0)] | None = None
    matches: Annotated[str, Field(min_length=1)] | None = None
    before: Moment | None = None
    after: Moment | None = None
    within: tuple[Moment, Moment] | None = None
    any_of: tuple["Condition", ...] | None = Field(default=None, alias="any", min_length=1)
    all_of: tuple["Condition", ...] | None = Field(default=None, alias="all", min_length=1)
    negated: "Condition | None" = Field(default=None, alias="not")

    @field_validator(
        "one_of", "none_of", "contains_any", "contains_all", "within", "any_of", "all_of",
        mode="before",
    )  # fmt: skip
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return _tuple(value)

    @model_validator(mode="after")
    def _one_test(self) -> "Condition":
        used = [name for name in OPERATORS if getattr(self, name) is not None]
        joined = [word for word, inner in self.inner().items() if inner]
        if self.field is not None and joined:
            raise ValueError(f"{joined[0]} goes without a field: its conditions have their own")
        if self.field is None and not joined:
            raise ValueError("a condition has a field and an operator, or one of any, all, not")
        if self.field is not None and len(used) != 1:
            found = " and ".join(used) or "none"
            raise ValueError(
                f"a condition has exactly one operator of {', '.join(OPERATORS)}; found: {found}"
            )
        if self.field is None and len([*used, *joined]) != 1:
            found = " and ".join([*used, *joined])
            raise ValueError(
                f"a condition has one of any, all, not and no operator; found: {found}"
            )
        return self

    def inner(self) -> Mapping[str, tuple["Condition", ...]]:
        """Return the conditions that it is of, by `any`, `all` and `not`."""
        negated = () if self.negated is None else (self.negated,)
        return {"any": self.any_of or (), "all": self.all_of or (), "not": negated}

    def leaves(self) -> Iterator["Condition"]:
        """Yield the conditions in it that test a field."""
        if self.field is not None:
            yield self
        for conditions in self.inner().values():
            for condition in conditions:
                yield from condition.leaves()

    @property
    def operator(self) -> str:
        """The name of its operator; raises LookupError if it has none that we know."""
        for name in OPERATORS:
            if getattr(self, name, None) is not None:
                return name
        raise LookupError("it has no operator that this version knows")

    def misses(self, scope: Mapping[str, Any]) -> list[Miss]:
        """Return what `scope` misses of it: nothing if it holds; see `Miss.unclear`."""
        if self.field is not None:
            name = self.operator
            miss = check(name, getattr(self, name), self.field, scope)
            return [miss] if miss else []
        if self.all_of:
            return [miss for one in self.all_of for miss in one.misses(scope)]
        if self.any_of:
            return _any_missed([one.misses(scope) for one in self.any_of])
        assert self.negated is not None
        missed = self.negated.misses(scope)
        if any(miss.unclear for miss in missed):
            return [miss for miss in missed if miss.unclear]
        return [] if missed else [_excluded(self.negated, scope)]


def _any_missed(missed: list[list[Miss]]) -> list[Miss]:
    """Return, as one, what all alternatives miss; nothing if one of them misses nothing."""
    if not all(missed):
        return []
    flat = [miss for misses in missed for miss in misses]
    if len(flat) == 1:
        return flat
    # Of one alternative all is missed together.
    en = "; or ".join(" and ".join(m.en for m in misses) for misses in missed)
    ja = "、または".join("、かつ".join(m.ja for m in misses) for misses in missed)
    return [Miss(flat[0].field, en, ja, any(m.unclear for m in flat), "any")]


def _excluded(condition: Condition, scope: Mapping[str, Any]) -> Miss:
    """Return that `condition`, which holds, must not."""
    # Of alternatives those that hold are what is not allowed.
    held = [one for one in condition.any_of or () if not one.misses(scope)] or [condition]
    leaves = [leaf for one in held for leaf in one.leaves()]
    en, ja = (facts([one.field or "" for one in leaves], scope, lang) for lang in LANGUAGES)
    return Miss(
        leaves[0].field or "",
        f"{en}, which is not allowed",
        f"{ja}ため、認められません",
        unclear=False,
        operator="not",
    )


class Waivable(Value):
    """Who may exempt somebody from a rule, and for how long at most."""

    max_days: Annotated[int, Field(ge=1, le=366)]
    approver_role: Approver


class Rule(_Said):
    """One rule. `effective_from` defaults to that of its set.

    With `approval`, what does not hold is not denied but waits for a yes of one of these roles.
    From `enforce_after` on, one that warned or noted denies.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]
    title: Words
    mode: Mode
    at: Annotated[tuple[Point, ...], Field(min_length=1)]
    effective_from: Instant | None = None
    enforce_after: Instant | None = None
    for_each: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$")] | None = None
    when: tuple[Condition, ...] = ()
    asserts: Annotated[tuple[Condition, ...], Field(alias="assert", min_length=1)]
    fix: Words
    approval: Annotated[tuple[Approver, ...], Field(min_length=1)] | None = None
    exceptions: Literal["never"] | Waivable = "never"

    @model_validator(mode="after")
    def _approvable(self) -> "Rule":
        enforced = self.mode == "enforce"
        if self.enforce_after is not None and enforced:
            raise ValueError("enforce_after goes with mode warn or audit: this one is enforced")
        if self.approval is not None and (not enforced or {*self.at} - APPROVABLE):
            where = ", ".join(sorted(APPROVABLE))
            raise ValueError(f"approval goes with mode enforce, at no other points than {where}")
        return self

    def mode_at(self, now: datetime) -> Mode:
        """Return what it does at `now` (aware) where it does not hold."""
        late = self.enforce_after is not None and now >= self.enforce_after
        return "enforce" if late else self.mode

    def exempt_by(self, waived: Mapping[str, str]) -> str:
        """Return the waiver, of those by rule, that exempts from it; "" where none can or does."""
        return waived.get(self.id, "") if isinstance(self.exceptions, Waivable) else ""

    def conditions(self) -> Iterator[Condition]:
        """Yield every condition in it that tests a field."""
        for condition in (*self.when, *self.asserts):
            yield from condition.leaves()

    @field_validator("when", "asserts", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, Mapping) else _tuple(value)


def _ids_once(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    ids = [rule.id for rule in rules]
    for number, name in enumerate(ids):
        if name in ids[:number]:
            raise _Misplaced(f"the rule id {name} is used more than once", number, "id")
    return rules


# The rules of one file: at least one, each id once.
Rules = Annotated[tuple[Rule, ...], Field(min_length=1), AfterValidator(_ids_once)]


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
    effective_from: Instant
    rules: Rules

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


def note_of(digest: str) -> str:
    """Return the key under which the registry keeps the text of the set with this digest."""
    return f"policy {digest}"
