"""What rules judge: one typed document per point. Rules name its fields with dots.

A use case fills the value, `as_document` makes the plain form that the evaluator reads and a
Decision keeps.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from sandbox.core import judged_beside
from sandbox.core.attestation import Label
from sandbox.core.field_words import SELDOM
from sandbox.core.judged_beside import ALONE, FREE, Beside, CostInput, LaneInput, WipInput
from sandbox.core.lease import Lease
from sandbox.core.lifecycle import Sandbox, Spec, Steps
from sandbox.core.quotas import Account, Amounts
from sandbox.core.snapshot import Snapshot
from sandbox.core.source import OPEN, TOKENS
from sandbox.core.text import count_words
from sandbox.core.values import Value

# What people call the fields that rules judge, in English and Japanese.
WORDS: Mapping[str, tuple[str, str]] = {
    "ttl_hours": ("the time to live (hours)", "有効期間（時間）"),
    "purpose.words": ("the number of different words in the purpose", "目的の語数"),
    "owner_totals.sandboxes": ("the number of your sandboxes", "あなたのサンドボックスの数"),
    "owner_totals.memory_mb": (
        "the memory of your sandboxes (MB)",
        "あなたのサンドボックスのメモリ合計（MB）",
    ),
    "owner_totals.cpus": (
        "the number of your sandboxes' CPUs",
        "あなたのサンドボックスの CPU 合計",
    ),
    "owner_totals.disk_mb": (
        "the disk of your sandboxes (MB)",
        "あなたのサンドボックスのディスク合計（MB）",
    ),
    "home_totals.sandboxes": (
        "the number of all sandboxes here",
        "ここにある全サンドボックスの数",
    ),
    "home_totals.memory_mb": (
        "the memory of all sandboxes here (MB)",
        "全サンドボックスのメモリ合計（MB）",
    ),
    "home_totals.cpus": ("the number of all sandboxes' CPUs here", "全サンドボックスの CPU 合計"),
    "home_totals.disk_mb": (
        "the disk of all sandboxes here (MB)",
        "全サンドボックスのディスク合計（MB）",
    ),
    "steps.extract": ("the person for the step extract", "抽出工程の担当者"),
    "steps.transform": ("the person for the step transform", "加工工程の担当者"),
    "steps.analyse": ("the person for the step analyse", "分析工程の担当者"),
    "template.name": ("the template", "テンプレート"),
    "host": ("the host", "ホスト"),
    "k": ("the smallest group (k)", "最小グループの人数（k）"),
    "idle_hours": ("the time without use (hours)", "使われていない期間（時間）"),
    "format": ("the format", "形式"),
    "tabular": ("whether it is a table", "表であるかどうか"),
    "rows": ("the number of rows", "行数"),
    "smallest_group": ("the smallest group", "最小グループの人数"),
    "count": ("the number of values found", "検出された値の数"),
    "label": ("the replica", "複製データ"),
    "identities": ("the number of different identities", "照合する人の数"),
    "matched_with": ("the column that people are matched with", "照合先の列"),
    "extension_hours": ("the time asked for (hours)", "延長する期間（時間）"),
    "request.memory_mb": ("its memory (MB)", "このサンドボックスのメモリ（MB）"),
    "method": ("the mask", "マスク方式"),
    "holds": ("what the snapshot holds", "スナップショットが含む分類"),
    "readable": ("what can be read", "読める値の分類"),
    "access": ("the access", "アクセス権"),
    "rules_digest": ("the digest of its masking rules", "マスク規則のダイジェスト"),
    "data_class": ("the data class", "データ分類"),
    "groups": ("the number of groups", "グループの数"),
    "last_used": ("the last use", "最終利用日時"),
    **judged_beside.WORDS,
    **SELDOM,
}
# The part of a sum that this request asks for: a denial tells it beside what is held already.
ASKED: Mapping[str, str] = {
    f"{totals}.{what}": f"request.{what}"
    for totals in ("owner_totals", "home_totals")
    for what in Amounts.model_fields
}


class Judged(Value):
    """All that rules judge at one point."""

    def as_document(self) -> dict[str, Any]:
        """Return the plain document that `evaluate` judges."""
        return self.model_dump(mode="json")


class PurposeInput(Value):
    """Why somebody wants a sandbox; `words` counts different words (see `count_words`)."""

    text: str
    words: Annotated[int, Field(ge=0)]

    @classmethod
    def of(cls, text: str) -> "PurposeInput":
        """Return the purpose that says `text`."""
        return cls(text=text, words=count_words(text))


class TemplateInput(Value):
    """Which recipe, exactly: `digest` is over all its files."""

    name: str
    version: str
    digest: str

    @classmethod
    def of(cls, spec: Spec) -> "TemplateInput":
        """Return the recipe that `spec` follows."""
        return cls(name=spec.template, version=spec.template_version, digest=spec.template_digest)


class RequestInput(Amounts):
    """What this request alone adds; `services` counts containers, the lab included."""

    services: Annotated[int, Field(ge=0)]


class ReplicaInput(Value):
    """One replica that the sandbox would see.

    `masked`: the snapshot is complete and no column that is more than internal was copied as it
    was; `rules_digest` names the rules it was built by. `classes` are its columns' data classes,
    `readable` those of columns whose values are neither emptied nor keyed tokens.
    """

    snapshot: str
    source: str
    masked: bool
    access: Literal["read-only", "read-write"]
    rules_digest: str
    tables: tuple[str, ...]
    classes: tuple[str, ...]
    readable: tuple[str, ...] = ()

    @classmethod
    def of(cls, snapshot: Snapshot) -> "ReplicaInput":
        """Return what the manifest of `snapshot` tells; without a manifest nothing is masked."""
        manifest = snapshot.manifest
        tables = manifest.tables if manifest else ()
        columns = [column for table in tables for column in table.columns]
        plain = any(c.plain for c in columns if c.data_class not in OPEN)
        return cls(
            snapshot=snapshot.id,
            source=snapshot.source,
            masked=bool(columns) and not plain,
            access="read-only",
            rules_digest=manifest.rules_digest if manifest else "",
            tables=tuple(table.name for table in tables),
            classes=tuple(sorted({c.data_class for c in columns})),
            readable=tuple(sorted({c.data_class for c in columns if c.method not in TOKENS})),
        )


class CreateInput(Judged):
    """What rules judge at the point `create` (and `scan`, for what runs already).

    `ttl_hours` is the time to live in hours, `owner` who would hold the sandbox, `steps` who
    answers for extract, transform and analyse (empty: nobody). Rules name these fields with
    dots: `purpose.words`, `owner_totals.memory_mb`; `for_each: replicas` goes over the replicas.
    The totals are what the owner and the whole home hold, this request included. `cost`, `lane`
    and `wip`: see judged_beside.py.
    """

    ttl_hours: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    purpose: PurposeInput
    template: TemplateInput
    owner: str
    owner_totals: Amounts
    home_totals: Amounts
    request: RequestInput
    replicas: tuple[ReplicaInput, ...]
    steps: Steps
    cost: CostInput = CostInput()
    lane: LaneInput = LaneInput()
    wip: WipInput = WipInput()

    @classmethod
    def of(
        cls,
        spec: Spec,
        snapshot: Snapshot,
        *,
        owner: str,
        account: Account,
        services: int,
        beside: Beside = ALONE,
    ) -> "CreateInput":
        """Return the document for `spec`, whose `owner` and home have `account`."""
        return cls(
            ttl_hours=spec.ttl_minutes / 60,
            purpose=PurposeInput.of(spec.purpose),
            template=TemplateInput.of(spec),
            owner=owner,
            owner_totals=account.owner.plus(account.asked),
            home_totals=account.home.plus(account.asked),
            request=RequestInput(**account.asked.model_dump(), services=services),
            replicas=(ReplicaInput.of(snapshot),),
            steps=spec.steps,
            cost=beside.cost,
            lane=beside.lane,
            wip=beside.wip,
        )


class ExtendInput(Judged):
    """What rules judge at the point `extend`: more time for a sandbox that there is already.

    `ttl_hours` is the whole length from its start to the new end, `extension_hours` what is asked
    for now, `extensions` how many its lease has had with this one; `kind` tells an extension from
    the restore of an expired sandbox, `reason` is why the owner asks. `cost` is that of the time
    asked for, `lane` the one by which the sandbox came in, without what goes on beside it.
    """

    kind: Literal["extend", "restore"]
    ttl_hours: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    extension_hours: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    extensions: Annotated[int, Field(ge=1)]
    reason: PurposeInput
    owner: str
    purpose: PurposeInput
    template: TemplateInput
    steps: Steps
    cost: CostInput = CostInput()
    lane: LaneInput = LaneInput()

    @classmethod
    def of(
        cls, sandbox: Sandbox, moved: Lease, asked: timedelta, cost: CostInput = FREE
    ) -> "ExtendInput":
        """Return the document for `sandbox`, whose lease would become `moved` by `asked` more."""
        spec, last = sandbox.spec, moved.moves[-1]
        assert moved.started is not None
        assert moved.deadline is not None
        return cls(
            kind="restore" if last.kind == "restore" else "extend",
            ttl_hours=hours(moved.deadline - moved.started),
            extension_hours=hours(asked),
            extensions=sum(move.kind != "credit" for move in moved.moves),
            reason=PurposeInput.of(last.reason),
            owner=moved.owner,
            purpose=PurposeInput.of(spec.purpose),
            template=TemplateInput.of(spec),
            steps=spec.steps,
            cost=cost,
            lane=LaneInput.alone(spec.sponsor, moved.owner, expedite=spec.expedite),
        )


class HostInput(Value):
    """One host outside, by its name in lower-case ASCII (IDNA)."""

    host: str


class EgressInput(Judged):
    """What rules judge at the point `egress`: the hosts that a new sandbox is to reach.

    Judged together with `create`, and only if there are any; `for_each: hosts` goes over them.
    `classes` are the data classes that the sandbox sees, `label` what the law makes of them:
    raw-like if any personal value stays as it is, or nobody knows.
    """

    hosts: Annotated[tuple[HostInput, ...], Field(min_length=1)]
    owner: str
    purpose: PurposeInput
    template: TemplateInput
    classes: tuple[str, ...]
    label: Label = "raw-like"

    @classmethod
    def of(cls, spec: Spec, snapshot: Snapshot, *, owner: str) -> "EgressInput":
        """Return the document for `spec`, which names at least one host."""
        return cls(
            hosts=tuple(HostInput(host=host) for host in spec.egress),
            owner=owner,
            purpose=PurposeInput.of(spec.purpose),
            template=TemplateInput.of(spec),
            classes=ReplicaInput.of(snapshot).classes,
            label=(snapshot.manifest.label if snapshot.manifest else "") or "raw-like",
        )


StartKind = Literal["resume", "restore"]


class StartInput(Judged):
    """What rules judge at the point `start`: a sandbox that stands still is to run again.

    `kind` tells the resume of a frozen one from the restore of an expired one; `request` is what it
    does not hold already, the totals are what its owner and the home would hold with it.
    """

    kind: StartKind
    owner: str
    owner_totals: Amounts
    home_totals: Amounts
    request: RequestInput
    purpose: PurposeInput
    template: TemplateInput
    steps: Steps

    @classmethod
    def of(cls, sandbox: Sandbox, account: Account, kind: StartKind) -> "StartInput":
        """Return the document for `sandbox`, whose owner and home have `account`."""
        spec = sandbox.spec
        return cls(
            kind=kind,
            owner=sandbox.lease.owner,
            owner_totals=account.owner.plus(account.asked),
            home_totals=account.home.plus(account.asked),
            request=RequestInput(**account.asked.model_dump(), services=len(sandbox.parts)),
            purpose=PurposeInput.of(spec.purpose),
            template=TemplateInput.of(spec),
            steps=spec.steps,
        )


def hours(span: timedelta) -> float:
    """Return `span` in hours, as rules read it."""
    return round(span.total_seconds() / 3600, 2)
