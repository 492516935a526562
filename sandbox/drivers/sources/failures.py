"""What goes wrong at a source, in our words: never with a password or a value."""

from sandbox.core.errors import InvalidInput, SandboxError, Unavailable
from sandbox.core.text import clean

CONNECT_SECONDS = 5
LOCK_SECONDS = 10
STATEMENT_SECONDS = 1800
# Of DuckDB's own count; what it does not count came to some 250 MB more on rows of 1 KiB.
MEMORY_LIMIT = "320MB"
# A server that says FATAL has answered; with these it may serve the same login a moment later.
_NOT_SERVING = ("starting up", "shutting down", "recovery", "too many", "connection slots")
# In the words of PostgreSQL, and of MySQL and MariaDB.
_NO_RIGHT = ("permission denied for", "command denied to user")
_TOO_LONG = ("timeout", "max_statement_time exceeded")
_DISK_FULL = ("no space left", "could not write", "disk quota exceeded", "file too large")
_NO_MEMORY = ("out of memory", "failed to allocate", "could not allocate")


def reading_error(name: str, where: str, error: Exception) -> SandboxError:
    """Return the error that tells a person what `error`, met while reading, means.

    `name` is the source's, `where` its place.
    """
    said, subject = str(error), f"{name} ({where})"
    lowered = said.lower()
    cause = {"cause": type(error).__name__}
    if any(words in lowered for words in _NO_RIGHT):
        return Unavailable(
            "The source's login may not read a listed table.",
            subject=subject,
            hint="Let the source's owner run: GRANT USAGE ON SCHEMA ... and GRANT SELECT ON ...",
            details=cause,
        )
    if "schema " in lowered and "does not exist" in lowered:
        return InvalidInput(
            "The source's database has no schema of that name.",
            subject=subject,
            hint="Check the connection's schema, its small and capital letters too.",
            details=cause,
        )
    if any(words in lowered for words in _TOO_LONG):
        return Unavailable(
            f"The source took too long (a lock over {LOCK_SECONDS} s or a statement over "
            f"{STATEMENT_SECONDS // 60} min).",
            subject=subject,
            hint="Ask the source's owner what holds it up, or build at a quieter time.",
            details=cause,
        )
    return local_error(name, lowered, cause) or Unavailable(
        "The source stopped answering, or a value in it could not be read.",
        subject=subject,
        hint="Nothing was kept. Try again; if it fails again, ask the source's owner.",
        details=cause,
    )


def local_error(name: str, said: str, cause: dict[str, str]) -> SandboxError | None:
    """Return the error for what happened on this side, or to a value; None if it was neither.

    `said` is what DuckDB said, in small letters; `cause` goes into the details.
    """
    if any(words in said for words in _DISK_FULL):
        return Unavailable(
            "The disk is full: the snapshot could not be written.",
            subject=name,
            hint="Nothing was kept. Free some space (sandbox snapshot rm), then build again.",
            details=cause,
        )
    if any(words in said for words in _NO_MEMORY):
        return Unavailable(
            f"The build needs more than its {MEMORY_LIMIT} of memory.",
            subject=name,
            hint="Take very wide columns off the list, or mask them with drop; or fewer rows of a "
            "table to which others lead.",
            details=cause,
        )
    if "conversion error" in said:
        return InvalidInput(
            "A value of the source does not fit the type of its column in a snapshot.",
            subject=name,
            hint="Find it on the source's side (dates before 4713 BC, for example), or drop it.",
            details=cause,
        )
    return None


def login_error(name: str, where: str, said: str, password: str) -> Unavailable:
    """Return the error for a connection that failed, of which the driver `said` something."""
    if "password authentication failed" in said or "no password supplied" in said:
        return wrong_password(name, where)
    # Only the server's own last words; the rest of the text is how we called it.
    reason = clean(said.strip().splitlines()[0].rpartition(": ")[2].strip())[:200]
    reason = "" if password and password in reason else reason
    if "FATAL:" in said and not any(words in said for words in _NOT_SERVING):
        return Unavailable(
            "The source refuses the connection" + (f": {reason}." if reason else "."),
            subject=f"{name} ({where})",
            hint=f"Check database and user in sources/{name}.yaml, and that the server's "
            "pg_hba.conf lets this user in from here.",
        )
    return no_answer(name, where, reason)


def no_answer(name: str, where: str, reason: str = "") -> Unavailable:
    """Return the error for a server of source `name` that does not answer."""
    return Unavailable(
        "The source does not answer" + (f": {reason}." if reason else "."),
        subject=f"{name} ({where})",
        hint="Check host, port and database, and that the source is running and reachable.",
    )


def wrong_password(name: str, where: str) -> Unavailable:
    """Return the error for a login that the server of source `name` does not know."""
    return Unavailable(
        "The source refuses the login: user or password is wrong.",
        subject=f"{name} ({where})",
        hint=f"Check user and password: sources/{name}.yaml, or the options of the draft, say "
        "where the password is found.",
    )
