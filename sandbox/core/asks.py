"""Asks: what somebody may not do alone, and what became of it.

One record for whatever needs another's yes: data that a source does not give yet, a file on its
way out of a sandbox, real identities on their way in, an exemption from a rule (a waiver). An ask
waits, is accepted or refused by somebody, and what was accepted is used once; a waiver holds until
its day or until it is revoked. Whoever lets its day pass has to ask again.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from sandbox.core.errors import Conflict
from sandbox.core.lifecycle import Spec, Steps
from sandbox.core.people import alike
from sandbox.core.source import DataClass
from sandbox.core.template import Words
from sandbox.core.values import Value


class AskState(StrEnum):
    """Where an ask stands."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    USED = "used"
    LAPSED = "lapsed"
    REVOKED = "revoked"


class AskAction(StrEnum):
    """What can happen to an ask."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    USE = "use"
    REVOKE = "revoke"


class DataAsk(Value):
    """Columns of a source, by table; `since` is from when on, as the person wrote it."""

    kind: Literal["data"] = "data"
    source: str
    tables: dict[str, tuple[str, ...]]
    since: str = ""
    steps: Steps = Steps()


class Sighted(Value):
    """What a detector found in one column: so many values, never which."""

    column: str
    detector: str
    data_class: DataClass
    count: Annotated[int, Field(ge=0)]


class ExportAsk(Value):
    """A table or file of the sandbox with this id; `digest` is the SHA-256 of what would leave.

    `rules` are those that ask for a yes, `why` is what each says. `rows` is None for what has none.
    """

    kind: Literal["export"] = "export"
    sandbox: str
    what: str
    digest: str
    rows: int | None
    bytes: int
    data_class: str
    rules: tuple[str, ...]
    why: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    found: tuple[Sighted, ...] = ()


class MatchAsk(Value):
    """A file whose identities become those of a masked column; `digest` is the file's SHA-256.

    `column` is the core's, as `core.customers.mail`; `file_column` is the file's own, one of its
    `columns`: any other that tells its rows apart tells whose token is whose.
    """

    kind: Literal["match"] = "match"
    sandbox: str
    file: str
    digest: str
    rows: int
    column: str
    file_column: str
    table: str
    rules: tuple[str, ...]
    why: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


class WaiverAsk(Value):
    """An exemption of the subject, held by `owner`, from `rule`: from a yes on, before `until`.

    `what` tells whether the subject is a sandbox, there or still to come, or a source; `title` what
    the rule wanted that day, `said` how it was last broken.
    """

    kind: Literal["waiver"] = "waiver"
    rule: str
    title: Words
    said: Words | None = None
    what: Literal["sandbox", "source"] = "sandbox"
    owner: str
    until: AwareDatetime
    ticket: str = ""


class CreateAsk(Value):
    """The sandbox with this id, just as `spec` has it; `rules` and `why` as of an export."""

    kind: Literal["create"] = "create"
    sandbox: str
    spec: Spec
    rules: tuple[str, ...]
    why: tuple[str, ...] = ()


class SnapshotAsk(Value):
    """Every snapshot of a source by the masking rules of this digest (of one experiment, if any).

    A yes holds for `days`. `rules` and `why` are as of an export.
    """

    kind: Literal["snapshot"] = "snapshot"
    source: str
    digest: str
    experiment: str = ""
    label: str
    classes: tuple[str, ...]
    days: int
    rules: tuple[str, ...]
    why: tuple[str, ...] = ()


AskContent = Annotated[
    DataAsk | ExportAsk | MatchAsk | WaiverAsk | CreateAsk | SnapshotAsk,
    Field(discriminator="kind"),
]
AskKind = Literal["data", "export", "match", "waiver", "create", "snapshot"]


class Who(Value):
    """A person, and how we know that it was them."""

    name: str
    identity: str


class AskDecision(Value):
    """Who accepted or refused an ask, when and why; `rules` are those that a yes was given for.

    `deputy_for` are in whose place they said yes, if they have not the role themselves.
    """

    by: Who
    at: AwareDatetime
    reason: str
    rules: tuple[str, ...] = ()
    deputy_for: tuple[str, ...] = ()


class Ask(Value):
    """The registry's record of one ask. Times are UTC.

    `subject` is what it is about: a sandbox's name, or a source's. `due` is until when it can be
    answered, and used once accepted. `roles` are who should answer. Where rules want a yes each,
    `wants` are the roles by rule, and `yeses` those that were given; `decision` is the last one, or
    a no. `state` is the one on record; `state_at` adds what the clock says.
    """

    id: str
    content: AskContent
    subject: str
    asked_by: Who
    asked_at: AwareDatetime
    purpose: str
    due: AwareDatetime
    roles: tuple[str, ...]
    state: AskState = AskState.WAITING
    wants: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    yeses: tuple[AskDecision, ...] = ()
    decision: AskDecision | None = None
    revoked: AskDecision | None = None

    @property
    def kind(self) -> AskKind:
        """What is asked for."""
        return self.content.kind

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that ask for a yes; none where it is no rule that asks."""
        return () if isinstance(self.content, DataAsk | WaiverAsk) else self.content.rules

    @property
    def same_person(self) -> bool:
        """Whether whoever answered it, or one of them, is who asked."""
        answers = (*self.yeses, *([self.decision] if self.decision else []))
        return any(alike(answer.by.name, self.asked_by.name) for answer in answers)

    def state_at(self, now: datetime) -> AskState:
        """Return the state at `now`: past its day, what was not used or refused has lapsed."""
        over = self.ends is not None and now >= self.ends
        return AskState.LAPSED if over else self.state

    @property
    def ends(self) -> datetime | None:
        """The moment at which it lapses as it stands; None if there is nothing left to lapse."""
        if self.state is AskState.WAITING:
            return self.due
        # Accepted data is in its source's draft from then on: nothing is left to be used.
        if self.state is not AskState.ACCEPTED or self.kind == "data":
            return None
        if isinstance(self.content, SnapshotAsk) and self.decision:
            return self.decision.at + timedelta(days=self.content.days)
        return self.content.until if isinstance(self.content, WaiverAsk) else self.due


