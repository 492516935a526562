"""What people see of explained decisions, of what runs, and of what a new file would change."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from sandbox.cli import tables_policy
from sandbox.cli.blocks import Block, Grid, Line, cell, named, typed
from sandbox.core.text import clean

if TYPE_CHECKING:
    from sandbox.core.asks import AskDecision
    from sandbox.core.comparing import RuleChange
    from sandbox.core.explaining import Explanation
    from sandbox.core.policy import Decision, Finding
    from sandbox.core.template import Words
    from sandbox.usecases.explaining import Origin, PolicyExplainResult
    from sandbox.usecases.scanning import PolicyImpactResult, PolicyScanResult

_AGAIN = {
    True: "judged again by the rules kept of that day: the same",
    False: "judged again by the rules kept of that day: NOT the same",
    None: "the rules of that day are not kept, or cannot be read by this version",
}


def _both(label: str, words: "Words") -> list[Block]:
    return [named(label, words.en), named("", words.ja)]


def _explained(result: "PolicyExplainResult") -> list[Block]:
    if result.rule is not None:
        return tables_policy.SHOWN["RuleResult"](result.rule)
    assert result.origin is not None
    assert result.decision is not None
    shown = _origin(result.origin, result.decision)
    if result.today is None or result.explanation is None:
        return [*shown, named("today", f"no rule is judged at {result.decision.point} any more")]
    return [
        *shown,
        *_today(result.decision, result.today),
        *(block for finding in result.explanation.findings for block in _finding(finding)),
        *_ways(result, result.explanation),
    ]


def _origin(origin: "Origin", decision: "Decision") -> list[Block]:
    where = f"event {origin.event}, {origin.code}, {cell(origin.at)} by {origin.actor}"
    used = ", ".join(decision.waivers)
    shown: list[Block] = [
        named("decision", f"{origin.subject}: {decision.verdict} at {decision.point} ({where})"),
        named("", decision.summary("en")),
        named("", decision.summary("ja")),
        named("rules", f"digest {decision.policy_digest[:12]}; {_AGAIN[origin.repeatable]}"),
    ]
    return [*shown, named("waivers", used)] if used else shown


def _today(decision: "Decision", today: "Decision") -> list[Block]:
    if today.policy_digest == decision.policy_digest and today.verdict == decision.verdict:
        return []
    rules = "the same rules" if today.policy_digest == decision.policy_digest else "other rules"
    return [named("today", f"{today.verdict}, by {rules}: {today.summary()}")]


def _finding(finding: "Finding") -> list[Block]:
    mode = "approve" if finding.approval else finding.mode
    return [
        Line(
            f" {clean(finding.title.en)} / {clean(finding.title.ja)}",
            label=f"  {mode:<8}{finding.rule}",
        ),
        *_both("", finding.sentence),
        named("", f"fix: {finding.fix.en}"),
        named("", f"対処: {finding.fix.ja}"),
    ]


def _ways(result: "PolicyExplainResult", explanation: "Explanation") -> list[Block]:
    """Return what would pass: another request, a waiver, or somebody's yes."""
    if not explanation.findings:
        return [named("passes", "Nothing stands against it. / 妨げる規則はありません。")]
    shown = [*_cheapest(explanation)]
    for number, exemption in enumerate(explanation.exempt):
        who = _who(exemption.role, result.people)
        label = "and" if number else "or waiver"
        shown.append(named(label, f"by {who}, at most {exemption.max_days} days:"))
        ask = f"sandbox waiver request {exemption.rule} {result.waivable}"
        shown.append(typed("", f"{ask} --until {exemption.max_days}d --reason WHY"))
    return [*shown, *_yeses(result, explanation)]


def _yeses(result: "PolicyExplainResult", explanation: "Explanation") -> Iterator[Block]:
    """Yield whose yes would do; in its place what was answered. It helps nothing where another
    rule denies from which nobody can be exempt."""
    if result.refused:
        yield named("refused", f"by {_said(result.refused)}")
        return
    denied = any(not finding.approval for finding in explanation.findings)
    if denied and not explanation.exempt:
        return
    given = {rule: yes for yes in result.yeses for rule in yes.rules}
    label = "and a yes" if denied else "or a yes"
    for rule, roles in explanation.approvals.items():
        if yes := given.get(rule):
            words = f"{yes.by.name}, for rule {rule}, given {cell(yes.at)}: {yes.reason}"
        else:
            words = f"{' or '.join(_who(role, result.people) for role in roles)}, for rule {rule}"
        yield named(label, f"of {words}")
        label = "and"


