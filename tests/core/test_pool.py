"""Which of the pool serves a request, which must go, and how many are lacking: as tables."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from sandbox.core.lease import Lease
from sandbox.core.lifecycle import Sandbox
from sandbox.core.pattern import Pattern
from sandbox.core.phases import Pooled, State
from sandbox.core.pool import (
    LIFETIME,
    MARGIN,
    NONE_LEFT,
    Pool,
    Want,
    candidates,
    differences,
    lacking,
    unclaimed,
    why_cold,
    why_retired,
)
from tests.core.test_lifecycle import a_sandbox
from tests.phases import NOON, PATTERN, phase

PART = {"image": "segment-rfm:1", "memory_mb": 512, "cpus": 1.0, "pids": 128}
MADE = Pattern.model_validate(PATTERN)
OVER = NOON + LIFETIME - MARGIN


def a_pattern(**changes: Any) -> Pattern:
    return Pattern.model_validate(PATTERN | changes)


def pooled(id: str, since: datetime = NOON, template: str = "", **changes: Any) -> Sandbox:
    made = a_sandbox(
        id=id,
        name=f"pool-{id}",
        phase=Pooled(since=since, pattern=a_pattern(**changes)),
        lease=Lease(owner="", ttl=LIFETIME),
        created=since,
    )
    spec = made.spec.model_copy(update={"template": template or made.spec.template})
    return made.model_copy(update={"spec": spec})


def want(count: int, trouble: str = "", **changes: Any) -> Want:
    return Want("segment-rfm", count, None if trouble else a_pattern(**changes), trouble)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ()),
        ({"template": "e" * 64}, ("template",)),
        ({"snapshot": "core@2026-11-24.1"}, ("snapshot",)),
        ({"rules": "s" * 64}, ("source rules",)),
        ({"parameters": {"bins": 4}}, ("parameters",)),
        ({"parameters": {"bins": 5.5}}, ("parameters",)),
        ({"parameters": {}}, ("parameters",)),
        ({"parts": {"tool": PART, "lab": PART}}, ("services",)),
        ({"parts": {}}, ("services",)),
        ({"parts": {"tool": PART | {"image": "segment-rfm:2"}}}, ("images",)),
        ({"parts": {"tool": PART | {"memory_mb": 256}}}, ("limits",)),
        ({"parts": {"tool": PART | {"cpus": 0.5}}}, ("limits",)),
        ({"parts": {"tool": PART | {"pids": 64}}}, ("limits",)),
        ({"egress": ("api.example.com",)}, ("egress",)),
        ({"version": "9.9.9"}, ("version",)),
        (
            {"snapshot": "x@1", "parts": {"tool": PART | {"image": "i:2", "pids": 64}}},
            ("snapshot", "images", "limits"),
        ),
    ],
)
def test_every_word_that_differs_is_named(changes: dict[str, Any], words: tuple[str, ...]) -> None:
    assert differences(a_pattern(**changes), MADE) == words
    assert differences(MADE, a_pattern(**changes)) == words


def test_every_field_of_a_pattern_is_compared() -> None:
    other = {
        "template": "x",
        "snapshot": "x",
        "rules": "x",
        "parameters": {"x": 1},
        "parts": {},
        "egress": ("x.example",),
        "version": "x",
    }
    assert other.keys() == Pattern.model_fields.keys()
    for field, value in other.items():
        assert differences(a_pattern(**{field: value}), MADE), field


def test_the_order_of_hosts_makes_no_difference() -> None:
    one, two = a_pattern(egress=("a.example", "b.example")), a_pattern(egress=("b.example",))
    turned = a_pattern(egress=("b.example", "a.example"))
    assert differences(one, turned) == ()
    assert differences(one, two) == ("egress",)


def test_the_oldest_that_fits_serves_first() -> None:
    pool = [
        pooled("01", snapshot="core@1"),
        pooled("02"),
        pooled("03", template="superset"),
        pooled("04"),
    ]
    assert [s.id for s in candidates(pool, "segment-rfm", MADE, NOON)] == ["02", "04"]
    assert candidates(pool, "segment-rfm", MADE, OVER) == []


@pytest.mark.parametrize(
    ("pool", "now", "why"),
    [
        ([], NOON, NONE_LEFT),
        ([pooled("01", template="superset")], NOON, NONE_LEFT),
        ([pooled("01", snapshot="core@1")], OVER, NONE_LEFT),
        ([pooled("01", snapshot="core@1")], NOON, "snapshot differs"),
        (
            [pooled("01", snapshot="core@1", version="x"), pooled("02", rules="x")],
            NOON,
            "source rules differ",
        ),
        ([pooled("01", snapshot="x", version="x")], NOON, "snapshot and version differ"),
        (
            [pooled("01", template="", snapshot="x", rules="x", version="x")],
            NOON,
            "snapshot, source rules and version differ",
        ),
    ],
)
def test_up_says_in_words_why_it_goes_cold(pool: list[Sandbox], now: datetime, why: str) -> None:
    assert why_cold(pool, "segment-rfm", MADE, now) == why


@pytest.mark.parametrize(
    ("wants", "now", "why"),
    [
        ((want(1),), NOON, ""),
        ((want(1),), OVER - timedelta(seconds=1), ""),
        ((want(1),), OVER, "it is older than 23 h"),
        ((want(0),), NOON, "its template is not pooled any more"),
        ((), NOON, "its template is not pooled any more"),
        ((Want("superset", 1, MADE),), NOON, "its template is not pooled any more"),
        ((want(1, snapshot="core@2"),), NOON, "not what is made now: snapshot"),
        ((want(1, snapshot="y", version="y"),), NOON, "not what is made now: snapshot and version"),
        ((want(1, trouble="There is no such template."),), NOON, ""),
        ((want(1, trouble="There is no such template."),), OVER, "it is older than 23 h"),
    ],
)  # fmt: skip
def test_what_serves_nobody_goes(wants: tuple[Want, ...], now: datetime, why: str) -> None:
    one = pooled("01")
    assert why_retired(one, Pool(wants, (one,)), now) == why


def test_of_too_many_the_oldest_go() -> None:
    pool = (*(pooled(f"0{n}") for n in range(4)), pooled("09", snapshot="core@1"))
    seen = Pool((want(2),), pool)
    assert [why_retired(s, seen, NOON) for s in pool] == [
        "4 are pooled, 2 are wanted",
        "4 are pooled, 2 are wanted",
        "",
        "",
        "not what is made now: snapshot",
    ]


def being_made(id: str, owner: str = "") -> Sandbox:
    lease = Lease(owner=owner, ttl=LIFETIME)
    return pooled(id).model_copy(update={"phase": phase(State.PROVISIONING), "lease": lease})


@pytest.mark.parametrize(
    ("sandboxes", "now", "short"),
    [
        ([], NOON, 2),
        ([pooled("01")], NOON, 1),
        ([pooled("01"), pooled("02")], NOON, 0),
        ([pooled("01"), pooled("02"), pooled("03")], NOON, 0),
        ([pooled("01"), pooled("02", snapshot="core@1")], NOON, 1),
        ([pooled("01"), pooled("02")], OVER, 2),
        ([pooled("01", template="superset")], NOON, 2),
        ([being_made("01")], NOON, 1),
        ([being_made("01", owner="anna")], NOON, 2),
    ],
)
def test_how_many_are_to_be_made(sandboxes: list[Sandbox], now: datetime, short: int) -> None:
    assert lacking([want(2)], sandboxes, now) == ({"segment-rfm": short} if short else {})


def test_a_template_in_trouble_is_lacking_still() -> None:
    assert lacking([want(1, trouble="no snapshot")], [], NOON) == {"segment-rfm": 1}


def test_whose_a_sandbox_is() -> None:
    assert unclaimed(pooled("01"))
    assert not unclaimed(a_sandbox())
    assert a_sandbox(claim="").secret("lab") == "lab a1"
    assert a_sandbox(claim="b2").secret("lab") == "lab a1 b2"


def test_data_that_is_too_old_retires_all_and_none_counts() -> None:
    old = Want("segment-rfm", 1, a_pattern(), "Too old.", "its data is 26 h old")
    one = pooled("a1")
    assert why_retired(one, Pool((old,), (one,)), NOON) == "its data is 26 h old"
    assert lacking([old], [one], NOON) == {"segment-rfm": 1}
