"""Keeping: before a sandbox is destroyed, its tables and work files go into one sealed archive.

Nothing here changes the sandbox: until the archive is whole, a failure leaves all as it was.
"""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta
from functools import partial

from sandbox.core.anatomy import (
    KEEPER,
    LAB_FOLDER,
    LAB_UID,
    WORK_FOLDER,
    container_name,
    never_started,
    service_names,
)
from sandbox.core.archive import TAR_END, bounded, regular_files, tar_entry
from sandbox.core.certificate import Kept
from sandbox.core.errors import Conflict, SandboxError, Unavailable
from sandbox.core.keeping import (
    NOTHING,
    NotKept,
    Outcome,
    archive_name,
    highest_class,
    kept_of,
    kept_until,
    most_bytes,
    too_large,
    why_not,
)
from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import BigFile, File, Mount, Owned, as_user
from sandbox.core.phases import State
from sandbox.core.ports import Context
from sandbox.core.sealing import Seal
from sandbox.core.text import clean
from sandbox.usecases.carrying import carried
from sandbox.usecases.recording import record, snapshots_of
from sandbox.usecases.starting import write_deadline
from sandbox.usecases.waiting import alone_within

# A lab that is started for its dump alone ends by itself after this, if we die half-way.
_DUMP_ALLOWANCE = timedelta(minutes=10)
# A removal takes a second; one that still keeps a large lab is not waited for.
_PATIENCE = 10.0
_PIECE = 8 * 1024 * 1024
_LONGEST_COMPLAINT = 2000
# Waits for the server, says nothing for an empty lab, else writes the dump to stdout.
_DUMP = """
bin=/usr/lib/postgresql/15/bin
login="-h /tmp -U postgres -d lab"
tries=0
until $bin/psql -X -q $login -c 'SELECT 1' > /tmp/keep.log 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { cat /tmp/keep.log >&2; exit 75; }
    sleep 0.1
done
has=$($bin/psql -X -q -A -t -v ON_ERROR_STOP=1 $login -c "SELECT EXISTS (
    SELECT FROM pg_class WHERE relkind IN ('r', 'p', 'm', 'v', 'S') AND relnamespace NOT IN (
        SELECT oid FROM pg_namespace WHERE nspname ~ '^(pg_|information_schema$)'))") || exit 76
[ "$has" = t ] || exit 0
exec $bin/pg_dump $login --no-owner --no-acl -Z 6
"""


def keep(context: Context, sandbox: Sandbox, *, wanted: bool) -> Outcome:
    """Write the archive of `sandbox`, or say why there is none.

    Raises Unavailable when there should be one and it cannot be made; nothing of it stays then.
    """
    data_class = highest_class(*snapshots_of(context, sandbox))
    why = why_not(sandbox, data_class, wanted=wanted)
    if why:
        return Outcome(not_kept=why)
    context.progress.say("keep", "Keeping tables and work files, encrypted")
    try:
        return Outcome(kept=_sealed(context, sandbox, data_class))
    except NotKept as reason:
        return Outcome(not_kept=str(reason))
    except SandboxError as error:
        raise Unavailable(
            f"Its work could not be kept, so nothing was removed: {error.message}",
            subject=sandbox.name,
            hint=f"Mend that and ask again, or give its work up: "
            f"sandbox down {sandbox.name} --no-keep",
            details={"cause": error.code, "cause_subject": error.subject},
        ) from error


def sweep(context: Context) -> tuple[str, ...]:
    """Remove archives whose days are over, and what nobody has on record; return their names."""
    with context.registry.reading() as tx:
        ended = tx.sandboxes((State.DESTROYED,))
    known = {k.name: k for s in ended if (k := kept_of(s)) is not None}
    removed = []
    for name in context.archives.names():
        on_record = known.get(name)
        if on_record is None and not _left_over(context, name):
            continue
        if on_record is not None and on_record.until > context.now():
            continue
        why = "its days are over" if on_record else "left by a removal that was cut off"
        _remove(context, name, why)
        removed.append(name)
    return tuple(removed)


