"""Before the first sandbox reads a snapshot as PostgreSQL: its frozen cluster is filled, and tried
is whether the engine's volumes can be cloned. Then the sandbox is lent what it reads by."""

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from sandbox.core.anatomy import standby
from sandbox.core.disk import MB
from sandbox.core.errors import Conflict, SandboxError, Unavailable
from sandbox.core.lifecycle import Sandbox
from sandbox.core.objects import Image
from sandbox.core.ports import Context, Transaction
from sandbox.core.replica import (
    FILL,
    LOGINS,
    PROBE,
    REPLICA,
    Cluster,
    PostgresCopy,
    PostgresForecast,
    ReplicaKind,
    ReplicaUse,
    expected_bytes,
    filler,
    foreseen,
    free_login,
    home_labels,
    login_name,
    login_secret,
    prober,
)
from sandbox.core.snapshot import Manifest, Snapshot, SnapshotState
from sandbox.core.text import clean
from sandbox.usecases.disk import check_room, look_at_room
from sandbox.usecases.recording import record, still
from sandbox.usecases.replicas import (
    alone_with_cluster,
    cluster_of,
    kind_key,
    remove_cluster,
    shared_users,
)
from sandbox.usecases.waiting import alone_within
from sandbox.usecases.wishes import Resolved

_PROBING_SECONDS = 60.0


def lend_replica(context: Context, resolved: Resolved, sandbox: Sandbox) -> Sandbox:
    """Return `sandbox`, on record, with what it is to read PostgreSQL by, if its template wants it.

    The snapshot's cluster is filled first, if nobody needed it yet: minutes for a large one. Its
    images must be built. Raises Unavailable if it cannot be filled, Conflict if all logins of a
    shared server are taken.
    """
    if not resolved.template.postgres:
        return sandbox
    assert resolved.images.replica is not None
    kind = learn_kind(context, resolved.images.replica)
    snapshot = _filled(context, resolved.snapshot, resolved.images.replica)
    with context.registry.writing() as tx:
        current = still(tx, sandbox)
        login = _login(tx, snapshot, current) if kind == "shared" else 0
        own = (REPLICA,) if kind == "clone" else ()
        parts = tuple(p for p in current.parts if p != REPLICA) + own
        use = ReplicaUse(kind=kind, login=login)
        lent = current.model_copy(update={"replica": use, "parts": parts})
        tx.save_sandbox(lent)
        _journal(tx, current, owns=kind == "clone")
    return lent


def _journal(tx: Transaction, sandbox: Sandbox, *, owns: bool) -> None:
    """Have the journal of a sandbox name its own standby if it is to have one, and only then."""
    names, pair = tx.journaled(sandbox.id), standby(sandbox.id)
    if owns == (pair[0] in names):  # a reset lends it anew
        return
    tx.forget_journal(sandbox.id)
    for kind, name in [*(each for each in names if each not in pair), *(pair if owns else ())]:
        tx.journal(sandbox.id, kind, name)


def known_kind(context: Context) -> ReplicaKind | None:
    """Return how sandboxes read PostgreSQL on this engine; None if it was never tried."""
    key = kind_key(context)
    with context.registry.reading() as tx:
        noted = tx.noted(key)
    return None if noted is None else _as_kind(noted)


def foresee(context: Context, resolved: Resolved) -> PostgresForecast | None:
    """Return by what a sandbox would read PostgreSQL; None if its template does not."""
    manifest = resolved.snapshot.manifest
    if not resolved.template.postgres or manifest is None:
        return None
    tables = [(t.rows, len(t.columns)) for t in manifest.tables]
    return foreseen(known_kind(context), resolved.snapshot.postgres, tables)


def learn_kind(context: Context, image: Image) -> ReplicaKind:
    """Return how sandboxes read PostgreSQL on this engine; tried once, then remembered.

    What decides is a real clone between two volumes, not the file system's name. `image` must be
    built.
    """
    if known := known_kind(context):
        return known
    container, volumes = prober(context.registry.installation(), image)
    late = Unavailable("Another command tries the engine's storage.", subject=container.name)
    with alone_within(context, container.name, _PROBING_SECONDS, late):
        try:
            context.engine.remove("container", container.name)
            for volume in volumes:
                context.engine.create_volume(volume, home_labels(context.registry.installation()))
            context.engine.create_container(container)
            context.engine.start(container.name)
            ran = context.engine.run(container.name, PROBE)
        finally:
            _remove_probe(context, container.name, volumes)
    kind: ReplicaKind = "clone" if ran.code == 0 else "shared"
    with context.registry.writing() as tx:
        tx.note(kind_key(context), kind)
    return kind


def _remove_probe(context: Context, container: str, volumes: Iterable[str]) -> None:
    context.engine.remove("container", container)
    for volume in volumes:
        context.engine.remove("volume", volume)


def _as_kind(noted: str) -> ReplicaKind:
    return "clone" if noted == "clone" else "shared"


