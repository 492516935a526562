"""Columns put into a source file's text: everything else stays as it was."""

import pytest

from sandbox.core.amending import amended
from sandbox.drivers.catalogue.strict_yaml import load

TEXT = """\
# Mine.
tables:
  people:   # who
    columns:
      id: {class: personal}   # the key

      mail:
        class: contact
        # why
        mask: drop
    # the end of people

  buys:
    where: {a: 1}
    columns: {a: {class: internal}}
owners: {extract: a, transform: b}
"""


def changed(wanted: dict[str, dict[str, str]], text: str = TEXT) -> str:
    return amended(text, load("f", text.encode()).positions, wanted, ["Said."])


@pytest.mark.parametrize(
    ("wanted", "old", "new"),
    [
        ({"people": {"mail": "mail: X"}},
         "      mail:\n        class: contact\n        # why\n        mask: drop\n",
         "      mail: X\n"),
        ({"people": {"id": "id: X"}}, "      id: {class: personal}   # the key\n", "      id: X\n"),
        ({"people": {"new": "new: X"}}, " mask: drop\n", " mask: drop\n      new: X\n"),
        ({"people": {"new": "new: X", "id": "id: Y"}}, "", ""),
        ({"cards": {"": "cards", "n": "n: X"}}, "{a: {class: internal}}\n",
         "{a: {class: internal}}\n  cards:\n    columns:\n      n: X\n"),
    ],
)  # fmt: skip
def test_a_column_is_put_in_place(wanted: dict[str, dict[str, str]], old: str, new: str) -> None:
    made = changed(wanted)
    assert made.startswith("# Said.\n# Mine.\n")
    if old:
        assert made == "# Said.\n" + TEXT.replace(old, new)
    else:
        assert "      id: Y\n\n      mail:" in made
        assert "        mask: drop\n      new: X\n    # the end of people" in made


def test_what_comes_to_one_place_keeps_its_order() -> None:
    cards = {name: {"": name, "n": "n: X"} for name in ("cards", "desks")}
    made = changed(cards)
    assert 0 < made.index("\n  cards:\n") < made.index("\n  desks:\n")


def test_what_stands_in_one_line_is_told_at_the_end() -> None:
    made = changed({"buys": {"new": "new: X", "a": "a: Y"}})
    assert made == f"# Said.\n{TEXT}# To be added to tables.buys.columns:\n#   new: X\n#   a: Y\n"
    text = "tables: {a: {columns: {b: c}}}\n"
    assert "#     columns:\n#       n: X" in changed({"t": {"": "t", "n": "n: X"}}, text)


def test_an_entry_at_the_end_of_the_file_ends_there() -> None:
    text = "tables:\n  a:\n    columns:\n      x:\n        class: internal"
    assert changed({"a": {"x": "x: Y"}}, text).endswith("columns:\n      x: Y\n")
    assert changed({"a": {"z": "z: Y"}}, text).endswith("class: internal\n      z: Y\n")