_NEXT: Mapping[tuple[AskState, AskAction], AskState] = {
    (AskState.WAITING, AskAction.ACCEPT): AskState.ACCEPTED,
    (AskState.WAITING, AskAction.REFUSE): AskState.REFUSED,
    (AskState.ACCEPTED, AskAction.USE): AskState.USED,
    (AskState.WAITING, AskAction.REVOKE): AskState.REVOKED,
    (AskState.ACCEPTED, AskAction.REVOKE): AskState.REVOKED,
}


def moved(ask: Ask, action: AskAction, now: datetime, decision: AskDecision | None = None) -> Ask:
    """Return the ask after `action` at `now`; a `decision` belongs to accept, refuse and revoke.

    Raises Conflict, naming what it is, if its state forbids it.
    """
    found = ask.state_at(now)
    if (found, action) not in _NEXT or not _fits(ask.kind, action):
        last = ask.revoked or ask.decision
        why = f" by {last.by.name}" if last else ""
        raise Conflict(
            f"This cannot be done ({action}): the request is {found} already{why}.",
            subject=ask.id,
            hint=f"See: sandbox request show {ask.id}",
            details={"state": found.value},
        )
    given = {"revoked" if action is AskAction.REVOKE else "decision": decision} if decision else {}
    return ask.model_copy(update={"state": _NEXT[found, action], **given})


def _fits(kind: AskKind, action: AskAction) -> bool:
    """Say whether this can happen to that kind: some hold on and on, and some can be taken back."""
    if action is AskAction.USE:
        return kind not in ("waiver", "snapshot")
    return action is not AskAction.REVOKE or kind in ("waiver", "create")
