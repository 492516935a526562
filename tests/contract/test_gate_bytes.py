"""The raw bytes of a file, looked through at any size within the same memory."""

import subprocess
import sys
from pathlib import Path

_LOOK = """
import resource, sys
from pathlib import Path
from sandbox.drivers.sources.gate import standing_in

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(standing_in(Path(sys.argv[1]), [b"across the blocks", b"at the end", b"nowhere"]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024)
"""


def test_bytes_are_looked_for_without_holding_the_file(tmp_path: Path) -> None:
    file = tmp_path / "large"
    with file.open("wb") as opened:
        opened.seek((64 << 20) - 5)
        opened.write(b"across the blocks")
        opened.seek(200 << 20)
        opened.write(b"at the end")
    look = [sys.executable, "-c", _LOOK, str(file)]
    done = subprocess.run(look, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "True"]
