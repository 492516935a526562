import random
import string
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.core.errors import InvalidInput
from sandbox.core.rules import PolicySet
from sandbox.core.settings import Settings
from sandbox.drivers.catalogue.strict_yaml import MAX_BYTES, PARSER, load
from tests.reading import load_as

BASELINE = (Path(__file__).parents[2] / "policies" / "baseline.yaml").read_bytes()


@pytest.fixture(params=[yaml.CSafeLoader, yaml.SafeLoader], ids=["libyaml", "pure"])
def parser(request: pytest.FixtureRequest) -> Any:
    """Both parsers that a machine may have must read alike."""
    return request.param


def refusal(raw: bytes, parser: Any = PARSER) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        load("some.yaml", raw, parser)
    return caught.value


def refused_or_none(act: Callable[[], Any]) -> InvalidInput | None:
    try:
        act()
    except InvalidInput as error:
        return error
    return None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("168", 168),
        ("-3", -3),
        ("0", 0),
        ("0.5", 0.5),
        ("-1.25", -1.25),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("1.0.0", "1.0.0"),
        ("2026.11.1", "2026.11.1"),
        ("read-only", "read-only"),
        ("090-1234-5678", "090-1234-5678"),
        ("顧客", "顧客"),
        ("nothing", "nothing"),
        ("'22:00'", "22:00"),
        ('"no"', "no"),
        ('"1"', "1"),
        ("|\n  two\n  lines", "two\nlines"),
        ("[1, a, [true]]", [1, "a", [True]]),
        ("{b: 1, c: }", {"b": 1, "c": None}),
        ("10.231.0.0/16", "10.231.0.0/16"),
        ("72h", "72h"),
        ("http://a.example:80/x", "http://a.example:80/x"),
    ],
)
def test_values(text: str, value: Any, parser: Any) -> None:
    content = load("some.yaml", f"a: {text}".encode(), parser).content
    assert content == {"a": value}
    assert type(content["a"]) is type(value)


AMBIGUOUS = [
    "22:00", "1:30:00", "no", "yes", "on", "off", "No", "YES", "y", "N", "True", "FALSE", "Null",
    "2026-04-01", "2026-04-01T00:00:00Z", "0o17", "017", "08", "0x1F", "0b1", "1_000", "+5", "1e5",
    "1.", ".5", "1.5e3", ".inf", ".nan", "=", "9" * 19,
]  # fmt: skip


@pytest.mark.parametrize("word", AMBIGUOUS)
def test_words_that_yaml_reads_otherwise_must_be_quoted(word: str, parser: Any) -> None:
    error = refusal(f"b: 1\na:\n  - {word}".encode(), parser)
    assert error.message.startswith(f"some.yaml:3:5: `{word}` is not in quotes")
    assert f'"{word}"' in error.hint
    assert error.details == {"file": "some.yaml", "line": 3, "column": 5, "problems": 1}
    assert load("some.yaml", f'a: "{word}"'.encode(), parser).content == {"a": word}


@pytest.mark.parametrize("key", ["on", "1", "null", "true", "22:00", "[a]", "{a: b}", "<<", "~"])
def test_keys_must_be_texts(key: str, parser: Any) -> None:
    refusal(f"{key} : 1".encode(), parser)


@pytest.mark.parametrize(
    ("raw", "place", "problem"),
    [
        (b"a: 1\nb:\n  c: 1\n  c: 2", "4:3", "the key `c` is here a second time; the first is in"),
        (b"a: &x 1", "1:4", "anchors"),
        (b"a: [*x]", "1:5", "anchors"),
        (b"a: !!str 1", "1:4", "tags"),
        (b"a: !x {}", "1:4", "tags"),
        (b"a: !!python/object/apply:os.system [id]", "1:4", "tags"),
        (b"&x a: 1", "1:1", "anchors"),
        (b"%YAML 1.1\n---\na: 1", "1:1", "directives"),
        (b"a: 1\n---\nb: 1", "2:1", "a second one starts here"),
        (b"", "1:1", "the file is empty"),
        (b"# only a comment\n", "2:1", "the file is empty"),
        (b"a: \xff", "1:4", "this is not UTF-8 text"),
        ("あ: 1\nいう: ".encode() + b"\xe3\x81", "2:5", "this is not UTF-8 text"),
        (b"a: 1\nb: x\x1b[31m", "2:5", "a control character"),
        (b"a: \x00", "1:4", "a control character"),
        (b'a: "\\e[31m"', "1:4", "the text holds a control character"),
        (b'a: "\\0"', "1:4", "the text holds a control character"),
        ("a: 1  # quiet\u2028b: 2".encode(), "1:14", "a character that cannot be seen, '\\u2028'"),
        ("a: 1\nb: 2  # quiet\u2029c: 3".encode(), "2:14", "cannot be seen"),
        (b"a: 1\r\nb: 2  # quiet\rc: 3", "2:14", "a line ends here without a line feed"),
        ("a: x\u202ey".encode(), "1:5", "cannot be seen"),
        ("a: x\u200by".encode(), "1:5", "cannot be seen"),
        ("a: x\u00ady".encode(), "1:5", "cannot be seen"),
        ("a: x\U000e0041y".encode(), "1:5", "cannot be seen"),
        (b"a: b: c", "1:5", "a colon stands where none can"),
        (b"a:\n\t- b", "2:1", "a tab cannot indent"),
        (b"a: 1\n b: 2", "2:3", "a colon stands where none can"),
        (b"a: " + b"[" * 50 + b"]" * 50, "1:36", "more than 32 levels"),
        (b"a: " + b"x" * MAX_BYTES, "1:1", "larger than 1 MiB"),
    ],
)
def test_refusals_name_the_place(raw: bytes, place: str, problem: str, parser: Any) -> None:
    error = refusal(raw, parser)
    assert error.message.startswith(f"some.yaml:{place}: ")
    assert problem in error.message
    assert error.subject == "some.yaml"
    assert error.hint


