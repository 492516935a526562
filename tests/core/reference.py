"""A second evaluator, slow and plain, written from docs/policies.md alone: it shares nothing with
the product's but the words. Rules are the plain groups that YAML files hold."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, Literal, NamedTuple

Truth = Literal["true", "false", "unclear"]
JOINING = ("any", "all", "not")
# Nothing stands there: not even null.
NOTHING = object()


class Fault(Exception):
    """A rule that cannot be judged at all."""


class Judged(NamedTuple):
    """What became of one rule: its result, whether it is missed plainly, and unclearly."""

    result: str
    plainly: bool
    unclearly: bool


def kind(value: Any) -> str:
    if value is None or value is NOTHING:
        return "nothing"
    if value is True or value is False:
        return "boolean"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | float):
        return "number" if value == value else "unknown"  # NaN is not even itself
    return "list" if isinstance(value, list | tuple) else "group"


def at(document: Any, path: str) -> Any:
    for part in path.split("."):
        if not isinstance(document, dict) or part not in document:
            return NOTHING
        document = document[part]
    return document


def looks_like(text: str, pattern: str) -> bool:
    """Say whether `text` has this form, by trying every way; of `*` and `?` alone."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(looks_like(text[cut:], pattern[1:]) for cut in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and looks_like(text[1:], pattern[1:])


def moment(text: str) -> date | datetime | None:
    for form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%z"):
        try:
            found = datetime.strptime(text, form)
        except ValueError:
            continue
        return found if found.tzinfo else found.date()
    return None


def _moments(value: str, ends: list[str]) -> list[Any] | None:
    """Return them all as moments of one kind, None where that cannot be."""
    found = [moment(one) for one in (value, *ends)]
    return found if len({type(one) for one in found}) == 1 and found[0] is not None else None


def test_of(name: str, expected: Any, value: Any) -> Truth:
    """Return what one operator says of a value that stands there or does not."""
    if name == "present":
        filled = value.strip() != "" if isinstance(value, str) else _filled(value)
        return _of(filled is expected)
    if kind(value) == "nothing":
        return "unclear"
    if name in ("before", "after", "within"):
        return _in_time(name, expected, value)
    if not _judges(name, expected, value):
        return "unclear"
    if name in ("contains_any", "contains_all"):
        return _of(_contains(name, expected, value))
    if name in ("one_of", "none_of", "equals", "not_equals"):
        choices = expected if name.endswith("_of") else [expected]
        among = any(kind(one) == kind(value) and one == value for one in choices)
        return _of(among is (name in ("one_of", "equals")))
    if name == "longer_than":
        return _of(len(value.strip() if isinstance(value, str) else value) > expected)
    if name == "matches":
        return _of(looks_like(value, expected))
    return _of(value >= expected if name == "min" else value <= expected)


def _of(holds: bool) -> Truth:
    return "true" if holds else "false"


def _filled(value: Any) -> bool:
    if kind(value) in ("list", "group"):
        return len(value) > 0
    return kind(value) != "nothing"


def _judges(name: str, expected: Any, value: Any) -> bool:
    """Say whether a value is of a kind that the operator can judge."""
    if name in ("min", "max"):
        return kind(value) == "number"
    if name in ("contains_any", "contains_all"):
        return kind(value) == "list"
    if name == "longer_than":
        return kind(value) in ("text", "list")
    if name == "matches":
        return kind(value) == "text"
    choices = expected if name.endswith("_of") else [expected]
    return not choices or kind(value) in {kind(one) for one in choices}


def _contains(name: str, expected: list[Any], value: list[Any]) -> bool:
    if any(kind(item) not in {kind(one) for one in expected} for item in value):
        raise Fault
    found = [any(kind(i) == kind(one) and i == one for i in value) for one in expected]
    return any(found) if name == "contains_any" else all(found)


