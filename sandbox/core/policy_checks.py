"""What is wrong with rules although they can be read: found before anybody meets it. Pure.

A rule that names a field which no request has denies every request; a `when` that can never hold
watches over nothing; two rules that contradict let nobody through. The evaluator would say so to
whoever asks, one at a time; here IT is told.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any, Literal

from sandbox.core.comparing import all_imply
from sandbox.core.operators import OPERATORS, kind_name
from sandbox.core.points import fields, lists, possible, possible_items
from sandbox.core.policy_files import PolicyFile
from sandbox.core.regions import Regions, regions
from sandbox.core.rules import Condition, Point, Rule
from sandbox.core.template import Words
from sandbox.core.text import clean, closest_in_both
from sandbox.core.values import Value

ProblemKind = Literal[
    "file", "field", "value", "unreachable", "contradiction", "translation", "silence"
]
# A request at these is denied where no rule is in force.
_NEEDED: tuple[Point, ...] = ("create", "egress", "start", "extend", "export", "import")
_OF_VALUES = ("equals", "not_equals", "one_of", "none_of")
# A rule that begins later than this is told.
_SOON = timedelta(days=366)
_JAPANESE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uff66-\uff9f]")


class Problem(Value):
    """One thing that is wrong; `place` is file and line. A `note` is worth knowing, no more."""

    level: Literal["error", "note"] = "error"
    kind: ProblemKind
    place: str
    rule: str = ""
    said: Words


@dataclass(frozen=True)
class _Placed:
    """A rule, where it stands, from when it is in force, and what it leaves to its fields."""

    place: str
    rule: Rule
    since: datetime
    when: Regions
    wants: Regions

    @property
    def denies(self) -> bool:
        """Whether what it misses is refused, now or from some day on."""
        enforced = self.rule.mode == "enforce" or self.rule.enforce_after is not None
        return enforced and not self.rule.approval

    def problem(self, kind: ProblemKind, en: str, ja: str) -> Problem:
        """Return what is wrong with it."""
        return Problem(kind=kind, place=self.place, rule=self.rule.id, said=Words(en=en, ja=ja))


def problems(files: Sequence[PolicyFile], now: datetime) -> list[Problem]:
    """Return what is wrong with the rules of `files`, in their order; `now` (aware)."""
    placed = [one for each in files for one in _placed(each)]
    found = [p for one in placed for check in _ALONE for p in check(one)]
    found += [p for one in placed for p in _distant(one, now)]
    for earlier, later in combinations(placed, 2):
        found += _between(earlier, later)
    found += [p for each in files for p in _profile(each)]
    order = {one.place: number for number, one in enumerate(placed)}
    found.sort(key=lambda problem: order.get(problem.place, len(order)))
    return [*found, *_silent(placed, now)] if placed else found


def _placed(each: PolicyFile) -> Iterator[_Placed]:
    for rule, line in zip(each.policies.rules, each.lines, strict=True):
        yield _Placed(
            place=f"{each.file}:{line}",
            rule=rule,
            since=rule.effective_from or each.policies.effective_from,
            when=regions(rule.when),
            wants=regions(rule.asserts),
        )


def _unknown_fields(one: _Placed) -> Iterator[Problem]:
    """Yield what the rule names and no document of its points has."""
    rule = one.rule
    for point in rule.at:
        if rule.for_each and rule.for_each not in lists(point):
            near, ja = closest_in_both(rule.for_each, lists(point))
            yield one.problem(
                "field",
                f"for_each: there is no list {rule.for_each} at {point}.{near}",
                f"for_each: {point} にはリスト {rule.for_each} がありません。{ja}",
            )
            return
    named = dict.fromkeys(condition.field or "" for condition in rule.conditions())
    for name in named:
        if lacking := [p for p in rule.at if name not in fields(p, rule.for_each or "")]:
            yield _no_field(one, name, lacking[0], ", ".join(lacking))


def _no_field(one: _Placed, name: str, point: Point, points: str) -> Problem:
    over = one.rule.for_each or ""
    if over and name in fields(point):
        return one.problem(
            "field",
            f"{name} is a field of the request; with for_each, fields are those of {over}",
            f"{name} は申請全体の項目です。for_each では {over} の各要素の項目を書きます",
        )
    near, ja = closest_in_both(name, fields(point, over))
    of, of_ja = (f" of {over}", f"{over} の") if over else ("", "")
    return one.problem(
        "field",
        f"there is no field {name}{of} at {points}.{near}",
        f"{points} には{of_ja}項目 {name} がありません。{ja}",
    )


def _impossible_values(one: _Placed) -> Iterator[Problem]:
    """Yield comparisons that can never be made, and values that a field never has."""
    for condition in one.rule.conditions():
        for point in one.rule.at:
            if found := _impossible(one, condition, point):
                yield found
                break


def _impossible(one: _Placed, condition: Condition, point: Point) -> Problem | None:
    name, operator = condition.field or "", condition.operator
    expected = getattr(condition, operator)
    kinds = fields(point, one.rule.for_each or "").get(name, frozenset())
    accepted = OPERATORS[operator].accepts(expected)
    if kinds and not kinds & set(accepted):
        (en, ja), (need_en, need_ja) = _kinds(sorted(kinds)), _kinds(accepted)
        return one.problem(
            "value",
            f"{name} is {en} at {point}; {operator} judges {need_en} here",
            f"{name} は {point} では{ja}ですが、{operator} が判定するのは{need_ja}です",
        )
    known = _known(operator, point, one.rule.for_each or "").get(name)
    named = expected if isinstance(expected, tuple) else (expected,)
    never = [value for value in named if known is not None and value not in known]
    return _never(one, condition, point, str(never[0]), known or ()) if never else None


def _never(
    one: _Placed, condition: Condition, point: Point, value: str, known: Iterable[Any]
) -> Problem:
    near, near_ja = closest_in_both(value, [str(one) for one in known])
    name, verb, particle = condition.field, "is never", "が"
    if condition.operator.startswith("contains"):
        verb, particle = "never contains", "の要素が"
    return one.problem(
        "value",
        f"{name} {verb} {clean(value)} at {point}.{near}",
        f"{name} {particle} {point} で {clean(value)} になることはありません。{near_ja}",
    )


def _known(operator: str, point: Point, over: str) -> Mapping[str, frozenset[Any]]:
    """Return which values an operator can meet in fields of which all are known."""
    if operator in ("contains_any", "contains_all"):
        return possible_items(point, over)
    return possible(point, over) if operator in _OF_VALUES else {}


def _kinds(names: Iterable[str]) -> tuple[str, str]:
    names = list(names)
    return (
        " or ".join(kind_name(n, "en") for n in names),
        "か".join(kind_name(n, "ja") for n in names),
    )


def _pointless(one: _Placed) -> Iterator[Problem]:
    """Yield what a rule says against itself, or twice."""
    if empty := one.when.empty():
        yield one.problem(
            "unreachable",
            f"`when` can never hold: no value is left to {', '.join(empty)}",
            f"`when` が成り立つことはありません（{', '.join(empty)} に値が残りません）",
        )
    elif one.when.within(one.wants):
        yield one.problem(
            "unreachable",
            "it can never be missed: whatever `when` lets in keeps `assert`",
            "違反することがありません（`when` を満たせば `assert` も満たします）",
        )
    # An empty list of choices is how one says: nothing, for now.
    closed = {c.field for c in one.rule.asserts if c.one_of == ()}
    if empty := tuple(name for name in one.wants.empty() if name not in closed):
        yield one.problem(
            "contradiction",
            f"`assert` can never hold: no value is left to {', '.join(empty)}",
            f"`assert` が成り立つことはありません（{', '.join(empty)} に値が残りません）",
        )
    if one.rule.enforce_after is not None and one.rule.enforce_after <= one.since:
        yield one.problem(
            "unreachable",
            f"mode {one.rule.mode} never counts: it is enforced from its first day",
            f"mode {one.rule.mode} の期間がありません（初日から enforce になります）",
        ).model_copy(update={"level": "note"})


def _untranslated(one: _Placed) -> Iterator[Problem]:
    for key, words in (("title", one.rule.title), ("fix", one.rule.fix)):
        yield from (
            one.problem("translation", f"{key}: {en}", f"{key}: {ja}")
            for en, ja in _lacking_words(words)
        )


def _lacking_words(words: Words) -> Iterator[tuple[str, str]]:
    if not words.en.strip() or _JAPANESE.search(words.en):
        yield (
            "the English text is missing or is Japanese",
            "英語の文がないか、日本語で書かれています",
        )
    if not _JAPANESE.search(words.ja):
        yield "the Japanese text is missing or is not Japanese", "日本語の文がありません"


def _distant(one: _Placed, now: datetime) -> Iterator[Problem]:
    """Yield that a rule begins only in years: somebody may have mistyped one."""
    for key, begins in (("effective_from", one.since), ("enforce_after", one.rule.enforce_after)):
        if begins is not None and begins - now > _SOON:
            yield one.problem(
                "unreachable",
                f"{key} is {begins.date()}, more than a year from now",
                f"{key} が {begins.date()} で、1年以上先です",
            ).model_copy(update={"level": "note"})


_ALONE = (_unknown_fields, _impossible_values, _pointless, _untranslated)


def _between(earlier: _Placed, later: _Placed) -> Iterator[Problem]:
    """Yield what two rules say against each other, or of which one says nothing new."""
    mine, theirs = later.rule, earlier.rule
    points = [point for point in mine.at if point in theirs.at]
    # Of one id twice, the reader tells.
    if mine.for_each != theirs.for_each or not points or mine.id == theirs.id:
        return
    if clash := _clash(earlier, later):
        yield later.problem(
            "contradiction",
            f"nothing keeps both this and {theirs.id} ({earlier.place}) at {', '.join(points)}: "
            f"no value is left to {', '.join(clash)}",
            f"{', '.join(points)} では {theirs.id}（{earlier.place}）と両立しません"
            f"（{', '.join(clash)} に値が残りません）",
        )
    elif _covered(later, by=earlier):
        yield _nothing_new(later, earlier)
    elif _covered(earlier, by=later):
        yield _nothing_new(earlier, later)


def _clash(one: _Placed, other: _Placed) -> tuple[str, ...]:
    """Return the fields to which two rules, each possible alone, leave nothing together."""
    if not (one.denies and other.denies) or one.wants.empty() or other.wants.empty():
        return ()
    if not _meet(one.rule, other.rule):
        return ()
    return regions([*one.rule.asserts, *other.rule.asserts]).empty()


def _meet(one: Rule, other: Rule) -> bool:
    """Say whether some request is about both rules; False where that cannot be told."""
    both = regions([*one.when, *other.when])
    if both.empty():
        return False
    return both.exact or all_imply(one.when, other.when) or all_imply(other.when, one.when)


def _covered(one: _Placed, *, by: _Placed) -> bool:
    """Say whether all that a rule refuses is refused by another one, from which nobody is exempt.

    A rule that can be missed in no way or in every way is told of by itself.
    """
    strict = by.rule.mode == "enforce" and not by.rule.approval and by.rule.exceptions == "never"
    if not strict or by.since > one.since or not {*one.rule.at} <= {*by.rule.at}:
        return False
    if one.wants.empty() or by.wants.empty() or one.when.empty():
        return False
    return one.when.within(by.when) and by.wants.within(one.wants)


def _nothing_new(one: _Placed, beside: _Placed) -> Problem:
    other = f"{beside.rule.id} ({beside.place})"
    return one.problem(
        "unreachable",
        f"it decides nothing: whatever it refuses, {other} refuses too",
        f"この規則が決めることはありません。これが拒むものは {other} も拒みます",
    )


def _profile(each: PolicyFile) -> Iterator[Problem]:
    if each.profile is None:
        return
    named = [("title", each.profile.title)]
    found = each.profile.differences
    fields_of = type(found).model_fields
    named += [(field.alias or name, getattr(found, name)) for name, field in fields_of.items()]
    for key, words in named:
        for en, ja in _lacking_words(words):
            said = Words(en=f"{key}: {en}", ja=f"{key}: {ja}")
            yield Problem(kind="translation", place=each.file, said=said)


def _silent(placed: Sequence[_Placed], now: datetime) -> Iterator[Problem]:
    spoken = {point for one in placed if one.since <= now for point in one.rule.at}
    for point in _NEEDED:
        if point not in spoken:
            said = Words(
                en=f"no rule is in force at {point}: every request there is denied",
                ja=f"{point} に有効な規則がないため、すべての申請が拒否されます",
            )
            yield Problem(level="note", kind="silence", place="policies/", said=said)
