import os
import socket
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from sandbox.core.errors import NotFound, Unavailable
from sandbox.core.ports import Catalogue
from sandbox.drivers.catalogue.files import digest
from sandbox.drivers.catalogue.home import HomeCatalogue
from tests.contract.catalogue_samples import (
    RECIPE,
    SETTINGS,
    SOURCE,
    TEMPLATE,
    contents,
    failure,
    write,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    write(home / "sandbox.yaml", SETTINGS)
    write(home / "sources/core.yaml", SOURCE)
    write(home / "policies/baseline.yaml", (ROOT / "policies/baseline.yaml").read_bytes())
    write(home / "templates/demo/template.yaml", TEMPLATE)
    write(home / "templates/demo/Dockerfile.j2", RECIPE)
    write(home / "templates/demo/stub/Dockerfile.j2", "FROM {{ base_image }}\nCOPY stub /stub\n")
    write(home / "templates/demo/workspace/book.py", "print('顧客')\n")
    write(home / "templates/demo/smoke.py", "pass\n")
    for name in ("base", "lab", "gateway"):
        recipe = f"FROM {{{{ base_image }}}}\n# {name} {{{{ package_index }}}}\n"
        write(tmp_path / f"images/{name}/Dockerfile.j2", recipe)
        write(tmp_path / f"images/{name}/{name}.conf", f"{name}\n")
    return home


@pytest.fixture
def catalogue(home: Path) -> Catalogue:
    return HomeCatalogue(home, home.parent / "images")


def test_settings(home: Path, catalogue: Catalogue) -> None:
    assert catalogue.settings().gateway.port == 8700
    write(home / "sandbox.yaml", SETTINGS + "gateway: {port: 9000}\n")
    assert catalogue.settings().gateway.port == 9000


def test_a_folder_without_settings_is_no_home(tmp_path: Path) -> None:
    error = failure(HomeCatalogue(tmp_path).settings, NotFound)
    assert "sandbox init" in error.hint


def test_a_template(catalogue: Catalogue) -> None:
    assert catalogue.templates() == ["demo"]
    template = catalogue.template("demo")
    assert (template.name, list(template.services)) == ("demo", ["tool", "stub"])


def test_unknown_names_propose_the_nearest(catalogue: Catalogue) -> None:
    error = failure(lambda: catalogue.template("demos"), NotFound)
    assert "Did you mean demo?" in error.message
    assert error.hint == "Known: demo"
    error = failure(lambda: catalogue.source("cor"), NotFound)
    assert "Did you mean core?" in error.message
    error = failure(lambda: catalogue.service_image("demo", "tol"), NotFound)
    assert "Did you mean tool?" in error.message


@pytest.mark.parametrize(
    "name", ["../demo", "/etc", "..", "", "demo/../demo", "Demo", "a\0b", ".", "分析", "../sources"]
)
def test_names_that_are_none_lead_nowhere(home: Path, catalogue: Catalogue, name: str) -> None:
    """Only what stands in the folder becomes a path; whoever types another hears what there is."""
    write(home / "demo/template.yaml", TEMPLATE)
    for act in (catalogue.template, catalogue.template_digest):
        assert "Known: " in failure(partial(act, name), NotFound).hint
    assert "Known: " in failure(partial(catalogue.source, name), NotFound).hint
    failure(lambda: catalogue.service_image(name, "tool"), NotFound)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("answers: tool", "answers: tol", ":20:1: answers: tol is none of the services."),
        ("name: demo", "name: other", ":4:3: the name is other, but the file stands under demo."),
        ("port: 2718", "prot: 2718", ":13:5: unknown key `prot`. Did you mean port?"),
        ("port: 2719", "port: 22:00", ":18:11: `22:00` is not in quotes"),
        ("cpus: 0.5", "cpus: 0.5, cpus: 1", "the key `cpus` is here a second time"),
        ("stub/Dockerfile.j2", "../x", ":16:5: services.stub.dockerfile: ../x does not lie inside"),
    ],
)
def test_a_wrong_template_is_told_in_place(
    home: Path, catalogue: Catalogue, old: str, new: str, said: str
) -> None:
    write(home / "templates/demo/template.yaml", TEMPLATE.replace(old, new, 1))
    error = failure(lambda: catalogue.template("demo"))
    assert "templates/demo/template.yaml:" in error.message
    assert said in error.message
    assert error.subject == "templates/demo/template.yaml"