@pytest.mark.parametrize("raw", [b'a: "\\ud800"', b'a: "\\UFFFFFFFF"', b"a: 'x", b"a: [1", b"@"])
def test_broken_yaml_is_an_error_and_no_crash(raw: bytes, parser: Any) -> None:
    refusal(raw, parser)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb：2\nc: 3", "In line 2 stands ："),
        ("a: 1\nb:　2\nc: 3", "In line 2 stands a full-width blank"),
        ("a: ｛b: 1｝", "In line 1 stands ｛"),
        ("a:\n  - 1\n  － b: 1", "In line 3 stands －"),
        ("a: b: c", "Correct line 1"),
    ],
)
def test_what_japanese_keyboards_type_is_told(text: str, said: str, parser: Any) -> None:
    assert refusal(text.encode(), parser).hint.startswith(said)


def test_a_byte_order_mark_is_accepted(parser: Any) -> None:
    document = load("some.yaml", b"\xef\xbb\xbfa: 1", parser)
    assert document.content == {"a": 1}
    assert document.positions[("a",)] == (1, 1)


def test_what_cannot_be_seen_may_be_written_out(parser: Any) -> None:
    assert load("some.yaml", b'a: "x\\u200by"', parser).content == {"a": "x\u200by"}
    assert load("some.yaml", b"a: 1\r\nb: 2\r\n", parser).content == {"a": 1, "b": 2}


def test_positions(parser: Any) -> None:
    document = load("some.yaml", b"a: 1\nb:\n  - c: 2\n    d: [x, z]\n", parser)
    assert document.positions == {
        ("a",): (1, 1),
        ("b",): (2, 1),
        ("b", 0): (3, 5),
        ("b", 0, "c"): (3, 5),
        ("b", 0, "d"): (4, 5),
        ("b", 0, "d", 0): (4, 9),
        ("b", 0, "d", 1): (4, 12),
    }
    assert document.position(("b", 0, "Tag", "d")) == (4, 5)
    assert document.position(("zzz",)) == (1, 1)


