"""What whoever asks can ask for otherwise, and how; the rest of a document is only known of it.

`{after}` is what to ask for. Pure.
"""

from collections.abc import Iterable, Mapping

_LESS = ("end what you no longer need: sandbox list", "不要なものを終了: sandbox list")
_CHEAPER = ("a shorter --ttl, or a smaller template", "--ttl を短くするか小さいテンプレート")

# By the field that rules name: how to say it otherwise, in English and Japanese.
LEVERS: Mapping[str, tuple[str, str]] = {
    "ttl_hours": ("--ttl {after}h", "--ttl {after}h"),
    "extension_hours": ("--ttl {after}h", "--ttl {after}h"),
    "purpose.text": ("--purpose", "--purpose"),
    "purpose.words": ("say more in --purpose", "--purpose で詳しく書く"),
    "reason.text": ("--reason", "--reason"),
    "reason.words": ("say more in --reason", "--reason で詳しく書く"),
    "template.name": ("--template {after}", "--template {after}"),
    "steps.extract": ("--owner extract=WHO", "--owner extract=担当"),
    "steps.transform": ("--owner transform=WHO", "--owner transform=担当"),
    "steps.analyse": ("--owner analyse=WHO", "--owner analyse=担当"),
    "owner_totals.sandboxes": _LESS,
    "owner_totals.memory_mb": _LESS,
    "owner_totals.cpus": _LESS,
    "owner_totals.disk_mb": _LESS,
    "cost.campaign": ("--campaign CODE", "--campaign コード"),
    "cost.amount": _CHEAPER,
    "cost.percent": _CHEAPER,
    "lane.name": ("with or without --expedite", "--expedite の有無を変える"),
    "lane.sponsor": ("--sponsor PERSON", "--sponsor 責任者"),
    "lane.own_sponsor": ("--sponsor somebody else", "--sponsor 本人以外の責任者"),
    "wip.campaign": _LESS,
    "format": ("save it in that format", "その形式で保存する"),
    "tabular": ("export a table", "表として持ち出す"),
    "rows": ("aggregate it", "集計する"),
    "smallest_group": ("aggregate it, and leave small groups out", "集計し、少人数の行を除く"),
    "matched": ("without --match", "--match なしで"),
    "matched_with": ("--match {after}=COLUMN", "--match {after}=列名"),
    "identities": ("match a longer list", "より長い一覧で照合する"),
}
# Where only: later it is what there is already, and nobody asks for it again.
_NEW = frozenset({"create", "egress"})
_ONLY_AT: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("ttl_hours", "template.name", "cost.campaign", "wip.campaign"), _NEW),
    **dict.fromkeys(("steps.extract", "steps.transform", "steps.analyse"), _NEW),
    **dict.fromkeys(("lane.name", "lane.sponsor", "lane.own_sponsor"), _NEW),
    **dict.fromkeys(("purpose.text", "purpose.words"), _NEW | {"export"}),
}
# Lists whose items can be left out, and how.
REMOVABLE: Mapping[str, tuple[str, str]] = {
    "hosts": ("without --egress {item}", "--egress {item} を指定しない"),
    "found": ("leave that column out", "その列を除く"),
}
# At a point: a field that follows from what is asked for, by so much more or less.
DERIVED: Mapping[tuple[str, str], str] = {("extend", "ttl_hours"): "extension_hours"}


def can_be_asked(field: str, points: Iterable[str]) -> bool:
    """Say whether whoever asks at one of these points can ask for `field` otherwise."""
    return field in LEVERS and not _ONLY_AT.get(field, frozenset(points)).isdisjoint(points)
