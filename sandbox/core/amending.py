"""Columns written into a source file's text; everything else stays as its author wrote it. Pure."""

from collections.abc import Mapping, Sequence

# How the name of a file ends that is in no force yet.
DRAFT = ".draft.yaml"
# Where each key stands, by its path in the document: line and column, from 1.
Positions = Mapping[tuple[str | int, ...], tuple[int, int]]
# By table, then by column: the column's line, as it is to stand there. Of a table that is not
# there yet also its own name, under "".
Lines = Mapping[str, Mapping[str, str]]


def amended(text: str, positions: Positions, wanted: Lines, said: Sequence[str]) -> str:
    """Return `text` with the wanted columns in place of those of their name, or after the others.

    A table that is not there comes after the others. What cannot be put in place, since the file
    writes a group in one line, stands at the end as a comment. `said` begins the text, as comments.
    """
    lines = text.splitlines()
    edits: list[tuple[int, int, list[str]]] = []
    rest: list[str] = []
    for table, columns in wanted.items():
        edits += _edits(lines, positions, table, columns, rest)
    edits.sort(key=lambda edit: edit[:2])
    # From the end on, so that what stands above keeps its place.
    for first, after, new in reversed(edits):
        lines[first:after] = new
    heads = [f"# {line}" for line in said]
    return "\n".join([*heads, *lines, *rest]) + "\n"


def _edits(
    lines: list[str], positions: Positions, table: str, columns: Mapping[str, str], rest: list[str]
) -> list[tuple[int, int, list[str]]]:
    """Return what to do for one table: (first line, line after, new lines), from 0."""
    there = ("tables", table)
    if there not in positions:
        key = columns[""]
        body = [f"{key}:", "  columns:", *(f"    {line}" for c, line in columns.items() if c)]
        return _appended(lines, positions, ("tables",), body, rest)
    edits, new = [], []
    for column, line in columns.items():
        path = (*there, "columns", column)
        if path in positions and _block(lines, positions, path):
            number, indent = _place(positions, path)
            edits.append((number, _end(lines, number, indent), [" " * indent + line]))
        elif column:
            new.append(line)
    return edits + (_appended(lines, positions, (*there, "columns"), new, rest) if new else [])


def _appended(
    lines: list[str],
    positions: Positions,
    group: tuple[str, ...],
    body: list[str],
    rest: list[str],
) -> list[tuple[int, int, list[str]]]:
    inside = [path for path in positions if path[:-1] == group]
    last = max(inside, key=lambda path: positions[path], default=())
    if not last or not _block(lines, positions, last):
        rest += [f"# To be added to {'.'.join(group)}:", *(f"#   {line}" for line in body)]
        return []
    number, indent = _place(positions, last)
    after = _end(lines, number, indent)
    return [(after, after, [" " * indent + line for line in body])]


def _place(positions: Positions, path: tuple[str | int, ...]) -> tuple[int, int]:
    line, column = positions[path]
    return line - 1, column - 1


def _block(lines: list[str], positions: Positions, path: tuple[str | int, ...]) -> bool:
    """Say whether a key begins its line."""
    number, indent = _place(positions, path)
    return not lines[number][:indent].strip()


def _end(lines: list[str], number: int, indent: int) -> int:
    """Return the line after an entry; blanks and comments that follow are no part of it."""
    end = number + 1
    for here in range(number + 1, len(lines)):
        line = lines[here]
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if len(line) - len(line.lstrip()) <= indent:
            break
        end = here + 1
    return end
