"""Runs inside a sandbox as the tool's own user: every attempt must be refused. See .ci/demo."""

import os
import socket
import sys


def refused(what, attempt):
    """Print how the attempt failed; end with 1 if it did not."""
    try:
        attempt()
    except OSError as error:
        print(f"refused  {what}: {error}")
    else:
        sys.exit(f"ALLOWED  {what}")


def reach(host, port):
    """Connect, within a second."""
    socket.create_connection((host, port), timeout=1).close()


own = socket.gethostbyname(socket.gethostname()).split(".")
bridge = ".".join([*own[:3], str(int(own[3]) - 1)])
mount = next(line for line in open("/proc/mounts") if line.split()[1] == "/replica/core")

print("as user ", os.getuid())
print("mounted ", " ".join(mount.split()[1:4]))
refused("write to core", lambda: open("/replica/core/core.duckdb", "r+b"))
refused("connect outside", lambda: reach("192.0.2.1", 443))
refused("look up a name", lambda: socket.getaddrinfo("example.com", 443))
for host in (bridge, "172.17.0.1"):
    for port in (22, 2375, int(sys.argv[1])):
        refused(f"connect to the host at {host}:{port}", lambda h=host, p=port: reach(h, p))
