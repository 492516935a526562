"""Tests of rules as IT writes them: a document, a change, and what a rule must say to it.

What a case means is in proving.py.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from sandbox.core.moments import Instant
from sandbox.core.rules import Point
from sandbox.core.values import Value

Expected = Literal["held", "not-applicable", "missed"]


class Case(Value):
    """One test: at `at`, what `rule` must say to `document` with `change` made to it.

    A change names fields with dots (`replicas.0.masked`); null takes the field away. `at` may be
    left out where the rule has one point; without `now` the rule is in force. `verdict` is what
    becomes of a request that nothing but this rule judges.
    """

    rule: Annotated[str, Field(min_length=1)]
    name: str = ""
    at: Point | None = None
    now: Instant | None = None
    document: Annotated[str, Field(min_length=1)]
    change: dict[str, Any] = Field(default_factory=dict)
    expect: Expected
    verdict: Literal["allow", "warn", "needs-approval", "deny"] | None = None


class PolicyTests(Value):
    """One file of `policies/tests/`: documents by name, and cases that start from them."""

    api_version: Annotated[Literal["sandbox.policy/v1"], Field(alias="apiVersion")]
    kind: Literal["PolicyTests"]
    documents: dict[str, dict[str, Any]]
    tests: tuple[Case, ...]


class PlacedTests(Value):
    """The tests of one file, and the line in which each begins."""

    file: str
    content: PolicyTests
    lines: tuple[int, ...]
