from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from pydantic import ValidationError

import sandbox
from sandbox.core.connection import Postgres
from sandbox.core.masking import problems
from sandbox.core.source import Mask, Source

SHIPPED = Path(sandbox.__file__).parent / "demo" / "core.yaml"


def demo_document() -> dict[str, Any]:
    shipped = SandboxedEnvironment(undefined=StrictUndefined).from_string(SHIPPED.read_text())
    document = yaml.safe_load(shipped.render(port=5599))
    assert isinstance(document, dict)
    return document


def demo_source(**changes: Any) -> Source:
    return Source.model_validate({**demo_document(), **changes})


def test_shipped_demo_source_is_valid_and_hides_every_person() -> None:
    source = demo_source()
    assert problems(source) == []
    assert isinstance(source.connection, Postgres)
    assert source.connection.port == 5599
    assert source.connection.password.file == ".sandbox/secrets/core-password"
    kept = {
        f"{t}.{c}"
        for t, table in source.tables.items()
        for c, rule in table.columns.items()
        if rule.mask.method == "keep"
    }
    assert kept == {
        "customers.prefecture", "purchases.purchased_on", "purchases.quantity",
        "purchases.amount", "consents.mail", "consents.sms",
    }  # fmt: skip


def test_join_columns_of_the_demo_share_one_mask() -> None:
    masks = {t.columns["customer_id"].mask for t in demo_source().tables.values()}
    assert masks == {Mask(method="hmac", prefix="c_")}


def test_rules_digest_changes_with_what_decides_the_output_and_nothing_else() -> None:
    first = demo_source().rules_digest()
    assert demo_source(metadata={"name": "core", "title": "other"}).rules_digest() == first
    document = demo_document()
    document["tables"] = dict(reversed(document["tables"].items()))
    assert Source.model_validate(document).rules_digest() == first
    document["tables"]["customers"]["columns"]["name"]["mask"] = "drop"
    assert Source.model_validate(document).rules_digest() != first


@pytest.mark.parametrize(
    "change",
    [
        {"class": "secret", "mask": "keep"},
        {"class": "public", "mask": "kepp"},
        {"mask": "keep"},
        {"class": "public", "mask": {"method": "generalise", "to": "week"}},
        {"class": "public", "mask": {"method": "generalise", "first": 0}},
        {"class": "public", "mask": "keep", "musk": "keep"},
    ],
)
def test_column_rule_with_an_error_is_refused(change: dict[str, Any]) -> None:
    document = demo_document()
    document["tables"]["customers"]["columns"]["name"] = change
    with pytest.raises(ValidationError):
        Source.model_validate(document)
