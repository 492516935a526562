import pytest

from sandbox.core.errors import InvalidInput
from sandbox.core.text import as_written, check_name, clean, closest, count_words, spreadsheet_safe


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("50% off [/coupon]", "50% off [/coupon]"),
        ("[bold]x[/x]", "[bold]x[/x]"),
        ("\x1b[31mred\x1b[0m", "\ufffd[31mred\ufffd[0m"),
        ("\x9b31m", "\ufffd31m"),  # CSI in one character
        ("title\x1b]0;evil\x07", "title\ufffd]0;evil\ufffd"),
        ("a\x00b\x08c\x7fd", "a\ufffdb\ufffdc\ufffdd"),
        ("one\ntwo\tthree\r", "one\ufffdtwo\ufffdthree\ufffd"),
        ("one\u2028two\u2029", "one\ufffdtwo\ufffd"),
        ("in\u202evoice\u2066x\u2069\u200f\u061c", "in\ufffdvoice\ufffdx\ufffd\ufffd\ufffd"),
        ("caf\udce9", "caf\ufffd"),  # an argument that was not UTF-8
        ("春のクーポン 山田 太郎 ｱｲｳ 👩\u200d👧", "春のクーポン 山田 太郎 ｱｲｳ 👩\u200d👧"),
        ("", ""),
    ],
)
def test_clean(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned
    clean(text).encode()


def test_clean_keeps_lines_where_they_are_meant() -> None:
    assert clean("a\n\tb\r\x1b[2J", keep_newlines=True) == "a\n\tb\ufffd\ufffd[2J"


@pytest.mark.parametrize(
    "cell",
    [
        "=cmd|' /C calc'!A0",
        "+81-90-1234-5678",
        "-2+3+cmd",
        "@SUM(1+1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1+1",
        "＝１＋１",
        "＠SUM",
        "-",
        "-1\n",
    ],
)
def test_a_cell_that_would_run_is_quoted(cell: str) -> None:
    assert spreadsheet_safe(cell) == "'" + cell


@pytest.mark.parametrize(
    "cell", ["", "anna", "a=b", "-3.5", "+7", "-1e-9", "-.5", "42", "2026-11-23", "春", " x"]
)
def test_other_cells_stay_as_they_are(cell: str) -> None:
    assert spreadsheet_safe(cell) == cell


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("segment-rmf", " Did you mean segment-rfm?"),
        ("segmnt-rfm", " Did you mean segment-rfm?"),
        ("xyz", ""),
        ("", ""),
    ],
)
def test_closest(word: str, hint: str) -> None:
    assert closest(word, iter(["segment-rfm", "ab-mail"])) == hint
    assert closest(word, []) == ""


@pytest.mark.parametrize("name", ["a", "7", "spring-coupon", "a--b-c", "x" * 40, "a1-2b"])
def test_names_that_are_dns_labels(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "proposal"),
    [
        ("Spring Coupon!", "spring-coupon"),
        ("-a-", "a"),
        ("a_b.c", "a-b-c"),
        ("x" * 41, "x" * 40),
        ("a" * 39 + "-b", "a" * 39),
        ("ＡＢＣ１", "abc1"),
        ("xn--abc", "xn-abc"),
        ("spring\n", "spring"),
        ("../etc", "etc"),
        ("春のクーポン", "spring-coupon"),
        ("", "spring-coupon"),
        ("--", "spring-coupon"),
        ("\x1b[31m", "31m"),
    ],
)
def test_names_that_are_not_get_a_proposal_that_is(name: str, proposal: str) -> None:
    with pytest.raises(InvalidInput, match="lower-case") as caught:
        check_name(name)
    assert caught.value.hint == f"For example: {proposal}"
    assert check_name(proposal) == proposal
    assert caught.value.subject == clean(name)


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("", 0),
        ("test", 1),
        ("test test TEST test", 1),
        ("asdf 123 456 !!", 1),
        ("x y z", 0),
        ("Which lapsed customers react to a coupon?", 7),
        ("I test a new idea", 5),
        ("休眠顧客がクーポンに反応するかを調べる", 9),
        ("10月の会議用の予算", 4),
        ("予算の会議", 2),
        ("テスト" * 9, 2),
        ("予算 予算 予算", 1),
        ("ＡＢテスト for coupons", 4),
        ("ｸｰﾎﾟﾝ", 1),
        ("ああああああああ", 0),
        ("____ ---- ....", 0),
    ],
)
def test_count_words(sentence: str, words: int) -> None:
    assert count_words(sentence) == words


@pytest.mark.parametrize(
    ("host", "written"),
    [
        ("api.example.com", "api.example.com"),
        ("xn--wgv71a119e.jp", "日本語.jp (xn--wgv71a119e.jp)"),
        ("xn--a.jp", "xn--a.jp"),
        ("x\ufffdy<b>", "x\ufffdy<b>"),
        ("10.0.0.1", "10.0.0.1"),
        ("::", "::"),
        ("a..b", "a..b"),
        ("a" * 80, "a" * 80),
    ],
)
def test_an_encoded_host_is_told_both_ways(host: str, written: str) -> None:
    assert as_written(host) == written
