"""The cheapest change of a request that policy lets through: found by trying, never guessed. Pure.

What is asked is split into tests, each of one condition on the whole document or on one item of a
list. Tests that no place connects are settled each for itself. For the others one place is
changed, then two, and so on, until all of them hold: so no change of fewer places passes, and of
those with as many the one nearest to what was asked is taken. What the request itself says is
changed before what is only known of it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations, product
from typing import Any, NamedTuple

from pydantic import ValidationError

from sandbox.core.choices import Choice, choices
from sandbox.core.judged import ASKED
from sandbox.core.levers import DERIVED, REMOVABLE, can_be_asked
from sandbox.core.operators import kind, lookup
from sandbox.core.placing import GONE, Path, at, named, put, stripped
from sandbox.core.points import DOCUMENTS, possible
from sandbox.core.policy import SILENCE, holds
from sandbox.core.rules import Condition, PolicySet, Rule

_Leaf = tuple[Path, Condition, bool]
Documents = Mapping[str, Mapping[str, Any]]
# So many attempts are made for tests that belong together, and no more.
MOST = 3_000


@dataclass(frozen=True)
class Try:
    """One place, what stands there, and what to put there.

    `asked`: whether whoever asks can ask otherwise; else it is only known of the request.
    """

    path: Path
    before: Any
    choice: Choice
    asked: bool = True

    @property
    def field(self) -> str:
        """The place as rules name it, without the numbers of items."""
        return named(self.path)

    @property
    def left_out(self) -> bool:
        """Whether an item of a list is left out."""
        return self.choice.value is GONE


@dataclass(frozen=True)
class _Test:
    """One condition of a rule (with its `when`) on a document, or on one item of its list."""

    point: str
    rule: Rule
    item: Path = ()
    derived: Mapping[str, float] = field(default_factory=dict)

    def holds(self, documents: Documents, *, gone: bool = False) -> bool:
        """Say whether it is kept by what stands there now; `gone`: items may be left out."""
        scope = at(documents[self.point], self.item)
        if scope is GONE:
            return True
        return kind(scope) == "group" and holds(self.rule, stripped(scope) if gone else scope)

    def leaves(self) -> Iterator[_Leaf]:
        """Yield what is tested of which place, and whether that may be met by a change there."""
        for condition in self.rule.when:
            for leaf in condition.leaves():
                path, placed = self._placed(leaf)
                # Nobody goes round a rule by what is only known of a request.
                yield path, placed, can_be_asked(named(path), (self.point,))
        for condition in self.rule.asserts:
            yield from ((*self._placed(leaf), True) for leaf in condition.leaves())

    def places(self) -> set[Path]:
        """Return all places that it depends on."""
        return {path for path, _, _ in self.leaves()} | ({self.item} if self.item else set())

    def _placed(self, leaf: Condition) -> tuple[Path, Condition]:
        """Return the place to change for a condition, and what it says of that place."""
        name = leaf.field or ""
        if self.item or name not in self.derived:
            return (*self.item, *name.split(".")), leaf
        more = self.derived[name]
        bounds = {b: getattr(leaf, b) for b in ("min", "max")}
        less = {b: value - more for b, value in bounds.items() if value is not None}
        return (DERIVED[self.point, name],), leaf.model_copy(update=less)


@dataclass
class _Group:
    """Tests that share places, so that they must be settled together."""

    tests: list[_Test]
    roots: set[Path] = field(default_factory=set)


class Ways(NamedTuple):
    """The smallest change that is found, and the rules for which none is.

    With the change no other rule denies or asks for a yes; without `stuck` none at all does.
    `against` are the rules that hold, but would not with what alone would settle those.
    """

    tries: list[Try]
    stuck: tuple[str, ...] = ()
    against: tuple[str, ...] = ()


def cheapest(
    policies: PolicySet, documents: Documents, *, now: datetime, waived: Mapping[str, str]
) -> Ways:
    """Return the smallest change with which no rule denies or asks for a yes: [] if none is needed.

    `documents` are what is judged together, by point. Rules are stuck where nothing that could be
    asked otherwise would help, or too many of them would have to be tried at once.
    """
    tests: list[_Test] = []
    for point, document in documents.items():
        rules = policies.in_force(point, now)
        if not rules:
            return Ways([], (SILENCE,))
        enforced = [r for r in rules if r.mode_at(now) == "enforce" and not r.exempt_by(waived)]
        tests += [test for rule in enforced for test in _tests(point, rule, document)]
    broken = [g for g in _groups(tests) if not all(test.holds(documents) for test in g.tests)]
    outward = [g for g in broken if {test.point for test in g.tests} == {"egress"}]
    ways = [_way(group, documents) for group in broken if group not in outward]
    if outward:
        ways.append(_outward(_joined([_way(g, documents) for g in outward]), documents))
    return _joined(ways)


def _way(group: _Group, documents: Documents) -> Ways:
    tries = _solved(group, documents)
    if tries is not None:
        return Ways(tries)
    broken = [test for test in group.tests if not test.holds(documents)]
    others = [test for test in group.tests if test not in broken]
    # Alone they may be settled: then it is what holds that stands in the way.
    alone = _solved(_Group(broken, group.roots), documents) if others else None
    lost = [test for test in others if alone and not _kept([test], documents, alone)]
    return Ways([], tuple(t.rule.id for t in broken), tuple(t.rule.id for t in lost))


def _joined(ways: Sequence[Ways]) -> Ways:
    stuck = dict.fromkeys(rule for way in ways for rule in way.stuck)
    against = dict.fromkeys(rule for way in ways for rule in way.against)
    return Ways([one for way in ways for one in way.tries], tuple(stuck), tuple(against))


def _outward(way: Ways, documents: Documents) -> Ways:
    """Return what is less: what settles the rules at egress, or to leave all hosts out.

    Whoever names no host is not judged there.
    """
    hosts = documents["egress"].get("hosts")
    items = hosts if isinstance(hosts, list | tuple) else ()
    none = [Try(("hosts", n), item, Choice(GONE, 1.0)) for n, item in enumerate(items)]
    if none and (way.stuck or _cost(none) < _cost(way.tries)):
        return Ways(none)
    return way


def _cost(tries: Sequence[Try]) -> tuple[int, int, float]:
    facts = sum(not one.asked for one in tries)
    return facts, len(tries) - facts, sum(one.choice.distance for one in tries)


def changed(documents: Documents, tries: Sequence[Try]) -> dict[str, dict[str, Any]]:
    """Return the documents with the changes made."""
    placed = _placed(documents, tries)
    return {point: stripped(document) for point, document in placed.items()}


def _tests(point: str, rule: Rule, document: Mapping[str, Any]) -> Iterator[_Test]:
    for condition in rule.asserts:
        one = rule.model_copy(update={"asserts": (condition,), "for_each": None})
        if rule.for_each is None:
            yield _Test(point, one, derived=_derived(point, document))
            continue
        found, items = lookup(document, rule.for_each)
        path = tuple(rule.for_each.split("."))
        # Where there is no list, an item that is not there never holds.
        count = len(items) if found and kind(items) == "list" else 1
        yield from (_Test(point, one, (*path, number)) for number in range(count))


def _derived(point: str, document: Mapping[str, Any]) -> dict[str, float]:
    """Return the fields that follow from another one, and by how much they are more than it."""
    found = {
        name: (document.get(name), document.get(base))
        for (where, name), base in DERIVED.items()
        if where == point
    }
    return {
        name: more - asked
        for name, (more, asked) in found.items()
        if isinstance(more, int | float) and isinstance(asked, int | float)
    }


def _groups(tests: Sequence[_Test]) -> list[_Group]:
    """Return the tests by the places that connect them."""
    groups: list[_Group] = []
    for test in tests:
        new = _Group([test], {_root(path) for path in test.places()})
        for old in [g for g in groups if _touch(g.roots, new.roots)]:
            groups.remove(old)
            new = _Group([*old.tests, *new.tests], old.roots | new.roots)
        groups.append(new)
    return groups


def _root(path: Path) -> Path:
    """Return the item that a place is in, else the place itself."""
    last = max((n for n, part in enumerate(path) if isinstance(part, int)), default=-1)
    return path if last < 0 else path[: last + 1]


def _touch(ones: set[Path], others: set[Path]) -> bool:
    """Say whether a place is the other's, or within it."""
    return any(a[: len(b)] == b or b[: len(a)] == a for a in ones for b in others)


