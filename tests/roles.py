"""The table role × verb, as docs/people.md shows it: `python -m tests.test_docs --write`."""

from pathlib import Path

from sandbox.core.people import ROLES
from sandbox.core.permissions import VERBS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "people.md"
_BEGIN, _END = "<!-- written by tests/roles.py -->\n", "<!-- until here -->"


def table() -> str:
    """Return the table as the product has it."""
    head = f"| Verb | {' | '.join(ROLES)} |\n|---|{'---|' * len(ROLES)}\n"
    rows = []
    for verb in VERBS.values():
        cells = ["anybody"] * len(ROLES) if verb.anybody else [verb.cell(role) for role in ROLES]
        rows.append(f"| `{verb.words}` | {' | '.join(cells)} |\n")
    return head + "".join(rows)


def documented() -> str:
    """Return the table as the page has it."""
    return PAGE.read_text("utf-8").partition(_BEGIN)[2].partition(_END)[0]


def write() -> None:
    """Write the table into its page anew."""
    before, _, rest = PAGE.read_text("utf-8").partition(_BEGIN)
    PAGE.write_text(f"{before}{_BEGIN}{table()}{_END}{rest.partition(_END)[2]}", "utf-8")