def test_the_digest_follows_names_and_contents_only(home: Path, catalogue: Catalogue) -> None:
    folder = home / "templates/demo"
    first = catalogue.template_digest("demo")
    (folder / "smoke.py").chmod(0o755)
    os.utime(folder / "smoke.py", (1, 1))
    write(folder / "workspace/__pycache__/book.pyc", b"\0")
    assert catalogue.template_digest("demo") == first
    write(folder / "smoke.py", "pass \n")
    changed = catalogue.template_digest("demo")
    write(folder / "smoke.py", "pass\n")
    (folder / "smoke.py").rename(folder / "smoke2.py")
    assert len({first, changed, catalogue.template_digest("demo")}) == 3


def test_the_order_of_files_does_not_matter_but_their_borders_do() -> None:
    assert digest([("a", b"1"), ("b", b"2")]) == digest([("b", b"2"), ("a", b"1")])
    assert digest([("a", b"bc")]) != digest([("ab", b"c")])


ROWS = """
    where: {mail: [a@example.jp, null], phone: "1"}
    since: {column: mail, day: "2026-01-01"}
    sample: {by: mail, percent: 10}
    columns:
      phone:
        class: contact
        mask:
          method: json
          paths:
            $.a: {class: internal}
            $.b[*].c: {class: contact, mask: mail}
"""


def test_rows_and_paths_of_a_source(home: Path, catalogue: Catalogue) -> None:
    text = SOURCE.replace("\n    columns:\n", ROWS, 1)
    assert text != SOURCE
    write(home / "sources/core.yaml", text)
    table = catalogue.source("core").tables["customers"]
    assert table.where == {"mail": ("a@example.jp", None), "phone": ("1",)}
    assert table.since is not None
    assert table.since.day == date(2026, 1, 1)
    parts = table.columns["phone"].mask.paths
    assert [(p.path, p.mask.method) for p in parts] == [("$.a", "keep"), ("$.b[*].c", "fake-mail")]
    for there, here, says in (
        ("$.a: {class: internal}", "$.a: keep", "each path is a group"),
        ("class: internal}", "class: contact, mask: keep}", "customers.phone: $.a: a contact"),
        ("by: mail", "by: mails", "customers: sample names mails"),
    ):
        write(home / "sources/core.yaml", text.replace(there, here))
        assert says in failure(lambda: catalogue.source("core")).message


def test_a_source(home: Path, catalogue: Catalogue) -> None:
    assert catalogue.sources() == ["core"]
    assert catalogue.source("core").tables["customers"].columns["mail"].mask.method == "fake-mail"
    write(home / "sources/core.yaml", SOURCE.replace("mask: mail}", "mask: keep}"))
    error = failure(lambda: catalogue.source("core"))
    assert error.message.startswith("sources/core.yaml:15:7: customers.mail")
    write(home / "sources/core.yaml", SOURCE.replace("mask: mail}", "mask: null}"))
    assert (
        'is empty; the mask of that name is written with quotes: "null".'
        in failure(lambda: catalogue.source("core")).message
    )


def test_policies_of_one_file(catalogue: Catalogue) -> None:
    policies = catalogue.policies()
    assert policies.metadata.name == "baseline"
    assert "ttl-max" in [rule.id for rule in policies.rules]


SECOND = """\
apiVersion: sandbox.policy/v1
kind: PolicySet
metadata: {name: second, version: "7", owner: it-governance, change: CHG-2}
effective_from: "2026-06-01T00:00:00+09:00"
rules:
  - id: extra
    title: {en: Extra, ja: 追加}
    mode: warn
    at: [create]
    assert: {field: owner, present: true}
    fix: {en: Fix, ja: 直す}
"""


def test_policies_of_all_files_are_one_set(home: Path, catalogue: Catalogue) -> None:
    alone = catalogue.policies()
    write(home / "policies/second.yaml", SECOND)
    write(home / "policies/tests/ignored.yaml", "not a policy")
    both = catalogue.policies()
    assert both.metadata.name == "baseline+second"
    assert both.metadata.version.endswith("+7")
    assert both.metadata.owner == "it-governance"
    assert [r.id for r in both.rules] == [r.id for r in alone.rules] + ["extra"]
    starts = {r.id: r.effective_from for r in both.rules}
    assert starts["ttl-max"] == alone.effective_from == both.effective_from
    assert starts["extra"] is not None
    assert starts["extra"].month == 6 or starts["extra"].month == 5
    assert both.digest() != alone.digest()


