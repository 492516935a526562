"""Decisions judged again, from what is stored of them or by other rules. Pure."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from typing import Any

from pydantic import ValidationError

from sandbox.core.errors import Conflict
from sandbox.core.points import DOCUMENTS
from sandbox.core.policy import Decision, Finding, evaluate
from sandbox.core.rules import PolicySet

# Where no rule means that nothing is judged; everywhere else it means no.
QUIET = frozenset({"idle", "snapshot", "scan"})


def rules_from(text: str, digest: str) -> PolicySet:
    """Return the rules that were kept as `text`; raises Conflict if that is not of `digest`.

    The text itself is compared: a later version may write the same rules in another form. Raises
    ValidationError for rules that this version does not know.
    """
    if hashlib.sha256(text.encode()).hexdigest() != digest:
        raise Conflict(
            "The rules kept in the registry are not those that were in force then.",
            subject=digest[:12],
            hint="Somebody changed the registry. See: sandbox audit verify",
        )
    return PolicySet.model_validate_json(text)


def documents(decision: Decision) -> dict[str, dict[str, Any]]:
    """Return what was judged, by point: a decision may have joined two."""
    model = DOCUMENTS.get(decision.point)
    own = model.model_fields if model else {}
    beside = [
        point
        for point, inner in decision.document.items()
        if model and point in DOCUMENTS and point not in own and isinstance(inner, dict)
    ]
    first = {name: value for name, value in decision.document.items() if name not in beside}
    return {decision.point: first, **{point: decision.document[point] for point in beside}}


def waivers_of(decision: Decision) -> dict[str, str]:
    """Return the waivers that a decision used, by rule."""
    return {finding.rule: finding.waiver for finding in decision.findings if finding.waiver}


def completed(decision: Decision) -> Decision:
    """Return a decision as this version would have kept it: fields that it knows no more of than
    their defaults are there. One that does not fit its point stays as it is."""
    judged = {point: _completed(point, document) for point, document in documents(decision).items()}
    first = judged.pop(decision.point)
    return decision.model_copy(update={"document": first | judged})


def _completed(point: str, document: dict[str, Any]) -> dict[str, Any]:
    model = DOCUMENTS.get(point)  # type: ignore[call-overload]
    try:
        return model.model_validate(document).as_document() if model else document
    except ValidationError:
        return document


def judged_again(
    decision: Decision,
    policies: PolicySet,
    *,
    now: datetime,
    waived: Mapping[str, str],
    tool: str,
    digest: str = "",
) -> Decision:
    """Return what `policies` say at `now` to what was judged; `tool` is the version that judges.

    By the rules, waivers, moment and version that the decision names it is the decision itself.
    `digest` is that of `policies`, where it is known.
    """
    digest = digest or policies.digest()
    said = [
        evaluate(
            policies, point, document, now=now, tool_version=tool, digest=digest, waived=waived
        )
        for point, document in documents(decision).items()
    ]
    return reduce(Decision.joined, said)


def repeated(decision: Decision, policies: PolicySet) -> Decision:
    """Return what the same rules said then, judged once more by this version of the tool."""
    return judged_again(
        decision,
        policies,
        now=decision.at,
        waived=waivers_of(decision),
        tool=decision.tool_version,
        digest=decision.policy_digest,
    )


def same(one: Decision, other: Decision) -> bool:
    """Say whether two decisions say the same of the same, in whatever words."""
    said, others = (
        (decision.verdict, [_bare(finding) for finding in decision.findings])
        for decision in (one, other)
    )
    return said == others


def _bare(finding: Finding) -> dict[str, Any]:
    # A later version may say it better.
    return finding.model_dump(mode="json", exclude={"sentence"})
