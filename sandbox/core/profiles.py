"""Profiles: what one of the two modes is, in eight differences, with its defaults and rules. Pure.

A profile is one YAML file of `policies/profiles/`. Its rules are part of the home's set like those
of any other file; mode 2 has them where sandboxes are asked for, mode 1 where they are promoted.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from sandbox.core.moments import Instant
from sandbox.core.rules import PolicyMetadata, PolicySet, Rules
from sandbox.core.settings import as_span_is_written
from sandbox.core.template import Words
from sandbox.core.values import Value

# Where what was proven in a sandbox is judged, and no sandbox any more.
_AFTERWARDS = frozenset({"promote", "release"})


class Differences(Value):
    """The eight ways in which the two modes differ, each in words."""

    goal: Words
    value: Words
    approach: Words
    governance: Words
    sourcing: Words
    skills: Words
    culture: Words
    cycle_time: Annotated[Words, Field(alias="cycle-time")]


class ProfileDefaults(Value):
    """What a request gets when neither it nor the home's settings say anything."""

    ttl: Annotated[str, AfterValidator(as_span_is_written)] | None = None


class Profile(Value):
    """One mode: what it is for people, and what it makes of a request."""

    api_version: Annotated[Literal["sandbox.policy/v1"], Field(alias="apiVersion")]
    kind: Literal["Profile"]
    metadata: PolicyMetadata
    title: Words
    differences: Differences
    effective_from: Instant
    defaults: ProfileDefaults = ProfileDefaults()
    rules: Rules

    @property
    def of_sandboxes(self) -> bool:
        """Whether its rules judge sandboxes, and not only what comes out of them."""
        return any({*rule.at} - _AFTERWARDS for rule in self.rules)

    def as_set(self) -> PolicySet:
        """Return its rules as a set of their own."""
        said = {
            "apiVersion": self.api_version,
            "kind": "PolicySet",
            "metadata": self.metadata,
            "effective_from": self.effective_from,
            "rules": self.rules,
        }
        return PolicySet.model_validate(said)