def alone_removing(
    context: Context, sandbox: Sandbox, patience: float = _PATIENCE
) -> AbstractContextManager[None]:
    """Hold the removal of `sandbox`, and what becomes of its work.

    Waits so many seconds for another process that has it; then raises Conflict.
    """
    too_late = Conflict(
        "Another command is removing it already.",
        subject=sandbox.name,
        hint=f"Wait until it is gone: sandbox show {sandbox.name}",
        details={"state": sandbox.state.value},
    )
    return alone_within(context, _lock(sandbox.id), patience, too_late)


def outcome_key(sandbox_id: str) -> str:
    """Return the key under which the registry notes what became of the work, until it is gone."""
    return f"keep {sandbox_id}"


def _lock(sandbox_id: str) -> str:
    return f"keep-{sandbox_id}"


def _left_over(context: Context, name: str) -> bool:
    """Say whether nobody works on this archive and no removal under way has it on record."""
    sandbox_id = name.rpartition("-")[2]
    with context.files.alone_with(_lock(sandbox_id)) as alone, context.registry.reading() as tx:
        return alone and tx.noted(outcome_key(sandbox_id)) is None


def _remove(context: Context, name: str, why: str) -> None:
    with context.registry.writing() as tx:
        record(context, tx, "kept.removed", name.rpartition("-")[0], reason=why, archive=name)
    context.archives.remove(name)


def _sealed(context: Context, sandbox: Sandbox, data_class: str) -> Kept:
    name, until = archive_name(sandbox), kept_until(context.settings.keep, context.now())
    with context.archives.sealing(name, context.keys.recipient()) as seal:
        pack = _Pack(context, seal)
        pack.add(File("about.json", _about(sandbox, data_class, until.isoformat()), mode=0o644))
        found = context.engine.owned(context.registry.installation(), sandbox.id)
        _pack_work(context, sandbox, found, pack)
        _pack_lab(context, sandbox, found, pack)
        pack.end()
    return Kept(name=name, bytes=seal.size, sha256=seal.sha256, data_class=data_class, until=until)


class _Pack:
    """One tar archive on its way into a seal, up to the size that may be kept."""

    def __init__(self, context: Context, seal: Seal) -> None:
        self._seal, self._settings = seal, context.settings.keep
        self.left, self.files = most_bytes(self._settings), -1  # about.json does not count

    def add(self, file: File | BigFile) -> None:
        """Add one file; raises NotKept when there is too much."""
        for chunk in tar_entry(file):
            self.left -= len(chunk)
            if self.left < 0:
                raise too_large(self._settings)
            self._seal.write(chunk)
        self.files += 1

    def limited(self, stream: Iterator[bytes]) -> Iterator[bytes]:
        """Yield `stream`; raises NotKept when it alone is too much, whatever is passed over."""
        return bounded(stream, most_bytes(self._settings), too_large(self._settings))

    def end(self) -> None:
        """End the archive; raises NotKept when there was nothing in it."""
        if not self.files:
            raise NotKept(NOTHING)
        self._seal.write(TAR_END)


def _about(sandbox: Sandbox, data_class: str, until: str) -> bytes:
    said = {
        "sandbox": sandbox.name,
        "id": sandbox.id,
        "owner": sandbox.lease.owner,
        "purpose": sandbox.spec.purpose,
        "template": f"{sandbox.spec.template} {sandbox.spec.template_version}",
        "snapshot": sandbox.spec.snapshot,
        "data_class": data_class,
        "until": until,
    }
    return json.dumps(said, ensure_ascii=False, indent=2).encode() + b"\n"


def _pack_work(context: Context, sandbox: Sandbox, found: list[Owned], pack: _Pack) -> None:
    there = {o.name for o in found if o.kind == "container"}
    carrier = next((name for name in service_names(sandbox) if name in there), None)
    if carrier is not None:
        _pack_folder(context, carrier, WORK_FOLDER, "work", pack)
        return
    with _carrier(context, sandbox, "work", WORK_FOLDER, found) as made:
        if made:
            _pack_folder(context, made, WORK_FOLDER, "work", pack)


