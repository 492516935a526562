"""From what a person asks for to a Spec: defaults filled in, everything checked. Pure."""

from collections.abc import Iterable, Mapping

from pydantic import Field

from sandbox.core.egress import check_hosts
from sandbox.core.errors import Conflict, InvalidInput, NotFound
from sandbox.core.lanes import check_lane
from sandbox.core.lease import parse_ttl
from sandbox.core.lifecycle import Spec, Steps
from sandbox.core.settings import DefaultSettings
from sandbox.core.snapshot import Snapshot, SnapshotState, build_command, no_such_snapshot
from sandbox.core.source import Source
from sandbox.core.template import Template, resolve_parameters
from sandbox.core.text import check_name, clean, closest
from sandbox.core.values import Value


class Wish(Value):
    """What a person asks for, as they said it. Empty fields take the home's defaults."""

    name: str
    template: str
    purpose: str = ""
    ttl: str = ""
    parameters: dict[str, str] = Field(default_factory=dict)
    owners: dict[str, str] = Field(default_factory=dict)
    snapshot: str = ""
    egress: tuple[str, ...] = ()
    experiment: str = ""
    campaign: str = ""
    expedite: bool = False
    sponsor: str = ""


def resolve(
    wish: Wish,
    template: Template,
    source: Source,
    snapshot: Snapshot,
    *,
    digest: str,
    image: str,
    actor: str,
    defaults: DefaultSettings,
) -> Spec:
    """Return the Spec for `wish`; raises InvalidInput when a part of it cannot be understood.

    `template` must have the wish's hosts already (see `reaching`), and `wish` its campaign and
    sponsor as the home knows them.
    """
    check_name(wish.name)
    check_lane(expedite=wish.expedite, sponsor=wish.sponsor)
    ttl = parse_ttl(wish.ttl or defaults.ttl)
    return Spec(
        template=template.name,
        template_version=template.metadata.version,
        template_digest=digest,
        image=image,
        parameters=resolve_parameters(template, wish.parameters, defaults.language),
        purpose=wish.purpose.strip(),
        ttl_minutes=int(ttl.total_seconds()) // 60,
        steps=_steps(wish.owners, source, actor),
        snapshot=snapshot.id,
        egress=template.egress,
        experiment=wish.experiment,
        campaign=wish.campaign,
        expedite=wish.expedite,
        sponsor=wish.sponsor,
    )


def reaching(template: Template, wish: Wish, own_domain: str) -> Template:
    """Return `template` with all hosts that it and `wish` name, each in its one form.

    Raises InvalidInput for what is no host outside; `own_domain` is the gateway's.
    """
    hosts = check_hosts((*template.egress, *wish.egress), own_domain)
    return template.model_copy(update={"egress": hosts})


def _steps(given: Mapping[str, str], source: Source, actor: str) -> Steps:
    known = Steps.model_fields
    for step in given:
        if step not in known:
            raise InvalidInput(
                "There is no such step." + closest(step, known),
                subject=clean(step),
                hint=f"Steps: {', '.join(known)}. Write --owner analyse=PERSON.",
            )
    filled = {
        "extract": source.owners.extract,
        "transform": source.owners.transform,
        "analyse": actor,
    }
    return Steps(**(filled | {step: person.strip() for step, person in given.items()}))


def key_series(source: Source, experiment: str) -> str:
    """Return the experiment whose key masks a snapshot of `source`, "" for the source's own.

    Raises InvalidInput where the source's keys are of one experiment each and none is named, or
    where one is named and they are not.
    """
    if source.keys.scope == "experiment" and not experiment:
        raise InvalidInput(
            "Each snapshot of this source is for one experiment.",
            subject=source.name,
            hint="Name it: --experiment NAME",
        )
    if source.keys.scope == "series" and experiment:
        raise InvalidInput(
            "The snapshots of this source are for everybody, not for one experiment.",
            subject=source.name,
            hint="Leave --experiment out, or have IT set `keys: {scope: experiment}` in "
            f"sources/{source.name}.yaml.",
        )
    return check_name(experiment) if experiment else ""


def choose_snapshot(
    wanted: str, source: str, known: Iterable[Snapshot], experiment: str = ""
) -> Snapshot:
    """Return the snapshot named `wanted`, else the newest ready one of `source`.

    One that is for another experiment, or for none, is nobody's here. Raises NotFound (with the
    command that makes one) or Conflict when it is not ready.
    """
    ours = [s for s in known if s.source == source]
    if wanted:
        named = next((s for s in ours if s.id == wanted), None)
        if named is None:
            raise no_such_snapshot(wanted, (s.id for s in ours), source)
        if named.state is not SnapshotState.READY:
            raise Conflict(
                f"The snapshot is {named.state}.", subject=wanted, hint="See: sandbox snapshot list"
            )
        if named.experiment != experiment:
            raise Conflict(
                f"The snapshot is for {named.experiment or 'no single experiment'}.",
                subject=wanted,
                hint="Its key is for nothing else. See: sandbox snapshot list",
            )
        return named
    usable = [s for s in ours if s.state is SnapshotState.READY and s.experiment == experiment]
    if not usable:
        raise NotFound(
            f"There is no snapshot of the source yet{' for the experiment' if experiment else ''}.",
            subject=source,
            hint=f"IT makes one with: {build_command(source, experiment)}",
        )
    return usable[-1]


def lacking_tables(template: Template, snapshot: Snapshot) -> list[str]:
    """Return the tables that `template` needs and `snapshot` has not."""
    have = {t.name for t in snapshot.manifest.tables} if snapshot.manifest else set()
    return [table for table in template.needs.tables if table not in have]


def differences(wish: Wish, old: Spec, new: Spec) -> list[str]:
    """Return the names of what `wish` asks for and the running sandbox `old` has not.

    A newer snapshot or template is no difference unless the wish names it: asking again for a
    sandbox gives the sandbox that runs.
    """
    compared = {
        "template": "template",
        "parameters": "parameters",
        "purpose": "purpose",
        "ttl": "ttl_minutes",
        "owners": "steps",
        "egress": "egress",
        "experiment": "experiment",
        "campaign": "campaign",
        "expedite": "expedite",
        "sponsor": "sponsor",
    }
    compared |= {"snapshot": "snapshot"} if wish.snapshot else {}
    return [said for said, field in compared.items() if getattr(old, field) != getattr(new, field)]
