"""Archives that are kept of sandboxes that ended: list, show, open. For IT."""

from sandbox.core.certificate import Certificate
from sandbox.core.errors import InvalidInput, NotFound, Unavailable
from sandbox.core.keeping import certificate_of
from sandbox.core.phases import State
from sandbox.core.ports import Context
from sandbox.core.text import clean, closest
from sandbox.core.values import Request, Result, Value
from sandbox.usecases.desk import answers
from sandbox.usecases.recording import record


class KeptArchive(Value):
    """One archive, as the certificate of its sandbox names it. Times are UTC.

    `state` is `kept`, `over` (its days are, and the reaper removes it) or `missing`.
    """

    name: str
    state: str
    certificate: Certificate


class KeptListResult(Result):
    """The archives there are or should be, oldest first."""

    archives: tuple[KeptArchive, ...]


class KeptListRequest(Request[KeptListResult]):
    """Ask which archives are kept."""


class KeptShowResult(Result):
    """One archive."""

    archive: KeptArchive


class KeptShowRequest(Request[KeptShowResult]):
    """Ask for one archive, by its own name or by its sandbox's (then the newest)."""

    name: str


class KeptOpenResult(Result):
    """An archive that was opened; its content, a tar archive, went to the caller live."""

    archive: KeptArchive
    bytes: int


class KeptOpenRequest(Request[KeptOpenResult]):
    """Ask for the content of one archive."""

    name: str
    reason: str


@answers(KeptListRequest)
def list_kept(context: Context, request: KeptListRequest) -> KeptListResult:
    """Return the archives that are kept; those whose days are over only while they are there."""
    return KeptListResult(archives=tuple(_all(context)))


@answers(KeptShowRequest)
def show_kept(context: Context, request: KeptShowRequest) -> KeptShowResult:
    """Return one archive; raises NotFound."""
    return KeptShowResult(archive=_find(context, request.name))


@answers(KeptOpenRequest)
def open_kept(context: Context, request: KeptOpenRequest) -> KeptOpenResult:
    """Decrypt an archive to the caller; that it was opened is on record before the first byte.

    Raises InvalidInput without a reason, Unavailable when the file is not the one on record.
    """
    archive = _find(context, request.name)
    kept = archive.certificate.kept
    assert kept is not None
    if not request.reason.strip():
        raise InvalidInput(
            "Opening an archive needs a reason.",
            subject=archive.name,
            hint=f'For example: sandbox kept open {archive.name} FILE --reason "Asked by anna"',
        )
    identity = context.keys.identity()
    if context.archives.digest(kept.name) != kept.sha256:
        raise Unavailable(
            "The archive is not the file that the certificate names: it was changed.",
            subject=archive.name,
            hint="Restore it from your backup.",
        )
    with context.registry.writing() as tx:
        details = {"archive": kept.name, "sha256": kept.sha256, "data_class": kept.data_class}
        name = archive.certificate.name
        record(context, tx, "kept.opened", name, reason=request.reason, **details)
    size = 0

    def pass_on(chunk: bytes) -> None:
        """Give it to the caller and count it."""
        nonlocal size
        context.progress.output("file", chunk)
        size += len(chunk)

    context.archives.unseal(kept.name, identity, pass_on)
    return KeptOpenResult(archive=archive, bytes=size)


def _all(context: Context) -> list[KeptArchive]:
    """Return archives on record, oldest first, but for those that are over and gone."""
    with context.registry.reading() as tx:
        found = [certificate_of(s) for s in tx.sandboxes((State.DESTROYED,))]
    there = set(context.archives.names())
    shown = []
    for certificate in sorted((c for c in found if c and c.kept), key=lambda c: c.at):
        assert certificate.kept is not None
        over = certificate.kept.until <= context.now()
        missing = certificate.kept.name not in there
        if not (over and missing):
            state = "missing" if missing else "over" if over else "kept"
            shown.append(
                KeptArchive(name=certificate.kept.name, state=state, certificate=certificate)
            )
    return shown


def _find(context: Context, name: str) -> KeptArchive:
    known = _all(context)
    found = [a for a in known if name in (a.name, a.certificate.name)]
    if not found:
        names = [n for a in known for n in (a.name, a.certificate.name)]
        raise NotFound(
            "Nothing is kept under this name." + closest(name, names),
            subject=clean(name),
            hint="See: sandbox kept list",
        )
    return found[-1]
