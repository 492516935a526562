"""What may be kept of a sandbox: names, classes, reasons."""

from datetime import timedelta

import pytest

from sandbox.core.keeping import (
    NEVER_READY,
    NOT_WANTED,
    UNKNOWN_CLASS,
    archive_name,
    highest_class,
    kept_until,
    most_bytes,
    too_large,
    why_not,
)
from sandbox.core.lifecycle import Sandbox
from sandbox.core.phases import State
from sandbox.core.settings import KeepSettings
from sandbox.core.snapshot import ColumnCopy, Snapshot, TableCopy
from sandbox.core.source import CLASSES, NEVER_KEPT
from tests.contract.registry_samples import a_sandbox, a_snapshot
from tests.core.test_snapshot import a_manifest
from tests.phases import NOON, phase


def snapshot(*classes: str, manifest: bool = True) -> Snapshot:
    columns = tuple(
        ColumnCopy(name=f"c{i}", type="VARCHAR", data_class=c, mask="keep")
        for i, c in enumerate(classes)
    )
    tables = (
        TableCopy(name="t", rows=1, columns=columns[:1]),
        TableCopy(name="u", rows=1, columns=columns[1:]),
    )
    found = a_manifest().model_copy(update={"tables": tables})
    return a_snapshot(manifest=found if manifest else None)


def sandbox(*, ready: bool = True) -> Sandbox:
    made = a_sandbox().model_copy(update={"phase": phase(State.READY)})
    lease = made.lease.model_copy(update={"started": NOON if ready else None})
    return made.model_copy(update={"lease": lease})


def test_classes_that_are_never_kept_are_classes_of_a_source() -> None:
    assert set(CLASSES) > NEVER_KEPT


@pytest.mark.parametrize(("classes", "highest"), [
    (("public",), "public"),
    (("internal", "public"), "internal"),
    (("internal", "contact", "personal"), "contact"),
    (("contact", "special-care", "internal"), "special-care"),
    (("special-care", "my-number"), "my-number"),
    (("personal", "quasi-identifier"), "personal"),
    (("my-number", "credential"), "credential"),
    (("public", "from-a-later-version"), "credential"),
    ((), "public"),
])  # fmt: skip
def test_the_highest_class_of_all_columns_counts(classes: tuple[str, ...], highest: str) -> None:
    assert highest_class(snapshot(*classes)) == highest


def test_a_class_that_is_not_on_record_is_none() -> None:
    assert highest_class(snapshot("internal"), snapshot("contact")) == "contact"
    assert highest_class(snapshot("internal"), None) == ""
    assert highest_class(None) == ""
    assert highest_class(snapshot("public", manifest=False)) == ""


@pytest.mark.parametrize(("ready", "data_class", "wanted", "why"), [
    (True, "contact", True, ""),
    (True, "contact", False, NOT_WANTED),
    (False, "contact", True, NEVER_READY),
    (True, "", True, UNKNOWN_CLASS),
    (True, "special-care", True, "data of class special-care is never kept"),
    (True, "my-number", True, "data of class my-number is never kept"),
    (True, "credential", True, "data of class credential is never kept"),
])  # fmt: skip
def test_why_nothing_is_kept(ready: bool, data_class: str, wanted: bool, why: str) -> None:
    assert why_not(sandbox(ready=ready), data_class, wanted=wanted) == why


def test_an_archive_has_the_name_and_the_id_of_its_sandbox() -> None:
    made = sandbox()
    assert archive_name(made) == f"{made.name}-{made.id}"


def test_limits_come_from_the_settings() -> None:
    assert most_bytes(KeepSettings(max_mb=2)) == 2 * 1024 * 1024
    assert "2 MB" in str(too_large(KeepSettings(max_mb=2)))
    assert kept_until(KeepSettings(days=3), NOON) == NOON + timedelta(days=3)
