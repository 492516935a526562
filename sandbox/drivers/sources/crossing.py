"""Files that cross a sandbox's border, behind the FileReader port: read by a process of its own.

What strangers made is parsed there, and the memory that held it goes back at once.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.core.crossing import Masked, Seen
from sandbox.core.source import Column
from sandbox.drivers.sources.reader import ordered


class BorderReader:
    """Looks at files and masks them in the memory of one process each."""

    def look(
        self, name: str, content: bytes, forms: Sequence[str], *, leaving: bool = False
    ) -> Seen:
        """Return what a file is and what the detectors see in it; keyed `forms` are not shown.

        With `leaving` also the file as it may go out.
        """
        order = {
            "look": name,
            "content": _text(content),
            "forms": list(forms),
            "leaving": leaving,
        }
        return Seen.model_validate_json(_told(order, name))

    def mask(self, content: bytes, column: str, rule: Column, type_: str, key: bytes) -> Masked:
        """Return a CSV file with `column` masked by `rule`, as a source's column of that type is.

        Raises InvalidInput when the file is no CSV, lacks the column, or has a value there that is
        none of the type.
        """
        order = {
            "mask": column,
            "content": _text(content),
            "rule": rule.model_dump(mode="json", by_alias=True),
            "type": type_,
            "key": key.hex(),
        }
        return Masked.model_validate_json(_told(order, column))


def _told(order: Mapping[str, Any], subject: str) -> str:
    told: str = ordered(order, subject, lambda *_: None)
    return told


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
