"""The table of roles and verbs, cell by cell."""

import importlib
import pkgutil

import pytest

import sandbox.usecases
from sandbox.core.people import ROLES, Role
from sandbox.core.permissions import VERBS, granted
from sandbox.core.values import Request
from sandbox.usecases import desk
from tests import roles

for _module in pkgutil.iter_modules(sandbox.usecases.__path__):
    importlib.import_module(f"sandbox.usecases.{_module.name}")
REQUESTS: dict[str, type[Request]] = {kind.__name__: kind for kind in desk._ANSWERS}  # type: ignore[type-arg]
# What those may ask who only look: verbs that end so, and these. What `reap` settles is due, and
# `verify` leaves nothing behind.
SHOWING = {"list", "show", "explain", "schema"}
LOOKING = {
    "init", "inbox", "doctor", "people", "explain", "reap", "plan", "logs", "verify",
    "snapshot attest",
    "snapshot verify",
    "policy check", "policy test", "policy scan", "policy impact", "policy modes", "review", "cost",
    "audit verify", "completion of names", "completion of templates",
}  # fmt: skip


def test_every_request_has_its_row_and_every_row_its_request() -> None:
    assert set(VERBS) == set(REQUESTS)
    words = [verb.words for verb in VERBS.values()]
    assert len(words) == len(set(words))


def test_the_documented_table_is_the_one() -> None:
    assert roles.documented() == roles.table(), "python -m tests.test_docs --write"


def test_what_is_in_no_row_nobody_may() -> None:
    assert granted("SetFireRequest", frozenset(ROLES)) == ""


def test_without_a_role_nobody_may_decide_anything() -> None:
    for name, verb in VERBS.items():
        assert (granted(name, frozenset()) == "any") is verb.anybody
        assert granted(name, frozenset({"admin"})) == granted(name, frozenset())
    assert {verb.words for verb in VERBS.values() if verb.anybody} < LOOKING


def test_a_personal_home_may_everything_that_somebody_may() -> None:
    for name, verb in VERBS.items():
        assert granted(name, frozenset(ROLES)) == ("any" if verb.any else "own")


@pytest.mark.parametrize("role", ROLES)
def test_each_cell(role: Role) -> None:
    for name, verb in VERBS.items():
        cell = {"yes": "any", "own": "own", "": ""}[verb.cell(role)]
        assert granted(name, frozenset({role})) == cell
        assert (role in verb.roles()) is bool(cell)


@pytest.mark.parametrize("role", ["viewer", "auditor"])
def test_who_only_looks_changes_nothing(role: Role) -> None:
    for verb in VERBS.values():
        shown = verb.words.split()[-1] in SHOWING
        assert not verb.cell(role) or shown or verb.words in LOOKING, verb.words


def test_the_auditor_sees_all_that_anybody_sees() -> None:
    for verb in VERBS.values():
        if verb.words.split()[-1] in SHOWING or verb.words in LOOKING:
            assert verb.cell("auditor") == "yes", verb.words


@pytest.mark.parametrize("name", [name for name, verb in VERBS.items() if verb.own])
def test_what_is_ones_own_has_the_name_of_a_sandbox(name: str) -> None:
    assert REQUESTS[name].model_fields["name"].annotation is str
