"""Which rules of two sets differ, and which of them became tighter or looser. Pure.

A rule is called tighter only if whatever it lets through now was let through before, of all that
could be asked with every field there; looser the other way round. What cannot be told so is called
different.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from sandbox.core.moments import read_moment
from sandbox.core.operators import kind
from sandbox.core.policy_words import wanted
from sandbox.core.rules import Condition, PolicySet, Rule, Waivable
from sandbox.core.template import Words
from sandbox.core.values import Value

Direction = Literal["tighter", "looser", "different", "same"]
What = Literal["added", "removed", "tighter", "looser", "different", "reworded"]
_SEVERITY = {"audit": 0, "warn": 1, "approval": 2, "enforce": 3}
# Whatever holds under these is there, and not empty.
_GIVEN = ("min", "max", "longer_than", "contains_any", "contains_all", "before", "after", "within")
_NOTHING = Words(en="nothing", ja="なし")


class Aspect(Value):
    """One way in which a rule differs: what it said, what it says, and what that means."""

    name: str
    before: Words
    after: Words
    direction: Direction


class RuleChange(Value):
    """What became of one rule."""

    rule: str
    title: Words
    what: What
    aspects: tuple[Aspect, ...] = ()


def compared(old: PolicySet, new: PolicySet, now: datetime) -> list[RuleChange]:
    """Return every rule that differs between the sets at `now`, in their order."""
    before, after = ({rule.id: _dated(rule, s) for rule in s.rules} for s in (old, new))
    names = dict.fromkeys([*before, *after])
    changes = (_change(before.get(name), after.get(name), now) for name in names)
    return [change for change in changes if change is not None]


def _dated(rule: Rule, policies: PolicySet) -> Rule:
    since = rule.effective_from or policies.effective_from
    return rule.model_copy(update={"effective_from": since})


def _change(old: Rule | None, new: Rule | None, now: datetime) -> RuleChange | None:
    if old is None or new is None:
        there = new or old
        assert there is not None
        what: What = "added" if old is None else "removed"
        return RuleChange(rule=there.id, title=there.title, what=what)
    if old == new:
        return None
    aspects = tuple(_aspects(old, new, now))
    found = _together(aspect.direction for aspect in aspects)
    said: What = "reworded" if found == "same" else found
    return RuleChange(rule=new.id, title=new.title, what=said, aspects=aspects)


def _together(directions: Iterable[Direction]) -> Direction:
    found = {*directions} - {"same"}
    if not found:
        return "same"
    return found.pop() if len(found) == 1 else "different"


def _aspects(old: Rule, new: Rule, now: datetime) -> Iterator[Aspect]:
    """Yield in what two rules of one id differ, without their titles and fixes."""
    yield from _differing("mode", old, new, _mode_words, lambda a, b: _mode(a, b, now))
    yield from _differing("at", old, new, lambda r: _both(", ".join(r.at)), _points)
    yield from _differing("effective_from", old, new, _since_words, _since)
    yield from _differing("exceptions", old, new, _exception_words, _exceptions)
    yield from _differing("for_each", old, new, lambda r: _both(r.for_each or "-"), _items)
    yield from _differing("when", old, new, lambda r: _conditions(r.when), _when)
    yield from _differing("assert", old, new, lambda r: _conditions(r.asserts), _asserts)


def _differing(
    name: str,
    old: Rule,
    new: Rule,
    said: Callable[[Rule], Words],
    direction: Callable[[Rule, Rule], Direction],
) -> Iterator[Aspect]:
    before, after = said(old), said(new)
    found = direction(old, new)
    if before != after or found != "same":
        yield Aspect(name=name, before=before, after=after, direction=found)


def _both(text: str) -> Words:
    return Words(en=text, ja=text)


def _items(old: Rule, new: Rule) -> Direction:
    return "same" if old.for_each == new.for_each else "different"


def _ordered(less: bool, more: bool) -> Direction:
    """Return what follows where the new one is within the old one (`less`), or around it."""
    if less and more:
        return "same"
    return "tighter" if less else "looser" if more else "different"


def _severity(rule: Rule, now: datetime) -> int:
    mode = rule.mode_at(now)
    return _SEVERITY["approval" if rule.approval and mode == "enforce" else mode]


def _mode(old: Rule, new: Rule, now: datetime) -> Direction:
    """Return how severe it is now, and will be; of more roles that may say yes, more will."""
    late = datetime.max.replace(tzinfo=now.tzinfo)
    was, will = ([_severity(rule, at) for at in (now, late)] for rule in (old, new))
    tighter = all(b >= a for a, b in zip(was, will, strict=True)) and _sooner(new, old)
    looser = all(b <= a for a, b in zip(was, will, strict=True)) and _sooner(old, new)
    roles, others = {*(old.approval or ())}, {*(new.approval or ())}
    if roles and others:
        tighter, looser = tighter and others <= roles, looser and roles <= others
    return _ordered(tighter, looser)


def _sooner(one: Rule, other: Rule) -> bool:
    """Say whether `one` begins to enforce no later than `other`, where both will."""
    if one.mode == "enforce" or other.enforce_after is None:
        return True
    return one.enforce_after is not None and one.enforce_after <= other.enforce_after


def _mode_words(rule: Rule) -> Words:
    roles = " | ".join(rule.approval or ())
    en = f"{rule.mode}{f', unless {roles} says yes' if roles else ''}"
    ja = f"{rule.mode}{f'（{roles} の承認で可）' if roles else ''}"
    if rule.enforce_after is not None:
        day = rule.enforce_after.isoformat()
        en, ja = f"{en}, enforced after {day}", f"{ja}、{day} 以降は enforce"
    return Words(en=en, ja=ja)


def _points(old: Rule, new: Rule) -> Direction:
    return _ordered({*new.at} >= {*old.at}, {*new.at} <= {*old.at})


def _since(old: Rule, new: Rule) -> Direction:
    was, will = old.effective_from, new.effective_from
    assert was is not None
    assert will is not None
    return _ordered(will <= was, will >= was)


def _since_words(rule: Rule) -> Words:
    return _both(rule.effective_from.isoformat() if rule.effective_from else "-")


def _exceptions(old: Rule, new: Rule) -> Direction:
    was, will = old.exceptions, new.exceptions
    if not isinstance(was, Waivable) or not isinstance(will, Waivable):
        return _ordered(not isinstance(will, Waivable), not isinstance(was, Waivable))
    if was.approver_role != will.approver_role:
        return "different"
    return _ordered(will.max_days <= was.max_days, will.max_days >= was.max_days)


def _exception_words(rule: Rule) -> Words:
    if not isinstance(rule.exceptions, Waivable):
        return Words(en="never", ja="なし")
    days, role = rule.exceptions.max_days, rule.exceptions.approver_role
    return Words(en=f"{days} days, by {role}", ja=f"{role} により {days} 日間")


def _conditions(conditions: Sequence[Condition]) -> Words:
    phrases = [wanted(condition) for condition in conditions]
    if not phrases:
        return _NOTHING
    return Words(en="; ".join(p.en for p in phrases), ja="；".join(p.ja for p in phrases))


def _asserts(old: Rule, new: Rule) -> Direction:
    return _ordered(*(all_imply(a.asserts, b.asserts) for a, b in ((new, old), (old, new))))


def _when(old: Rule, new: Rule) -> Direction:
    # A rule that applies to more is tighter.
    return _ordered(*(all_imply(a.when, b.when) for a, b in ((old, new), (new, old))))


def all_imply(ones: Sequence[Condition], others: Sequence[Condition]) -> bool:
    """Say whether others hold, each of them, where all of `ones` do; False if nobody can tell."""
    return all(any(implies(one, other) for one in ones) for other in others)


def implies(one: Condition, other: Condition) -> bool:
    """Say whether `other` surely holds wherever `one` does. False where that cannot be told."""
    if one == other:
        return True
    if one.any_of:
        return all(implies(inner, other) for inner in one.any_of)
    if other.all_of:
        return all(implies(one, inner) for inner in other.all_of)
    if other.any_of and any(implies(one, inner) for inner in other.any_of):
        return True
    if one.all_of:
        return any(implies(inner, other) for inner in one.all_of)
    if one.field is None or one.field != other.field:
        return False
    return _leaf_implies(one, other)


def _leaf_implies(one: Condition, other: Condition) -> bool:
    values = _values(one)
    if values is not None:
        return all(_holds(other, value) for value in values)
    if other.present is True:
        return one.operator in _GIVEN
    excluded = _excluded(other)
    if excluded is not None:
        mine = _excluded(one)
        if mine is not None:
            return _kinds(excluded) == _kinds(mine) and all(_among(v, mine) for v in excluded)
        return False
    compare = _COMPARED.get(one.operator) if one.operator == other.operator else None
    expected = getattr(one, one.operator), getattr(other, other.operator)
    return compare is not None and compare(*expected)


def _values(condition: Condition) -> Sequence[Any] | None:
    """Return the only values that hold under it, None if there are others."""
    if condition.equals is not None:
        return (condition.equals,)
    return condition.one_of


def _excluded(condition: Condition) -> Sequence[Any] | None:
    """Return the only values of their kinds that do not hold under it; None: it is otherwise."""
    if condition.not_equals is not None:
        return (condition.not_equals,)
    return condition.none_of


def _kinds(values: Iterable[Any]) -> set[str]:
    return {kind(value) for value in values}


def _among(value: Any, values: Iterable[Any]) -> bool:
    return any(kind(value) == kind(one) and value == one for one in values)


def _holds(condition: Condition, value: Any) -> bool:
    try:
        return not condition.misses(_scope(condition.field or "", value))
    except Exception:  # what cannot be judged does not hold
        return False


def _scope(path: str, value: Any) -> dict[str, Any]:
    first, _, rest = path.partition(".")
    return {first: _scope(rest, value) if rest else value}


def _earlier(one: str, other: str) -> bool:
    """Say whether a moment is at or before another of its kind."""
    a, b = read_moment(one), read_moment(other)
    return type(a) is type(b) and bool(a <= b)  # type: ignore[operator]


_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "max": lambda one, other: one <= other,
    "min": lambda one, other: one >= other,
    "longer_than": lambda one, other: one >= other,
    "contains_any": lambda one, other: (
        _kinds(one) == _kinds(other) and all(_among(v, other) for v in one)
    ),
    "contains_all": lambda one, other: (
        _kinds(one) == _kinds(other) and all(_among(v, one) for v in other)
    ),
    "before": _earlier,
    "after": lambda one, other: _earlier(other, one),
    "within": lambda one, other: _earlier(other[0], one[0]) and _earlier(one[1], other[1]),
}
