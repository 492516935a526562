"""What SHOW GRANTS says: only rights to read are none that could write."""

from collections.abc import Sequence

import pytest

from sandbox.drivers.sources.grants import powers

AT = "`core_reader`@`%`"
READS = f"GRANT SELECT ON `core`.* TO {AT}"


def could(*lines: str, **roles: Sequence[str]) -> list[tuple[str, str]]:
    found = powers(lambda role: list(lines) if not role else roles.get(role.strip("`")))
    return [(power.could, power.undo) for power in found]


@pytest.mark.parametrize(
    "line",
    [
        f"GRANT USAGE ON *.* TO {AT} IDENTIFIED BY PASSWORD '*1F2E'",
        f"GRANT USAGE ON *.* TO {AT} REQUIRE SSL WITH MAX_STATEMENT_TIME 1800.000000",
        READS,
        f"GRANT SELECT, SHOW VIEW ON `co``re ON x`.`割引` TO {AT}",
        f"GRANT SELECT (`id`, `na, me`) ON `core`.`t` TO {AT}",
        f"GRANT PROCESS, REPLICATION CLIENT ON *.* TO {AT}",
        f"SET DEFAULT ROLE `reader` FOR {AT}",
        "GRANT SELECT ON `core`.* TO 'core_reader'@'%'",
    ],
)
def test_reading_is_allowed(line: str) -> None:
    assert could(line) == []


@pytest.mark.parametrize(
    ("line", "what", "undo"),
    [
        (f"GRANT SELECT, INSERT ON `core`.* TO {AT}", "INSERT on `core`.*",
         f"REVOKE INSERT ON `core`.* FROM {AT}"),
        (f"GRANT SELECT (`id`), UPDATE (`id`, `na, me`) ON `core`.`t` TO {AT}",
         "UPDATE (`id`, `na, me`) on `core`.`t`",
         f"REVOKE UPDATE (`id`, `na, me`) ON `core`.`t` FROM {AT}"),
        (f"GRANT ALL PRIVILEGES ON *.* TO {AT} IDENTIFIED BY PASSWORD '*1F2E'",
         "ALL PRIVILEGES on *.*", f"REVOKE ALL PRIVILEGES ON *.* FROM {AT}"),
        (f"{READS} WITH GRANT OPTION", "GRANT OPTION on `core`.*",
         f"REVOKE GRANT OPTION ON `core`.* FROM {AT}"),
        (f"GRANT EXECUTE ON PROCEDURE `core`.`pay` TO {AT}", "EXECUTE on PROCEDURE `core`.`pay`",
         f"REVOKE EXECUTE ON PROCEDURE `core`.`pay` FROM {AT}"),
        (f"GRANT BACKUP_ADMIN,ROLE_ADMIN ON *.* TO {AT}", "BACKUP_ADMIN on *.*",
         f"REVOKE BACKUP_ADMIN ON *.* FROM {AT}"),
        (f"GRANT PROXY ON ''@'%' TO {AT}", "PROXY on ''@'%'", f"REVOKE PROXY ON ''@'%' FROM {AT}"),
        ("GRANT DELETE ON `core`.`t` TO PUBLIC", "DELETE on `core`.`t`",
         "REVOKE DELETE ON `core`.`t` FROM PUBLIC"),
    ],
)  # fmt: skip
def test_everything_else_is_told_with_what_takes_it_back(line: str, what: str, undo: str) -> None:
    assert (what, undo) in could(READS, line, line)
    assert len(could(line)) == len(set(could(line, line)))


def test_a_line_that_is_not_understood_is_no_permission_and_is_not_repeated() -> None:
    [(what, _)] = could("GRANT SOMETHING NEW geheim")
    assert "unknown form" in what
    assert "geheim" not in what


def test_roles_are_followed_and_those_that_cannot_be_seen_are_refused() -> None:
    role = f"GRANT `clerk`,`boss` TO {AT}"
    clerk = ["GRANT `under` TO `clerk`", "GRANT `clerk` TO `clerk`"]
    under = ["GRANT UPDATE ON `core`.`t` TO `under`"]
    assert could(READS, role, clerk=clerk, boss=[], under=under) == [
        ("UPDATE on `core`.`t`", "REVOKE UPDATE ON `core`.`t` FROM `under`")
    ]
    [(what, undo)] = could(READS, role, clerk=[])
    assert what.startswith("act as `boss`")
    assert undo == f"REVOKE `boss` FROM {AT}"
