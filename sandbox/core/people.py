"""People: who works in a home, by `people.yaml`, and the roles in which they do.

A home without that file is personal: its one operating-system user has every role, and nothing
separates who asks from who answers.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
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

    Without a user they can only be asserted (`--as`), where the home allows that. `language` is in
    which they are told things. `valid_until` is the last day on which they have their roles, for
    agencies and contractors. `deputy` may give their answers in their place.
    """

    name: Annotated[str, AfterValidator(_checked_name)]
    user: Annotated[str, AfterValidator(_checked_user)] | None = None
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    language: Literal["en", "ja"] | None = None
    valid_until: date | None = None
    deputy: str | None = None

    def works_on(self, day: date) -> bool:
        """Say whether they have their roles on `day`, in the home's time zone."""
        return self.valid_until is None or day <= self.valid_until

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

    @field_validator("people")
    @classmethod
    def _deputies_decide(cls, people: tuple[Person, ...]) -> tuple[Person, ...]:
        for number, person in enumerate(people):
            if person.deputy is None:
                continue
            found = [other for other in people if alike(other.name, person.deputy)]
            if not found:
                raise _Misplaced(f"nobody here is {person.deputy}", number, "deputy")
            if found[0] is person:
                raise _Misplaced("nobody is their own deputy", number, "deputy")
            if not {*found[0].roles} - {"auditor", "viewer"}:
                raise _Misplaced(
                    f"{found[0].name} only looks, and answers nobody", number, "deputy"
                )
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

    def having(
        self, roles: Collection[str], day: date, besides: Collection[str] = ()
    ) -> tuple[str, ...]:
        """Return the names of those who have one of `roles` on `day`; nobody in `besides`."""
        names = (p.name for p in self.people if p.works_on(day) and {*p.roles} & {*roles})
        return tuple(name for name in names if not any(alike(name, other) for other in besides))

    def answering(
        self, roles: Collection[str], day: date, besides: Collection[str] = ()
    ) -> tuple[str, ...]:
        """Return the names of those who can answer for one of `roles`, deputies after the others.

        Nobody in `besides`, and no deputy who has the role of somebody in `besides` alone.
        """
        own = self.having(roles, day, besides)
        able = (
            p for p in self.people if p.works_on(day) and self._stands_in(p, roles, day, besides)
        )
        deputies = (p.name for p in able if not any(alike(p.name, other) for other in besides))
        return tuple(dict.fromkeys((*own, *deputies)))

    def _stands_in(
        self, person: Person, roles: Collection[str], day: date, besides: Collection[str]
    ) -> bool:
        lent = self.lent_to(person, day)
        return bool(usable(lent, besides) & {*roles})

    def lent_to(self, person: Person, day: date) -> dict[str, frozenset[str]]:
        """Return the roles of those whose deputy `person` is on `day`, by their names."""
        return {
            other.name: frozenset(other.roles)
            for other in self.people
            if other.deputy and alike(other.deputy, person.name) and other.works_on(day)
        }


def usable(lent: Mapping[str, frozenset[str]], besides: Collection[str]) -> frozenset[str]:
    """Return the roles that a deputy has of others, but for those named in `besides`."""
    able = (r for name, r in lent.items() if not any(alike(name, other) for other in besides))
    return frozenset().union(*able)


@dataclass(frozen=True)
class Actor:
    """Who asks, how we know, and the roles that they have: none, unless somebody gave them."""

    name: str
    identity: str
    roles: frozenset[str] = frozenset()
    # The roles of those whose deputy they are, by name: for answers alone.
    lent: Mapping[str, frozenset[str]] = field(default_factory=dict)
    language: Literal["en", "ja"] | None = None

    def answers_as(self, besides: Collection[str]) -> frozenset[str]:
        """Return the roles in which they can answer; nobody lends a role to what is their own:
        `besides` names whose it is."""
        return self.roles | usable(self.lent, besides)

    def answers_for(self, roles: Collection[str], besides: Collection[str]) -> tuple[str, ...]:
        """Return in whose place they answer for `roles`; nobody's if they have one themselves."""
        if self.roles & {*roles}:
            return ()
        return tuple(name for name, r in self.lent.items() if r & {*roles} and name not in besides)


def recognised(
    people: People | None, user: str, asserted: str, *, allowed: bool, day: date
) -> Actor:
    """Return who the operating-system user `user` is on `day`, or says to be (`asserted`).

    `allowed` says whether the home believes what people say of themselves. Raises Denied where it
    does not, NotFound for a person whom `people.yaml` does not name. A user of nobody has no role,
    and who was valid until a day before has none any more.
    """
    known_by = f"{_BY_USER} {user}"
    if asserted:
        _check_asserting(people, allowed)
        assert people is not None
        return _actor(people, people.named(asserted), f"asserted by {known_by}", day)
    if people is None:
        return Actor(user, _BY_USER, frozenset(ROLES))
    found = people.of_user(user)
    if found is None:
        # A stranger's deeds are not on record under the name of a person who is called so.
        taken = any(alike(user, person.name) for person in people.people)
        name = f"user {user}" if taken else user
        return Actor(name, f"{known_by}, whom {FILE} does not name")
    return _actor(people, found, known_by, day)


def _actor(people: People, person: Person, known_by: str, day: date) -> Actor:
    if not person.works_on(day):
        return Actor(person.name, f"{known_by}, valid until {person.valid_until}")
    return Actor(
        person.name,
        known_by,
        frozenset(person.roles),
        people.lent_to(person, day),
        person.language,
    )


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
    if not actor.answers_as((asked_by, owner)) & (wanted := frozenset(roles)):
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
