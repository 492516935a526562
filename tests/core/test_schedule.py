"""What is written for systemd and cron: words stay words, whatever is in them."""

import pytest

from sandbox.core.errors import InvalidInput
from sandbox.core.schedule import cron_text, service_text, timer_text

COMMAND = ("/opt/venv/bin/python", "-m", "sandbox", "--home", "/srv/春 & 100%", "reap", "--apply")


def test_a_service_quotes_every_word() -> None:
    text = service_text("sandbox-reap-a1", COMMAND, {"DOCKER_HOST": "tcp://h:2376"})
    assert 'ExecStart="/opt/venv/bin/python" "-m" "sandbox" "--home" "/srv/春 & 100%%"' in text
    assert 'Environment="DOCKER_HOST=tcp://h:2376"\n' in text
    assert "Type=oneshot\n" in text


@pytest.mark.parametrize(
    ("word", "written"),
    [("$HOME", '"$$HOME"'), ('say "x"', '"say \\"x\\""'), ("a\\b", '"a\\\\b"'), ("50%", '"50%%"')],
)
def test_signs_that_systemd_reads_are_doubled(word: str, written: str) -> None:
    assert f"ExecStart={written}\n" in service_text("n", (word,), {})


def test_a_timer_starts_soon_after_a_reboot_and_then_regularly() -> None:
    text = timer_text("sandbox-reap-a1")
    assert "OnBootSec=1min\n" in text
    assert "OnUnitActiveSec=5min\n" in text
    assert "WantedBy=timers.target\n" in text


def test_a_cron_line_quotes_for_the_shell_and_for_cron() -> None:
    text = cron_text("root", COMMAND, {"DOCKER_HOST": "unix:///run/d.sock"})
    *_, variable, line = text.splitlines()
    assert variable == "DOCKER_HOST=unix:///run/d.sock"
    assert line.startswith("*/5 * * * * root /opt/venv/bin/python -m sandbox --home '/srv/春 & ")
    assert "100\\%' reap --apply >/dev/null" in line
    assert text.endswith("\n")


@pytest.mark.parametrize("word", ["a\nb", "a\x00b", "a\rb"])
def test_nothing_breaks_out_of_its_line(word: str) -> None:
    with pytest.raises(InvalidInput):
        cron_text("root", (word,), {})
    with pytest.raises(InvalidInput):
        service_text("n", ("true",), {"DOCKER_HOST": word})
