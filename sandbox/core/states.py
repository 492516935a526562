"""What is so, and what is not, of a field that is true or false: in words, not as true and false.

Pure.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple


class State(NamedTuple):
    """One of the two in words; `ja` ends a sentence, `ja_inside` stands within one."""

    en: str
    ja: str
    ja_inside: str


# By field: what `true` means, then what `false` means.
STATES: Mapping[str, tuple[State, State]] = {
    "masked": (
        State("it is masked", "マスク済みです", "マスク済みである"),
        State("it is not masked", "マスクされていません", "マスクされていない"),
    ),
    "invented": (
        State("its people are invented", "架空の人物のデータです", "架空の人物のデータである"),
        State("its people are real", "実在の人物のデータです", "実在の人物のデータである"),
    ),
    "tabular": (
        State("it is a table", "表です", "表である"),
        State("it is no table", "表ではありません", "表ではない"),
    ),
    "matched": (
        State("people are matched", "本人照合を行います", "本人照合を行う"),
        State("nobody is matched", "本人照合を行いません", "本人照合を行わない"),
    ),
    "lane.own_sponsor": (
        State("the owner is the sponsor", "責任者が申請者本人です", "責任者が申請者本人である"),
        State(
            "the owner is not the sponsor",
            "責任者は申請者本人ではありません",
            "責任者が申請者本人ではない",
        ),
    ),
    "pinned": (
        State(
            "all its images are pinned",
            "すべてのイメージが固定されています",
            "すべてのイメージが固定されている",
        ),
        State(
            "not all its images are pinned",
            "固定されていないイメージがあります",
            "固定されていないイメージがある",
        ),
    ),
}


def state_of(field: str, value: Any) -> State | None:
    """Return what it means that `field` is `value`; None where that says enough by itself."""
    if not isinstance(value, bool) or field not in STATES:
        return None
    return STATES[field][0 if value else 1]
