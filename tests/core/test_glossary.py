"""How words are found, whatever they are typed like, and what a glossary may not hold."""

from typing import Any

import pytest
from pydantic import ValidationError

from sandbox.core.glossary import Glossary, folded


def term(id: str, en: str, ja: str, **changes: Any) -> dict[str, Any]:
    means = {"en": f"What {en} is.", "ja": f"{ja}の意味です。"}
    return {"id": id, "name": {"en": en, "ja": ja}, "of": "it", "means": means} | changes


def glossary(*terms: dict[str, Any]) -> Glossary:
    return Glossary.model_validate(
        {"apiVersion": "sandbox.glossary/v1", "kind": "Glossary", "terms": list(terms)}
    )


WORDS = glossary(
    term("load-time", "Load time", "読み込み時間", also=("latency", "表示速度"), see=("cookie",)),
    term("cookie", "Cookie", "クッキー"),
    term("time-to-live", "Time to live", "有効期間", also=("TTL",)),
    term("a-b-test", "A/B test", "A/Bテスト"),
    term("server", "Server", "サーバー"),
)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("load time", "load-time"),
        ("Load-Times", "load-time"),
        ("LATENCY", "load-time"),
        ("表示速度", "load-time"),
        ("cookies", "cookie"),
        ("ｃｏｏｋｉｅ", "cookie"),
        ("くっきー", "cookie"),
        ("ｸｯｷｰ", "cookie"),
        ("ab test", "a-b-test"),
        ("Ａ／Ｂテスト", "a-b-test"),
        ("サーバ", "server"),
        ("ttl", "time-to-live"),
    ],
)
def test_a_word_is_found_as_people_write_it(typed: str, meant: str) -> None:
    (found,) = WORDS.meant_by(typed)
    assert found.id == meant
    assert found.is_called(typed)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("cokie", ["cookie"]),
        ("クキー", ["cookie"]),
        ("latnecy", ["load-time"]),
        ("有効期", ["time-to-live"]),
        ("時間", ["load-time"]),
        ("time", ["load-time", "time-to-live"]),
    ],
)
def test_a_word_that_is_mistyped_or_cut_is_guessed(typed: str, meant: list[str]) -> None:
    found = WORDS.meant_by(typed)
    assert sorted(one.id for one in found) == meant
    assert not any(one.is_called(typed) for one in found)


@pytest.mark.parametrize("typed", ["", " ", "・", "ー", "zz", "to", "間", "carburettor", "\x1b["])
def test_nothing_is_guessed_from_too_little(typed: str) -> None:
    assert WORDS.meant_by(typed) == ()


def test_what_is_far_off_still_has_neighbours() -> None:
    assert WORDS.nearest("cake") == ("Cookie",)
    assert WORDS.nearest("carburettor") == ()


def test_a_plural_of_three_letters_is_another_word() -> None:
    assert folded("SLA") == "sla"
    assert folded("gas") == "gas"
    assert folded("KPIs") == folded("kpi")


@pytest.mark.parametrize(
    ("terms", "problem"),
    [
        ([term("a", "Alpha", "甲"), term("b", "ALPHA", "乙")], "alpha means a already"),
        ([term("a", "Alpha", "甲"), term("b", "Beta", "乙", also=("甲",))], "甲 means a already"),
        ([term("a", "Alpha", "甲", see=("b",))], "no other word b"),
        ([term("a", "Alpha", "甲", see=("a",))], "no other word a"),
        ([term("a", "Alpha", "甲"), term("b", "Beta", "乙", see=("Alpha",))], "no other word"),
        ([], "at least 1"),
        ([term("A b", "Alpha", "甲")], "pattern"),
        ([term("a", "Alpha", "甲", of="hr")], "'here', 'it'"),
    ],
)
def test_what_a_glossary_may_not_hold(terms: list[dict[str, Any]], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        glossary(*terms)
