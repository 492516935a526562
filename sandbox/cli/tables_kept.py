"""What people see of what is kept, and of how a sandbox ended."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sandbox.cli.blocks import Block, Grid, Line, cell, fine_size, named

if TYPE_CHECKING:
    from sandbox.core.certificate import Certificate, Kept
    from sandbox.usecases.kept import KeptArchive, KeptListResult, KeptOpenResult, KeptShowResult
    from sandbox.usecases.sandboxes import ShowResult


def kept(found: "Kept | None", not_kept: str) -> Line:
    """Return the line that says what is kept of a sandbox, or why nothing is."""
    if found is None:
        return named("kept", f"nothing: {not_kept}" if not_kept else "nothing")
    until = f"until {cell(found.until)}"
    return named("kept", f"{found.name}, {fine_size(found.bytes)}, {found.data_class}, {until}")


def ending(result: "ShowResult") -> list[Block]:
    """Return what could not be removed so far, or the certificate; nothing of a living sandbox."""
    if result.certificate:
        return _certificate(result.certificate)
    if not result.remains:
        return []
    grid = Grid(("could not be removed", "kind", "why"), cut=frozenset({"why"}))
    grid.rows.extend((r.name, r.kind, r.why) for r in result.remains)
    return [grid]


def _certificate(certificate: "Certificate") -> list[Block]:
    why = f": {certificate.why}" if certificate.why else ""
    removed = Grid(("removed", "name"))
    removed.rows.extend((g.kind, g.name) for g in certificate.gone)
    remains = Grid(("could not be removed", "kind", "why"))
    remains.rows.extend((r.name, r.kind, r.why) for r in certificate.remains)
    return [
        named("destroyed", f"{cell(certificate.at)} by {certificate.by}{why}"),
        kept(certificate.kept, certificate.not_kept),
        removed,
        *([remains] if remains.rows else []),
    ]


def _list(result: "KeptListResult") -> list[Block]:
    if not result.archives:
        return [Line("Nothing is kept.")]
    grid = Grid(("archive", "owner", "class", "size", "until", "state"))
    for archive in result.archives:
        found = _kept(archive)
        owner, size = archive.certificate.owner, fine_size(found.bytes)
        grid.rows.append((archive.name, owner, found.data_class, size, found.until, archive.state))
    return [grid]


def _show(result: "KeptShowResult") -> list[Block]:
    return _archive(result.archive)


def _opened(result: "KeptOpenResult") -> list[Block]:
    said = f"{fine_size(result.bytes)} of tar; handle it as {_kept(result.archive).data_class}"
    return [named("opened", f"{result.archive.name}, {said}")]


def _archive(archive: "KeptArchive") -> list[Block]:
    certificate, found = archive.certificate, _kept(archive)
    return [
        named("archive", f"{archive.name}, {archive.state}"),
        named("sandbox", f"{certificate.name} ({certificate.sandbox})"),
        named("owner", certificate.owner),
        named("class", found.data_class),
        named("size", fine_size(found.bytes)),
        named("sha-256", found.sha256),
        named("made", f"{cell(certificate.at)} by {certificate.by}"),
        named("until", cell(found.until)),
    ]


def _kept(archive: "KeptArchive") -> "Kept":
    assert archive.certificate.kept is not None
    return archive.certificate.kept


SHOWN: dict[str, Callable[[Any], list[Block]]] = {
    "KeptListResult": _list,
    "KeptShowResult": _show,
    "KeptOpenResult": _opened,
}
