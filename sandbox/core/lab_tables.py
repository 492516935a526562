"""What a table of the lab is called that is made of a file. Pure."""

import re
import unicodedata
from pathlib import PurePath

from sandbox.core.errors import InvalidInput
from sandbox.core.text import clean

_TABLE = re.compile(r"[^\W\d]\w*")
_LONGEST = 63  # bytes; PostgreSQL cuts off the rest without a word


def table_name(file: str, wanted: str = "") -> tuple[str, list[str]]:
    """Return a name for the table, and a note where the file's name could not be taken over.

    Raises InvalidInput if a name is wanted that PostgreSQL would not keep as it is.
    """
    if wanted:
        return _checked(wanted), []
    stem = unicodedata.normalize("NFKC", PurePath(file).stem).lower()
    name = re.sub(r"\W+", "_", stem).strip("_") or "imported"
    fits = name if _TABLE.fullmatch(name) else f"t_{name}"
    fits = fits.encode()[:_LONGEST].decode(errors="ignore")
    note = f"The file's name is no name for a table; it is named {fits}."
    taken_over = fits == name and name != "imported"
    return fits, [] if taken_over else [note]


def _checked(name: str) -> str:
    fits = len(name.encode(errors="replace")) <= _LONGEST and name == name.lower()
    if fits and _TABLE.fullmatch(name):
        return name
    raise InvalidInput(
        "This is not a name for a table.",
        subject=clean(name),
        hint="Give one with --table: lower-case letters, digits and _",
    )
