"""The real command on a real terminal of 80 columns."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

COMMAND = [sys.executable, "-m", "sandbox"]
# What asks for colours, or forbids them, comes from the test alone.
ASKING = {"NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS", "LINES", "COLORTERM", "TTY_COMPATIBLE"}
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def environment(**settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ASKING}
    return kept | {"PYTHONUTF8": "1"} | settings


def on_terminal(*arguments: str, **settings: str) -> tuple[int, str]:
    """Run the command with all three streams on a terminal; return its code and what it wrote."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    wanted = environment(**({"TERM": "xterm-256color"} | settings))
    running = subprocess.Popen(
        [*COMMAND, *arguments], stdin=its, stdout=its, stderr=its, env=wanted
    )
    os.close(its)
    written = b""
    try:
        while chunk := os.read(ours, 65536):
            written += chunk
    except OSError:
        pass  # how Linux says that nobody has the other end open any more
    os.close(ours)
    return running.wait(60), written.decode().replace("\r\n", "\n")
