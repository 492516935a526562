"""What a login of MySQL or MariaDB could write, as SHOW GRANTS tells it: it must be nothing."""

import re
from collections.abc import Callable, Iterator, Sequence

from sandbox.drivers.sources.login import Power

# Quoted names, in which anything may stand.
_QUOTED = re.compile(r"`(?:[^`]|``)*`|'(?:[^'\\]|''|\\.)*'")
_GRANT = re.compile(r"GRANT (?P<what>.+?) ON (?P<on>.+?) TO (?P<to>\S+)(?P<rest>.*)", re.DOTALL)
_ROLE = re.compile(r"GRANT (?P<roles>\S+(?:, ?\S+)*) TO (?P<to>\S+)(?P<rest>.*)", re.DOTALL)
# A comma outside of the list of columns behind a privilege.
_BETWEEN = re.compile(r",\s*(?![^(]*\))")
_HARMLESS = frozenset(
    {
        "USAGE",
        "SELECT",
        "SHOW VIEW",
        "SHOW DATABASES",
        "PROCESS",
        "REPLICATION CLIENT",
        "BINLOG MONITOR",
        "SLAVE MONITOR",
        "REPLICA MONITOR",
    }
)
# Roles that a login may have, one through another.
_MOST_ROLES = 100


def powers(show: Callable[[str], Sequence[str] | None]) -> list[Power]:
    """Return what the login could do with its rights and those of every role it could take.

    `show` returns the lines of SHOW GRANTS: its own for "", else a role's; None where it may not.
    """
    found: list[Power] = []
    asked, open_ = set[str](), [("", "")]
    while open_ and len(asked) < _MOST_ROLES:
        role, holder = open_.pop()
        asked.add(role)
        lines = show(role)
        if lines is None:
            # MariaDB shows the rights of the role that is in use, and of no other.
            could = f"act as {role}, whose rights cannot be seen unless it is its default role"
            found.append(Power(could, f"REVOKE {role} FROM {holder}"))
        for line in lines or ():
            found += _of(line)
            open_ += [taken for taken in _roles(line) if taken[0] not in asked]
    return list(dict.fromkeys(found))


def _of(line: str) -> Iterator[Power]:
    plain, names = _without_names(line)
    grant = _GRANT.fullmatch(plain)
    if grant is None:
        if plain.startswith("GRANT ") and not _ROLE.fullmatch(plain):
            # Its text may hold the hash of a password.
            yield Power("something that SHOW GRANTS says in an unknown form", "SHOW GRANTS")
        return
    on, to = _with_names(grant["on"], names), _with_names(grant["to"], names)
    for privilege in _BETWEEN.split(grant["what"]):
        if privilege.partition(" (")[0].strip() not in _HARMLESS:
            what = _with_names(privilege, names)
            yield Power(f"{what} on {on}", f"REVOKE {what} ON {on} FROM {to}")
    if "WITH GRANT OPTION" in grant["rest"]:
        yield Power(f"GRANT OPTION on {on}", f"REVOKE GRANT OPTION ON {on} FROM {to}")


def _roles(line: str) -> list[tuple[str, str]]:
    """Return the roles that a line gives, each with who holds it."""
    plain, names = _without_names(line)
    role = None if _GRANT.fullmatch(plain) else _ROLE.fullmatch(plain)
    if role is None:
        return []
    to = _with_names(role["to"], names)
    return [(_with_names(each, names), to) for each in role["roles"].split(",")]


def _without_names(line: str) -> tuple[str, list[str]]:
    names: list[str] = []

    def noted(match: re.Match[str]) -> str:
        """Keep a name, and return the number that stands for it."""
        names.append(match[0])
        return f"<{len(names) - 1}>"

    return _QUOTED.sub(noted, line), names


def _with_names(text: str, names: Sequence[str]) -> str:
    return re.sub(r"<(\d+)>", lambda match: names[int(match[1])], text).strip()
