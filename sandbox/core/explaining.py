"""A decision in plain words: why, what would pass instead, and who can say yes or exempt. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sandbox.core.changing import Documents, Try, cheapest
from sandbox.core.levers import LEVERS, REMOVABLE
from sandbox.core.operators import LANGUAGES, Language, in_words, shown
from sandbox.core.policy import Decision, Finding, item_label
from sandbox.core.rejudging import documents
from sandbox.core.rules import PolicySet
from sandbox.core.states import state_of
from sandbox.core.template import Words
from sandbox.core.text import clean
from sandbox.core.values import Value


class Change(Value):
    """One thing to ask for otherwise. `place` is written as rules name it, items by number from 0.

    With `left_out` the item of a list is not asked for. `yours` tells what can be asked for from
    what is only known of the request: what becomes of that, the rule's fix says. `how` is how.
    """

    place: str
    before: Any
    after: Any
    left_out: bool
    yours: bool
    said: Words
    how: Words


class Exemption(Value):
    """Who can exempt from a rule that says no, and for how many days at most."""

    rule: str
    role: str
    max_days: int


class Explanation(Value):
    """What stands against a request, and ways out of it.

    `findings` are those that deny or ask for a yes, what denies first. `changes` are the cheapest
    change with which none does, but for the rules that are `stuck`: for those no change is found,
    for what would settle them breaks the rules `against`, which hold.
    `approvals` are the rules that a yes satisfies, each with the roles of which one gives it.
    `exempt` is set where a waiver of each rule that denies would do, and says who gives it.
    """

    findings: tuple[Finding, ...]
    changes: tuple[Change, ...]
    stuck: tuple[str, ...]
    against: tuple[str, ...] = ()
    approvals: dict[str, tuple[str, ...]]
    exempt: tuple[Exemption, ...]


def explained(
    decision: Decision, policies: PolicySet, *, now: datetime, waived: Mapping[str, str]
) -> Explanation:
    """Return what stands against what `decision` judged, by `policies` at `now`.

    `decision` must be what they say; `waived` are the rules that waivers exempt from.
    """
    judged = documents(decision)
    ways = cheapest(policies, judged, now=now, waived=waived)
    denying = decision.denying()
    waivable = bool(denying) and all(finding.waived_by for finding in denying)
    return Explanation(
        findings=tuple(f for f in decision.said() if f.mode == "enforce"),
        changes=tuple(_change(one, judged) for one in ways.tries),
        stuck=ways.stuck,
        against=ways.against,
        approvals={f.rule: f.approval for f in decision.to_approve()},
        exempt=_exemptions(denying) if waivable else (),
    )


def _exemptions(findings: Sequence[Finding]) -> tuple[Exemption, ...]:
    each = {f.rule: (f.waived_by, f.waiver_max_days) for f in findings}
    return tuple(Exemption(rule=rule, role=by, max_days=n) for rule, (by, n) in each.items())


def _change(one: Try, judged: Documents) -> Change:
    en, ja = (_said(one, judged, language) for language in LANGUAGES)
    how_en, how_ja = (_how(one, language) for language in LANGUAGES)
    return Change(
        place="".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in one.path)[1:],
        before=one.before,
        after=None if one.left_out else one.choice.value,
        left_out=one.left_out,
        yours=one.asked,
        said=Words(en=en, ja=ja),
        how=Words(en=how_en, ja=how_ja),
    )


def _said(one: Try, judged: Documents, language: Language) -> str:
    item = _item(one, judged)
    if one.left_out:
        # An item that has a name needs no word for what it is one of.
        name = item.removeprefix(f"{one.field} ")
        name = item if name.isdecimal() else name
        return {"en": f"without {name}", "ja": f"{name} を除く"}[language]
    field = str(one.path[-1]) if item else one.field
    label = f"{item}: " if item else ""
    states = (state_of(field, one.before), state_of(field, one.choice.value))
    if all(states):
        return label + " → ".join(getattr(state, language) for state in states)
    words = in_words(field, language)
    before = shown("" if one.before is None else one.before)
    return f"{label}{words}: {before} → {_after(one, language)}"


def _after(one: Try, language: Language) -> str:
    if one.choice.words is not None:
        return one.choice.words[LANGUAGES.index(language)]
    return shown(one.choice.value)


def _item(one: Try, judged: Documents) -> str:
    """Return what the item of a list is called that a change is about, "" if it is about none."""
    for number, part in enumerate(one.path):
        if isinstance(part, int):
            names = [str(name) for name in one.path[:number]]
            return item_label(".".join(names), part + 1, _found(judged, one.path[: number + 1]))
    return ""


def _found(judged: Documents, path: Sequence[str | int]) -> Any:
    for document in judged.values():
        inner: Any = document
        try:
            for part in path:
                inner = inner[part]
        except (KeyError, IndexError, TypeError):
            continue
        return inner
    return None


def _how(one: Try, language: Language) -> str:
    """Return how to ask for it, as a person types it where that is one option."""
    number = LANGUAGES.index(language)
    if one.left_out:
        way = REMOVABLE[one.field][number]
        before = one.before if isinstance(one.before, Mapping) else {}
        return way.replace("{item}", clean(str(before.get("host", ""))))
    if not one.asked:
        return ""
    value = one.choice.value
    after = f"{value:g}" if isinstance(value, int | float) else clean(str(value))
    return LEVERS[one.field][number].replace("{after}", after)
