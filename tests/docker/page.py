"""`python -m tests.docker.page LINK`: open a link as a browser does, print the page's status.

A program of its own, since it may have to run in another network namespace than the test.
"""

import http.client
import sys
from urllib.parse import urlsplit


def status(link: str) -> int:
    """Return the status of the page behind a one-time link; its cookie goes along."""
    address = urlsplit(link)
    connection = http.client.HTTPConnection("127.0.0.1", address.port or 80, timeout=20)
    host = {"Host": address.netloc}
    connection.request("GET", f"{address.path}?{address.query}", headers=host)
    opened = connection.getresponse()
    opened.read()
    cookie = (opened.getheader("Set-Cookie") or "").split(";")[0]
    connection.request("GET", "/", headers=host | {"Cookie": cookie})
    answered = connection.getresponse()
    answered.read()
    connection.close()
    return answered.status


if __name__ == "__main__":
    print(status(sys.argv[1]))
