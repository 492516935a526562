"""Places in a document: what stands there, and the same with something else there. Pure."""

from collections.abc import Mapping
from typing import Any

from sandbox.core.operators import kind

# Keys of groups and numbers of items, from the outside in: ("hosts", 0, "host").
Path = tuple[str | int, ...]


class _Gone:
    """Stands in a list for an item that is left out, so that the others keep their numbers."""


GONE = _Gone()


def named(path: Path) -> str:
    """Return a place as rules name it, without the numbers of items."""
    return ".".join(part for part in path if isinstance(part, str))


def at(scope: Any, path: Path) -> Any:
    """Return what stands at a place, None if there is nothing; GONE in an item left out."""
    for part in path:
        if isinstance(part, int):
            scope = scope[part] if kind(scope) == "list" and part < len(scope) else None
        else:
            scope = scope.get(part) if isinstance(scope, Mapping) else None
        if scope is GONE:
            return GONE
    return scope


def put(scope: Any, path: Path, value: Any) -> Any:
    """Return `scope` with `value` at a place; where that cannot be reached, as it is."""
    head, rest = path[0], path[1:]
    if isinstance(head, int):
        if kind(scope) != "list" or head >= len(scope):
            return scope
        inner = put(scope[head], rest, value) if rest else value
        return [*scope[:head], inner, *scope[head + 1 :]]
    if not isinstance(scope, Mapping) and scope is not None:
        return scope
    group = dict(scope or {})
    return group | {head: put(group.get(head), rest, value) if rest else value}


def stripped(value: Any) -> Any:
    """Return a document without the items that are left out."""
    if isinstance(value, Mapping):
        return {name: stripped(inner) for name, inner in value.items()}
    if kind(value) == "list":
        return [stripped(item) for item in value if item is not GONE]
    return value
