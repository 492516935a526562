"""People: who works in a home, by `people.yaml`, and the roles in which they do.

A home without that file is personal: its one operating-system user has every role, and nothing
separates who asks from who answers.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, field_validator

from sandbox.core.errors import Denied, NotFound
from sandbox.core.text import clean, closest
from sandbox.core.values import Value

# Who can say yes to something; then who only looks.
Approver = Literal["marketer", "it", "data-owner", "legal", "sales"]
Role = Literal["marketer", "it", "data-owner", "legal", "sales", "viewer", "auditor"]
ROLES: tuple[Role, ...] = get_args(Role)

FILE = "people.yaml"
_NAME = re.compile(r"[^\W_]([\w .'・-]{0,62}\w)?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\-]{0,63}")
# How we know who asks, unless they said it themselves.
_BY_USER = "operating-system user"
# The reaper signs with this.
_RESERVED = "system"


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("a name is letters, digits, blanks, points and hyphens, at most 64")
    if _folded(name) == _RESERVED:
        raise ValueError(f"{_RESERVED} is nobody's name: what happens by itself is signed with it")
    return name


def _checked_user(user: str) -> str:
    if not _USER.fullmatch(user):
        raise ValueError("this is no name of an operating-system user")
    return user


def alike(name: str, other: str) -> bool:
    """Say whether two names are of one person."""
    return _folded(name) == _folded(other)


def _folded(name: str) -> str:
    """Return `name` as it is compared: nobody is told from another by capitals or widths."""
    return unicodedata.normalize("NFKC", name).casefold()


class _Misplaced(ValueError):
    """What is wrong inside the list, and where: pydantic names only the list."""

    def __init__(self, problem: str, *place: int | str) -> None:
        super().__init__(problem)
        self.place = place


class Person(Value):
    """One person: what they are called on record, their operating-system user, their roles.

    Without a user they can only be asserted (`--as`), where the home allows that.
    """

    name: Annotated[str, AfterValidator(_checked_name)]
    user: Annotated[str, AfterValidator(_checked_user)] | None = None
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]

    @field_validator("roles")
    @classmethod
    def _an_auditor_only_looks(cls, roles: tuple[Role, ...]) -> tuple[Role, ...]:
        if "auditor" in roles and {*roles} - {"auditor", "viewer"}:
            raise ValueError("an auditor changes nothing, so auditor goes with viewer alone")
        return roles


class People(Value):
    """`people.yaml`: everybody who works in this home."""

    api_version: Annotated[Literal["sandbox.people/v1"], Field(alias="apiVersion")]
    kind: Literal["People"]
    people: Annotated[tuple[Person, ...], Field(min_length=1)]

    @field_validator("people")
    @classmethod
    def _each_once(cls, people: tuple[Person, ...]) -> tuple[Person, ...]:
        names = [_folded(person.name) for person in people]
        for number, person in enumerate(people):
            if names[number] in names[:number]:
                raise _Misplaced(f"the name {person.name} is used already", number, "name")
            if person.user and person.user in [other.user for other in people[:number]]:
                raise _Misplaced(f"the user {person.user} is another's already", number, "user")
        return people

    def named(self, name: str) -> Person:
        """Return the person of that name, however it is capitalised; raises NotFound."""
        for person in self.people:
            if alike(person.name, name):
                return person
        raise NotFound(
            "There is no such person." + closest(name, [person.name for person in self.people]),
            subject=clean(name),
            hint=f"{FILE} names: {', '.join(person.name for person in self.people)}",
        )

    def of_user(self, user: str) -> Person | None:
        """Return whose operating-system user that is, None if it is nobody's."""
        return next((person for person in self.people if person.user == user), None)

    def having(self, roles: Collection[str], besides: Collection[str] = ()) -> tuple[str, ...]:
        """Return the names of those who have one of `roles`, without those named in `besides`."""
        able = (p for p in self.people if {*p.roles} & {*roles})
        names = (person.name for person in able)
        return tuple(name for name in names if not any(alike(name, other) for other in besides))


@dataclass(frozen=True)
class Actor:
    """Who asks, how we know, and the roles that they have: none, unless somebody gave them."""

    name: str
    identity: str
    roles: frozenset[str] = frozenset()


def recognised(people: People | None, user: str, asserted: str, *, allowed: bool) -> Actor:
    """Return who the operating-system user `user` is here, or says to be (`asserted`).

    `allowed` says whether the home believes what people say of themselves. Raises Denied where it
    does not, NotFound for a person whom `people.yaml` does not name. A user of nobody has no role.
    """
    known_by = f"{_BY_USER} {user}"
    if asserted:
        _check_asserting(people, allowed)
        assert people is not None
        person = people.named(asserted)
        return Actor(person.name, f"asserted by {known_by}", frozenset(person.roles))
    if people is None:
        return Actor(user, _BY_USER, frozenset(ROLES))
    found = people.of_user(user)
    if found is None:
        # A stranger's deeds are not on record under the name of a person who is called so.
        taken = any(alike(user, person.name) for person in people.people)
        name = f"user {user}" if taken else user
        return Actor(name, f"{known_by}, whom {FILE} does not name")
    return Actor(found.name, known_by, frozenset(found.roles))


def _check_asserting(people: People | None, allowed: bool) -> None:
    if not allowed:
        raise Denied(
            "Here nobody is who they say: people are known by their operating-system user.",
            subject="--as",
            hint="In a demo or a test, set identity: asserted in sandbox.yaml.",
        )
    if people is None:
        raise NotFound(
            "This home names no people, so nobody can be another.",
            subject=FILE,
            hint=f"Write {FILE} with their names and roles; see docs/people.md",
        )


def why_not(
    actor: Actor, roles: Iterable[str], *, asked_by: str, identity: str = "", owner: str = ""
) -> tuple[str, str] | None:
    """Return why `actor` may not answer what waits for `roles`, None if they may.

    The first word is a code for programs: `requester`, `owner` or `role`; the second a sentence.
    `identity` is how we knew who asked; `owner` is whose the subject is, where that forbids an
    answer.
    """
    if alike(actor.name, asked_by) or _is_user(actor, asked_by, identity):
        return "requester", f"{actor.name} asked for it, and nobody answers themselves."
    if owner and alike(actor.name, owner):
        return "owner", f"It is {owner}'s, and nobody is exempt by themselves."
    if not actor.roles & (wanted := frozenset(roles)):
        who = " or ".join(sorted(wanted))
        return "role", f"It waits for a yes of {who} (role); {spoken(actor)}."
    return None


def _is_user(actor: Actor, name: str, identity: str) -> bool:
    """Say whether `actor` was known as `name`, before `people.yaml` called them otherwise."""
    # A personal home calls its user by the user's own name.
    known_by = f"{_BY_USER} {name}" if identity == _BY_USER else identity
    return known_by.startswith(_BY_USER) and known_by == actor.identity


def spoken(actor: Actor) -> str:
    """Return who they are, as in `ken is marketer`."""
    ordered = [role for role in ROLES if role in actor.roles]
    return f"{actor.name} is {', '.join(ordered)}" if ordered else f"{actor.name} has no role"
