"""The folder of a home: making one, and the files that use cases need in it."""

import fcntl
import hashlib
import os
import pwd
import secrets
import shutil
import socket
import stat
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sandbox.core.errors import Conflict, unwritable
from sandbox.core.home import STATE
from sandbox.core.people import FILE as PEOPLE
from sandbox.core.ports import Exposed, HomeAccess

SETTINGS = "sandbox.yaml"
# Whoever removes things by the registry asks first whether this file says the same.
_INSTALLATION = "installation"
_STATE = "The home's state"
_CHUNK = 1024 * 1024
_BALLAST, _BALLAST_BYTES = "ballast", 16 * 1024 * 1024
# What is in these folders decides what leaves the core, what runs, and who may.
_DECIDING = ("policies", "sources", "templates")
_OTHERS, _OTHERS_WRITE = 0o077, 0o022
_BUILD = "build"
_AS_FOLDER, _AT_ONCE = os.O_RDONLY | os.O_DIRECTORY, fcntl.LOCK_EX | fcntl.LOCK_NB


class HomeFolder:
    """One home, as files."""

    def __init__(self, folder: Path, conf: Path = Path("/proc/sys/net/ipv4/conf")) -> None:
        self._folder, self._conf = folder, conf
        # What each thread holds alone: the kernel's locks would make it wait for itself.
        self._alone: set[tuple[int, str]] = set()

    def access(self) -> HomeAccess:
        """Return where the home is and who owns its state folder."""
        state = (self._folder / STATE).stat()
        return HomeAccess(
            path=str(self._folder),
            owner=_user_name(state.st_uid),
        )

    def exposed(self) -> list[Exposed]:
        """Return the paths that others can read or change and should not, sorted."""
        state = self._folder / STATE
        secret = [state, *_tree(state / "keys"), *_tree(state / "secrets")]
        settings = self._folder / SETTINGS
        deciding = [
            self._folder,
            settings,
            self._folder / PEOPLE,
            *(p for n in _DECIDING for p in _tree(self._folder / n)),
        ]
        ours = {0, state.stat().st_uid}
        return [
            *(one for path in secret for one in _exposed(path, ours, secret=True)),
            *(one for path in deciding for one in _exposed(path, ours, secret=False)),
        ]

    @contextmanager
    def workshop(self, name: str) -> Iterator[Path]:
        """Hold the one folder in which files for `name` are under construction, empty at first.

        Only we can enter it; whatever is in it at the end is removed with it. Raises Conflict
        while another process holds it, Unavailable when the disk refuses.
        """
        folder = self._workshop(name)
        held = self._claim(folder)
        try:
            yield folder
        finally:
            with self._gate():
                shutil.rmtree(folder, ignore_errors=True)
            os.close(held)

    def _claim(self, folder: Path) -> int:
        try:
            with self._gate():
                folder.mkdir(mode=0o700, exist_ok=True)
                held = _locked(folder, _AS_FOLDER, _AT_ONCE)
                try:
                    _clear(folder, remove=False)
                except OSError:
                    os.close(held)
                    raise
        except BlockingIOError:
            raise Conflict(
                "Another process builds this just now.",
                subject=folder.name,
                hint="Let it end, then try again.",
            ) from None
        except OSError as error:
            raise unwritable(_STATE, folder, error) from error
        return held

    def building(self, name: str) -> bool:
        """Say whether a living process holds the workshop of `name`. Changes nothing."""
        with self._gate():
            try:
                os.close(_locked(self._workshop(name), _AS_FOLDER, _AT_ONCE))
            except FileNotFoundError:
                return False
            except BlockingIOError:
                return True
        return False

    def installation(self) -> str:
        """Return which installation the home says it is of, "" if it does not say."""
        try:
            return (self._folder / STATE / _INSTALLATION).read_text("ascii", "replace").strip()
        except OSError:
            return ""

    def belongs_to(self, installation: str) -> None:
        """Write into the home which installation it is of, unless it says already.

        Raises Conflict when it is of another, Unavailable when the disk refuses.
        """
        found = self.installation()
        if found and found != installation:
            raise Conflict(
                f"The home is of installation {found}, its registry of {installation}.",
                subject=str(self._folder),
                hint="Mount or restore the registry that belongs to this home.",
            )
        file = self._folder / STATE / _INSTALLATION
        try:
            if not found:
                file.write_text(f"{installation}\n", "ascii")
                file.chmod(0o600)
        except OSError as error:
            raise unwritable(_STATE, file, error) from error

    @contextmanager
    def _gate(self) -> Iterator[None]:
        """Let one process at a time make or remove workshops: else one could hold a removed one."""
        build = self._folder / STATE / _BUILD
        build.mkdir(mode=0o700, exist_ok=True)
        held = _locked(build, _AS_FOLDER, fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(held)

    def _workshop(self, name: str) -> Path:
        return self._folder / STATE / _BUILD / name

    @contextmanager
    def working_on(self, name: str) -> Iterator[None]:
        """Hold `name` for work, beside others who do; who wants it alone keeps off meanwhile."""
        if (threading.get_ident(), name) in self._alone:
            yield
            return
        held = self._lock(name, fcntl.LOCK_SH)
        try:
            yield
        finally:
            os.close(held)

    @contextmanager
    def alone_with(self, name: str) -> Iterator[bool]:
        """Hold `name` alone, unless a living process works on it: yields whether."""
        try:
            held = self._lock(name, _AT_ONCE)
        except BlockingIOError:
            yield False
            return
        mine = (threading.get_ident(), name)
        self._alone.add(mine)
        try:
            yield True
        finally:
            self._alone.discard(mine)
            (self._folder / STATE / "locks" / name).unlink(missing_ok=True)
            os.close(held)

    def _lock(self, name: str, how: int) -> int:
        file = self._folder / STATE / "locks" / name
        file.parent.mkdir(mode=0o700, exist_ok=True)
        while True:
            held = _locked(file, os.O_RDWR | os.O_CREAT, how)
            if os.fstat(held).st_nlink:
                return held
            os.close(held)  # whoever was alone with it has just taken the file away

    def chunks(self, path: Path) -> Iterator[bytes]:
        """Yield a file's content in pieces of 1 MiB."""
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    def fill(self, path: Path, chunks: Iterable[bytes]) -> str:
        """Write `chunks` into a new file of a workshop (0600); return their SHA-256.

        Raises Unavailable when the disk refuses.
        """
        digest = hashlib.sha256()
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    file.write(chunk)
        except OSError as error:
            raise unwritable(_STATE, path, error) from error
        return digest.hexdigest()

    def free_bytes(self, place: str = "") -> int | None:
        """Return what is free where a folder of this machine lies, by default the home's state.

        None where the machine does not say.
        """
        asked = Path(place) if place else self._folder / STATE
        # Nobody but root may look into an engine's folder; how full its disk is may everybody ask.
        for folder in (asked, *asked.parents):
            try:
                disk = os.statvfs(folder)
            except PermissionError:
                continue
            except OSError:
                return None
            return disk.f_bavail * disk.f_frsize
        return None

    def take_ballast(self) -> None:
        """Have a file of 16 MiB that can be given up; what the disk refuses is left as it is."""
        file = self._folder / STATE / _BALLAST
        with suppress(OSError):
            held = os.open(file, os.O_CREAT | os.O_WRONLY, 0o600)
            try:
                os.posix_fallocate(held, 0, _BALLAST_BYTES)
            except OSError:
                file.unlink(missing_ok=True)
                raise
            finally:
                os.close(held)

    def add(self, path: str, text: str) -> None:
        """Write a new file of the home, for people: whole or not at all, never over another.

        Raises Conflict when there is one, Unavailable when the disk refuses.
        """
        file = self._folder / path
        began = file.with_name(f".{file.name}-{secrets.token_hex(6)}")
        try:
            began.write_text(text, "utf-8")
            began.chmod(0o644)
            file.hardlink_to(began)
        except FileExistsError:
            hint = "Rename it, or have the text written elsewhere: --to FILE"
            raise Conflict("The file exists already.", subject=path, hint=hint) from None
        except OSError as error:
            raise unwritable("The file", file, error) from error
        finally:
            began.unlink(missing_ok=True)

    def drop_ballast(self) -> None:
        """Give that file up, so that a registry on a full disk can write again; gone is fine."""
        with suppress(OSError):
            (self._folder / STATE / _BALLAST).unlink(missing_ok=True)

    def checks_sources(self) -> bool | None:
        """Say whether the kernel filters by reverse path, strictly, on bridges to come.

        Of its setting for all and that for one the higher holds; 2 is the loose form.
        """
        try:
            found = [int((self._conf / n / "rp_filter").read_text()) for n in ("all", "default")]
        except (OSError, ValueError):
            return None
        return max(found) == 1

    def sweep(self, name: str) -> None:
        """Remove what a killed process left in the workshop of `name`; a held one stays."""
        with suppress(Conflict), self.workshop(name):
            pass


def is_home(folder: Path) -> bool:
    """Say whether `folder` holds an installation."""
    return (folder / SETTINGS).is_file() and (folder / STATE).is_dir()


def lay_out(folder: Path, shipped: Path, files: dict[str, str]) -> None:
    """Make a home in `folder`: shipped templates and policies, and `files` by relative path.

    Raises Conflict when the folder holds something else, Unavailable when it cannot be written;
    nothing that was made stays behind then.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(
            "The folder is not empty and is not a home.",
            subject=str(folder),
            hint="Choose a new or an empty folder: sandbox init DIR",
        )
    new = not folder.exists()
    try:
        _fill(folder, shipped, files)
    except OSError as error:
        _clear(folder, remove=new)
        raise unwritable("The home", folder, error) from error


def _fill(folder: Path, shipped: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / STATE
    state.mkdir(mode=0o700)
    for name in ("templates", "policies"):
        shutil.copytree(
            shipped / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
        )
    (folder / "sources").mkdir()
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = 0o600 if path.startswith(STATE) else 0o644
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
            file.write(text)
    # Shipped files bring the modes of wherever they were unpacked.
    for entry in _tree(folder):
        entry.chmod(stat.S_IMODE(entry.stat().st_mode) & ~_OTHERS_WRITE)


def _locked(path: Path, flags: int, how: int) -> int:
    """Return a descriptor whose lock the kernel drops with the process, however it ends."""
    held = os.open(path, flags, 0o600)
    try:
        fcntl.flock(held, how)
    except BaseException:
        os.close(held)
        raise
    return held


def _tree(folder: Path) -> list[Path]:
    return [folder, *sorted(folder.rglob("*"))]


def _exposed(path: Path, ours: Collection[int], *, secret: bool) -> Iterator[Exposed]:
    """Yield what `path` leads to, if it is none of `ours` or has a forbidden permission."""
    try:
        found = path.stat()
    except OSError:  # it leads nowhere
        return
    if found.st_uid not in ours:
        yield Exposed(str(path), secret, _user_name(found.st_uid))
    elif stat.S_IMODE(found.st_mode) & (_OTHERS if secret else _OTHERS_WRITE):
        yield Exposed(str(path), secret)


def _clear(folder: Path, *, remove: bool) -> None:
    if remove:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink(missing_ok=True)


def free_port() -> int:
    """Return a TCP port that is free on loopback now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