def _solved(group: _Group, documents: Documents) -> list[Try] | None:
    """Return the smallest change with which all tests of the group hold."""
    variables = _variables(group, documents)
    asked = [tries for tries in variables if tries[0].asked]
    known = [tries for tries in variables if not tries[0].asked]
    broken = [test.places() for test in group.tests if not test.holds(documents)]
    left = MOST
    for facts in range(len(known) + 1):
        for more in range(len(asked) + 1):
            best: tuple[float, list[Try]] | None = None
            for chosen in _chosen(known, facts, asked, more, broken):
                if (left := left - 1) < 0:
                    return None
                far = sum(one.choice.distance for one in chosen)
                if (best is None or far < best[0]) and _settled(group, documents, chosen):
                    best = (far, chosen)
            if best is not None:
                return best[1]
    return None


def _chosen(
    known: list[list[Try]], facts: int, asked: list[list[Try]], more: int, broken: list[set[Path]]
) -> Iterator[list[Try]]:
    """Yield every way to change so many places of each kind at once.

    A rule that is broken stays so unless something changes in one of its places (`broken`).
    """
    for some in combinations(known, facts):
        for others in combinations(asked, more):
            variables = [*some, *others]
            moved = {tries[0].path for tries in variables}
            if all(_touch(moved, places) for places in broken):
                yield from (list(tries) for tries in product(*variables))


