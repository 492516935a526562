"""What rules judge beside the sandbox itself: its cost, its lane, the work in progress. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from sandbox.core.people import alike
from sandbox.core.values import Value

Lane = Literal["normal", "expedite"]

# What people call these fields, and those of promotions.
WORDS: Mapping[str, tuple[str, str]] = {
    "cost.listed": ("the number of listed campaigns", "登録済みキャンペーンの数"),
    "cost.budget": ("the team's budget", "チームの予算"),
    "cost.campaign": ("the campaign", "キャンペーンコード"),
    "cost.amount": ("the cost", "費用"),
    "cost.percent": (
        "the team's spending this month, this included (% of its budget)",
        "今回を含むチームの今月の利用額（予算比 %）",
    ),
    "lane.name": ("the lane", "レーン"),
    "lane.sponsor": ("the sponsor", "責任者"),
    "lane.own_sponsor": (
        "whether the owner is the sponsor",
        "申請者自身が責任者かどうか",
    ),
    "lane.expedited": (
        "the number of expedited sandboxes here",
        "優先レーンのサンドボックスの数",
    ),
    "lane.overdue": (
        "the number of expedited sandboxes whose review is overdue",
        "事後確認の期限を過ぎた優先レーンのサンドボックスの数",
    ),
    "wip.campaign": (
        "the number of this campaign's sandboxes",
        "このキャンペーンのサンドボックスの数",
    ),
    "origin": ("the origin of the evidence", "証拠の出どころ"),
    "verdict": ("the verdict", "判定結果"),
    "run_days": ("the time that it ran (days)", "実施期間（日）"),
    "pinned": ("whether its images are pinned", "イメージが固定されているか"),
    "runbook": ("the runbook", "運用手順書"),
    "contact": ("the contact for trouble", "障害時の連絡先"),
    "rollback": ("the way back", "切り戻し手順"),
    "day": ("the day", "日付"),
}


class CostInput(Value):
    """What a request costs, and who pays.

    `campaign` is its code, "" for none, of `listed` in the home; `team` whose it is. `hour` is the
    price of one hour, `amount` of what is asked for, `month` what the team's sandboxes of this
    month cost with it. `budget` is what the team may spend in a month, `percent` how much of that
    `month` is; both are None without a budget.
    """

    campaign: str = ""
    listed: Annotated[int, Field(ge=0)] = 0
    team: str = ""
    currency: str = "JPY"
    hour: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    amount: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    month: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    budget: float | None = None
    percent: float | None = None


class LaneInput(Value):
    """How a sandbox came in: by the `normal` lane, or by `expedite`, which is for what is urgent.

    `sponsor` answers for the urgency; `own_sponsor` says that it is the owner. `expedited` counts
    those of that lane here that hold a slot, this one included, `overdue` those that nobody has
    reviewed in time.
    """

    name: Lane = "normal"
    sponsor: str = ""
    own_sponsor: bool = False
    expedited: Annotated[int, Field(ge=0)] = 0
    overdue: Annotated[int, Field(ge=0)] = 0

    @classmethod
    def alone(cls, sponsor: str, owner: str, *, expedite: bool) -> "LaneInput":
        """Return the lane of a sandbox of `owner`, without what goes on beside it."""
        own = expedite and alike(sponsor, owner)
        return cls(name="expedite" if expedite else "normal", sponsor=sponsor, own_sponsor=own)


class WipInput(Value):
    """The work in progress: sandboxes of the same campaign that hold a slot, this one included.

    0 for a sandbox without a campaign.
    """

    campaign: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True)
class Beside:
    """All three of one request."""

    cost: CostInput
    lane: LaneInput
    wip: WipInput


# A request that nobody pays for, that is not urgent, and that is of no campaign.
FREE = CostInput()
ALONE = Beside(FREE, LaneInput(), WipInput())
