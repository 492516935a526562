"""Who works here, and who is asking."""

from sandbox.core.people import ROLES, Person
from sandbox.core.ports import Context
from sandbox.core.values import Request, Result
from sandbox.usecases.desk import answers
from sandbox.usecases.duties import duties


class PeopleResult(Result):
    """Everybody in `people.yaml`; nobody in a personal home.

    `you` is who asks, `identity` how that is known, `roles` what they may as; `deputy_for` are in
    whose place they can answer. `note` is what to know of how duties are separated here.
    """

    you: str
    identity: str
    roles: tuple[str, ...]
    deputy_for: tuple[str, ...] = ()
    people: tuple[Person, ...]
    note: str


class PeopleRequest(Request[PeopleResult]):
    """Ask who works here, and who one is."""


@answers(PeopleRequest)
def list_people(context: Context, request: PeopleRequest) -> PeopleResult:
    """Return the people of this home, and whoever asks."""
    people, actor = context.catalogue.people(), context.actor
    return PeopleResult(
        you=actor.name,
        identity=actor.identity,
        roles=tuple(role for role in ROLES if role in actor.roles),
        deputy_for=tuple(actor.lent),
        people=people.people if people else (),
        note=duties(context),
    )
