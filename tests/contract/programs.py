"""The programs inside our images, which tests run or load as they are."""

import importlib.util
from pathlib import Path
from types import ModuleType

_IMAGES = Path(__file__).parents[2] / "sandbox" / "images"
EXCHANGE = _IMAGES / "gateway" / "exchange.py"
RESOLVER = _IMAGES / "proxy" / "resolver.py"


def loaded(program: Path) -> ModuleType:
    """Return the program as a module; it does not run."""
    spec = importlib.util.spec_from_file_location(program.stem, program)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
