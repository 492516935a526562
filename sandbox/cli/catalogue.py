"""template, snapshot: the nouns that IT looks after."""

from typing import Annotated

import typer

from sandbox.cli.asking import Act, Returned, command

TemplateName = Annotated[str, typer.Argument(help="The template's name.")]
SnapshotId = Annotated[str, typer.Argument(help="The version, as core@2026-11-23.1.")]
Everything = Annotated[bool, typer.Option("--all", "-a", help="Also failed and removed ones.")]


def add_to(app: typer.Typer) -> None:
    """Register both nouns."""
    template = typer.Typer(help="Recipes for sandboxes.", no_args_is_help=True)
    command(template, "list", list_templates)
    command(template, "show", show_template)
    command(template, "build", build_template)
    command(template, "check", check_template)
    snapshot = typer.Typer(help="Frozen, masked copies of core data.", no_args_is_help=True)
    command(snapshot, "build", build_snapshot)
    command(snapshot, "list", list_snapshots)
    command(snapshot, "show", show_snapshot)
    command(snapshot, "verify", verify_snapshot)
    command(snapshot, "attest", attest_snapshot)
    command(snapshot, "rm", remove_snapshot)
    command(snapshot, "prune", prune_snapshots)
    app.add_typer(template, name="template", rich_help_panel="For IT")
    app.add_typer(snapshot, name="snapshot", rich_help_panel="For IT")


def list_templates() -> Returned:
    """List templates and what they need."""
    from sandbox.usecases.templates import ListTemplatesRequest

    return ListTemplatesRequest()


def show_template(name: TemplateName) -> Returned:
    """Show one template: parameters, services, limits."""
    from sandbox.usecases.templates import ShowTemplateRequest

    return ShowTemplateRequest(name=name)


def build_template(name: TemplateName) -> Returned:
    """Build a template's images ahead of the first `up`."""
    from sandbox.usecases.templates import BuildTemplateRequest

    return BuildTemplateRequest(name=name)


def check_template(
    name: TemplateName,
    campaign: Annotated[
        str, typer.Option(metavar="CODE", help="The campaign that the test is charged to.")
    ] = "",
) -> Returned:
    """Run a template's smoke test in a real sandbox; exit 4 if it fails."""
    from sandbox.usecases.templates import CheckTemplateRequest

    return CheckTemplateRequest(name=name, campaign=campaign)


def build_snapshot(
    source: Annotated[str, typer.Argument(help="The source's name: sources/NAME.yaml.")],
    experiment: Annotated[
        str, typer.Option("--experiment", help="For this experiment alone, with a key of its own.")
    ] = "",
) -> Returned:
    """Copy a source into a new snapshot, masking every value on its way."""
    from sandbox.usecases.snapshots import BuildSnapshotRequest

    return BuildSnapshotRequest(source=source, experiment=experiment)


def list_snapshots(everything: Everything = False) -> Returned:
    """List snapshots."""
    from sandbox.usecases.snapshots import ListSnapshotsRequest

    return ListSnapshotsRequest(everything=everything)


def show_snapshot(id: SnapshotId) -> Returned:
    """Show one snapshot: rows, masks, who uses it."""
    from sandbox.usecases.snapshots import ShowSnapshotRequest

    return ShowSnapshotRequest(id=id)


def verify_snapshot(id: SnapshotId) -> Returned:
    """Judge a snapshot again, without its source; exit 4 if anything is found."""
    from sandbox.usecases.attesting import VerifySnapshotRequest

    return VerifySnapshotRequest(id=id)


def attest_snapshot(
    id: SnapshotId,
    public_key: Annotated[
        bool, typer.Option("--public-key", help="The key it is checked with, instead (PEM).")
    ] = False,
) -> Returned:
    """Print a snapshot's signed attestation (in-toto, DSSE)."""
    from sandbox.usecases.attesting import AttestRequest

    return AttestRequest(id=id, public_key=public_key)


def remove_snapshot(id: SnapshotId) -> Returned:
    """Remove a snapshot that no sandbox uses."""
    from sandbox.usecases.snapshots import RemoveSnapshotRequest

    return RemoveSnapshotRequest(id=id)


def prune_snapshots(act: Act = False) -> Returned:
    """Show the snapshots that are kept no longer, or remove them; never one that is needed."""
    from sandbox.usecases.retaining import PruneRequest

    return PruneRequest(apply=act)
