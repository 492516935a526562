"""What stands in one file of `policies/`: its rules, and where each of them stands."""

from typing import Literal

from sandbox.core.profiles import Profile
from sandbox.core.rules import PolicySet
from sandbox.core.values import Value


class PolicyFile(Value):
    """One file with rules; `lines` says in which line (from 1) each of them begins.

    `profile` is what the file says beyond its rules, if it is one of `policies/profiles/`.
    """

    file: str
    policies: PolicySet
    lines: tuple[int, ...]
    profile: Profile | None = None

    @property
    def kind(self) -> Literal["PolicySet", "Profile"]:
        """What the file is."""
        return "Profile" if self.profile else "PolicySet"

    def place(self, rule: str) -> str:
        """Return file and line of a rule that stands in it."""
        ids = [one.id for one in self.policies.rules]
        return f"{self.file}:{self.lines[ids.index(rule)]}"
