"""The doctor on who else can read what is secret, or change what decides."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox.core.ports import Context
from sandbox.drivers.home import HomeFolder, lay_out
from sandbox.usecases.homes import Check, DoctorRequest, doctor
from tests.usecases.approving_up import PEOPLE


def checked(ctx: Context) -> tuple[bool, list[Check]]:
    said = doctor(ctx, DoctorRequest())
    return said.works, [c for c in said.checks if c.name == "home"]


@contextmanager
def mode(path: Path, changed: int) -> Iterator[None]:
    kept = path.stat().st_mode
    path.chmod(changed)
    yield
    path.chmod(kept)


def test_a_new_home_is_closed(ctx: Context) -> None:
    (found,) = checked(ctx)[1]
    assert (found.status, found.fix) == ("ok", "")


@pytest.mark.parametrize(
    ("path", "changed", "words", "fix"),
    [
        (".sandbox", 0o755, "read or enter", "chmod go-rwx"),
        (".sandbox/keys", 0o750, "read or enter", "chmod go-rwx"),
        (".sandbox/keys/master", 0o644, "read or enter", "chmod go-rwx"),
        (".sandbox/keys/master", 0o620, "read or enter", "chmod go-rwx"),
        (".sandbox/secrets/core-password", 0o604, "read or enter", "chmod go-rwx"),
        ("", 0o777, "change", "chmod go-w"),
        ("sandbox.yaml", 0o666, "change", "chmod go-w"),
        ("policies", 0o777, "change", "chmod go-w"),
        ("policies/baseline.yaml", 0o664, "change", "chmod go-w"),
        ("sources", 0o775, "change", "chmod go-w"),
        ("sources/core.yaml", 0o646, "change", "chmod go-w"),
        ("templates", 0o757, "change", "chmod go-w"),
        ("templates/segment-rfm", 0o777, "change", "chmod go-w"),
        ("templates/segment-rfm/template.yaml", 0o777, "change", "chmod go-w"),
    ],
)
def test_what_others_can_open_fails_with_its_path_and_the_command(
    ctx: Context, home: Path, path: str, changed: int, words: str, fix: str
) -> None:
    with mode(home / path, changed):
        works, (found,) = checked(ctx)
    assert not works
    assert found.status == "fail"
    assert words in found.said
    assert str(home / path) in found.said
    assert found.fix == f"{fix} {home / path}"
    assert checked(ctx)[1][0].status == "ok"


def test_without_the_master_key_nothing_works(ctx: Context, home: Path) -> None:
    (home / ".sandbox/keys/master").unlink()
    said = doctor(ctx, DoctorRequest())
    (found,) = [c for c in said.checks if c.name == "key"]
    assert (said.works, found.status) == (False, "fail")
    assert "master key" in found.said
    assert "backup" in found.fix


def test_a_group_or_world_readable_policy_is_no_fault(ctx: Context, home: Path) -> None:
    with mode(home / "policies/baseline.yaml", 0o644):
        assert checked(ctx)[1][0].status == "ok"


def test_each_open_path_has_a_line_of_its_own_up_to_a_limit(ctx: Context, home: Path) -> None:
    for number in range(12):
        (home / "policies" / f"x{number}.yaml").write_text("")
        (home / "policies" / f"x{number}.yaml").chmod(0o666)
    _, found = checked(ctx)
    assert len(found) == 9
    assert "4 more" in found[-1].said


def test_a_blank_in_a_path_is_quoted_and_a_link_is_followed(ctx: Context, home: Path) -> None:
    (home / "policies" / "a b.yaml").write_text("")
    (home / "policies" / "a b.yaml").chmod(0o666)
    (found,) = checked(ctx)[1]
    assert found.fix == f"chmod go-w '{home}/policies/a b.yaml'"
    (home / "policies" / "a b.yaml").unlink()
    outside = home.parent / "outside.yaml"
    outside.write_text("")
    outside.chmod(0o666)
    (home / "policies" / "link.yaml").symlink_to(outside)
    (found,) = checked(ctx)[1]
    assert "link.yaml" in found.said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
@pytest.mark.parametrize("path", ["people.yaml", "policies/baseline.yaml", ".sandbox/keys/master"])
def test_what_belongs_to_somebody_else_fails_whatever_its_mode(
    ctx: Context, home: Path, path: str
) -> None:
    (home / "people.yaml").write_text(PEOPLE, "utf-8")
    os.chown(home / path, 12345, -1)
    (found,) = checked(ctx)[1]
    assert found.said == f"it is 12345's, who can change it: {home / path}"
    assert found.fix == f"chown root {home / path}"


def test_a_broken_link_stops_nothing(ctx: Context, home: Path) -> None:
    (home / "policies" / "broken.yaml").symlink_to(home / "nowhere")
    assert checked(ctx)[1][0].status == "ok"


def test_a_home_made_from_loose_files_is_closed(tmp_path: Path) -> None:
    """Whoever unpacked the shipped files with umask 000 must not open new homes to others."""
    shipped = tmp_path / "shipped"
    for name in ("templates", "policies"):
        (shipped / name).mkdir(parents=True)
        (shipped / name / "x.yaml").write_text("")
        (shipped / name / "x.yaml").chmod(0o666)
        (shipped / name).chmod(0o777)
    kept = os.umask(0)
    try:
        lay_out(tmp_path / "h", shipped, {"sandbox.yaml": "", ".sandbox/secrets/p": ""})
    finally:
        os.umask(kept)
    assert HomeFolder(tmp_path / "h").exposed() == []
