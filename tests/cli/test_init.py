"""`init` looks at what it takes from the environment before it makes anything."""

from pathlib import Path

import pytest

from tests.cli.conftest import Cli

GOOD = "https://packages.example:8443/root/pypi/+simple/"


def test_a_new_home_is_told_and_nothing_else(cli: Cli, tmp_path: Path) -> None:
    code, out, err = cli("init", str(tmp_path / "h"))
    assert (code, err) == (0, "")
    assert "made" in out


@pytest.mark.parametrize(
    ("index", "kept"),
    [
        (GOOD, GOOD),
        ("", ""),
        # A login stays in this machine's environment, and is in no file.
        ("https://anna:geheim@packages.example/simple", ""),
        ("https://geheim@packages.example/simple", ""),
        ("https://packages.example/simple@2", "https://packages.example/simple@2"),
    ],
)
def test_the_package_index_of_the_environment_is_kept_unless_it_holds_a_login(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: str, kept: str
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", index)
    assert cli("init", str(tmp_path / "h"))[0] == 0
    text = (tmp_path / "h" / "sandbox.yaml").read_text()
    assert "geheim" not in text
    assert (kept in text) if kept else ("package_index: https" not in text)
    assert cli("--home", str(tmp_path / "h"), "list")[0] == 0


@pytest.mark.parametrize(
    "index",
    [
        "packages.example/simple",
        "file:///srv/packages",
        "https://packages.example/$(id)",
        "https://packages.example/a b",
        "https://packages.example/simple?x=1",
    ],
)
def test_an_index_that_settings_would_refuse_is_refused_before_anything_is_made(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: str
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", index)
    code, out, err = cli("init", str(tmp_path / "h"))
    assert (code, out) == (3, "")
    assert "$PIP_INDEX_URL" in err
    assert "must be an address like" in err
    assert "unset" in err
    assert not (tmp_path / "h").exists()
    monkeypatch.delenv("PIP_INDEX_URL")
    assert cli("init", str(tmp_path / "h"))[0] == 0
