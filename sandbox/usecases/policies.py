"""Policies as IT works on them: list, show, check, test, and the schema for editors.

Nothing here judges a request, and nothing is changed.
"""

from typing import Any

from pydantic import ConfigDict

from sandbox.core.errors import NotFound, SandboxError
from sandbox.core.operators import Language
from sandbox.core.policy import check_point
from sandbox.core.policy_checks import Problem, problems
from sandbox.core.policy_files import PolicyFile
from sandbox.core.policy_schema import FileKind, schema
from sandbox.core.policy_trials import Coverage, Trial, coverage, tried
from sandbox.core.policy_words import wanted
from sandbox.core.ports import Catalogue, Context
from sandbox.core.rules import Mode, Point, PolicySet, Rule, Waivable
from sandbox.core.template import Words
from sandbox.core.text import clean, closest
from sandbox.core.values import Request, Result, Value
from sandbox.usecases.desk import answers


class RuleLine(Value):
    """A rule in a list; `mode` is the one that counts now, `place` file and line.

    `approval` are the roles whose yes stands in for it, `waived_by` the role that can exempt for at
    most `waiver_max_days`; "" and 0 where nobody can.
    """

    id: str
    title: Words
    mode: Mode
    enforce_after: str = ""
    at: tuple[Point, ...]
    in_force: bool
    since: str
    approval: tuple[str, ...] = ()
    waived_by: str = ""
    waiver_max_days: int = 0
    place: str


class PolicyListResult(Result):
    """The rules of the home, in the order of its files; `digest` names the set as it is.

    `language` is the caller's: titles in it come first.
    """

    language: Language
    name: str
    version: str
    digest: str
    files: tuple[str, ...]
    rules: tuple[RuleLine, ...]


class ListRulesRequest(Request[PolicyListResult]):
    """Ask for the rules, or only for those at one point."""

    at: str = ""


class RuleResult(Result):
    """One rule in words: `when` it applies, and what it `wants` then, of each of `for_each`."""

    line: RuleLine
    for_each: str
    when: tuple[Words, ...]
    wants: tuple[Words, ...]
    fix: Words


class ShowRuleRequest(Request[RuleResult]):
    """Ask for one rule."""

    rule: str


class PolicyCheckResult(Result):
    """What is wrong with the files of `policies/`; `clean` if nothing is but notes."""

    clean: bool
    files: int
    rules: int
    problems: tuple[Problem, ...]


class CheckPoliciesRequest(Request[PolicyCheckResult]):
    """Ask what is wrong with the rules, their tests and the profiles.

    With a `file`, as if one of that name and this `content` stood in `policies/` already.
    """

    file: str = ""
    content: bytes = b""


class PolicyTestResult(Result):
    """How the tests of rules ended.

    `passed` if all passed and every rule has one; so without any test it is not.
    """

    passed: bool
    files: tuple[str, ...]
    trials: tuple[Trial, ...]
    coverage: Coverage


class RunPolicyTestsRequest(Request[PolicyTestResult]):
    """Ask that the tests are run: of all rules, or of one; `file` as in CheckPoliciesRequest."""

    rule: str = ""
    file: str = ""
    content: bytes = b""