def test_a_rule_id_in_two_files_names_both(home: Path, catalogue: Catalogue) -> None:
    write(home / "policies/second.yaml", SECOND.replace("id: extra", "id: ttl-max"))
    error = failure(catalogue.policies)
    assert "policies/second.yaml:6:5" in error.message
    assert "policies/baseline.yaml:" in error.message


def test_a_home_without_policies_is_refused(home: Path, catalogue: Catalogue) -> None:
    (home / "policies/baseline.yaml").unlink()
    failure(catalogue.policies)
    (home / "policies").rmdir()
    failure(catalogue.policies)


def test_a_policy_that_would_be_passed_over_is_refused(home: Path, catalogue: Catalogue) -> None:
    write(home / "policies/second.yml", SECOND)
    assert failure(catalogue.policies).subject == "policies/second.yml"


def test_our_images(home: Path, catalogue: Catalogue) -> None:
    base, lab, gateway = (
        catalogue.base_image(),
        catalogue.lab_image(),
        catalogue.gateway_image(),
    )
    assert contents(base)["Dockerfile"] == "FROM debian:bookworm-slim\n# base \n"
    assert contents(lab)["Dockerfile"] == f"FROM {base.tag}\n# lab \n"
    assert contents(gateway).keys() == {"Dockerfile", "gateway.conf"}
    assert (base.needs, lab.needs, gateway.needs) == ((), (base,), (base,))
    repository, _, digest = lab.tag.partition(":")
    assert repository == "bimodal-sandbox/lab"
    assert len(digest) == 16
    assert catalogue.lab_image().tag == lab.tag


def test_settings_change_every_image(home: Path, catalogue: Catalogue) -> None:
    before = catalogue.service_image("demo", "tool").tag
    write(home / "sandbox.yaml", SETTINGS + "images: {package_index: http://index.test/simple}\n")
    assert "# base http://index.test/simple" in contents(catalogue.base_image())["Dockerfile"]
    assert catalogue.service_image("demo", "tool").tag != before


def test_a_service_image(home: Path, catalogue: Catalogue) -> None:
    base = catalogue.base_image()
    tool, stub = catalogue.service_image("demo", "tool"), catalogue.service_image("demo", "stub")
    assert contents(tool).keys() == {
        "Dockerfile",
        "template.yaml",
        "smoke.py",
        "workspace/book.py",
    }
    assert contents(tool)["Dockerfile"] == f"FROM {base.tag}\nLABEL v=1.0.0\n"
    assert contents(stub)["Dockerfile"] == f"FROM {base.tag}\nCOPY stub /stub\n"
    assert tool.needs == (base,)
    assert tool.tag.startswith("bimodal-sandbox/demo-tool:")
    assert {file.mode for file in tool.files} == {0o755}


def test_the_workspace_may_have_another_name(home: Path, catalogue: Catalogue) -> None:
    folder = home / "templates/demo"
    write(folder / "template.yaml", TEMPLATE + "workspace: desk\n")
    write(folder / "desk/a/b.py", "b")
    (folder / "workspace/book.py").unlink()
    assert contents(catalogue.service_image("demo", "tool"))["workspace/a/b.py"] == "b"
    write(folder / "workspace/a/b.py", "c")
    failure(lambda: catalogue.service_image("demo", "tool"))


def test_the_ca_bundle_is_part_of_every_context(home: Path, catalogue: Catalogue) -> None:
    bundle = home.parent / "company.pem"
    write(home / "sandbox.yaml", SETTINGS + f"images: {{ca_bundle: {bundle}}}\n")
    failure(catalogue.base_image, NotFound)
    write(bundle, "PEM")
    tool = catalogue.service_image("demo", "tool")
    assert contents(tool)["ca.crt"] == "PEM"
    assert "COPY ca.crt /ca.crt" in contents(tool)["Dockerfile"]
    assert contents(catalogue.base_image())["ca.crt"] == "PEM"


