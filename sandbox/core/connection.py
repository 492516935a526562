"""Where a source is and how it is reached: a server with a login that only reads, or files."""

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from sandbox.core.text import clean
from sandbox.core.values import Value

# With these, one path could mean several files.
_MANY = re.compile(r"[*?\[\]\x00-\x1f\x7f]")
_CELLS = re.compile(r"[A-Z]{1,3}[0-9]{1,7}:[A-Z]{1,3}[0-9]{1,7}")
_SECRET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


def _below_home(path: str) -> str:
    """Return `path` if it stays below the home and means one file."""
    parts = PurePosixPath(path)
    if not path or parts.is_absolute() or ".." in parts.parts:
        raise ValueError("must be a path below the home, neither absolute nor with .. in it")
    if _MANY.search(path):
        raise ValueError("must be one file: a path without * ? [ ] and control characters")
    return path


def _known_encoding(name: str) -> str:
    """Return `name` if it is an encoding of text in which files are written."""
    try:
        b"x".decode(name, "replace")
    except LookupError:
        raise ValueError("must be an encoding, for example utf-8, cp932 or euc_jp") from None
    return name


def _secret_name(name: str) -> str:
    """Return `name` if Docker could mount a secret by it."""
    if not _SECRET.fullmatch(name):
        raise ValueError("must be a secret's name: letters, digits, _ . and -, not a path")
    return name


def _cells(text: str) -> str:
    """Return `text` if it names cells as Excel does."""
    if not _CELLS.fullmatch(text):
        raise ValueError("must be cells such as B3:F200, the header included")
    return text


BelowHome = Annotated[str, AfterValidator(_below_home)]
SecretName = Annotated[str, AfterValidator(_secret_name)]
Encoding = Annotated[str, AfterValidator(_known_encoding)]
CellRange = Annotated[str, AfterValidator(_cells)]
Port = Annotated[int, Field(ge=1, le=65535)]
Mark = Annotated[str, Field(min_length=1, max_length=1)]


class Secret(Value):
    """Where a password is found; never the password itself.

    One of: `env`, a variable; `file`, below the home; `secret`, as Docker mounts one.
    """

    env: str | None = None
    file: BelowHome | None = None
    secret: SecretName | None = None

    @model_validator(mode="after")
    def _one(self) -> "Secret":
        if sum(place is not None for place in (self.env, self.file, self.secret)) != 1:
            raise ValueError("name one place: env, file or secret")
        return self

    @property
    def place(self) -> str:
        """Where it is, as people read it."""
        if self.env is not None:
            return f"${self.env}"
        return f"file {self.file}" if self.file is not None else f"secret {self.secret}"


class Postgres(Value):
    """A PostgreSQL server, with a login that can only read."""

    type: Literal["postgres"]
    host: str
    port: Port = 5432
    database: str
    db_schema: Annotated[str, Field(alias="schema")] = "public"
    user: str
    password: Secret


class MySql(Value):
    """A MySQL or MariaDB server, with a login that can only read."""

    type: Literal["mysql", "mariadb"]
    host: str
    port: Port = 3306
    database: str
    user: str
    password: Secret


class Sqlite(Value):
    """An SQLite database in a file."""

    type: Literal["sqlite"]
    file: BelowHome


class CsvFile(Value):
    """One table in a CSV file; what is not said here, the connection says."""

    file: BelowHome
    encoding: Encoding | None = None
    delimiter: Mark | None = None
    header: bool | None = None


class Csv(Value):
    """CSV files, one for each table. Columns are texts unless their rule states a `type`.

    Without a `header` the columns are those that the table's rule lists, in that order.
    """

    type: Literal["csv"]
    files: Annotated[dict[str, CsvFile], Field(min_length=1)]
    encoding: Encoding = "utf-8"
    delimiter: Mark = ","
    header: bool = True

    @field_validator("files", mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return _filled(value, "file")


class Parquet(Value):
    """Parquet files, one for each table."""

    type: Literal["parquet"]
    files: Annotated[dict[str, BelowHome], Field(min_length=1)]


class Sheet(Value):
    """One table in a workbook: the sheet, and the cells with its header, such as `B3:F200`."""

    sheet: Annotated[str, Field(min_length=1)]
    range: CellRange | None = None


class Excel(Value):
    """A workbook (.xlsx). Every sheet is a table of its name, unless `sheets` lists tables."""

    type: Literal["excel"]
    file: BelowHome
    sheets: Annotated[dict[str, Sheet], Field(default_factory=dict)]

    @field_validator("sheets", mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return _filled(value, "sheet")


Server = Postgres | MySql
Connection = Annotated[Server | Sqlite | Csv | Parquet | Excel, Field(discriminator="type")]


def place_of(connection: Connection) -> str:
    """Return where a source is, as people read it: `core_reader@db.example:5432/core`, a file."""
    match connection:
        case Postgres() | MySql() as at:
            return clean(f"{at.user}@{at.host}:{at.port}/{at.database}")
        case Sqlite() | Excel() as at:
            return clean(at.file)
        case Csv() as at:
            return _few([one.file for one in at.files.values()])
        case Parquet() as at:
            return _few(list(at.files.values()))


def _few(files: list[str]) -> str:
    first, *more = dict.fromkeys(files)
    return clean(f"{first} and {len(more)} more" if more else first)


def _filled(value: Any, key: str) -> Any:
    """Return tables in the long form: of one word, the group that it stands for."""
    if not isinstance(value, dict):
        return value
    return {name: {key: one} if isinstance(one, str) else one for name, one in value.items()}
