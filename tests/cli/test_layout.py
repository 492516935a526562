"""Columns on a terminal and in a pipe: what fits, what is folded, what is cut."""

import pytest

from sandbox.cli.layout import folded, in_columns, shortened, width_of

NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0), ("abc", 3), ("予算", 4), ("ｱ", 1), ("が", 2), ("か\u3099", 2), ("a\u200bb", 2),
        ("é", 1),
    ],
)  # fmt: skip
def test_width(text: str, width: int) -> None:
    assert width_of(text) == width


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("abc", 3, "abc"), ("abcd", 3, "ab…"), ("予算表", 5, "予算…"), ("予算表", 6, "予算表"),
        ("予算", 2, "…"),
    ],
)  # fmt: skip
def test_shortened(text: str, width: int, expected: str) -> None:
    assert shortened(text, width) == expected
    assert width_of(expected) <= width


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("", 5, [""]),
        ("one two three", 8, ["one two", "three"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("whole-time-max", 12, ["whole-time-", "max"]),
        ("a-bcdefgh", 6, ["a-bcde", "fgh"]),
        ("予算の合計", 4, ["予算", "の合", "計"]),
        ("予算、合計", 4, ["予", "算、", "合計"]),
        ("a 予算 b", 5, ["a 予", "算 b"]),
        ("one two", 20, ["one two"]),
    ],
)
def test_folded(text: str, width: int, expected: list[str]) -> None:
    assert folded(text, width) == expected
    assert all(width_of(line) <= width for line in expected)


def test_a_link_stays_in_one_piece() -> None:
    link = "http://spring-coupon.localhost:8700/?sbx=0123456789"
    assert folded(f"open {link} now", 20, whole=True) == ["open", link, "now"]


def test_no_word_is_broken_where_a_record_can_stand_instead() -> None:
    header = ("source", "place", "classes", "snapshot")
    row = ("core", "core_reader@db.example.com:5432/core", "quasi-identifier, personal", "core@1")
    at_80 = in_columns(header, [row], 80, NONE, whole=True)
    assert at_80.lines[0].split() == [*row[:2], "quasi-identifier,", "core@1"]
    assert at_80.lines[1].split() == ["personal"]
    record = in_columns(header, [row], 60, NONE, whole=True)
    assert record.lines == [
        "source    core",
        "place     core_reader@db.example.com:5432/core",
        "classes   quasi-identifier, personal",
        "snapshot  core@1",
        "",
    ]


def test_what_fits_is_left_alone() -> None:
    table = in_columns(("a", "予算"), [("1", "x"), ("22", "")], 80, NONE)
    assert table.header == ["a   予算"]
    assert table.lines == ["1   x", "22"]
    assert not table.cut


def test_the_widest_gives_way_and_names_stay_whole() -> None:
    rows = [("spring-coupon", "ready", "word " * 30)]
    table = in_columns(("name", "state", "purpose"), rows, 40, frozenset({"purpose"}))
    assert table.lines == ["spring-coupon  ready  word word word wo…"]
    assert table.cut
    whole = in_columns(("name", "state", "purpose"), rows, 40, NONE)
    assert len(whole.lines) == 10
    assert whole.lines[1].startswith(" " * 22 + "word")
    assert not whole.cut


def test_where_one_column_may_be_cut_no_other_is_folded() -> None:
    left = "ends in 3 h 59 min, idle 4 min"
    table = in_columns(("left", "purpose"), [(left, "word " * 30)], 45, frozenset({"purpose"}))
    assert table.lines == [left + "  word word wo…"]


def test_too_many_columns_become_records() -> None:
    header = [f"column_{number}" for number in range(20)]
    table = in_columns(header, [["顧客の名前" * 20] * 20], 80, frozenset(header))
    assert table.header == []
    assert table.lines[0].startswith("column_0   顧客")
    assert table.lines[1].startswith(" " * 11)
    assert all(width_of(line) <= 80 for line in table.lines)
    assert "".join(table.lines).count("顧") == 400


@pytest.mark.parametrize("width", range(1, 60))
def test_no_width_breaks_it_and_no_line_is_wider(width: int) -> None:
    rows = [("spring-coupon", "予算の合計は、いくらですか。", "x" * 50), ("", "", "")]
    for cut in (NONE, frozenset({"b", "c"})):
        table = in_columns(("a", "b", "c"), rows, width, cut)
        lines = [*table.header, *table.lines]
        assert not any(line.endswith(" ") for line in lines)
        assert width < 10 or all(width_of(line) <= width for line in lines)


def test_a_pipe_gets_everything() -> None:
    long = "語" * 5000
    table = in_columns(("a", "b"), [(long, "1"), ("x", "2")], None, frozenset({"a", "b"}))
    assert table.lines[0] == f"{long}  1"
    assert table.lines[1] == "x" + " " * 201 + "2"
    assert not table.cut


def test_a_version_or_a_date_is_not_broken_where_blanks_are() -> None:
    header = ["snapshot", "state", "data as of", "age", "rows", "size", "experiment"]
    row = ["core@2026-11-23.1", "ready", "2026-11-23 23:41", "21 min old", "116,799", "537 kB", ""]
    shown = in_columns(header, [row], 80, frozenset())
    assert [line.split() for line in shown.lines] == [
        ["core@2026-11-23.1", "ready", "2026-11-23", "21", "min", "old", "116,799", "537", "kB"],
        ["23:41"],
    ]
    assert all(width_of(line) <= 80 for line in [*shown.header, *shown.lines])
