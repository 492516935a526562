"""The destruction certificate: what a sandbox was made of, that it is gone, and what is kept."""

from pydantic import AwareDatetime

from sandbox.core.values import Value


class Gone(Value):
    """One thing that was removed: an engine object, an endpoint, a route or a credential."""

    kind: str
    name: str


class Remains(Value):
    """One thing that could not be removed, and why."""

    kind: str
    name: str
    why: str


class Kept(Value):
    """What is kept after destruction: one encrypted file, until a day of its own."""

    name: str
    bytes: int
    sha256: str
    data_class: str
    until: AwareDatetime


class Certificate(Value):
    """What became of one sandbox. `not_kept` says why there is no archive, where there is none."""

    sandbox: str
    name: str
    owner: str
    at: AwareDatetime
    by: str
    why: str
    gone: tuple[Gone, ...]
    remains: tuple[Remains, ...] = ()
    kept: Kept | None = None
    not_kept: str = ""
