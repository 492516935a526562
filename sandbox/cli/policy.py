"""policy: the rules of the home, and whether they are sound."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sandbox.cli import explaining, modes
from sandbox.cli.asking import Returned, command
from sandbox.core.errors import InvalidInput

_MOST = 1024 * 1024


def rule_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the ids of rules, for the shell's completion; nothing where they cannot be read."""
    from sandbox.cli.app import quiet_ask
    from sandbox.usecases.policies import ListRulesRequest

    found = quiet_ask(ListRulesRequest(), context)
    names = [line.id for line in found.rules] if found else []
    return [name for name in names if name.startswith(incomplete)]


Rule = Annotated[
    str,
    typer.Argument(help="The rule's id, as `policy list` shows it.", autocompletion=rule_names),
]


class TestOutput(StrEnum):
    """How the results of tests are printed."""

    TABLE = "table"
    JSON = "json"
    JUNIT = "junit"


class FileKind(StrEnum):
    """What a file below `policies/` is: its `kind`."""

    POLICY_SET = "PolicySet"
    PROFILE = "Profile"
    POLICY_TESTS = "PolicyTests"


def add_to(app: typer.Typer) -> None:
    """Register the noun."""
    policy = typer.Typer(help="The rules that requests keep.", no_args_is_help=True)
    command(policy, "list", list_rules)
    command(policy, "show", show)
    command(policy, "check", check)
    command(policy, "test", run_tests)
    command(policy, "schema", schema)
    modes.add_to(policy)
    explaining.add_to(policy)
    app.add_typer(policy, name="policy", rich_help_panel="Rules and answers")


def list_rules(
    at: Annotated[
        str, typer.Option(metavar="POINT", help="Only those at this point, as create or export.")
    ] = "",
) -> Returned:
    """List the rules: what each wants, where it is judged, who can exempt or approve."""
    from sandbox.usecases.policies import ListRulesRequest

    return ListRulesRequest(at=at)


def show(rule: Rule) -> Returned:
    """Show one rule in words."""
    from sandbox.usecases.policies import ShowRuleRequest

    return ShowRuleRequest(rule=rule)


def check(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="NEWFILE", help="Check as if this stood in policies/ already."),
    ] = None,
) -> Returned:
    """Look for what is wrong with the rules before anybody meets it; exit 4 if something is."""
    from sandbox.usecases.policies import CheckPoliciesRequest

    return CheckPoliciesRequest(file=file.name if file else "", content=read_file(file))


def run_tests(
    rule: Annotated[
        str, typer.Argument(help="Only this rule. Default: all.", autocompletion=rule_names)
    ] = "",
    file: Annotated[
        Path | None,
        typer.Option("--with", metavar="NEWFILE", help="As if this stood in policies/ already."),
    ] = None,
    output: Annotated[
        TestOutput,
        typer.Option(
            "--output", "-o", help="A table for people, JSON for programs, or JUnit's XML for CI."
        ),
    ] = TestOutput.TABLE,
) -> Returned:
    """Run the tests of policies/tests/; exit 4 if one fails, a rule has none, or there are none."""
    from sandbox.usecases.policies import RunPolicyTestsRequest

    name, content = file.name if file else "", read_file(file)
    return RunPolicyTestsRequest(rule=rule, file=name, content=content)


def schema(
    kind: Annotated[
        FileKind, typer.Argument(help="Which kind of file.", case_sensitive=False)
    ] = FileKind.POLICY_SET,
) -> Returned:
    """Print the JSON Schema of policy files, for editors."""
    from sandbox.usecases.policies import PolicySchemaRequest

    return PolicySchemaRequest(kind=kind.value)


def read_file(file: Path | None) -> bytes:
    """Return the content of a policy file, nothing if there is none; raises InvalidInput if it
    cannot be read. One byte over what the catalogue takes is enough for it to say so."""
    try:
        if file is None:
            return b""
        with file.open("rb") as stream:
            return stream.read(_MOST + 1)
    except OSError as error:
        raise InvalidInput(
            f"The file cannot be read: {error.strerror}.",
            subject=str(file),
            hint="Name a YAML file with rules, tests or a profile.",
        ) from error
