"""What a shipped rule tells people to type can be typed: its commands and options exist."""

import re
from collections.abc import Iterator

import pytest
import yaml

from tests.test_docs import ROOT, entries

COMMANDS = {" ".join(words): command for words, command in entries() if words}
LEAVES = {words for words in COMMANDS if not any(w.startswith(f"{words} ") for w in COMMANDS)}
OPTIONS = {option for command in COMMANDS.values() for p in command.params for option in p.opts}


def fixes() -> Iterator[tuple[str, str]]:
    """Yield every rule of policies/ that is shipped, with what it says to do, in each language."""
    for file in sorted((ROOT / "policies").rglob("*.yaml")):
        for rule in yaml.safe_load(file.read_text("utf-8")).get("rules", ()):
            yield from (
                (f"{rule['id']}-{language}", said) for language, said in rule["fix"].items()
            )


@pytest.mark.parametrize("said", [pytest.param(said, id=name) for name, said in fixes()])
def test_what_a_fix_says_to_type_exists(said: str) -> None:
    for typed in re.findall(r"sandbox ([a-z][a-z -]*)", said):
        words = typed.split()
        assert {" ".join(words[:1]), " ".join(words[:2])} & LEAVES, typed
    assert set(re.findall(r"--[a-z-]+", said)) <= OPTIONS


def test_there_are_fixes_that_say_what_to_type() -> None:
    said = " ".join(said for _, said in fixes())
    assert "sandbox list" in said
    assert "--campaign" in said