def _login(tx: Transaction, snapshot: Snapshot, sandbox: Sandbox) -> int:
    """Return a login of the snapshot's shared server that no other sandbox has."""
    others = [s for s in shared_users(tx, snapshot.id) if s.id != sandbox.id]
    login = free_login(s.replica.login for s in others if s.replica)
    if login is None:
        raise Conflict(
            f"All {LOGINS} logins of the snapshot's PostgreSQL replica are taken.",
            subject=snapshot.id,
            hint=f"End a sandbox that uses it (sandbox list), or build another snapshot: "
            f"{snapshot.build_command}",
        )
    return login


def _filled(context: Context, snapshot: Snapshot, image: Image) -> Snapshot:
    """Return the snapshot with its cluster filled; whoever fills it has it alone."""
    if (current := _current(context, snapshot)).postgres:
        return current
    cluster = cluster_of(context, snapshot)
    with alone_with_cluster(context, cluster):
        if (current := _current(context, snapshot)).postgres:
            return current
        try:
            return _fill(context, current, cluster, image)
        except BaseException:
            # Ctrl-C may come right after it was committed, and is then too late.
            if _current(context, snapshot).postgres is None:
                with suppress(SandboxError):  # the first error tells more
                    remove_cluster(context, snapshot)
            raise


def _current(context: Context, snapshot: Snapshot) -> Snapshot:
    with context.registry.reading() as tx:
        return tx.snapshot(snapshot.id) or snapshot


def _fill(context: Context, snapshot: Snapshot, cluster: Cluster, image: Image) -> Snapshot:
    manifest = snapshot.manifest
    assert manifest is not None  # what is ready has one
    began = time.monotonic()
    need = expected_bytes((t.rows, len(t.columns)) for t in manifest.tables)
    check_room(context, look_at_room(context), snapshot.id, need // MB)
    remove_cluster(context, snapshot)
    context.progress.say("replica", f"Filling the PostgreSQL replica of {snapshot.id} (once)")
    context.engine.create_volume(cluster.volume, cluster.labels)
    context.engine.create_container(filler(cluster, image))
    context.engine.start(cluster.filler)
    told = _told(context, snapshot, cluster, manifest)
    context.engine.remove("container", cluster.filler)
    copy = PostgresCopy(
        volume=cluster.volume,
        bytes=told,
        seconds=round(time.monotonic() - began, 1),
        filled=context.now(),
    )
    return _published(context, snapshot, copy)


def _told(context: Context, snapshot: Snapshot, cluster: Cluster, manifest: Manifest) -> int:
    """Run the filling; return the cluster's bytes. Its rows must be those of the manifest."""
    said: list[bytes] = []

    def follow(stream: str, chunk: bytes) -> None:
        """Take what it says, and say which table is done."""
        said.append(chunk)
        done = [line["table"] for line in _lines(b"".join(said)) if "table" in line]
        last = clean(str(done[-1])) if done else "starting"
        text = f"Filling the PostgreSQL replica: {last}"
        context.progress.say("replica", text, len(done), len(manifest.tables))

    order = json.dumps(_order(context, snapshot, manifest)).encode() + b"\n"
    ran = context.engine.run(cluster.filler, FILL, stdin=order, output=follow)
    lines = _lines(b"".join(said))
    rows = {str(line["table"]): int(line["rows"]) for line in lines if "table" in line}
    wrong = next((str(line["error"]) for line in lines if "error" in line), "")
    if not wrong and rows != {t.name: t.rows for t in manifest.tables}:
        wrong = "its rows are not those of the snapshot"
    sizes = [int(line["bytes"]) for line in lines if "bytes" in line]
    if ran.code or wrong or not sizes:
        raise Unavailable(
            f"The PostgreSQL replica cannot be filled: {clean(wrong) or f'exit {ran.code}'}.",
            subject=snapshot.id,
            hint="Tell IT; a template that reads DuckDB works all the same.",
        )
    return sizes[0]


def _lines(chunk: bytes) -> list[dict[str, Any]]:
    """Return the JSON objects among the lines of a chunk."""
    found = []
    for line in chunk.splitlines():
        with suppress(ValueError):
            if isinstance(told := json.loads(line), dict):
                found.append(told)
    return found


def _order(context: Context, snapshot: Snapshot, manifest: Manifest) -> dict[str, Any]:
    held = manifest.gate.relations if manifest.gate else None
    derive = context.keys.derive
    return {
        "source": snapshot.source,
        "unique": [[key.table, key.columns] for key in held.unique] if held else [],
        "indexed": [[r.table, r.columns] for r in held.references] if held else [],
        "logins": {login_name(n): derive(login_secret(snapshot.id, n)) for n in range(LOGINS)},
    }


def _published(context: Context, snapshot: Snapshot, copy: PostgresCopy) -> Snapshot:
    with context.registry.writing() as tx:
        current = tx.snapshot(snapshot.id)
        if current is None or current.state is not SnapshotState.READY:
            raise Conflict("The snapshot was removed just now.", subject=snapshot.id)
        filled = current.model_copy(update={"postgres": copy})
        tx.save_snapshot(filled)
        told = copy.model_dump(mode="json")
        record(context, tx, "replica.filled", filled.id, replica=told)
    return filled
