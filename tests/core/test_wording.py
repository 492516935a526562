from typing import Any, get_args

import pytest

from sandbox.core.source import Mask, Method
from sandbox.core.wording import in_words


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ({"method": "keep"}, "as it is"),
        ({"method": "null"}, "always empty"),
        ({"method": "hmac", "prefix": "c_"}, "a token, the same for the same value"),
        ({"method": "fake-name", "form": "latin"}, "an invented name in Latin script"),
        ({"method": "fake-kana", "form": "hiragana", "by": "id"},
         "an invented reading in hiragana, the same for the same id"),
        ({"method": "generalise", "to": "year", "ceiling": 2000},
         "the year alone, as its first day, no more than 2000"),
        ({"method": "generalise", "to": "prefecture"}, "the prefecture alone"),
        ({"method": "generalise", "first": 3}, "the first 3 characters"),
        ({"method": "generalise", "first": 1}, "the first character"),
        ({"method": "generalise", "band": 1000, "floor": 0}, "in steps of 1,000, no less than 0"),
        ({"method": "generalise", "ceiling": 90000}, "as it is, no more than 90,000"),
        ({"method": "shift-dates", "by": "id"}, "moved by up to 183 days, alike for one id"),
        ({"method": "json", "paths": {"$.a": {"class": "internal"}}},
         "parts of a document: $.a: as it is"),
    ],
)  # fmt: skip
def test_masks_are_told_in_plain_words(mask: dict[str, Any], words: str) -> None:
    assert in_words(Mask.model_validate(mask)).startswith(words)


@pytest.mark.parametrize("method", get_args(Method))
def test_every_mask_has_words(method: Method) -> None:
    assert in_words(Mask(method=method))
