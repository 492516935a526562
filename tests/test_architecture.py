"""The house rules of docs/architecture.md, read from the syntax trees.

Every checker takes a file's place and text, so that each is proven here by a small counter-example
before it judges the product.
"""

import ast
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "sandbox"
# Programs that run inside images: no part of the package's own house.
IMAGES = PACKAGE / "images"
LONGEST_FILE = 400
LONGEST_FUNCTION = 50
BANNED = ("manager", "helper", "utils", "handler")
# Where a library may be imported: a file, or a folder that ends in a slash.
HOMES = {
    "docker": ("sandbox/drivers/engine.py",),
    "rich": ("sandbox/cli/render.py",),
    "typer": ("sandbox/cli/",),
    "yaml": ("sandbox/drivers/catalogue/",),
    "jinja2": ("sandbox/drivers/catalogue/",),
    # Migrations alone, since its import would cost every command 0.2 s.
    "sqlalchemy": ("sandbox/drivers/registry/upgrading.py", "sandbox/drivers/registry/migrations/"),
    "alembic": ("sandbox/drivers/registry/upgrading.py", "sandbox/drivers/registry/migrations/"),
    "duckdb": ("sandbox/drivers/sources/",),
    "starlette": ("sandbox/server/",),
    "uvicorn": ("sandbox/server/",),
    "fsspec": ("sandbox/drivers/sources/decoding.py",),
    "pyrage": ("sandbox/drivers/archives.py", "sandbox/drivers/keys.py"),
}
DOORS = ("cli", "server")
JUDGE = "sandbox/usecases/wishes.py"
EVALUATORS = frozenset({"sandbox.core.policy.evaluate"})

Checker = Callable[[str, str], list[str]]


@cache
def tree_of(text: str) -> ast.Module:
    """Parse a file once: a dozen checkers look at it."""
    return ast.parse(text)


@cache
def nodes(text: str) -> tuple[ast.AST, ...]:
    """Return everything in a file's tree."""
    return tuple(ast.walk(tree_of(text)))


