"""What rules judge at the points `promote` and `release`: an experiment on its way to Mode 1. Pure.

The document is fixed here, so that rules for it can be written, checked and tested today.
"""

from typing import Annotated, Literal

from pydantic import Field

from sandbox.core.judged import Judged, PurposeInput, TemplateInput
from sandbox.core.values import Value

# Where a reading comes from: a refreshed snapshot, the channel that ran the campaign, what the
# template itself recorded, or invented traffic.
Origin = Literal["core", "field", "template", "synthetic"]
Verdict = Literal["PROVEN", "UNPROVEN", "HARMFUL", "INVALID", "accepted"]


class EvidenceInput(Value):
    """One recorded reading: of which metric, and where it comes from."""

    name: str
    origin: Origin


class PromoteInput(Judged):
    """All that rules judge of an experiment that is to become a release.

    `verdict` is what it was found to be (`accepted`: of a kind that cannot be proven), `run_days`
    how long it ran. `pinned` says whether all its images are named by digest or id. `runbook`,
    `contact` and `rollback` are empty where nobody wrote them. `day` is today, as `2026-12-25`.
    """

    day: str
    experiment: str
    owner: str
    purpose: PurposeInput
    template: TemplateInput
    verdict: Verdict
    evidence: tuple[EvidenceInput, ...]
    run_days: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    classes: tuple[str, ...]
    pinned: bool
    runbook: str
    contact: str
    rollback: str
