"""Detectors see what they are for, in any common form, and stay silent about everything else."""

import hashlib
import random
import re
from typing import get_args
from uuid import UUID

import duckdb
import pytest

from sandbox.core import demo
from sandbox.core.checksums import luhn_holds, my_number_holds
from sandbox.core.detecting import Detector, Found, counted, folded, kind_of, suspicions
from sandbox.core.detectors import DETECTORS
from sandbox.core.names import FAMILIES, GIVEN, half_width, hiragana
from sandbox.core.source import DataClass
from tests.core.detector_samples import SEEN, SILENT

BY_ID = {detector.id: detector for detector in DETECTORS}
POSITIVES = [(name, value) for name, values in SEEN.items() for value in values]


def found(values: list[str], column: str = "x", kind: str = "text") -> dict[str, str]:
    """Return what is suspected in a column, with the reason."""
    n, counts = counted(DETECTORS, values, kind)  # type: ignore[arg-type]
    return {s.detector: s.because for s in suspicions(DETECTORS, column, n, counts)}


@pytest.mark.parametrize(("detector", "value"), POSITIVES)
def test_one_value_is_enough_for_a_clear_form(detector: str, value: str) -> None:
    assert found([value, "x", "y"]).get(detector) == "values", folded(value)


@pytest.mark.parametrize("value", SILENT)
def test_other_values_are_silent_even_where_they_fill_a_column(value: str) -> None:
    assert found([value] * 50) == {}


def test_there_are_samples_for_every_detector_and_hundreds_in_all() -> None:
    assert set(SEEN) == set(BY_ID)
    assert len(POSITIVES) > 120
    assert len(set(SILENT)) > 150


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.id)
def test_detector_is_complete(detector: Detector) -> None:
    assert detector.data_class in get_args(DataClass)
    assert detector.version >= 1
    assert detector.finds
    for pattern in (detector.sign, detector.strong, detector.common, detector.named, detector.hint):
        assert not re.search(r"\(\?[=!<P]|\\[dwsb1-9]", pattern), "RE2 and Python would differ"


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.id)
def test_sign_is_in_every_value_that_is_found(detector: Detector) -> None:
    for value in SEEN[detector.id]:
        assert re.search(detector.sign, folded(value)), value


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.id)
def test_duckdb_reads_the_patterns_as_python_does(detector: Detector) -> None:
    values = [folded(v) for v in (*(v for _, v in POSITIVES), *SILENT)]
    con = duckdb.connect(":memory:")
    for pattern in filter(None, (detector.sign, detector.strong, detector.common, detector.named)):
        literal = duckdb.ConstantExpression(pattern)
        rows = con.execute(
            f"SELECT v, regexp_matches(v, {literal}) FROM (SELECT unnest(?) AS v)", [values]
        ).fetchall()
        assert len(rows) == len(values)
        differ = [v for v, hit in rows if hit != bool(re.search(pattern, v))]
        assert differ == [], pattern


def test_random_tokens_ids_and_times_are_silent_by_the_thousand() -> None:
    draw = random.Random(3)
    columns = {
        "hmac": ["c_" + hashlib.sha256(str(n).encode()).hexdigest()[:20] for n in range(800)],
        "uuid": [str(UUID(int=draw.getrandbits(128))) for _ in range(800)],
        "twelve": [f"{draw.randrange(10**12):012d}" for _ in range(800)],
        "sixteen": [f"{draw.randrange(10**16):016d}" for _ in range(800)],
        "visa-like": [f"4{draw.randrange(10**15):015d}" for _ in range(800)],
        "order": [f"{n:010d}" for n in range(800)],
        "price": [f"{draw.random() * 10**6:.2f}" for _ in range(800)],
        "float": [str(draw.random()) for _ in range(800)],
        "epoch": [str(1732376621123 + draw.randrange(10**9)) for _ in range(800)],
        "stamp": [f"2026112315{draw.randrange(60):02d}" for _ in range(800)],
        "base64": [draw.randbytes(15).hex().upper() for _ in range(800)],
    }
    assert {name: found(values) for name, values in columns.items()} == {n: {} for n in columns}


def test_numbers_of_people_are_told_from_random_ones_of_the_same_length() -> None:
    draw = random.Random(4)
    prefixes = [f"{draw.randrange(10**11):011d}" for _ in range(500)]
    real = [p + str(d) for p in prefixes for d in range(10) if my_number_holds(p + str(d))]
    assert len(real) >= 499
    assert found(real)["my-number"] == "values"
    # Half random, half real is still more than chance.
    assert "my-number" in found(real + [f"{draw.randrange(10**12):012d}" for _ in real])


def test_demo_people_are_found_column_by_column() -> None:
    people = [demo.customer(n) for n in range(1, 400)]
    expected = {
        "name": {"name-kanji", "name-latin"}, "kana": {"name-kana"}, "mail": {"mail"},
        "phone": {"phone-jp"}, "postcode": {"postcode"}, "prefecture": set(),
        "address": {"address"}, "customer_id": set(), "note": {"mail", "phone-jp", "address"},
    }  # fmt: skip
    for column, detectors in expected.items():
        seen = set(found([getattr(p, column) for p in people], "x"))
        assert detectors <= seen, column
        assert column == "note" or seen == detectors, column


