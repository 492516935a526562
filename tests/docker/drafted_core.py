"""The demo's core as a draft sees it, in whatever server it lies."""

from pathlib import Path

from sandbox.core.connection import Connection
from sandbox.core.drafted import as_source, sorted_out
from sandbox.core.drafting import drafted
from sandbox.core.source import Owners, Source
from sandbox.core.survey import Survey
from sandbox.drivers.sources.reader import CoreReader
from tests.docker.source_samples import Told

OWNERS = Owners(extract="it-data", transform="it-data")
MASKS = {
    "consents.customer_id": "hmac", "consents.mail": "null", "consents.sms": "null",
    "consents.changed_at": "null",
    "customers.customer_id": "hmac", "customers.name": "fake-name",
    "customers.kana": "fake-kana", "customers.mail": "fake-mail",
    "customers.phone": "fake-phone", "customers.postcode": "generalise",
    "customers.prefecture": "null", "customers.address": "generalise",
    "customers.birth_date": "generalise", "customers.note": "redact",
    "customers.created_on": "null",
    "purchases.purchase_id": "integer-hmac", "purchases.customer_id": "hmac",
    "purchases.purchased_on": "null", "purchases.quantity": "null", "purchases.amount": "null",
}  # fmt: skip


def survey(connection: Connection, password: str, *tables: str) -> Survey:
    begun = as_source("core", connection, OWNERS, {})
    return CoreReader(Path()).survey(begun, password, tables, Told())


def draft(connection: Connection, password: str, *tables: str) -> Source:
    found = drafted(survey(connection, password, *tables))
    kept, left = sorted_out("core", connection, OWNERS, found)
    assert left == {}
    return as_source("core", connection, OWNERS, kept)


def masks(source: Source) -> dict[str, str]:
    return {
        f"{name}.{column}": rule.mask.method
        for name, table in source.tables.items()
        for column, rule in table.columns.items()
    }
