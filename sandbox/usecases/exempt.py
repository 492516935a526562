"""Which rules somebody is exempt from: where waivers on record meet the one resolver.

Whoever judges asks here, in the transaction in which it decides, so that a waiver that ends or is
revoked counts no more from that moment on.
"""

from collections.abc import Mapping
from datetime import datetime

from sandbox.core.ports import Transaction
from sandbox.core.waivers import granted, waived


def exempt(tx: Transaction, subject: str, owner: str, now: datetime) -> Mapping[str, str]:
    """Return the rules that `subject` of `owner` is exempt from at `now`, with waivers' ids."""
    return waived(granted(tx.asks(subject)), subject, owner, now)
