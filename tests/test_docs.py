"""The documents say what the code does: commands, settings, rules, operators, README examples.

`python -m tests.test_docs --write` writes docs/commands.md anew from the commands themselves, and
the table of roles in docs/people.md.
"""

import re
import shlex
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, cast, get_args

import pytest
import typer
import yaml
from pydantic import BaseModel

from sandbox.cli.app import EXIT, app
from sandbox.core.idle import IdleInput
from sandbox.core.judged import CreateInput, EgressInput, ExtendInput, StartInput
from sandbox.core.judged_crossing import ExportInput, ImportInput
from sandbox.core.judged_promotion import PromoteInput
from sandbox.core.operators import OPERATORS
from sandbox.core.policy_checks import ProblemKind
from sandbox.core.policy_tests import Case, Expected
from sandbox.core.publishing import SnapshotInput
from sandbox.core.rules import Rule
from sandbox.core.settings import Settings
from sandbox.core.source import DataClass, Method, Source
from sandbox.core.template import Template
from sandbox.core.version import VERSION
from tests import roles

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ROOT / "docs" / "commands.md"
_HEAD = """# Commands

Written from the commands themselves: `python -m tests.test_docs --write`. Do not edit by hand.

Results go to stdout, progress and errors to stderr. With `-o json` both the result and an error
are one JSON document on stdout (an error is `{"error": {"code", "message", "subject", "hint"}}`);
progress stays on stderr. Exit codes stand in the [README](../README.md#exit-codes).

`sandbox --install-completion` switches on completion of commands and live names in your shell
from the next login on; `sandbox --show-completion` prints the script instead.
"""
# Click's own; every command has it.
_OWN = {"help"}

# A command of the tree: its words, and Click's object for it.
Entry = tuple[tuple[str, ...], Any]


def entries() -> list[Entry]:
    """Return every command and group, the root first."""
    return list(_walk((), typer.main.get_command(app)))


def _walk(words: tuple[str, ...], command: Any) -> Iterator[Entry]:
    yield words, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _walk((*words, name), child)


def commands_text() -> str:
    """Return docs/commands.md as the commands say it."""
    return _HEAD + "".join(_section(words, command) for words, command in entries())


def _section(words: tuple[str, ...], command: Any) -> str:
    parameters = [p for p in command.params if p.name not in _OWN]
    ordered = parameters
    if not command.context_settings.get("allow_interspersed_args", True):
        # What follows the first argument belongs to the command that is run inside.
        ordered = sorted(parameters, key=_is_option, reverse=True)
    usage = " ".join(["sandbox", *words, *(_usage(p) for p in ordered)])
    if hasattr(command, "commands"):
        usage += " COMMAND"
    level = "##" if len(words) < 2 else "###"
    text = f"\n{level} {' '.join(['sandbox', *words])}\n\n{_said(command)}\n\n    {usage}\n"
    rows = [f"| `{_spelled(p)}` | {_help(p)} |" for p in parameters]
    return text + ("\n| | |\n|---|---|\n" + "\n".join(rows) + "\n" if rows else "")


def _said(command: Any) -> str:
    return " ".join((command.help or "").split())


def _is_option(parameter: Any) -> bool:
    return cast(bool, parameter.param_type_name == "option")


def _kind(parameter: Any) -> Any:
    return getattr(getattr(parameter, "type_descriptor", None), "annotation", None)


def _value_name(parameter: Any) -> str:
    kind = _kind(parameter)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "|".join(str(choice.value) for choice in kind)
    return parameter.metavar or str(parameter.name).upper().replace("EVERYTHING", "ALL")


def _spelled(parameter: Any) -> str:
    if not _is_option(parameter):
        return _value_name(parameter)
    names = ", ".join(sorted(parameter.opts, key=len))
    value = "" if parameter.is_flag else f" {_value_name(parameter)}"
    # A bar would end the cell of the table.
    return (names + value).replace("|", "\\|")


def _usage(parameter: Any) -> str:
    if not _is_option(parameter):
        name = _value_name(parameter)
        return name if parameter.required else f"[{name}]"
    longest = max(parameter.opts, key=len)
    text = longest if parameter.is_flag else f"{longest} {_value_name(parameter)}"
    return text if parameter.required else f"[{text}]"


def _help(parameter: Any) -> str:
    said = " ".join((getattr(parameter, "help", None) or "").split())
    bounds = ""
    low, high = getattr(parameter, "min", None), getattr(parameter, "max", None)
    if low is not None:
        bounds = f" From {low} to {high}." if high is not None else f" {low} or more."
    default = _default(parameter)
    needed = " Required." if parameter.required and _is_option(parameter) else ""
    return (said + bounds + needed + default).replace("|", "\\|").strip()


def _default(parameter: Any) -> str:
    if isinstance(parameter.show_default, str):
        return f" Default: {parameter.show_default}."
    value = getattr(parameter.default, "value", parameter.default)
    # Click marks "no default" by a value of its own, which is neither text nor number.
    if parameter.required or isinstance(value, bool) or not isinstance(value, str | int | Path):
        return ""
    return f" Default: `{value}`." if str(value) else ""