class PolicySchemaResult(Result):
    """A JSON Schema, as it is."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, Any]


class PolicySchemaRequest(Request[PolicySchemaResult]):
    """Ask for the schema of one kind of file."""

    kind: FileKind = "PolicySet"


@answers(ListRulesRequest)
def list_rules(context: Context, request: ListRulesRequest) -> PolicyListResult:
    """Return the rules; raises InvalidInput for a point that there is none of."""
    if request.at:
        check_point(request.at)
    policies, files = context.catalogue.policies(), _files(context)
    lines = [_line(context, each, rule) for each in files for rule in each.policies.rules]
    return PolicyListResult(
        language=context.language,
        name=policies.metadata.name,
        version=policies.metadata.version,
        digest=policies.digest(),
        files=tuple(each.file for each in files),
        rules=tuple(line for line in lines if request.at in ("", *line.at)),
    )


@answers(ShowRuleRequest)
def show_rule(context: Context, request: ShowRuleRequest) -> RuleResult:
    """Return one rule; raises NotFound with the nearest."""
    _find(context.catalogue.policies(), request.rule)
    for each in _files(context):
        for rule in each.policies.rules:
            if rule.id == request.rule:
                return RuleResult(
                    line=_line(context, each, rule),
                    for_each=rule.for_each or "",
                    when=tuple(wanted(condition) for condition in rule.when),
                    wants=tuple(wanted(condition) for condition in rule.asserts),
                    fix=rule.fix,
                )
    raise AssertionError(f"{request.rule} is in the set, but in none of its files")


@answers(CheckPoliciesRequest)
def check_policies(context: Context, request: CheckPoliciesRequest) -> PolicyCheckResult:
    """Return what is wrong, whatever it is: of a file that cannot be read, the first fault."""
    catalogue = _catalogue(context, request)
    faults: list[Problem] = []
    files: list[PolicyFile] = []
    for file in catalogue.policy_files():
        try:
            files.append(catalogue.policy_file(file))
        except SandboxError as error:
            faults.append(_fault(file, error))
    for file in catalogue.policy_tests():
        try:
            catalogue.policy_test(file)
        except SandboxError as error:
            faults.append(_fault(file, error))
    if not faults:
        faults += _not_one_set(catalogue)
    # What a file that cannot be read would have said is not known to be missing.
    noticed = problems(files, context.now())
    found = (*faults, *(p for p in noticed if not (faults and p.kind == "silence")))
    return PolicyCheckResult(
        clean=all(problem.level == "note" for problem in found),
        files=len(catalogue.policy_files()),
        rules=sum(len(each.policies.rules) for each in files),
        problems=found,
    )


@answers(RunPolicyTestsRequest)
def run_tests(context: Context, request: RunPolicyTestsRequest) -> PolicyTestResult:
    """Run the tests of rules; raises InvalidInput for a file that cannot be read, NotFound for a
    rule that there is none of."""
    catalogue = _catalogue(context, request)
    policies = catalogue.policies()
    rules = (_find(policies, request.rule),) if request.rule else policies.rules
    files = catalogue.policy_tests()
    trials = [
        trial
        for file in files
        for trial in tried(catalogue.policy_test(file), policies, context.now())
        if request.rule in ("", trial.rule)
    ]
    covered = coverage(rules, trials)
    return PolicyTestResult(
        passed=not covered.untested and all(trial.ending == "passed" for trial in trials),
        files=tuple(files),
        trials=tuple(trials),
        coverage=covered,
    )


@answers(PolicySchemaRequest)
def policy_schema(context: Context, request: PolicySchemaRequest) -> PolicySchemaResult:
    """Return the schema of one kind of file."""
    return PolicySchemaResult.model_validate(schema(request.kind))


def _catalogue(
    context: Context, request: CheckPoliciesRequest | RunPolicyTestsRequest
) -> Catalogue:
    if not request.file:
        return context.catalogue
    return context.catalogue.with_policy(request.file, request.content)


def _files(context: Context) -> list[PolicyFile]:
    return [context.catalogue.policy_file(file) for file in context.catalogue.policy_files()]


def _find(policies: PolicySet, name: str) -> Rule:
    for rule in policies.rules:
        if rule.id == name:
            return rule
    raise NotFound(
        "There is no such rule." + closest(name, [rule.id for rule in policies.rules]),
        subject=clean(name) or "rule",
        hint="See: sandbox policy list",
    )


def _line(context: Context, each: PolicyFile, rule: Rule) -> RuleLine:
    now, since = context.now(), rule.effective_from or each.policies.effective_from
    waivable = rule.exceptions if isinstance(rule.exceptions, Waivable) else None
    return RuleLine(
        id=rule.id,
        title=rule.title,
        mode=rule.mode_at(now),
        enforce_after=rule.enforce_after.isoformat() if rule.enforce_after else "",
        at=rule.at,
        in_force=since <= now,
        since=since.isoformat(),
        approval=rule.approval or (),
        waived_by=waivable.approver_role if waivable else "",
        waiver_max_days=waivable.max_days if waivable else 0,
        place=each.place(rule.id),
    )


def _not_one_set(catalogue: Catalogue) -> list[Problem]:
    """Return what keeps files that are right, each for itself, from being one set."""
    try:
        catalogue.policies()
    except SandboxError as error:
        return [_fault(error.subject, error)]
    return []


def _fault(file: str, error: SandboxError) -> Problem:
    # The reader begins what it says with file, line and column.
    place, said = file, error.message
    if said.startswith(f"{file}:"):
        line, _, said = said.removeprefix(f"{file}:").partition(": ")
        place = f"{file}:{line}"
    said = said.removesuffix(".")
    ja = "ファイルを読めません。上の行を直してください"
    return Problem(kind="file", place=place, said=Words(en=said, ja=ja))
