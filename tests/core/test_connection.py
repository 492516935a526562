"""Where a source is: what a source file may say of it."""

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from sandbox.core.connection import Connection, Csv, Excel, Secret
from sandbox.core.typed import file_type

KINDS: TypeAdapter[Any] = TypeAdapter(Connection)
LOGIN = {"host": "db", "database": "shop", "user": "reader", "password": {"env": "PW"}}


def connection(document: Any) -> Any:
    return KINDS.validate_json(json.dumps(document), strict=True)


def test_each_type_has_its_own_port_and_keys() -> None:
    assert connection({"type": "postgres", **LOGIN}).port == 5432
    for name in ("mysql", "mariadb"):
        assert connection({"type": name, **LOGIN}).port == 3306
    with pytest.raises(ValidationError):
        connection({"type": "sqlite", "file": "a.db", "host": "db"})
    with pytest.raises(ValidationError):
        connection({"type": "oracle", **LOGIN})


def test_short_forms_are_filled() -> None:
    files = connection(
        {"type": "csv", "files": {"a": "x.csv", "b": {"file": "y", "header": False}}}
    )
    assert isinstance(files, Csv)
    assert (files.files["a"].file, files.files["b"].header) == ("x.csv", False)
    book = connection({"type": "excel", "file": "a.xlsx", "sheets": {"t": "Sheet 1"}})
    assert isinstance(book, Excel)
    assert book.sheets["t"].sheet == "Sheet 1"
    again = KINDS.validate_json(KINDS.dump_json(book, by_alias=True))
    assert again == book


@pytest.mark.parametrize(
    "path", ["", "/etc/shadow", "../x", "a/../../x", "a*.csv", "[a].csv", "a?", "a\nb"]
)
def test_paths_lead_to_one_file_below_the_home(path: str) -> None:
    for document in (
        {"type": "sqlite", "file": path},
        {"type": "csv", "files": {"t": path}},
        {"type": "parquet", "files": {"t": path}},
        {"type": "postgres", **LOGIN, "password": {"file": path}},
    ):
        with pytest.raises(ValidationError):
            connection(document)


@pytest.mark.parametrize(
    ("password", "place"),
    [({"env": "PW"}, "$PW"), ({"file": "a/pw"}, "file a/pw"), ({"secret": "pw"}, "secret pw")],
)
def test_a_password_has_one_place(password: dict[str, str], place: str) -> None:
    assert Secret.model_validate(password).place == place


@pytest.mark.parametrize(
    "password",
    [{}, {"env": "A", "file": "b"}, {"secret": "../x"}, {"secret": "a/b"}, {"secret": "."},
     {"password": "geheim"}],
)  # fmt: skip
def test_no_place_two_places_and_paths_of_secrets_are_refused(password: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Secret.model_validate(password)


@pytest.mark.parametrize("encoding", ["utf-8", "cp932", "shift_jis", "euc_jp", "utf-16"])
def test_encodings_of_text_are_known(encoding: str) -> None:
    assert connection({"type": "csv", "files": {"t": "x"}, "encoding": encoding})


@pytest.mark.parametrize("encoding", ["sjiss", "rot13", "base64", "zlib", ""])
def test_what_is_no_encoding_of_text_is_refused(encoding: str) -> None:
    with pytest.raises(ValidationError, match="must be an encoding"):
        connection({"type": "csv", "files": {"t": "x"}, "encoding": encoding})


@pytest.mark.parametrize(
    ("written", "type_"),
    [("", "VARCHAR"), ("text", "VARCHAR"), ("int", "INTEGER"), ("decimal(10, 2)", "DECIMAL(10,2)"),
     ("NUMERIC(38,0)", "DECIMAL(38,0)"), ("timestamptz", "TIMESTAMP WITH TIME ZONE"),
     ("timestamp  with time zone", "TIMESTAMP WITH TIME ZONE"), ("date", "DATE"),
     ("decimal(39,2)", ""), ("decimal(2,3)", ""), ("decimal(0,0)", ""), ("numeric", ""),
     ("int); DROP", ""), ("blob", "")],
)  # fmt: skip
def test_types_that_a_column_of_a_file_may_have(written: str, type_: str) -> None:
    assert file_type(written) == type_