def _said(answer: "AskDecision") -> str:
    return f"{answer.by.name}, {cell(answer.at)}: {answer.reason}"


def _who(role: str, people: dict[str, tuple[str, ...]]) -> str:
    names = ", ".join(people.get(role, ()))
    return f"{role} ({names})" if names else f"{role} (role)"


def _cheapest(explanation: "Explanation") -> Iterator[Block]:
    for number, change in enumerate(explanation.changes):
        en = f" ({change.how.en})" if change.how.en else ""
        ja = f"（{change.how.ja}）" if change.how.ja else ""
        if not change.yours:
            en, ja = " (nothing that you ask; see fix)", "（申請では変えられません。対処を参照）"
        yield named("" if number else "passes if", change.said.en + en)
        yield named("", change.said.ja + ja)
    if explanation.stuck:
        rules = ", ".join(explanation.stuck)
        but = "but" if explanation.changes else "no way"
        yield named(but, f"no change of the request is found that satisfies: {rules}")
        yield named("", f"次の規則を満たす申請の変更は見つかりませんでした: {rules}")
    if explanation.against:
        rules = ", ".join(explanation.against)
        yield named("", f"what would satisfy it breaks what holds now: {rules}")
        yield named("", f"それを満たすと、いま満たしている次の規則に反します: {rules}")


def _scanned(result: "PolicyScanResult") -> list[Block]:
    total = f"{result.judged} running, judged by {result.rules} rules of {cell(result.at)}"
    if not result.drift:
        said = f"{total}: all of them hold" if result.judged else "nothing runs"
        return [named("scan", said, "green")]
    said = f"{total}: {result.broken} break an enforced rule"
    shown: list[Block] = [named("scan", said, "red" if result.broken else "")]
    columns = ("sandbox", "owner", "rule", "mode", "at its start", "what is the matter")
    grid = Grid(columns, cut=frozenset({"what is the matter"}))
    for d in result.drift:
        mode = f"waived by {d.waiver}" if d.waiver else d.mode
        words = f"{d.said.en} / {d.said.ja}"
        grid.rows.append((d.sandbox, d.owner, d.rule, mode, d.before or "not judged", words))
    return [*shown, grid]


def _impact(result: "PolicyImpactResult") -> list[Block]:
    place = (
        "in place of the one that is there" if result.replaces else "beside those that are there"
    )
    counts = ", ".join(f"{count} {what}" for what, count in sorted(result.counts.items()))
    shown: list[Block] = [
        named("file", f"{result.file}, {place}; nothing was changed"),
        named("rules", f"{counts or 'none differs'}; judged as of {cell(result.at)}"),
        *(block for change in result.rules for block in _rule_change(change)),
    ]
    if result.later:
        rules = ", ".join(result.later)
        shown.append(named("later", f"{rules}: not in force, or not enforced, then; see --on DAY"))
    if not result.affected:
        said = f"none of {result.judged} running would be judged otherwise"
        return [*shown, named("sandboxes", said)]
    grid = Grid(("sandbox", "owner", "at", "now", "then", "by", "why"), cut=frozenset({"why"}))
    for a in result.affected:
        rules = ", ".join([*a.broken, *(f"not {rule}" for rule in a.kept)])
        row = (a.sandbox, a.owner, a.point, a.before, a.after, rules, f"{a.said.en} {a.said.ja}")
        grid.rows.append(row)
    names = {affected.id for affected in result.affected}
    return [*shown, named("sandboxes", f"{len(names)} of {result.judged} running:"), grid]


def _rule_change(change: "RuleChange") -> Iterator[Block]:
    title = f" {clean(change.title.en)} / {clean(change.title.ja)}"
    yield Line(title, label=f"  {change.what:<10}{change.rule}")
    for aspect in change.aspects:
        yield named("", f"{aspect.name}: {aspect.before.en} → {aspect.after.en}")
        if aspect.before.ja != aspect.before.en or aspect.after.ja != aspect.after.en:
            yield named("", f"{aspect.name}: {aspect.before.ja} → {aspect.after.ja}")


SHOWN: dict[str, Callable[[Any], list[Block]]] = {
    "PolicyExplainResult": _explained,
    "PolicyScanResult": _scanned,
    "PolicyImpactResult": _impact,
}
