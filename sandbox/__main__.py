"""`python -m sandbox` and the command `sandbox`."""

import gc
import sys

# Imports make many objects that stay: looking for garbage among them again and again costs a
# fifth of a short command's time.
_SELDOM = 100_000


def run() -> None:
    """Run the command line and leave with its exit code."""
    gc.set_threshold(_SELDOM)
    from sandbox.cli.app import main

    code = main(sys.argv[1:])
    # Python would take everything apart at its end, which lasts as long as half the imports.
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    run()
