"""Small policy sets, and what they decide."""

from datetime import UTC, datetime
from typing import Any

from sandbox.core.policy import Decision, evaluate
from sandbox.core.rules import PolicySet

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


def rule(**fields: Any) -> dict[str, Any]:
    return {
        "id": "some-rule",
        "title": {"en": "A title", "ja": "題"},
        "mode": "enforce",
        "at": ["create"],
        "assert": {"field": "x", "present": True},
        "fix": {"en": "Do this", "ja": "こうする"},
    } | fields


def policy_set(*rules: dict[str, Any], **fields: Any) -> PolicySet:
    return PolicySet.model_validate(
        {
            "apiVersion": "sandbox.policy/v1",
            "kind": "PolicySet",
            "metadata": {"name": "test", "version": "1", "owner": "it", "change": "CHG-1"},
            "effective_from": "2026-01-01T00:00:00+09:00",
            "rules": list(rules),
        }
        | fields
    )


def decide(policies: PolicySet, document: dict[str, Any], point: str = "create") -> Decision:
    return evaluate(policies, point, document, now=NOW, tool_version="0.1.0", digest="d")


def asserting(condition: dict[str, Any], document: dict[str, Any]) -> Decision:
    return decide(policy_set(rule(**{"assert": condition})), document)
