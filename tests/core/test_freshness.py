"""How old data is, and when that is too old: as tables."""

from datetime import datetime, timedelta

import pytest

from sandbox.core.errors import Denied
from sandbox.core.freshness import check_fresh, freshness, why_too_old
from sandbox.core.snapshot import Snapshot
from sandbox.core.source import Source
from tests.contract.registry_samples import a_manifest, a_snapshot
from tests.core.test_source import demo_source
from tests.phases import NOON

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


def of(as_of: datetime, experiment: str = "") -> Snapshot:
    return a_snapshot(manifest=a_manifest(data_as_of=as_of, experiment=experiment))


@pytest.mark.parametrize(
    ("age", "max_age", "too_old", "words"),
    [
        (timedelta(), None, False, "under 1 min old"),
        (timedelta(days=900), None, False, "900 d old"),
        (timedelta(hours=5, minutes=7), DAY, False, "5 h 7 min old"),
        (DAY - MINUTE, DAY, False, "23 h 59 min old"),
        (DAY, DAY, True, "24 h old, too old: the limit is 24 h"),
        (timedelta(hours=130), DAY, True, "5 d 10 h old, too old: the limit is 24 h"),
        (-timedelta(hours=2), MINUTE, False, "under 1 min old"),  # the source's clock is ahead
    ],
)
def test_ages(age: timedelta, max_age: timedelta | None, too_old: bool, words: str) -> None:
    snapshot = of(NOON - age)
    found = freshness(snapshot, max_age, NOON)
    assert found is not None
    assert (found.too_old, found.words) == (too_old, words)
    assert bool(why_too_old(snapshot, max_age, NOON)) is too_old
    if not too_old:
        check_fresh(snapshot, max_age, NOON)
        return
    with pytest.raises(Denied):
        check_fresh(snapshot, max_age, NOON)


def test_the_refusal_names_age_limit_and_what_mends_it() -> None:
    with pytest.raises(Denied) as refused:
        check_fresh(of(NOON - 2 * DAY, "coupons"), DAY, NOON)
    error = refused.value
    assert error.subject == "core@2026-11-23.1"
    assert error.message == "The snapshot is too old: its data is 48 h old, core allows 24 h."
    assert "sandbox snapshot build core --experiment coupons" in error.hint
    assert error.details["freshness"]["max_age_minutes"] == 1440


def test_what_was_never_built_has_no_age() -> None:
    assert freshness(a_snapshot(), DAY, NOON) is None
    check_fresh(a_snapshot(), MINUTE, NOON)


def test_a_limit_is_written_as_durations_are_and_decides_nothing_of_the_output() -> None:
    source = demo_source(max_age="36h")
    assert source.max_age == timedelta(hours=36)
    passed_on = Source.model_validate_json(source.model_dump_json(by_alias=True))
    assert passed_on == source
    assert source.rules_digest() == demo_source().rules_digest()
    for wrong in ("soon", "0h", 36):
        with pytest.raises(ValueError, match="max_age"):
            demo_source(max_age=wrong)
