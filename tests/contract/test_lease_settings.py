"""`lease` in `sandbox.yaml`: durations as people write them, faults told with file and line."""

from datetime import timedelta

import pytest

from sandbox.core.errors import InvalidInput
from sandbox.core.lease import LeaseLimits
from sandbox.core.settings import Settings
from tests.reading import load_as

HEAD = "apiVersion: sandbox.home/v1\nkind: Home\n"


def read(text: str) -> LeaseLimits:
    return load_as(Settings, "sandbox.yaml", (HEAD + text).encode()).lease.limits()


def refused(text: str) -> InvalidInput:
    with pytest.raises(InvalidInput) as raised:
        read(text)
    assert "sandbox.yaml:4:" in raised.value.message
    return raised.value


def test_the_defaults_are_those_of_a_lease() -> None:
    assert read("") == read("lease: {}\n") == LeaseLimits()


def test_each_key_reaches_the_lease() -> None:
    text = (
        "lease:\n  extensions: 0\n  extension: 90m\n  longest: 1w\n  grace: 1d12h\n"
        "  warnings:\n  - before: 2h\n"
    )
    assert read(text) == LeaseLimits(
        extensions=0,
        extension=timedelta(minutes=90),
        longest=timedelta(days=7),
        grace=timedelta(hours=36),
        warnings=(timedelta(hours=2),),
    )
    assert read("lease: {warnings: []}\n").warnings == ()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("extension: 72", "`lease.extension`: must be a duration"),
        ("extension: true", "`lease.extension`: must be a duration"),
        ("grace: forever", "`lease.grace`: is not a duration"),
        ("grace: 0h", "`lease.grace`: is nothing"),
        ("longest: 11y", "`lease.longest`: is not a duration"),
        ("longest: 4000d", "`lease.longest`: is longer than ten years"),
        ("warnings: [{before: 5}]", "`lease.warnings[0].before`: must be a duration"),
        ("warnings: [24h]", "`lease.warnings[0]` must be a group of keys"),
        ("warnings: {before: 24h}", "`lease.warnings` must be a list"),
        ("extensions: 3.5", "`lease.extensions`"),
        ("extensions: -1", "`lease.extensions`"),
        ('extensions: "3"', "`lease.extensions` must be a whole number"),
        ("longest: 24h", "the default time to live, 72h, is longer than lease.longest"),
        ("extention: 72h", "unknown key `extention`. Did you mean extension?"),
    ],
)
def test_faults_are_told_with_file_and_line(line: str, said: str) -> None:
    told = refused(f"lease:\n  {line}\n")
    assert said in told.message
    assert "72h" in told.message + told.hint or "duration" not in said


@pytest.mark.parametrize(
    ("ttl", "said"),
    [
        ("15d", "`defaults.ttl`: the default time to live, 15d, is longer than lease.longest"),
        ("soon", "`defaults.ttl`: is not a duration"),
        ("0h", "`defaults.ttl`: is nothing"),
    ],
)
def test_a_default_that_no_sandbox_could_have(ttl: str, said: str) -> None:
    assert said in refused(f"defaults:\n  ttl: {ttl}\n").message
