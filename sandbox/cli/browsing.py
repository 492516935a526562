"""Showing a link in the browser without telling it to whoever can see the processes."""

import html
import os
import tempfile
import time
import webbrowser
from pathlib import Path

# A browser that starts cold has read its first page by then.
_MOST_SECONDS = 15.0
_LOOK_SECONDS = 0.1
_PAGE = '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={link}">'


def browse(link: str) -> bool:
    """Show `link` in the person's browser; return whether one could be started.

    Arguments of a program are there for every user of the machine to see. So the browser gets the
    name of a page that only its own user can read, and that leads on to the link; the page is
    removed as soon as it was read, or after some seconds.
    """
    # In the home, for browsers that are kept from all else (as snaps are), if it can be written.
    folder = Path.home() if os.access(Path.home(), os.W_OK) else None
    handle, name = tempfile.mkstemp(prefix="sandbox-", suffix=".html", dir=folder)
    page = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(_PAGE.format(link=html.escape(link)))
        # The first reading moves this time on, also where later ones do not.
        os.utime(page, (0, page.stat().st_mtime))
        started = webbrowser.open(page.as_uri())
        if started:
            _wait_until_read(page)
        return started
    finally:
        page.unlink(missing_ok=True)


def _wait_until_read(page: Path) -> None:
    until = time.monotonic() + _MOST_SECONDS
    while time.monotonic() < until:
        if page.stat().st_atime:
            time.sleep(_LOOK_SECONDS)
            return
        time.sleep(_LOOK_SECONDS)
