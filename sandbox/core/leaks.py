"""What the leak gate tells: findings in counts, never in values."""

from collections.abc import Mapping

from sandbox.core.anonymity import Anonymity
from sandbox.core.errors import Denied
from sandbox.core.relations import Relations
from sandbox.core.text import clean
from sandbox.core.values import Value


class Leak(Value):
    """A finding of the gate: where, by what, how many values, and why in words; never a value."""

    table: str
    column: str
    detector: str
    count: int
    because: str

    def __str__(self) -> str:
        """Return it as people read it: `customers.note: mail, 3 (values)`."""
        place = ".".join(part for part in (self.table, self.column) if part)
        return clean(f"{place}: {self.detector}, {self.count:,} ({self.because})")


class Accepted(Value):
    """A leak that the source file accepts, with the reason written there."""

    leak: Leak
    reason: str


class GateReport(Value):
    """What was looked at, by what, and what was found. Without `leaks` the snapshot may leave.

    `real_values` and `canaries` are how many of each were looked for; 0 where there was no source.
    `relations` are the keys that were checked, and those that masks or missing rows give up,
    `anonymity` how well people hide among each other, by table.
    """

    places: int
    detectors: Mapping[str, int]
    real_values: int
    canaries: int
    leaks: tuple[Leak, ...] = ()
    accepted: tuple[Accepted, ...] = ()
    relations: Relations = Relations()
    anonymity: tuple[Anonymity, ...] = ()
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether the snapshot may leave."""
        return not self.leaks


def refuse_leaks(report: GateReport, source: str) -> None:
    """Raise Denied, naming every leak, unless the report passed; `details` hold it whole."""
    if report.passed:
        return
    told = "; ".join(str(leak) for leak in report.leaks)
    raise Denied(
        f"The leak gate stopped the snapshot. Found: {told}.",
        subject=source,
        hint=f"Nothing was published. Give each column a stricter class or mask in "
        f"sources/{source}.yaml, or accept the finding there, with a reason.",
        details={"gate": report.model_dump(mode="json")},
    )


def refusal(error: BaseException) -> GateReport | None:
    """Return the report of the gate that `error` comes from, None if it comes from elsewhere."""
    if not isinstance(error, Denied) or "gate" not in error.details:
        return None
    return GateReport.model_validate(error.details["gate"])