def _settled(group: _Group, documents: Documents, tries: Sequence[Try]) -> bool:
    return _kept(group.tests, documents, tries) and _possible(documents, _placed(documents, tries))


def _kept(tests: Iterable[_Test], documents: Documents, tries: Sequence[Try]) -> bool:
    """Say whether tests hold with the changes made."""
    placed, gone = _placed(documents, tries), any(one.left_out for one in tries)
    return all(test.holds(placed, gone=gone) for test in tests)


def _placed(documents: Documents, tries: Sequence[Try]) -> dict[str, Any]:
    """Return the documents with the changes made; items that are left out keep their places."""
    placed: dict[str, Any] = dict(documents)
    for one in tries:
        _place(placed, one)
    return placed


def _possible(documents: Documents, placed: Documents) -> bool:
    """Say whether what is asked is still something that can be asked for at its points."""
    return all(
        _small(placed[point]) <= _small(document) and _stays_typed(point, document, placed[point])
        for point, document in documents.items()
        if placed[point] is not document
    )


def _small(document: Mapping[str, Any]) -> set[str]:
    """Return the sums that are less than what this request alone adds to them."""
    each = {name: (lookup(document, name)[1], lookup(document, ASKED[name])[1]) for name in ASKED}
    numbers = {n: both for n, both in each.items() if {kind(v) for v in both} == {"number"}}
    return {name for name, (whole, asked) in numbers.items() if whole < asked}


def _stays_typed(point: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Say whether a document that its point takes is still one."""
    return not _typed(point, before) or _typed(point, stripped(after))


def _typed(point: str, document: Mapping[str, Any]) -> bool:
    model = DOCUMENTS.get(point)  # type: ignore[call-overload]
    if point == "egress" and document.get("hosts") == []:
        return True  # whoever names no host is not judged there
    try:
        return model is not None and bool(model.model_validate(document))
    except ValidationError:
        return False


def _variables(group: _Group, documents: Documents) -> list[list[Try]]:
    """Return, place by place, what can be tried there."""
    leaves: dict[Path, list[Condition]] = {}
    own: dict[Path, None] = {}
    items: dict[Path, None] = {}
    for test in group.tests:
        if named(test.item) in REMOVABLE:
            items[test.item] = None
        for path, leaf, changeable in test.leaves():
            leaves.setdefault(path, []).append(leaf)
            own |= {path: None} if changeable else {}
    removals = [[Try(item, _found(documents, item), Choice(GONE, 1.0))] for item in items]
    places = [_tries(path, leaves[path], documents) for path in own]
    return [tries for tries in [*places, *removals] if tries]


def _tries(path: Path, leaves: Sequence[Condition], documents: Documents) -> list[Try]:
    before, asked = _found(documents, path), can_be_asked(named(path), documents)
    found = choices(leaves, before, _possible_texts(path, documents))
    return [Try(path, before, choice, asked) for choice in found]


def _possible_texts(path: Path, documents: Documents) -> frozenset[str]:
    """Return all texts that can stand at a place where those are few, else none."""
    inside = len(_root(path)) if any(isinstance(part, int) for part in path) else 0
    over, name = named(path[:inside]), named(path[inside:])
    each = (possible(point, over).get(name) for point in documents)
    return next((values for values in each if values), frozenset())


def _found(documents: Documents, path: Path) -> Any:
    """Return what stands at a place in the first of the documents that has it; else None."""
    values = (at(document, path) for document in documents.values())
    return next((value for value in values if value is not None), None)


def _place(documents: dict[str, Any], one: Try) -> None:
    """Make a change in every document that has the place; if none has it, in all of them."""
    having = [p for p, document in documents.items() if at(document, one.path) is not None]
    for point in having or list(documents):
        before = documents[point]
        documents[point] = put(before, one.path, one.choice.value)
        for name, more in _derived(point, before).items():
            if one.path == (DERIVED[point, name],):
                documents[point][name] = round(one.choice.value + more, 2)
