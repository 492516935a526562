"""Runs tests of rules: what the one evaluator says to each case, and what no case looks at. Pure.

A document keeps to the typed input of its point, and holds all that the rule reads. Only what a
case itself takes away or gives another form may be unclear to the rule: a `missed` that comes of a
typing error passes no test.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import datetime
from typing import Any, Literal, NoReturn, cast

from pydantic import ValidationError

from sandbox.core.operators import kind, lookup
from sandbox.core.points import DOCUMENTS, fields
from sandbox.core.policy import evaluate
from sandbox.core.policy_tests import Case, Expected, PlacedTests
from sandbox.core.rules import Point, PolicySet, Rule
from sandbox.core.template import Words
from sandbox.core.text import clean, closest_in_both
from sandbox.core.values import Value
from sandbox.core.version import VERSION

# How a case ended. `wrong`: it cannot be judged as it is written.
Ending = Literal["passed", "failed", "wrong"]
_SILENT = Words(en="", ja="")


class Trial(Value):
    """A case and how it ended; `got` is what the rule said, `why` what is not as expected."""

    file: str
    line: int
    rule: str
    name: str
    at: str
    expect: Expected
    got: Expected | None = None
    ending: Ending
    why: Words = _SILENT


class Coverage(Value):
    """The rules that no case looks at; those of which none shows the yes, or the no.

    What has an empty list of choices nothing can hold yet: no case is missing there.
    """

    untested: tuple[str, ...]
    never_held: tuple[str, ...]
    never_missed: tuple[str, ...]


class _WrongCase(Exception):
    """A case that cannot be judged, in English and Japanese."""

    def __init__(self, en: str, ja: str) -> None:
        super().__init__(en)
        self.words = Words(en=en, ja=ja)


def tried(placed: PlacedTests, policies: PolicySet, now: datetime) -> list[Trial]:
    """Return how each case of a file ends; `now` (aware) counts for those that name no moment."""
    cases = zip(placed.content.tests, placed.lines, strict=True)
    return [_tried(case, placed, line, policies, now) for case, line in cases]


def coverage(rules: Iterable[Rule], trials: Sequence[Trial]) -> Coverage:
    """Return what the cases that could be judged leave out of `rules`."""
    rules = tuple(rules)
    closed = {rule.id for rule in rules if any(c.one_of == () for c in rule.asserts)}
    shown: dict[str, set[str]] = {rule.id: set() for rule in rules}
    for trial in trials:
        if trial.ending != "wrong":
            shown.setdefault(trial.rule, set()).add(trial.expect)
    tested = {rule: said for rule, said in shown.items() if said}
    return Coverage(
        untested=tuple(rule for rule in shown if rule not in tested),
        never_held=tuple(r for r, said in tested.items() if "held" not in said and r not in closed),
        never_missed=tuple(rule for rule, said in tested.items() if "missed" not in said),
    )


def _tried(case: Case, placed: PlacedTests, line: int, policies: PolicySet, now: datetime) -> Trial:
    told = {"file": placed.file, "line": line, "rule": case.rule, "name": case.name}
    told |= {"at": case.at or "", "expect": case.expect}
    try:
        rule = _rule(case, policies)
        point = _point(case, rule)
        document = _document(case, placed.content.documents, rule, point)
    except _WrongCase as wrong:
        return Trial(**told, ending="wrong", why=wrong.words)
    got, why = _judged(case, rule, point, document, policies, now)
    ending = "failed" if why.en else "passed"
    return Trial(**(told | {"at": point}), got=got, ending=ending, why=why)


def _judged(
    case: Case,
    rule: Rule,
    point: Point,
    document: Mapping[str, Any],
    policies: PolicySet,
    now: datetime,
) -> tuple[Expected, Words]:
    """Return what `rule` alone says to `document`, and how that differs from what is expected."""
    begins = rule.effective_from or policies.effective_from
    alone = policies.model_copy(update={"rules": (rule,)})
    moment = case.now or max(now, begins)
    decision = evaluate(alone, point, document, now=moment, tool_version=VERSION, digest="-")
    in_force = bool(decision.results)
    got = decision.results[rule.id] if in_force else "not-applicable"
    verdict = decision.verdict if in_force else "allow"
    pairs = ((case.expect, got), (case.verdict or verdict, verdict))
    found = [(wanted, had) for wanted, had in pairs if wanted != had]
    said = decision.findings[:1] if in_force else ()
    en = "; ".join(f"expected {wanted}, got {had}" for wanted, had in found)
    ja = "、".join(f"{wanted} のはずが {had} でした" for wanted, had in found)
    if found and said:
        en, ja = f"{en}: {said[0].sentence.en}", f"{ja}: {said[0].sentence.ja}"
    return cast(Expected, got), Words(en=en, ja=ja)


def _rule(case: Case, policies: PolicySet) -> Rule:
    for rule in policies.rules:
        if rule.id == case.rule:
            return rule
    near, near_ja = closest_in_both(case.rule, [rule.id for rule in policies.rules])
    name = clean(case.rule)
    raise _WrongCase(f"there is no rule {name}.{near}", f"規則 {name} がありません。{near_ja}")


def _point(case: Case, rule: Rule) -> Point:
    points = ", ".join(rule.at)
    if case.at is None and len(rule.at) > 1:
        raise _WrongCase(
            f"the rule has more than one point; say which: at: {rule.at[0]} (of {points})",
            f"この規則には複数の時点があります。at: で指定してください（{points}）",
        )
    if case.at is not None and case.at not in rule.at:
        raise _WrongCase(
            f"the rule is not judged at {case.at}, but at {points}",
            f"この規則は {case.at} では判定されません（{points}）",
        )
    return case.at or rule.at[0]


def _document(
    case: Case, documents: Mapping[str, dict[str, Any]], rule: Rule, point: Point
) -> dict[str, Any]:
    """Return the case's document, changed; raises _WrongCase for what no request could be."""
    if case.document not in documents:
        name = clean(case.document)
        near, ja = closest_in_both(case.document, documents)
        raise _WrongCase(f"there is no document {name}.{near}", f"文書 {name} がありません。{ja}")
    document = deepcopy(documents[case.document])
    for path, value in case.change.items():
        _change(document, path, value)
    # What a group or list that a case brings along lacks is as wrong as what a document lacks.
    meant = [p for p, value in case.change.items() if not isinstance(value, dict | list)]
    _check_form(document, point, meant)
    for path in _unread(document, rule):
        if not any(_covers(changed, path) for changed in meant):
            how = f"change: {{{path}: null}}"
            raise _WrongCase(
                f"the rule reads {path}, which the document lacks; if it is to be missing: {how}",
                f"規則が読む {path} が文書にありません。意図して欠く場合: {how}",
            )
    return document


