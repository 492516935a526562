"""Room on the disks: asked for before something is begun, and watched by the reaper."""

from contextlib import suppress
from dataclasses import replace
from functools import partial
from time import sleep

from sandbox.core.anatomy import LAB_FOLDER, WORK_FOLDER, confined, container_name
from sandbox.core.disk import MB, Room, below_floor, shortage, to_freeze
from sandbox.core.errors import NotFound, SandboxError, Unavailable
from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import SANDBOX
from sandbox.core.phases import LIVE, State
from sandbox.core.ports import Context
from sandbox.core.reaping import Chore, Seen
from sandbox.core.snapshot import Snapshot
from sandbox.usecases.line import freeze_in
from sandbox.usecases.recording import as_reaper, still
from sandbox.usecases.sandboxes import find
from sandbox.usecases.starting import stop_all
from sandbox.usecases.together import few_at_once

# Blocks, not lengths: a million files of one byte fill a disk, a file full of holes does not.
_MEASURE = ("/usr/bin/timeout", "20", "/usr/bin/du", "-s", "-k", "-x")
_STOP_SECONDS = 5
# With less free than this no registry can be counted on to open its log.
_BRIM = 4 * MB
_BALLAST_FROM = 256 * MB
_FREE_SOME = "Free some space (sandbox list --all, sandbox down NAME, sandbox snapshot rm), retry."
# An older engine measures its disk for one caller at a time, within a second as a rule.
_ROUNDS, _PAUSE_SECONDS = 8, 0.5


def look_at_room(context: Context) -> Room:
    """Return what is free now: where the gateway's volume lies, seen from here or from inside it.

    Before there is a gateway, what the engine says of itself.
    """
    return Room(engine=_engine_free(context), home=context.files.free_bytes())


def _engine_free(context: Context) -> int | None:
    try:
        folder = context.engine.volume_folder(context.gateway.container)
    except NotFound:
        return context.engine.facts().free_bytes
    free = None if folder is None else context.files.free_bytes(folder)
    return context.gateway.engine_free_bytes() if free is None else free


def check_room(
    context: Context, room: Room, subject: str, need_mb: int, home_need_mb: int = 0
) -> None:
    """Raise Unavailable if so many MiB more would not leave the reserve; say what is not known."""
    if short := shortage(room, context.settings.disk, need_mb, home_need_mb):
        raise Unavailable(
            f"{short}.", subject=subject, hint=_FREE_SOME, details={"room": room.model_dump()}
        )
    if room.engine is None:
        context.progress.say("disk", "How much the engine's disk has free is not known")


def check_floor(context: Context, subject: str) -> None:
    """Raise Unavailable while the engine's disk is below its floor: nothing is started again."""
    room = look_at_room(context)
    if low := below_floor(room, context.settings.disk):
        raise Unavailable(
            f"Nothing is started: {low}.",
            subject=subject,
            hint=_FREE_SOME,
            details={"room": room.model_dump()},
        )


def check_room_for_build(context: Context, source: str) -> None:
    """Raise Unavailable without room for one more snapshot of `source`, as large as its last.

    It is written into the home first and then into its volume.
    """
    with context.registry.reading() as tx:
        known = [_size_mb(s) for s in tx.snapshots(source) if s.manifest]
    need = known[-1] if known else 0
    check_room(context, look_at_room(context), source, need, need)


