"""What the doctor says of one thing."""

from typing import Literal

from sandbox.core.values import Value


class Check(Value):
    """One line of the doctor. `fix` says what to do when it is not ok."""

    name: str
    status: Literal["ok", "warn", "fail"]
    said: str
    fix: str = ""