def doc(name: str) -> str:
    """Return the text of a file in docs/."""
    return (ROOT / "docs" / name).read_text("utf-8")


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield every key of a model as a person writes it, with dots."""
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        yield key
        for inner in _models(field.annotation):
            yield from keys(inner, f"{key}.")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models(argument)


def missing(names: Iterator[str] | list[str], text: str) -> list[str]:
    """Return the names that do not stand in `text` as code."""
    return [name for name in names if f"`{name}`" not in text]


def problem(line: str) -> str:
    """Return why a `sandbox ...` line does not parse; empty if it does. Nothing is run."""
    words = shlex.split(line, comments=True)[1:]
    root = typer.main.get_command(app)
    try:
        _parse(root, "sandbox", words, None)
    except Exception as error:
        return f"{line}: {getattr(error, 'message', error)}"
    return ""


def _parse(command: Any, name: str, words: list[str], parent: Any) -> None:
    # A root that only answers `--version` or `--help` needs no command after it.
    if set(words) <= {"--version", "--help"} and words:
        return
    context = command.make_context(name, list(words), parent=parent)
    rest = [*getattr(context, "_protected_args", []), *context.args]
    if not hasattr(command, "commands"):
        return
    found, child, arguments = command.resolve_command(context, rest)
    _parse(child, found or "", arguments, context)


def examples(text: str) -> list[str]:
    """Return the `$ sandbox ...` lines of a document; a backslash goes on in the next line."""
    joined = re.sub(r"\\\n\s*", " ", text)
    return re.findall(r"^\s*\$ (sandbox .*)$", joined, re.MULTILINE)


def test_commands_are_documented_as_they_are() -> None:
    assert COMMANDS.read_text("utf-8") == commands_text(), (
        "docs/commands.md is old: python -m tests.test_docs --write"
    )


def test_options_of_exec_stand_where_they_are_read() -> None:
    usage = re.search(r"^    (sandbox exec .*)$", commands_text(), re.MULTILINE)
    assert usage
    assert usage[1].index("--part") < usage[1].index("NAME") < usage[1].index("-- COMMAND")


def test_every_command_has_help() -> None:
    assert len(entries()) > 20
    assert not [" ".join(words) for words, command in entries() if not _said(command)]


def test_every_option_and_argument_has_help() -> None:
    silent = [
        f"{' '.join(words) or 'sandbox'} {_spelled(parameter)}"
        for words, command in entries()
        for parameter in command.params
        if parameter.name not in _OWN and not (getattr(parameter, "help", None) or "").strip()
    ]
    assert not silent, f"no help: {', '.join(silent)}"


def test_help_shows_every_word_of_itself() -> None:
    """What stands in brackets is markup to whoever prints help, and is not on the screen."""
    texts = [
        (words, said)
        for words, command in entries()
        for said in (command.help, *(getattr(p, "help", None) for p in command.params))
    ]
    assert not [(words, said) for words, said in texts if "[" in (said or "")]


def test_every_setting_is_documented() -> None:
    assert not missing(keys(Settings), doc("settings.md"))


@pytest.mark.parametrize(
    "name",
    [
        str(file.relative_to(ROOT / "policies"))
        for file in sorted((ROOT / "policies").rglob("*.yaml"))
        if file.parent.name != "tests"
    ],
)
def test_every_rule_is_documented(name: str) -> None:
    rules = yaml.safe_load((ROOT / "policies" / name).read_text("utf-8"))["rules"]
    assert rules
    assert not missing([rule["id"] for rule in rules], doc("policies.md"))


def test_every_operator_and_field_of_a_policy_is_documented() -> None:
    assert not missing(
        [
            *(*OPERATORS, *keys(CreateInput), *keys(ExtendInput), *keys(StartInput)),
            *(*keys(IdleInput), *keys(SnapshotInput), *keys(ExportInput), *keys(ImportInput)),
            *(*keys(EgressInput), *keys(PromoteInput)),
        ],
        doc("policies.md"),
    )


def test_every_key_of_rules_and_their_tests_is_documented() -> None:
    aliases = [f.alias or name for m in (Rule, Case) for name, f in m.model_fields.items()]
    joints = ("any", "all", "not", "documents")
    said = [*aliases, *joints, *get_args(ProblemKind), *get_args(Expected)]
    assert not missing(said, doc("policies.md"))


def test_every_key_of_a_template_is_documented() -> None:
    names = [key.split(".")[-1] for key in keys(Template)]
    assert not missing(names, doc("templates.md"))


def test_every_key_class_and_mask_of_a_source_is_documented() -> None:
    names = [key.split(".")[-1] for key in keys(Source)]
    assert not missing([*names, *get_args(DataClass), *get_args(Method)], doc("sources.md"))


def test_the_changelog_knows_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(r"^## \[Unreleased\]", text, re.MULTILINE)
    assert re.search(rf"^## \[{re.escape(VERSION)}\]", text, re.MULTILINE)


def test_readme_names_every_exit_code() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    for code, number in EXIT.items():
        assert re.search(rf"^\| {number} \| .*`{code}`", text, re.MULTILINE), code


def test_every_example_parses() -> None:
    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    lines = [line for file in files for line in examples(file.read_text("utf-8"))]
    assert len(lines) >= 10
    assert not [why for line in lines if (why := problem(line))]


@pytest.mark.parametrize(
    "line",
    ["sandbox fly", "sandbox list --everywhere", "sandbox up", "sandbox snapshot melt core"],
)
def test_a_wrong_example_is_found(line: str) -> None:
    assert problem(line)


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for file in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", file.read_text("utf-8")):
            if not (file.parent / target).exists():
                broken.append(f"{file.name}: {target}")
    assert not broken


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python -m tests.test_docs --write")
    COMMANDS.write_text(commands_text(), "utf-8")
    roles.write()
