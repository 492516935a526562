"""Which values conditions leave to a field: what contradicts, what says nothing new. Pure.

A region is never smaller than the truth. Conditions that it does not understand (of lists, of
forms, `any` and `not`) leave it as it is, and `exact` says that there were some.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from sandbox.core.moments import read_moment
from sandbox.core.operators import kind
from sandbox.core.rules import Condition

# A value beside its kind: true is not 1. Moments stand for themselves, in any zone.
Choice = tuple[str, Any]
# Texts in a document, moments in a span: choices among them are not compared here.
_TEXTUAL = ("date", "time")


@dataclass(frozen=True)
class End:
    """One end of a span; with `open`, the value itself is outside."""

    value: Any
    open: bool = False


@dataclass(frozen=True)
class Region:
    """The values that a field may have: within a span of one kind, among `among`, not in `out`.

    `among` None stands for any. `kind` is that of the span's ends: numbers, dates or times.
    """

    kind: str = ""
    low: End | None = None
    high: End | None = None
    among: frozenset[Choice] | None = None
    out: frozenset[Choice] = frozenset()

    def empty(self) -> bool:
        """Say whether no value at all is left."""
        if self.among is not None:
            return not any(self._has(choice) for choice in self.among)
        if self.low is None or self.high is None:
            return False
        if self.low.value == self.high.value:
            point = (self.kind, self.low.value)
            return self.low.open or self.high.open or point in self.out
        return bool(self.low.value > self.high.value)

    def within(self, other: "Region") -> bool:
        """Say whether every value of it is one of `other`; False where that cannot be told."""
        if self.empty():
            return True
        if self.among is not None:
            return all(other._has(c) and _listed(c, other) for c in self.among if self._has(c))
        if other.among is not None or (other.kind and other.kind != self.kind):
            return False
        if other.out and self.kind in _TEXTUAL:
            return False
        apart = all(out in self.out or not self._has(out) for out in other.out)
        return apart and _later(self.low, other.low, 1) and _later(self.high, other.high, -1)

    def _has(self, choice: Choice) -> bool:
        """Say whether span and exclusions leave `choice`, whatever `among` says."""
        if choice in self.out:
            return False
        if not self.kind:
            return True
        name, value = choice
        if name != self.kind:
            return False
        below = self.low and (value < self.low.value or (self.low.open and value == self.low.value))
        above = self.high and (
            value > self.high.value or (self.high.open and value == self.high.value)
        )
        return not (below or above)


def _listed(choice: Choice, region: Region) -> bool:
    return region.among is None or choice in region.among


def _later(mine: End | None, theirs: End | None, sign: int) -> bool:
    """Say whether an end of mine is no further out than theirs; `sign` -1 for the upper one."""
    if theirs is None:
        return True
    if mine is None:
        return False
    if mine.value == theirs.value:
        return mine.open or not theirs.open
    return bool((mine.value > theirs.value) is (sign > 0))


@dataclass(frozen=True)
class Regions:
    """What conditions that must all hold leave to each field; `exact` if nothing was left out."""

    by_field: Mapping[str, Region] = field(default_factory=dict)
    exact: bool = True

    def empty(self) -> tuple[str, ...]:
        """Return the fields to which nothing is left."""
        return tuple(name for name, region in self.by_field.items() if region.empty())

    def within(self, other: "Regions") -> bool:
        """Say whether whatever keeps these keeps the others too; False where nobody can tell."""
        mine = self.by_field
        each = (name in mine and mine[name].within(r) for name, r in other.by_field.items())
        return other.exact and all(each)


def regions(conditions: Iterable[Condition]) -> Regions:
    """Return what `conditions`, which must all hold, leave to each field."""
    found: dict[str, Region] = {}
    exact = True
    # A form is compared with choices only, wherever they are named.
    for condition in sorted(flat(conditions), key=lambda one: one.matches is not None):
        name = condition.field
        narrowed = _narrowed(found.get(name or "", Region()), condition) if name else None
        if narrowed is None or name is None:
            exact = False
        else:
            found[name] = narrowed
    return Regions(found, exact)


def flat(conditions: Iterable[Condition]) -> Iterator[Condition]:
    """Yield conditions that must all hold one by one, those of an `all` too."""
    for condition in conditions:
        if condition.all_of:
            yield from flat(condition.all_of)
        else:
            yield condition


def _narrowed(region: Region, condition: Condition) -> Region | None:
    """Return what a condition leaves of `region`; None where that cannot be told."""
    operator, expected = condition.operator, getattr(condition, condition.operator)
    match operator:
        case "equals" | "one_of":
            named = (expected,) if operator == "equals" else expected
            return _among(region, {(kind(one), one) for one in named})
        case "not_equals" | "none_of":
            named = (expected,) if operator == "not_equals" else expected
            return replace(region, out=region.out | {(kind(one), one) for one in named})
        case "min":
            return _spanned(region, "number", low=End(expected))
        case "max":
            return _spanned(region, "number", high=End(expected))
        case "before" | "after" | "within":
            return _in_time(region, operator, expected)
        case "matches" if region.among is not None:
            return replace(region, among=_fitting(region.among, expected))
    return None


def _among(region: Region, named: set[Choice]) -> Region | None:
    if region.kind in _TEXTUAL:
        return None
    kept = named if region.among is None else region.among & named
    return replace(region, among=frozenset(kept))


def _fitting(among: frozenset[Choice], form: str) -> frozenset[Choice]:
    return frozenset((k, v) for k, v in among if k == "text" and fnmatchcase(v, form))


def _in_time(region: Region, operator: str, expected: Any) -> Region | None:
    ends = expected if operator == "within" else (expected,)
    moments = [read_moment(end) for end in ends]
    name = "time" if isinstance(moments[0], datetime) else "date"
    if region.among is not None or any(type(m) is not type(moments[0]) for m in moments):
        return None
    match operator:
        case "before":
            return _spanned(region, name, high=End(moments[0], open=True))
        case "after":
            return _spanned(region, name, low=End(moments[0], open=True))
    return _spanned(region, name, low=End(moments[0]), high=End(moments[1]))


def _spanned(
    region: Region, name: str, low: End | None = None, high: End | None = None
) -> Region | None:
    """Return the overlap of a region and a span; None where the two are of different kinds."""
    if region.kind not in ("", name):
        return None
    return replace(
        region,
        kind=name,
        low=region.low if low is None or _later(region.low, low, 1) else low,
        high=region.high if high is None or _later(region.high, high, -1) else high,
    )