def _change(document: Any, path: str, value: Any) -> None:
    """Set what stands at `path`, or take it away; nothing is added where no group or list is."""
    *parents, last = path.split(".")
    inner = document
    for part in parents:
        inner = _below(inner, part, path)
    if isinstance(inner, list):
        _below(inner, last, path)
        inner[int(last) : int(last) + 1] = [] if value is None else [deepcopy(value)]
    elif value is not None and isinstance(inner, dict):
        inner[last] = deepcopy(value)
    else:
        _below(inner, last, path)
        del inner[last]


def _below(inner: Any, part: str, path: str) -> Any:
    if isinstance(inner, dict) and part in inner:
        return inner[part]
    if isinstance(inner, list) and part.isdecimal() and int(part) < len(inner):
        return inner[int(part)]
    shown = clean(path)
    raise _WrongCase(f"the document has no {shown}", f"文書に {shown} がありません")


def _check_form(document: Mapping[str, Any], point: Point, meant: Iterable[str]) -> None:
    """Raise _WrongCase for a field that `point` does not know, or of a form that it never has.

    What a case itself sets to a single value (`meant`) may have any form.
    """
    try:
        DOCUMENTS[point].model_validate_json(json.dumps(document), strict=True)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            path = ".".join(str(part) for part in problem["loc"])
            unknown = problem["type"] == "extra_forbidden"
            if unknown or not (
                problem["type"] == "missing" or any(_covers(changed, path) for changed in meant)
            ):
                _refuse_form(problem["type"], path, problem["msg"], point)


def _refuse_form(kind: str, path: str, said: str, point: Point) -> NoReturn:
    path = clean(path)
    if kind == "extra_forbidden":
        known = {name.rpartition(".")[2] for name in fields(point)}
        near, near_ja = closest_in_both(path.rpartition(".")[2], known)
        raise _WrongCase(
            f"{path} is no field at {point}.{near}",
            f"{path} は {point} の項目ではありません。{near_ja}",
        )
    raise _WrongCase(f"{path}: {clean(said)}", f"{path} の値が正しくありません（{clean(said)}）")


def _unread(document: Mapping[str, Any], rule: Rule) -> Iterator[str]:
    """Yield the fields that `rule` reads and `document` does not have."""
    read = [condition.field or "" for condition in rule.conditions()]
    scopes: dict[str, Any] = {"": document}
    if rule.for_each is not None:
        found, items = lookup(document, rule.for_each)
        if not found:
            yield rule.for_each
        listed = items if kind(items) == "list" else []
        scopes = {f"{rule.for_each}.{number}.": item for number, item in enumerate(listed)}
    for prefix, scope in scopes.items():
        yield from (f"{prefix}{field}" for field in read if not lookup(scope, field)[0])


def _covers(changed: str, path: str) -> bool:
    """Say whether `path` is what was changed, or lies in it."""
    return path == changed or path.startswith(f"{changed}.")
