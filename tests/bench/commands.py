"""Whole commands, from Enter to the end, timed."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.core.objects import INSTALLATION

_BESIDE = Path(sys.executable).parent / "sandbox"
SANDBOX = [str(_BESIDE)] if _BESIDE.exists() else [sys.executable, "-m", "sandbox"]
EMPTY = [sys.executable, "-c", "pass"]


@dataclass(frozen=True)
class Took:
    """What a command took: seconds on the clock, and its own peak memory in MB (MiB)."""

    seconds: float
    peak_mb: float
    out: str


def took(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    codes: Sequence[int] = (0,),
) -> Took:
    """Run a command to its end; raises RuntimeError with its last words if it fails.

    `codes` are those with which it does not: a check that finds something ends with 4.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            env={**_usual(), **(environment or {})},
        )  # fmt: skip
        try:
            # Only wait4 tells the peak of this very child.
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode not in codes:
            said = (out.read() + err.read()).decode(errors="replace")[-1500:]
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{said}")
        return Took(seconds, usage.ru_maxrss / 1024, out.read().decode())


def _usual() -> dict[str, str]:
    """Return the environment, without the switch that has Python compile us at every start."""
    return {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}


def docker(*arguments: str) -> str:
    """Return what a docker command printed."""
    return took(["docker", *arguments]).out.strip()


def inspected(container: str) -> dict[str, Any]:
    """Return what the engine knows of a container."""
    found: dict[str, Any] = json.loads(docker("inspect", container))[0]
    return found


def gateway_of(part: dict[str, Any]) -> str:
    """Return the gateway's container of the home to which an inspected container belongs."""
    return f"sandbox-gateway-{part['Config']['Labels'][INSTALLATION]}"


def say(text: str) -> None:
    """Tell on stderr how far we are."""
    sys.stderr.write(f"· {text}\n")
