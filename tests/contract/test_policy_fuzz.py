"""Policies broken at random: each is refused with its place, or judges. None lets anything pass
that says nothing of itself."""

import copy
import json
import random
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from sandbox.core.people import FILE, People, recognised
from sandbox.core.policy import evaluate
from sandbox.core.policy_tests import PolicyTests
from sandbox.core.profiles import Profile
from sandbox.core.rules import PolicySet
from sandbox.drivers.catalogue.strict_yaml import load
from tests.contract.test_strict_yaml import BASELINE, mutated, refused_or_none
from tests.core.policies import NOW
from tests.reading import load_as

POLICIES = Path(__file__).parents[2] / "policies"
FILE_NAME = "policies/x.yaml"
PLAIN: dict[str, Any] = load(FILE_NAME, BASELINE).content
# Rules of every form, among them some with what the shipped ones do not use.
FORMS: list[dict[str, Any]] = [
    *PLAIN["rules"][:1],
    next(rule for rule in PLAIN["rules"] if "for_each" in rule),
    PLAIN["rules"][0]
    | {
        "id": "forms",
        "when": {"any": [{"field": "kind", "equals": "big"}, {"not": {"field": "n", "min": 3}}]},
        "assert": {"all": [{"field": "d", "within": ["2026-04-01", "2026-05-01"]}]},
        "approval": ["it"],
        "effective_from": "2026-04-01T00:00:00+09:00",
    },
]
WHOLE = PLAIN | {"rules": FORMS}
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1e308, "", "no", "x" * 300, [], {}, [[]], {"field": "a"}, "2026-04-01",
    {"any": []}, {"not": {"field": "a", "present": True}}, "enforce", "create", ["create"],
)  # fmt: skip
KEYS = ("any", "all", "not", "max", "mode", "at", "assert", "when", "for_each", "rules", "x")


def judged(raw: bytes) -> str:
    """Return the verdict of these policies on a request that says nothing, or `refused`."""
    error = refused_or_none(partial(load_as, PolicySet, FILE_NAME, raw))
    if error is not None:
        assert error.message.startswith(f"{FILE_NAME}:")
        assert error.details["line"] >= 1
        return "refused"
    policies = load_as(PolicySet, FILE_NAME, raw)
    assert PolicySet.model_validate_json(policies.canonical()).digest() == policies.digest()
    return evaluate(policies, "create", {}, now=NOW, tool_version="1").verdict


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every group or list in it, with each of its keys or numbers."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def bent(dice: random.Random, whole: Any) -> bytes:
    """Return a file with one to three places put in disorder; as JSON, which is YAML."""
    content = copy.deepcopy(whole)
    for _ in range(dice.randint(1, 3)):
        places = list(_places(content))
        where, key = dice.choice(places)
        other, from_ = dice.choice(places)
        match dice.randrange(5):
            case 0:
                del where[key]
            case 1:
                where[key] = copy.deepcopy(dice.choice(ODD))
            case 2:
                where[key] = copy.deepcopy(other[from_])
            case 3 if isinstance(where, dict):
                where[dice.choice(KEYS)] = where.pop(key)
            case _ if isinstance(where, dict):
                where[dice.choice(KEYS)] = copy.deepcopy(dice.choice(ODD))
    return json.dumps(content, ensure_ascii=False).encode()


def test_the_whole_denies_and_nothing_is_refused() -> None:
    assert judged(json.dumps(WHOLE).encode()) == "deny"
    assert judged(BASELINE) == "deny"


@pytest.mark.parametrize("how", ["bent", "bytes"])
def test_no_broken_policy_allows_what_says_nothing(how: str) -> None:
    dice = random.Random(20261124)
    third = [found.start() for found in re.finditer(rb"^  - id:", BASELINE, re.MULTILINE)][2]
    text = BASELINE[BASELINE.index(b"apiVersion") : third]
    made = (bent(dice, WHOLE) if how == "bent" else mutated(dice, text) for _ in range(400))
    seen = [judged(raw) for raw in made]
    assert {"deny", "refused"} <= set(seen) <= {"deny", "refused", "warn", "needs-approval"}
    assert 60 < seen.count("refused") < 590, seen.count("refused")


@pytest.mark.parametrize(
    ("model", "file"), [(Profile, "profiles/mode-2.yaml"), (PolicyTests, "tests/idle.yaml")]
)
def test_no_broken_file_of_policies_makes_it_crash(model: type[BaseModel], file: str) -> None:
    dice, raw = random.Random(3), (POLICIES / file).read_bytes()
    whole, refused = load(file, raw).content, 0
    for number in range(100):
        broken = bent(dice, whole) if number % 2 else mutated(dice, raw)
        error = refused_or_none(partial(load_as, model, file, broken))
        if error is not None:
            refused += 1
            assert error.message.startswith(f"{file}:")
    assert refused > 20


def test_no_broken_people_file_gives_a_stranger_a_role() -> None:
    dice = random.Random(5)
    head = b"apiVersion: sandbox.people/v1\nkind: People\npeople:\n"
    roles = (b"it", b"marketer", b"auditor, viewer")
    line = b"  - name: p%d  # somebody who works here, and may or may not be known to others\n"
    rest = b"    user: u%d\n    roles: [%s]\n"
    text = head + b"".join((line + rest) % (n, n, role) for n, role in enumerate(roles))
    read = 0
    for _ in range(300):
        raw = mutated(dice, text)
        error = refused_or_none(partial(load_as, People, FILE, raw))
        if error is not None:
            assert error.message.startswith(f"{FILE}:")
            continue
        people, read = load_as(People, FILE, raw), read + 1
        assert recognised(people, "stranger", "", allowed=True, day=NOW.date()).roles == frozenset()
    assert 10 < read < 290, read