HOME = b"apiVersion: sandbox.home/v1\nkind: Home\n"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"gatway: {}", "3:1: unknown key `gatway`. Did you mean gateway?"),
        (b"gateway:\n  prot: 8700", "4:3: unknown key `prot`. Did you mean port?"),
        (b'gateway: {port: "8700"}', "3:11: `gateway.port` must be a whole number."),
        (b"gateway: {port: 80}", "3:11: `gateway.port`: it should be greater than or equal"),
        (b"gateway: 8700", "3:1: `gateway` must be a group of keys."),
        (b"demo: 1", "3:1: `demo` must be true or false."),
        (b"defaults: {language: jp}", "3:12: `defaults.language` must be 'en' or 'ja'."),
        (b"images: {base: 12}", "3:10: `images.base` must be a text; put it in quotes."),
        (b"demo: 1\nx: 2\nz: 3", "3:1: `demo` must be true or false. (2 more problems in this"),
    ],
)
def test_settings_are_validated_in_place(raw: bytes, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_as(Settings, "sandbox.yaml", HOME + raw)
    assert caught.value.message.startswith(f"sandbox.yaml:{said}")
    assert caught.value.subject == "sandbox.yaml"


@pytest.mark.parametrize(
    ("old", "new", "said", "at"),
    [
        ("mode: enforce", "mod: enforce", "unknown key `mod`. Did you mean mode? (1 more", "mod:"),
        ("mode: enforce", "mode: enfroce", "Did you mean enforce?", "mode: enfroce"),
        ("max: 168", 'max: "168"', "`rules[0].assert.max` must be a number.", "max:"),
        ("max: 168", "maxx: 168", "unknown key `maxx`. Did you mean max?", "maxx"),
        ("max: 168", "max: 168, min: 1", "exactly one operator of equals", "assert:"),
        ("{max_days: 14,", "{max_dys: 14,", "unknown key `max_dys`. Did you mean max_d", "max_dys"),
        ("owner: it-governance", "", "the key `metadata.owner` is missing.", "metadata:"),
        ('version: "2026.11.1"', "version: 2026.11", "`metadata.version` must be", "version: 2026"),
        (':00+09:00"', ':00"', "`effective_from` must name its time zone", "effective_from:"),
        ("id: ttl-max", "id: memory-per-owner", "`rules[3].id`: the rule", "id: memory-per"),
        (
            "exceptions: never",
            "exceptions: nevr",
            "must be 'never' or a group of keys: max_days, approver_role.",
            "exceptions: nevr",
        ),
        ('"2026-01-01T00:00:00+09:00"', '"20270401"', "must be a time with its zone", "effective_"),
        ("max: 168", "max: 168, min: ~", "`rules[0].assert.min`: says nothing; leave the", "min:"),
        ("mode: enforce", "mode: warn\n    enforce_after:", "says nothing; leave", "enforce_after"),
        ("exceptions: never", "exceptions: [it]", "must be 'never' or a group of", "exceptions: ["),
    ],
)
def test_policies_are_validated_in_place(old: str, new: str, said: str, at: str) -> None:
    text = BASELINE.decode()
    assert old in text
    broken = text.replace(old, new, 1)
    with pytest.raises(InvalidInput) as caught:
        load_as(PolicySet, "policies/baseline.yaml", broken.encode())
    assert said in caught.value.message
    line, column = caught.value.details["line"], caught.value.details["column"]
    assert caught.value.message.startswith(f"policies/baseline.yaml:{line}:{column}: ")
    assert broken.splitlines()[line - 1][column - 1 :].startswith(at)


def test_a_rule_id_used_twice_is_told_where_it_stands_again() -> None:
    text = BASELINE.decode().replace("id: ttl-max", "id: purpose-said", 1)
    with pytest.raises(InvalidInput, match="the rule id purpose-said is used more") as caught:
        load_as(PolicySet, "policies/baseline.yaml", text.encode())
    lines = [n for n, line in enumerate(text.splitlines(), 1) if "id: purpose-said" in line]
    assert len(lines) == 2
    assert caught.value.details["line"] == lines[1]


def test_a_list_is_no_settings_file() -> None:
    with pytest.raises(InvalidInput, match="must be a group of keys"):
        load_as(Settings, "sandbox.yaml", b"- a")


def test_a_password_in_the_wrong_place_is_not_repeated() -> None:
    with pytest.raises(InvalidInput) as caught:
        load_as(Settings, "sandbox.yaml", HOME + b"gateway: hunter2-secret")
    error = caught.value
    assert "hunter2" not in f"{error.message}{error.hint}{error.subject}{error.details}"


MARKS = [
    b"\t", b"&a ", b"*a", b"!!x ", b": ", b"- ", b"{", b"}", b"[", b"'", b'"', b"\n", b"|", b"<<: ",
    b"\xff", b"\x00", b"? ", b"%", b"#", b"22:00", b"\\", b"\xe3", b"---\n",
]  # fmt: skip


def mutated(rng: random.Random, raw: bytes) -> bytes:
    out = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out))
        match rng.randrange(4):
            case 0:
                out[at : at + rng.randint(1, 20)] = b""
            case 1:
                out[at:at] = rng.choice(MARKS)
            case 2:
                out[at] = rng.randrange(256)
            case _:
                end = at + rng.randint(1, 60)
                out[at:at] = out[rng.randrange(len(out)) :][: end - at]
        out = out or bytearray(b"a")
    return bytes(out)


def test_no_bytes_make_it_crash(parser: Any) -> None:
    """Thousands of broken files: each is read, or refused with a place; nothing else."""
    rng = random.Random(20261123)
    seed = BASELINE[BASELINE.index(b"apiVersion") :][:1500]
    begun, tried, refused = time.monotonic(), 0, 0
    usual = parser is PARSER
    most = 4000 if usual else 400
    while tried < most and time.monotonic() - begun < 2:
        tried += 1
        noise = "".join(rng.choices(string.printable, k=40)).encode()
        raw = noise if tried % 10 == 0 else mutated(rng, seed)
        by_hand = partial(load, "policies/x.yaml", raw, parser)
        error = refused_or_none(
            partial(load_as, PolicySet, "policies/x.yaml", raw) if usual else by_hand
        )
        if error is not None:
            refused += 1
            assert error.message.startswith("policies/x.yaml:")
            assert error.details["line"] >= 1
            assert error.details["column"] >= 1
    assert tried >= 100
    assert refused > tried // (2 if usual else 4)


@pytest.mark.parametrize(
    "unit", [b"[", b"{", b"- ", b"? ", b"a: ", b"{a: ", b"&a ", b"'", b"\n- a"]
)
def test_hostile_depth_and_size_end_quickly(unit: bytes, parser: Any) -> None:
    begun = time.monotonic()
    raw = unit * (20_000 // len(unit))
    error = refused_or_none(lambda: load("some.yaml", raw, parser))
    assert error is None or error.details["line"] >= 1
    assert time.monotonic() - begun < 2
