"""What a sandbox is made after, word by word: by it one that was made ahead serves a request."""

from sandbox.core.template import ParameterValue
from sandbox.core.values import Value


class PartPattern(Value):
    """One container: its image, and what it may use at most (MiB, CPUs, processes)."""

    image: str
    memory_mb: int
    cpus: float
    pids: int


class Pattern(Value):
    """All that decides what a sandbox is, but for who asks, why and for how long.

    `template` is the digest over all its files, `rules` that of its source's rules as they stand
    in the home, `parts` its containers by name, `version` that of the tool that composes them.
    """

    template: str
    snapshot: str
    rules: str
    parameters: dict[str, ParameterValue]
    parts: dict[str, PartPattern]
    egress: tuple[str, ...] = ()
    version: str