@pytest.mark.parametrize(
    ("column", "detector"),
    [
        ("mail", "mail"), ("customerMail", "mail"), ("メールアドレス", "mail"), ("TEL", "phone-jp"),
        ("携帯番号", "phone-jp"), ("zip_code", "postcode"), ("郵便番号", "postcode"),
        ("住所", "address"), ("street_address", "address"), ("個人番号", "my-number"),
        ("my_number", "my-number"), ("card_no", "card"), ("氏名", "name-kanji"),
        ("full_name", "name-kanji"), ("フリガナ", "name-kana"), ("first_name", "name-latin"),
        ("client_ip", "ip"), ("api-key", "url-token"), ("dateOfBirth", "birth-date"),
        ("生年月日", "birth-date"), ("birth_dt", "birth-date"),
    ],
)  # fmt: skip
def test_column_names_hint(column: str, detector: str) -> None:
    assert BY_ID[detector].fits(column)


@pytest.mark.parametrize("column", ["amount", "quantity", "shipped_on", "ship", "recipe", "数量"])
def test_other_column_names_do_not(column: str) -> None:
    assert [d.id for d in DETECTORS if d.fits(column)] == []


@pytest.mark.parametrize(
    ("column", "kind", "values", "expected"),
    [
        ("x", "text", ["09012345678"] * 50, {"phone-jp": "share"}),
        ("x", "text", ["09012345678"] + ["a"] * 50, {}),
        ("x", "text", ["09012345678"] * 9 + ["a"] * 50, {}),
        ("tel", "text", ["09012345678"] * 9 + ["a"] * 50, {"phone-jp": "name"}),
        ("tel", "text", ["09012345678"] + ["a"] * 50, {}),
        ("tel", "integer", ["9012345678"] * 9, {"phone-jp": "name"}),
        ("x", "integer", ["9012345678"] * 9, {}),
        ("zip", "integer", ["1000001"] * 9, {"postcode": "name"}),
        ("x", "text", ["100-0001"] * 9, {"postcode": "share"}),
        ("x", "text", ["佐藤", "鈴木", "森田", "青"], {"name-kanji": "share"}),
        ("氏名", "text", ["御手洗 寿々", "小鳥遊 凪", "x"], {"name-kanji": "name"}),
        ("x", "date", ["1980-04-01"] * 9, {}),
        ("birth_date", "date", ["1980-04-01"] * 9, {"birth-date": "name"}),
        ("生年月日", "text", ["19800401"] * 9, {"birth-date": "name"}),
        ("x", "integer", ["123456789018"] * 9, {"my-number": "values"}),
        ("x", "integer", ["4111111111111111"], {"card": "values"}),
        ("x", "text", ["東京都新宿区", "大阪府大阪市", "北海道函館市"], {"address": "share"}),
    ],
)
def test_weak_forms_need_a_share_or_the_name_of_the_column(
    column: str, kind: str, values: list[str], expected: dict[str, str]
) -> None:
    assert found(values, column, kind) == expected


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("product_name", ["醤油ラーメン", "青森りんご", "Maple Syrup", "Green Tea"]),
        ("商品名", ["醤油ラーメン", "青森りんご"]), ("name", ["Maple Syrup", "Green Tea"]),
        ("shopName", ["Blue Bird", "Red Fox"]), ("商品カナ", ["リンゴ", "ラーメン"]),
        ("station_kana", ["シンジュク", "シブヤ"]), ("file_name", ["Summer Sale", "Big Plan"]),
    ],
)  # fmt: skip
def test_names_of_things_are_silent(column: str, values: list[str]) -> None:
    assert found(values * 20, column) == {}


def test_counts_hold_numbers_only_and_null_is_no_value() -> None:
    n, counts = counted(DETECTORS, ["a@example.jp", None, "b"])
    assert n == 2
    assert counts == {"mail": Found(strong=1, passed=1)}


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("VARCHAR", "text"), ("JSON", "text"), ("ENUM('a')", "text"), ("BIGINT", "integer"),
        ("DECIMAL(12,0)", "integer"), ("DECIMAL(10,2)", "other"), ("DOUBLE", "other"),
        ("DOUBLE[]", "text"), ("DATE", "date"), ("TIMESTAMP WITH TIME ZONE", "date"),
        ("DATE[]", "text"), ("STRUCT(a INTEGER)", "text"), ("BOOLEAN", "other"), ("BLOB", "other"),
    ],
)  # fmt: skip
def test_types_reach_the_detectors_as_what_they_are(type_: str, kind: str) -> None:
    assert kind_of(type_) == kind


@pytest.mark.parametrize("number", ["123456789018", "987654321093", "1234-5678-9018"])
def test_my_number_check_digit(number: str) -> None:
    assert my_number_holds(number)
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert not my_number_holds(wrong)


def test_check_digits_pass_one_random_number_in_ten() -> None:
    numbers = [f"77{n:010d}" for n in range(2000)]
    assert sum(map(my_number_holds, numbers)) == 200
    assert sum(map(luhn_holds, numbers)) == 200


def test_readings_have_three_scripts() -> None:
    assert (hiragana("ワタナベ"), half_width("ワタナベ")) == ("わたなべ", "ﾜﾀﾅﾍﾞ")
    assert len({n.kanji for n in FAMILIES}) == len(FAMILIES)
    assert len({n.kanji for n in GIVEN}) == len(GIVEN)
