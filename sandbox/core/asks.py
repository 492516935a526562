"""Asks: what somebody may not do alone, and what became of it.

One record for whatever needs another's yes: data that a source does not give yet, a file on its
way out of a sandbox, real identities on their way in. An ask waits, is accepted or refused by
somebody, and what was accepted is used once. Whoever lets its day pass has to ask again.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from sandbox.core.errors import Conflict
from sandbox.core.lifecycle import Steps
from sandbox.core.source import DataClass
from sandbox.core.values import Value


class AskState(StrEnum):
    """Where an ask stands."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    USED = "used"
    LAPSED = "lapsed"


class AskAction(StrEnum):
    """What can happen to an ask."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    USE = "use"


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


AskContent = Annotated[DataAsk | ExportAsk | MatchAsk, Field(discriminator="kind")]
AskKind = Literal["data", "export", "match"]


class Who(Value):
    """A person, and how we know that it was them."""

    name: str
    identity: str


class AskDecision(Value):
    """Who accepted or refused an ask, when and why."""

    by: Who
    at: AwareDatetime
    reason: str


class Ask(Value):
    """The registry's record of one ask. Times are UTC.

    `subject` is what it is about: a sandbox's name, or a source's. `due` is until when it can be
    answered, and used once accepted. `roles` are who should answer. `state` is the one on record;
    `state_at` adds what the clock says.
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
    decision: AskDecision | None = None

    @property
    def kind(self) -> AskKind:
        """What is asked for."""
        return self.content.kind

    @property
    def same_person(self) -> bool:
        """Whether whoever answered it is who asked."""
        return self.decision is not None and self.decision.by == self.asked_by

    def state_at(self, now: datetime) -> AskState:
        """Return the state at `now`: past its day, what was not used or refused has lapsed."""
        return AskState.LAPSED if self._open and now >= self.due else self.state

    @property
    def _open(self) -> bool:
        # Accepted data is in its source's draft from then on: nothing is left to be used.
        accepted = self.state is AskState.ACCEPTED and self.kind != "data"
        return self.state is AskState.WAITING or accepted


_NEXT: Mapping[tuple[AskState, AskAction], AskState] = {
    (AskState.WAITING, AskAction.ACCEPT): AskState.ACCEPTED,
    (AskState.WAITING, AskAction.REFUSE): AskState.REFUSED,
    (AskState.ACCEPTED, AskAction.USE): AskState.USED,
}


def moved(ask: Ask, action: AskAction, now: datetime, decision: AskDecision | None = None) -> Ask:
    """Return the ask after `action` at `now`; a `decision` belongs to accept and refuse.

    Raises Conflict, naming what it is, if its state forbids it.
    """
    found = ask.state_at(now)
    if (found, action) not in _NEXT:
        why = f" by {ask.decision.by.name}" if ask.decision else ""
        raise Conflict(
            f"This cannot be done ({action}): the request is {found} already{why}.",
            subject=ask.id,
            hint=f"See: sandbox request show {ask.id}",
            details={"state": found.value},
        )
    to = _NEXT[found, action]
    return ask.model_copy(update={"state": to, "decision": decision or ask.decision})