def imported(place: str, text: str) -> Iterator[str]:
    """Yield the dotted name of everything that a file imports, wherever in it."""
    here = place.removesuffix(".py").split("/")
    for node in nodes(text):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from sandbox import bootstrap` names a module too.
            yield from (f"{module}.{alias.name}" for alias in node.names)


def part(place: str) -> str:
    """Return which part of the house a place or a dotted name belongs to: `core`, `drivers`."""
    pieces = place.removesuffix(".py").replace("/", ".").split(".")
    return pieces[1] if len(pieces) > 1 else ""


def driver(place: str) -> str:
    """Return which driver a place or a dotted name belongs to; a package is one driver."""
    pieces = place.removesuffix(".py").replace("/", ".").split(".")
    return pieces[2] if len(pieces) > 2 else ""


def wrong_directions(place: str, text: str) -> list[str]:
    """core knows nobody; usecases and drivers know core; doors know usecases and core."""
    mine = part(place)
    allowed = {
        "core": {"core"},
        "usecases": {"core", "usecases"},
        "drivers": {"core", "drivers"},
        **{door: {"core", "usecases", door} for door in DOORS},
    }.get(mine)
    if allowed is None:
        return []
    if mine in DOORS and place.endswith("/app.py"):
        allowed = allowed | {"bootstrap"}
    ours = [name for name in imported(place, text) if name.split(".")[0] == "sandbox"]
    # A bare `import sandbox` asks only where the package lies.
    return [f"{place} imports {name}" for name in ours if part(name) not in allowed | {""}]


def crossing_drivers(place: str, text: str) -> list[str]:
    """No driver imports another; files of one driver's package may import each other."""
    if part(place) != "drivers":
        return []
    others = [n for n in imported(place, text) if n.startswith("sandbox.drivers.")]
    return [f"{place} imports {n}" for n in others if driver(n) != driver(place)]


def foreign_in_core(place: str, text: str) -> list[str]:
    """Core imports the standard library and pydantic only."""
    if part(place) != "core":
        return []
    known = sys.stdlib_module_names | {"sandbox", "pydantic"}
    return [f"{place} imports {n}" for n in imported(place, text) if n.split(".")[0] not in known]


def strayed_libraries(place: str, text: str) -> list[str]:
    """Each library that touches the outside has one home."""
    found = {name.split(".")[0] for name in imported(place, text)} & HOMES.keys()
    return [
        f"{place} imports {library}, whose place is {' or '.join(HOMES[library])}"
        for library in sorted(found)
        if not any(_lies_in(place, home) for home in HOMES[library])
    ]


def _lies_in(place: str, home: str) -> bool:
    return place.startswith(home) if home.endswith("/") else place == home


def environment_readers(place: str, text: str) -> list[str]:
    """Only bootstrap reads the environment."""
    if place == "sandbox/bootstrap.py":
        return []
    direct = [
        node
        for node in nodes(text)
        if isinstance(node, ast.Attribute)
        and node.attr in ("environ", "environb", "getenv")
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    ]
    named = {"os.environ", "os.environb", "os.getenv"} & set(imported(place, text))
    lines = [f"{place}:{node.lineno} reads the environment" for node in direct]
    return lines + [f"{place} imports {name}" for name in sorted(named)]


def long_files(place: str, text: str) -> list[str]:
    """No file is longer than can be read in one sitting."""
    lines = len(text.splitlines())
    return [f"{place} has {lines} lines"] if lines > LONGEST_FILE else []


def long_functions(place: str, text: str) -> list[str]:
    """No function is longer than a screen."""
    return [
        f"{place}:{node.lineno} {node.name} has {length} lines"
        for node in nodes(text)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    ]


def silent_publics(place: str, text: str) -> list[str]:
    """Public modules, classes, functions and methods say what they do."""
    tree = tree_of(text)
    missing = [] if not text.strip() or ast.get_docstring(tree) else [f"{place} says nothing"]
    return missing + [f"{place}:{node.lineno} {node.name}" for node in _silent(tree)]


def _silent(
    scope: ast.Module | ast.ClassDef,
) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in scope.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("_"):
            continue
        if ast.get_docstring(node) is None:
            yield node
        if isinstance(node, ast.ClassDef):
            yield from _silent(node)


def waivers_forgotten(place: str, text: str) -> list[str]:
    """Outside core, one function alone judges, and it looks waivers up first."""
    if part(place) == "core" or place == JUDGE:
        return []
    return [f"{place} judges by itself" for n in imported(place, text) if n in EVALUATORS]


def banned_words(place: str, text: str) -> list[str]:
    """No module or class is called by a word that says nothing."""
    classes = [n.name for n in nodes(text) if isinstance(n, ast.ClassDef)]
    names = [*Path(place).with_suffix("").parts, *classes]
    return [f"{place}: {n}" for n in names if any(word in n.lower() for word in BANNED)]


def filled_init(place: str, text: str) -> list[str]:
    """An `__init__.py` holds nothing, so that importing a package costs nothing."""
    return [f"{place} is not empty"] if place.endswith("__init__.py") and text.strip() else []


LONG = "def f():\n" + "    pass\n" * LONGEST_FUNCTION
# checker, place, a text that breaks the rule, a text that keeps it
PROOFS: list[tuple[Checker, str, str, str]] = [
    (wrong_directions, "sandbox/core/a.py", "import sandbox.usecases.up", "import sandbox.core.b"),
    (wrong_directions, "sandbox/core/a.py", "from ..drivers import keys", "from . import b"),
    (
        wrong_directions,
        "sandbox/usecases/a.py",
        "from sandbox.drivers.engine import DockerEngine",
        "from sandbox.core.ports import Engine",
    ),
    (
        wrong_directions,
        "sandbox/drivers/a.py",
        "from sandbox.usecases import desk",
        "import sandbox",
    ),
    (
        wrong_directions,
        "sandbox/cli/audit.py",
        "def f():\n    from sandbox import bootstrap",
        "from sandbox.usecases.audit import AuditListRequest",
    ),
    (
        wrong_directions,
        "sandbox/cli/app.py",
        "from sandbox.drivers.keys import FileKeys",
        "from sandbox import bootstrap",
    ),
    (wrong_directions, "sandbox/server/app.py", "import sandbox.cli", "import sandbox.bootstrap"),
    (
        crossing_drivers,
        "sandbox/drivers/gateway.py",
        "from sandbox.drivers.engine import DockerEngine",
        "from sandbox.core.ports import Engine",
    ),
    (
        crossing_drivers,
        "sandbox/drivers/sources/stream.py",
        "from sandbox.drivers import keys",
        "from sandbox.drivers.sources.connection import Reading",
    ),
    (foreign_in_core, "sandbox/core/a.py", "import numpy", "import re\nimport pydantic"),
    (strayed_libraries, "sandbox/drivers/gateway.py", "import docker", "import http.client"),
    (strayed_libraries, "sandbox/cli/tables.py", "from rich.table import Table", "import json"),
    (strayed_libraries, "sandbox/usecases/a.py", "def f():\n    import duckdb", "import json"),
    (strayed_libraries, "sandbox/core/a.py", "import yaml, jinja2", "import json"),
    (strayed_libraries, "sandbox/usecases/a.py", "import sqlalchemy.orm", "import json"),
    (strayed_libraries, "sandbox/bootstrap.py", "import typer", "import getpass"),
    (environment_readers, "sandbox/drivers/a.py", "import os\nos.environ['A']", "import os"),
    (environment_readers, "sandbox/core/a.py", "from os import getenv", "from os import path"),
    (long_files, "sandbox/core/a.py", "a = 1\n" * 401, "a = 1\n" * 400),
    (long_functions, "sandbox/core/a.py", LONG, "def f():\n    pass\n"),
    (silent_publics, "sandbox/core/a.py", "def f(): ...", '"""A."""\ndef _f(): ...'),
    (
        silent_publics,
        "sandbox/core/a.py",
        '"""A."""\nclass A:\n    """B."""\n    def f(self): ...',
        '"""A."""\nclass A:\n    """B."""\n    def f(self):\n        """C."""',
    ),
    (
        waivers_forgotten,
        "sandbox/usecases/a.py",
        "from sandbox.core.policy import evaluate",
        "from sandbox.core.policy import Decision",
    ),
    (banned_words, "sandbox/core/a.py", "class LeaseManager: ...", "class Lease: ..."),
    (banned_words, "sandbox/core/utils.py", "", "# kept in a.py"),
    (filled_init, "sandbox/core/__init__.py", "from a import b", ""),
]
CHECKERS = list(dict.fromkeys(proof[0] for proof in PROOFS))


def product_files() -> list[tuple[str, str]]:
    """Return place and text of every file of the package."""
    files = [f for f in sorted(PACKAGE.rglob("*.py")) if IMAGES not in f.parents]
    return [(f.relative_to(ROOT).as_posix(), f.read_text("utf-8")) for f in files]


@pytest.mark.parametrize(("checker", "place", "wrong", "right"), PROOFS)
def test_a_checker_tells_wrong_from_right(
    checker: Checker, place: str, wrong: str, right: str
) -> None:
    assert checker(place, wrong)
    kept = place.replace("utils", "a") if checker is banned_words else place
    assert not checker(kept, right)


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda c: c.__name__)
def test_the_product_keeps_the_rule(checker: Checker) -> None:
    files = product_files()
    assert len(files) > 40, "the walk over the package found too little"
    broken = [line for place, text in files for line in checker(place, text)]
    assert not broken, "\n".join(broken)


def test_programs_inside_images_stay_short_and_say_what_they_do() -> None:
    for file in sorted(IMAGES.rglob("*.py")):
        place, text = file.relative_to(ROOT).as_posix(), file.read_text("utf-8")
        assert not [*long_files(place, text), *long_functions(place, text)]
        assert not [*silent_publics(place, text), *banned_words(place, text)]


def test_every_package_folder_has_an_empty_init() -> None:
    folders = {f.parent for f in PACKAGE.rglob("*.py") if IMAGES not in f.parents}
    assert not [str(folder) for folder in folders if not (folder / "__init__.py").is_file()]


def test_templates_and_policies_are_shipped_with_the_package() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["sandbox"]
    for folder in ("templates", "policies"):
        assert wheel["force-include"][folder] == f"sandbox/shipped/{folder}"
        assert any((ROOT / folder).rglob("*.yaml")), f"{folder}/ is empty"


def test_a_checkout_finds_what_it_ships() -> None:
    from sandbox.bootstrap import shipped

    assert (shipped() / "policies" / "baseline.yaml").is_file()
    assert (shipped() / "templates" / "segment-rfm" / "template.yaml").is_file()
