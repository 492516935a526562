"""Where passwords and the master key are found: never in the YAML, never readable by others."""

from pathlib import Path

import pytest

from sandbox.core.errors import Unavailable
from sandbox.core.source import Source
from sandbox.drivers.keys import FileKeys
from tests.contract.source_files import kept, source

LOGIN = {"type": "postgres", "host": "db", "database": "shop", "user": "reader"}
RAW = bytes(range(32))


def wanted(place: dict[str, str]) -> Source:
    return source({**LOGIN, "password": place}, {"t": kept("a")})


def keys(home: Path, master_secret: str | None = None) -> FileKeys:
    made = FileKeys(
        home / "keys", home, {"CORE_PW": "from env"}, master_secret, mounted=home / "run"
    )
    (home / "run").mkdir(exist_ok=True)
    return made


def test_each_place_of_a_password(tmp_path: Path) -> None:
    found = keys(tmp_path)
    (tmp_path / "pw").write_text("from file\n")
    (tmp_path / "pw").chmod(0o600)
    # As Docker mounts it: for everybody in the container.
    (tmp_path / "run" / "core-pw").write_text("from secret\n")
    (tmp_path / "run" / "core-pw").chmod(0o444)
    assert found.password(wanted({"env": "CORE_PW"})) == "from env"
    assert found.password(wanted({"file": "pw"})) == "from file"
    assert found.password(wanted({"secret": "core-pw"})) == "from secret"
    assert found.password(source({"type": "sqlite", "file": "a.db"}, {"t": kept("a")})) == ""


@pytest.mark.parametrize(
    ("place", "told"),
    [({"env": "NOTHING"}, "$NOTHING"), ({"file": "nothing"}, "file nothing"),
     ({"secret": "nothing"}, "secret nothing")],
)  # fmt: skip
def test_a_missing_password_tells_where_it_was_looked_for(
    tmp_path: Path, place: dict[str, str], told: str
) -> None:
    with pytest.raises(Unavailable, match="missing") as caught:
        keys(tmp_path).password(wanted(place))
    assert told in caught.value.subject


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_password_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "pw").write_text("geheim")
    (tmp_path / "pw").chmod(mode)
    with pytest.raises(Unavailable, match="by others") as caught:
        keys(tmp_path).password(wanted({"file": "pw"}))
    assert "chmod 600" in caught.value.hint
    assert "geheim" not in caught.value.message + caught.value.hint + caught.value.subject


def test_a_link_out_of_the_home_is_no_password(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "pw").write_text("geheim")
    (tmp_path / "pw").chmod(0o600)
    (home / "pw").symlink_to(tmp_path / "pw")
    with pytest.raises(Unavailable, match="outside the home"):
        keys(home).password(wanted({"file": "pw"}))


def test_the_master_key_may_be_a_secret(tmp_path: Path) -> None:
    own = keys(tmp_path)
    own.create()
    by_secret = keys(tmp_path, "master")
    with pytest.raises(Unavailable, match="master key cannot be read"):
        by_secret.mask_key("core")
    (tmp_path / "run" / "master").write_bytes(RAW)
    first = by_secret.mask_key("core")
    assert first != own.mask_key("core")
    for written in (RAW.hex(), RAW.hex().upper() + "\n"):
        (tmp_path / "run" / "master").write_text(written)
        assert keys(tmp_path, "master").mask_key("core") == first
    (tmp_path / "run" / "master").write_text("a pass phrase")
    with pytest.raises(Unavailable, match="not 32 bytes, nor 64 hex digits"):
        by_secret.mask_key("core")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_master_key_that_others_can_reach_makes_nothing(tmp_path: Path, mode: int) -> None:
    made = keys(tmp_path)
    made.create()
    there = made.mask_key("core")
    (tmp_path / "keys" / "master").chmod(mode)
    with pytest.raises(Unavailable, match="by others") as caught:
        made.mask_key("core")
    assert "chmod 600" in caught.value.hint
    (tmp_path / "keys" / "master").chmod(0o600)
    assert made.mask_key("core") == there


def test_every_source_and_every_experiment_has_a_key_of_its_own(tmp_path: Path) -> None:
    made = keys(tmp_path)
    made.create()
    named = [("core", ""), ("core", "a"), ("core", "b"), ("core-a", ""), ("core-for-a", "")]
    assert len({made.mask_key(*each) for each in named}) == len(named)
    assert len({made.key_id(*each) for each in named}) == len(named)
    assert all(len(made.mask_key(*each)) == 32 for each in named)
