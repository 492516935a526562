"""Whoever names no template, or one that is not there, hears which there are."""

from pathlib import Path

import pytest

from tests.cli.conftest import Cli, error

PURPOSE = "Which lapsed customers react to a coupon?"


@pytest.mark.parametrize("verb", ["up", "plan"])
def test_without_a_template_the_hint_names_those_there_are(cli: Cli, made: Path, verb: str) -> None:
    code, out, err = cli(verb, "spring-coupon", "-p", PURPOSE)
    assert (code, out) == (2, "")
    message, hint = err.splitlines()
    assert "--template" in message
    assert hint == f"Templates: segment-rfm. See: sandbox {verb} --help"
    code, out, err = cli(verb, "spring-coupon", "-p", PURPOSE, "-o", "json")
    assert (code, err) == (2, "")
    assert "Templates: segment-rfm." in error(out)["hint"]


def test_without_a_home_the_hint_is_the_help(cli: Cli) -> None:
    code, _, err = cli("up", "spring-coupon")
    assert code == 2
    assert err.splitlines()[1] == "See: sandbox up --help"


@pytest.mark.parametrize("name", ["分析", "Segment RFM", "../segment-rfm", "", "segment-rmf"])
def test_an_unknown_template_is_not_found_and_the_hint_names_those_there_are(
    cli: Cli, made: Path, name: str
) -> None:
    code, out, err = cli("up", "spring-coupon", f"--template={name}", "-p", PURPOSE)
    assert (code, out) == (5, "")
    assert err.splitlines()[1] == "Known: segment-rfm"