def _size_mb(snapshot: Snapshot) -> int:
    return -(-snapshot.manifest.bytes // MB) if snapshot.manifest else 0


def measured(context: Context, seen: Seen) -> tuple[Seen, tuple[str, ...]]:
    """Return `seen` with what those that run hold on the disk now, and what was not measured.

    What stands still keeps what it was last measured to hold; below the floor nobody is asked.
    """
    if seen.floor:
        return seen, ()
    notes = [] if seen.room.engine is not None else ["how much the engine's disk has free"]
    writers = [s for s in seen.sandboxes if s.state_at(seen.now) is State.READY and s.disk_mb]
    blocks = few_at_once(partial(_blocks, context), writers)
    used = {sandbox.id: held for sandbox, held in blocks}
    lacking = [s for s in writers if used[s.id] is None]
    try:
        sizes = _volume_bytes(context) if lacking else {}
    except SandboxError as error:
        sizes = {}
        names = ", ".join(s.name for s in lacking)
        notes.append(f"what {names} hold{'s' if len(lacking) == 1 else ''}: {error.message}")
    used |= {s.id: _sum_mb(sizes, s) for s in lacking}
    sandboxes = [_with_use(s, used.get(s.id)) for s in seen.sandboxes]
    return replace(seen, sandboxes=sandboxes), tuple(notes)


def note_use(context: Context, seen: Seen) -> None:
    """Keep on record what each sandbox was measured to hold."""
    used = {s.id: s.used_mb for s in seen.sandboxes if s.used_mb is not None}
    with context.registry.reading() as tx:
        old = tx.sandboxes(LIVE)
    if not any(_changed(sandbox, used) for sandbox in old):
        return
    with context.registry.writing() as tx:
        for sandbox in tx.sandboxes(LIVE):
            if _changed(sandbox, used):
                tx.save_sandbox(sandbox.model_copy(update={"used_mb": used[sandbox.id]}))


def make_way(context: Context) -> None:
    """On a disk that is full to the brim, stop all sandboxes and make room for the registry.

    It cannot even be read there; so they are known by their labels alone. A home on another disk
    than the engine's stops nobody.
    """
    free = context.files.free_bytes()
    if free is None or free >= _BRIM:
        return
    engine_free = context.engine.facts().free_bytes
    if engine_free is not None and engine_free < _BRIM and context.files.installation():
        context.progress.say("disk", "The disk is full: stopping all sandboxes")
        found = context.engine.owned(context.files.installation())
        names = [o.name for o in found if o.running and SANDBOX in o.labels]
        list(few_at_once(partial(_stop_container, context), names))
    context.files.drop_ballast()


def take_ballast(context: Context) -> None:
    """Keep a file that can be given up when the home's disk is full, while there is room."""
    free = context.files.free_bytes()
    if free is not None and free > _BALLAST_FROM:
        context.files.take_ballast()


def stop_writers(context: Context, seen: Seen) -> None:
    """Below the floor, stop all that run, before anything else is written down.

    The registry may lie on the same disk, and they would take what it needs. Who could not be
    stopped is told by its own chore.
    """
    if not seen.floor:
        return
    context.progress.say("disk", f"Stopping all sandboxes: {seen.floor}")
    running = [s for s in seen.sandboxes if to_freeze(s, seen.floor) and s.id not in seen.busy]
    list(few_at_once(partial(_stop, context), running))


def _stop_container(context: Context, name: str) -> None:
    with suppress(SandboxError):
        context.engine.stop(name, _STOP_SECONDS)


def _stop(context: Context, sandbox: Sandbox) -> None:
    with suppress(SandboxError):
        stop_all(context, sandbox)


def freeze_full(context: Context, chore: Chore) -> None:
    """Freeze a sandbox that the disk has no more room for; IT resumes it. The reaper's act.

    Stopped first, since a full disk may refuse the record; cut off in between, it is found again.
    """
    sandbox = find(context, chore.subject)
    stop_all(context, sandbox)
    with context.registry.writing() as tx:
        freeze_in(as_reaper(context), tx, still(tx, sandbox), chore.why)


def _changed(sandbox: Sandbox, used: dict[str, int]) -> bool:
    return used.get(sandbox.id, sandbox.used_mb) != sandbox.used_mb


def _with_use(sandbox: Sandbox, used_mb: int | None) -> Sandbox:
    return sandbox if used_mb is None else sandbox.model_copy(update={"used_mb": used_mb})


def _blocks(context: Context, sandbox: Sandbox) -> int | None:
    """Return the MiB that it takes on the disk, None where its own containers do not say."""
    total = 0
    for part, folder in _writable(sandbox).values():
        command = confined(*_MEASURE, folder)
        try:
            ran = context.engine.run(container_name(sandbox.id, part), command)
            kilobytes = int(ran.out.split()[0])
        except (SandboxError, ValueError, IndexError):
            return None
        if ran.code:  # a folder that nobody may look into, or more files than can be counted
            return None
        total += kilobytes
    return -(-total // 1024)


def _sum_mb(sizes: dict[str, int], sandbox: Sandbox) -> int | None:
    names = [container_name(sandbox.id, volume) for volume in _writable(sandbox)]
    known = [sizes[name] for name in names if name in sizes]
    return -(-sum(known) // MB) if known else None


def _writable(sandbox: Sandbox) -> dict[str, tuple[str, str]]:
    """Return the volumes that it can write: where each is mounted, and in whose container."""
    tool = sandbox.endpoint.part if sandbox.endpoint else "tool"
    lab = {"lab": ("lab", LAB_FOLDER)} if "lab" in sandbox.parts else {}
    return {"work": (tool, WORK_FOLDER), **lab}


def _volume_bytes(context: Context) -> dict[str, int]:
    """Return the size of each of our volumes; asked again while the engine measures for others."""
    for _ in range(_ROUNDS):
        try:
            return context.engine.volume_bytes(context.registry.installation())
        except Unavailable as error:
            if "already running" not in error.message:
                raise
            sleep(_PAUSE_SECONDS)
    raise Unavailable("The engine is busy measuring for others.", subject="the engine")
