from datetime import date, datetime

import pytest
from pydantic import ValidationError

from sandbox.core.errors import InvalidInput, NotFound
from sandbox.core.resolving import choose_snapshot
from sandbox.core.snapshot import (
    ColumnCopy,
    Manifest,
    Snapshot,
    TableCopy,
    check_id,
    next_id,
)
from tests.contract.registry_samples import a_snapshot
from tests.phases import NOON


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ([], "core@2026-11-23.1"),
        (["core@2026-11-23.1"], "core@2026-11-23.2"),
        # Removed and failed versions count too: a number is never used twice.
        (["core@2026-11-23.1", "core@2026-11-23.7"], "core@2026-11-23.8"),
        (["core@2026-11-23.9", "core@2026-11-23.10"], "core@2026-11-23.11"),
        (["core@2026-11-22.5", "shop@2026-11-23.5", "core2@2026-11-23.5"], "core@2026-11-23.1"),
    ],
)
def test_next_id(taken: list[str], expected: str) -> None:
    found = next_id("core", date(2026, 11, 23), iter(taken))
    assert found == expected
    assert check_id(found) == expected


def test_another_source_s_snapshot_is_none_of_this_one() -> None:
    with pytest.raises(NotFound, match="There is no such snapshot of core"):
        choose_snapshot("shop@2026-11-23.1", "core", [])


@pytest.mark.parametrize("text", ["core@2026-11-23.1", "web-shop2@2026-01-01.999999"])
def test_versions(text: str) -> None:
    assert check_id(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "core",
        "core@2026-11-23",
        "core@2026-11-23.0",
        "core@2026-11-23.01",
        "core@2026-11-23.1\n",
        "core@26-11-23.1",
        "Core@2026-11-23.1",
        "../core@2026-11-23.1",
        "core@２０２６-11-23.1",
        "core@2026-11-23.1\x1b[31m",
    ],
)
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(InvalidInput, match="not a snapshot's version") as caught:
        check_id(text)
    assert "core@2026-11-23.1" in caught.value.hint
    assert "\x1b" not in caught.value.subject


def a_manifest(data_as_of: datetime = NOON) -> Manifest:
    columns = (ColumnCopy(name="id", type="BIGINT", data_class="internal", mask="keep"),)
    return Manifest(
        source="core",
        data_as_of=data_as_of,
        built_at=NOON,
        tool_version="0.1.0",
        rules_digest="d" * 64,
        key_id="k1",
        tables=(
            TableCopy(name="customers", rows=23_570, columns=columns),
            TableCopy(name="purchases", rows=69_659, columns=columns),
        ),
        bytes=1_000_000,
        file_digest="f" * 64,
    )


def test_the_rows_of_all_tables_together() -> None:
    assert a_manifest().rows == 93_229


def test_a_record_survives_json() -> None:
    snapshot = a_snapshot(manifest=a_manifest())
    assert Snapshot.model_validate_json(snapshot.model_dump_json()) == snapshot


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        a_manifest(datetime(2026, 11, 23))
