"""Rows of `up` and `down`: the product against bare docker commands that make the same objects."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from sandbox.core.addressing import addresses, first_free, overlapped
from sandbox.core.anatomy import confined
from sandbox.core.clock import guard_text
from sandbox.drivers.clock import MachineClock
from tests.ports import free_port

from .commands import docker, gateway_of, inspected, say, took
from .house import House
from .table import Row, ratio

_SCRIPT = str(Path(__file__).with_name("up-by-hand.sh"))
_RANGE = IPv4Network("10.231.0.0/16")
_METADATA = "169.254.169.254"


@dataclass
class Times:
    """Seconds of every run, by what was run."""

    up: list[float] = field(default_factory=list)
    down: list[float] = field(default_factory=list)
    hand_up: list[float] = field(default_factory=list)
    hand_down: list[float] = field(default_factory=list)
    tool: list[float] = field(default_factory=list)


def rows(house: House, runs: int) -> list[Row]:
    """Run everything interleaved, `runs` times, and return the three rows."""
    say("the first sandbox, which builds what is missing and serves as the model")
    own = model(house)
    times = Times()
    turns = [_product, _by_hand, _tool_alone]
    for number in range(runs):
        say(f"up and down, round {number + 1} of {runs}")
        # Whoever comes first after a pause must not always be the same.
        for turn in turns[number % 3 :] + turns[: number % 3]:
            turn(house, own, times, number)
    return _rows(times)


def _rows(times: Times) -> list[Row]:
    hand, alone = "the same objects by hand", "`docker run` of the tool alone"
    return [
        ratio("`up`, cold, to the first answer", times.up, times.hand_up, hand, 1.0),
        ratio("the same", times.up, times.tool, alone, 1.6),
        ratio(
            "`down --no-keep`", times.down, times.hand_down, "bare removal of the same objects", 4.0
        ),
    ]


def _product(house: House, own: dict[str, str], times: Times, number: int) -> None:
    times.up.append(house.up(f"bench-{number}").seconds)
    times.down.append(house.down(f"bench-{number}").seconds)


def _by_hand(house: House, own: dict[str, str], times: Times, number: int) -> None:
    placed = own | _place(own, f"byhand-{house.run_id}-{number}", number)
    times.hand_up.append(took([_SCRIPT, "up"], placed).seconds)
    times.hand_down.append(took([_SCRIPT, "down"], placed).seconds)


def _tool_alone(house: House, own: dict[str, str], times: Times, number: int) -> None:
    times.tool.append(tool_alone(house, own, f"alone{number}"))


def tool_alone(house: House, own: dict[str, str], name: str) -> float:
    """Return the seconds of one bare `docker run` of the tool to its first answer; remove it.

    `own` is what `model` returned.
    """
    name = f"byhand-{house.run_id}-{name}"
    named = {"NAME": name, "TOOL_PORT": str(free_port())}
    seconds = took([_SCRIPT, "tool"], own | named).seconds
    docker("rm", "--force", "--volumes", f"{name}-tool")
    return seconds


def _place(own: dict[str, str], name: str, number: int) -> dict[str, str]:
    """Return name, addresses and route of one by-hand sandbox, on a subnet that nobody uses."""
    ids = docker("network", "ls", "--quiet").split()
    pools = [
        p for n in json.loads(docker("network", "inspect", *ids)) for p in n["IPAM"]["Config"] or []
    ]
    taken = overlapped(_RANGE, [p["Subnet"] for p in pools if ":" not in p["Subnet"]])
    placed = addresses(_RANGE, first_free(_RANGE, taken, 64 + 2 * number))
    forbidden = [
        [host, port]
        for host in (str(placed.subnet[1]), "172.17.0.1", _METADATA)
        for port in (22, 80, 2375, int(own["GATEWAY_PORT"]))
    ]
    clocks = MachineClock(lambda: None).reading()
    return {
        "NAME": name,
        "DEADLINE": guard_text(clocks.wall + timedelta(hours=1), clocks).strip(),
        "CONFINED": " ".join(confined()),
        "SUBNET": str(placed.subnet),
        "TOOL_ADDRESS": placed.services[0],
        "LAB_ADDRESS": placed.lab,
        "GATEWAY_ADDRESS": placed.gateway,
        "TOKEN": f"{placed.services[0]}~{own['INNER_PORT']}~{'b' * 43}",
        "FORBIDDEN": json.dumps({"forbidden": forbidden}),
    }


def model(house: House) -> dict[str, str]:
    """Make a sandbox, read off it what the script needs to know, and remove it."""
    house.up("model")
    made = house.json("show", "model")["sandbox"]
    parts = {p: inspected(f"sandbox-{made['id']}-{p}") for p in ("lease", "tool", "lab")}
    house.down("model")
    replica = next(b for b in parts["tool"]["HostConfig"]["Binds"] if ":/replica/" in b)
    command = parts["tool"]["Config"]["Cmd"]
    port = next(word for word in command if word.startswith("--port=")).removeprefix("--port=")
    return {
        "LABEL": house.label,
        "GATEWAY": gateway_of(parts["tool"]),
        "GATEWAY_PORT": str(house.port),
        "INNER_PORT": port,
        "PROBE": "/health",
        "PASSWORD": "p" * 43,
        "PARAMETERS": json.dumps(made["parameters"]),
        "BASE_IMAGE": parts["lease"]["Config"]["Image"],
        "REPLICA": replica,
        # Without the guard, which wants a lease.
        "BARE_COMMAND": " ".join(command[command.index("--") + 1 :]),
        **_traits("TOOL", parts["tool"]),
        **_traits("LAB", parts["lab"]),
    }


def _traits(prefix: str, part: dict[str, Any]) -> dict[str, str]:
    config, limits = part["Config"], part["HostConfig"]
    traits = {
        "IMAGE": config["Image"],
        "USER": config["User"],
        "COMMAND": " ".join(config["Cmd"]),
        "MEMORY": str(limits["Memory"]),
        "CPUS": str(limits["NanoCpus"] / 1e9),
        "PIDS": str(limits["PidsLimit"]),
        "TMPFS": f"/tmp:{limits['Tmpfs']['/tmp']}",
    }
    return {f"{prefix}_{name}": value for name, value in traits.items()}