@pytest.mark.parametrize("taken", ["Dockerfile", "ca.crt"])
def test_files_of_our_names_are_refused(home: Path, catalogue: Catalogue, taken: str) -> None:
    write(home / "templates/demo" / taken, "FROM scratch")
    write(home.parent / "pem", "PEM")
    write(home / "sandbox.yaml", SETTINGS + f"images: {{ca_bundle: {home.parent / 'pem'}}}\n")
    error = failure(lambda: catalogue.service_image("demo", "tool"))
    assert error.subject == f"templates/demo/{taken}"


def test_a_missing_recipe(home: Path, catalogue: Catalogue) -> None:
    (home / "templates/demo/Dockerfile.j2").unlink()
    error = failure(lambda: catalogue.service_image("demo", "tool"))
    assert error.subject == "templates/demo/Dockerfile.j2"


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(path.parent)
        try:
            listener.bind(path.name)
        finally:
            os.chdir(here)


def _deep(path: Path) -> None:
    for number in range(40):
        path = path / str(number)
    write(path / "x", "x")


def _heavy(path: Path) -> None:
    path.mkdir()
    for number in range(5):
        write(path / str(number), b"x" * (7 * 1024 * 1024))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: p.symlink_to("/etc/passwd"), "is a symbolic link"),
        (lambda p: p.symlink_to("."), "is a symbolic link"),
        (lambda p: p.symlink_to("nowhere"), "is a symbolic link"),
        (os.mkfifo, "is a device, pipe or socket"),
        (_socket, "is a device, pipe or socket"),
        (lambda p: write(p, b"x" * (8 * 1024 * 1024 + 1)), "is larger than 8192 KiB"),
        (_heavy, "holds more than 32 MiB"),
        (_deep, "lies more than 16 folders deep"),
    ],
)
def test_files_that_no_template_may_hold(
    home: Path, catalogue: Catalogue, make: Callable[[Path], None], said: str
) -> None:
    make(home / "templates/demo/workspace/bad")
    for act in (catalogue.template, catalogue.template_digest):
        error = failure(lambda act=act: act("demo"))  # type: ignore[misc]
        assert said in error.message
        assert error.subject.startswith("templates/demo")
    assert said in failure(lambda: catalogue.service_image("demo", "tool")).message


@pytest.mark.parametrize("name", [b"a\x1b[31m", b"a\nb", b"\xff\xfe", "a\u202eb".encode()])
def test_file_names_are_clean_text(home: Path, catalogue: Catalogue, name: bytes) -> None:
    (home / "templates/demo/workspace" / os.fsdecode(name)).touch()
    error = failure(lambda: catalogue.template_digest("demo"))
    assert error.message.isprintable()


def test_a_template_folder_that_is_a_link_is_refused(home: Path, catalogue: Catalogue) -> None:
    (home / "templates/demo").rename(home.parent / "elsewhere")
    (home / "templates/demo").symlink_to(home.parent / "elsewhere")
    assert failure(lambda: catalogue.template("demo")).subject == "templates/demo"


def test_a_pipe_in_place_of_settings_does_not_hang(home: Path, catalogue: Catalogue) -> None:
    (home / "sandbox.yaml").unlink()
    os.mkfifo(home / "sandbox.yaml")
    failure(catalogue.settings)
    (home / "sandbox.yaml").unlink()
    (home / "sandbox.yaml").mkdir()
    failure(catalogue.settings)


def test_an_unreadable_home_is_unavailable(tmp_path: Path) -> None:
    write(tmp_path / "file", "")
    failure(HomeCatalogue(tmp_path / "file").settings, Unavailable)


def test_what_we_ship_is_sound(home: Path) -> None:
    (home / "templates").rename(home.parent / "old")
    (home / "templates").symlink_to(ROOT / "templates")
    catalogue = HomeCatalogue(home)
    for name in catalogue.templates():
        for service in catalogue.template(name).services:
            image = catalogue.service_image(name, service)
            assert contents(image)["Dockerfile"].startswith(("FROM", "#"))
            assert image.needs == (catalogue.base_image(),)
    for image in (catalogue.lab_image(), catalogue.gateway_image(), catalogue.proxy_image()):
        assert f"FROM {catalogue.base_image().tag}" in contents(image)["Dockerfile"]
    lab, replica = catalogue.lab_image(), catalogue.replica_image()
    assert f"FROM {lab.tag}" in contents(replica)["Dockerfile"]
    assert replica.needs == (catalogue.base_image(), lab)