def _pack_folder(context: Context, container: str, folder: str, under: str, pack: _Pack) -> None:
    for file in regular_files(pack.limited(context.engine.fetch(container, folder))):
        inside = file.path.partition("/")[2]
        pack.add(BigFile(f"{under}/{inside}", file.size, file.chunks, mode=0o644))


def _pack_lab(context: Context, sandbox: Sandbox, found: list[Owned], pack: _Pack) -> None:
    """Add a dump of the lab; where its container is gone, the files of its volume as they are."""
    lab = container_name(sandbox.id, "lab")
    container = next((o for o in found if (o.kind, o.name) == ("container", lab)), None)
    if container is not None:
        with _awake(context, sandbox, container):
            _pack_dump(context, lab, pack)
        return
    with _carrier(context, sandbox, "lab", LAB_FOLDER, found) as made:
        if made:
            _pack_folder(context, made, LAB_FOLDER, "lab/cluster", pack)


def _pack_dump(context: Context, lab: str, pack: _Pack) -> None:
    """Add what `pg_dump` writes, in numbered pieces: its length is not known before its end."""
    dump, command = _Dump(pack), ("/bin/sh", "-c", _DUMP)
    ran = context.engine.run(lab, command, user=as_user(LAB_UID), output=dump.take)
    if ran.code:
        said = dump.complaint.decode(errors="replace")
        said = " ".join(clean(said, keep_newlines=True).split())
        raise Unavailable(f"The lab's tables cannot be read: {said[-300:]}", subject=lab)
    dump.end()


class _Dump:
    """A dump on its way into a pack, and the beginning of what was complained of meanwhile."""

    def __init__(self, pack: _Pack) -> None:
        self._pack, self._held, self._pieces = pack, bytearray(), 0
        self.complaint = bytearray()

    def take(self, stream: str, chunk: bytes) -> None:
        """Hold what comes until it is a piece."""
        if stream == "stderr":
            self.complaint += chunk[: _LONGEST_COMPLAINT - len(self.complaint)]
            return
        self._held += chunk
        if len(self._held) >= _PIECE:
            self.end()

    def end(self) -> None:
        """Pack what is held, if anything is."""
        if self._held:
            self._pieces += 1
            name = f"lab/tables-{self._pieces:03}.sql.gz"
            self._pack.add(File(name, bytes(self._held), mode=0o644))
            self._held.clear()


@contextmanager
def _awake(context: Context, sandbox: Sandbox, lab: Owned) -> Iterator[None]:
    """Have the lab run meanwhile, if need be under a short deadline of its own."""
    if lab.running:
        yield
        return
    now, deadline = context.now(), sandbox.lease.deadline
    assert deadline is not None
    over = deadline < now + _DUMP_ALLOWANCE
    try:
        if over:
            write_deadline(context, sandbox, now + _DUMP_ALLOWANCE)
        context.engine.start(lab.name)
        yield
    finally:
        # The first error tells more; and the guard ends what cannot be stopped now.
        with suppress(SandboxError):
            context.engine.stop(lab.name, 10)
        if over:
            with suppress(SandboxError):
                write_deadline(context, sandbox, deadline)


@contextmanager
def _carrier(
    context: Context, sandbox: Sandbox, part: str, folder: str, found: list[Owned]
) -> Iterator[str | None]:
    """Give a container, never started, through which a volume without one is read; or None."""
    volume = container_name(sandbox.id, part)
    if ("volume", volume) not in {(o.kind, o.name) for o in found}:
        yield None
        return
    mount, installation = Mount(volume, folder, read_only=True), context.registry.installation()
    made_of = partial(never_started, installation, sandbox.id, KEEPER, mount=mount)
    with carried(context, made_of) as name:
        yield name
