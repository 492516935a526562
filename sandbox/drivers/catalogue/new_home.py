"""The files with which a new home starts, made from the templates in `sandbox/demo/`."""

from pathlib import Path

from sandbox.drivers.catalogue.images import render

_FOLDER = Path(__file__).parents[2] / "demo"


def settings_file(*, demo: bool, port: int, ca_bundle: str, package_index: str) -> str:
    """Return the text of `sandbox.yaml`."""
    return _rendered(
        "sandbox.yaml",
        {"demo": demo, "port": port, "ca_bundle": ca_bundle, "package_index": package_index},
    )


def demo_source(port: int) -> str:
    """Return the text of the demo's `sources/core.yaml`; its server answers at `port`."""
    return _rendered("core.yaml", {"port": port})


def _rendered(name: str, variables: dict[str, str | int | bool]) -> str:
    return render(name, (_FOLDER / name).read_bytes(), variables)