def _in_time(name: str, expected: Any, value: Any) -> Truth:
    if not isinstance(value, str):
        return "unclear"
    found = _moments(value, expected if name == "within" else [expected])
    if found is None:
        return "unclear"
    if name == "within":
        return _of(found[1] <= found[0] <= found[2])
    return _of(found[0] < found[1] if name == "before" else found[0] > found[1])


def truth(condition: Mapping[str, Any], scope: Any) -> Truth:
    """Return what a condition says of a group of fields."""
    if "field" in condition:
        ((name, expected),) = ((n, e) for n, e in condition.items() if n != "field")
        return test_of(name, expected, at(scope, condition["field"]))
    ((word, inner),) = condition.items()
    said = [truth(one, scope) for one in ([inner] if word == "not" else inner)]
    if word == "any" and "true" in said:
        return "true"
    if "unclear" in said:
        return "unclear"
    if word == "not":
        return "false" if said == ["true"] else "true"
    return _of("false" not in said and word == "all")


def parts(condition: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what is judged one by one: the conditions of an outermost `all` are."""
    if "all" in condition:
        for one in condition["all"]:
            yield from parts(one)
    else:
        yield condition


def _listed(given: Any) -> list[Any]:
    return [given] if isinstance(given, dict) else list(given)


def _in_scope(rule: Mapping[str, Any], scope: Any) -> tuple[bool, set[Truth]]:
    """Return whether the rule is about this, and what is missed of it."""
    if not isinstance(scope, dict):
        return True, {"unclear"}
    whens = {truth(one, scope) for one in _listed(rule.get("when", []))}
    if "unclear" in whens:
        return True, {"unclear"}
    if "false" in whens:
        return False, set()
    asserts = [part for one in _listed(rule["assert"]) for part in parts(one)]
    return True, {truth(one, scope) for one in asserts} - {"true"}


def _of_rule(rule: Mapping[str, Any], document: dict[str, Any]) -> tuple[bool, set[Truth]]:
    if "for_each" not in rule:
        return _in_scope(rule, document)
    items = at(document, rule["for_each"])
    if not isinstance(items, list | tuple):
        return True, {"unclear"}
    said = [_in_scope(rule, item) for item in items]
    return any(about for about, _ in said), {miss for _, missed in said for miss in missed}


def judged(rule: Mapping[str, Any], document: dict[str, Any], waived: bool) -> Judged:
    """Return what became of one rule; `waived`: somebody is exempt, if its rule lets them be."""
    try:
        about, missed = _of_rule(rule, document)
    except Fault:
        about, missed = True, {"unclear"}
    exempt = waived and rule.get("exceptions", "never") != "never"
    plainly, unclearly = "false" in missed and not exempt, "unclear" in missed
    if not missed:
        return Judged("held" if about else "not-applicable", False, False)
    return Judged("missed" if plainly or unclearly else "waived", plainly, unclearly)


def verdict(
    rules: list[dict[str, Any]],
    point: str,
    document: dict[str, Any],
    now: datetime,
    waived: set[str],
) -> tuple[str, dict[str, str]]:
    """Return the verdict, and the result of each rule in force; rules say `effective_from`."""
    here = [r for r in rules if point in r["at"] and _begun(r["effective_from"], now)]
    results, said = {}, set()
    for rule in here:
        found = judged(rule, document, rule["id"] in waived)
        results[rule["id"]] = found.result
        mode = "enforce" if _begun(rule.get("enforce_after"), now) else rule["mode"]
        if found.unclearly or (found.plainly and "approval" not in rule):
            said.add({"enforce": "deny", "warn": "warn", "audit": "allow"}[mode])
        if found.plainly and "approval" in rule:
            said.add("needs-approval")
    if not here:
        return "deny", {}
    return next((v for v in ("deny", "needs-approval", "warn") if v in said), "allow"), results


def _begun(moment_: str | None, now: datetime) -> bool:
    return moment_ is not None and datetime.fromisoformat(moment_) <= now
