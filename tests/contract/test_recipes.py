"""Recipes of images: what they may say, and where a broken one is wrong."""

import pytest

from sandbox.core.errors import InvalidInput
from sandbox.drivers.catalogue.images import render


@pytest.mark.parametrize(
    ("recipe", "line"),
    [
        ("FROM x\nRUN {{ nothing }}\n", 2),
        ("FROM x\n\n{% if %}\n", 3),
        ("{% include 'Dockerfile' %}", 1),
        ("a\n{% import 'x' as y %}", 2),
        ("a\nb\n{{ ''.__class__.__mro__ }}", 3),
        ("{{ base_image.__init__.__globals__ }}", 1),
        ("a\n{{ 1 / 0 }}", 2),
        ("{% for i in range(10000000) %}x{% endfor %}", 1),
        ("{{ cycler }}{{ cycler.__init__ }}{{ x() }}", 1),
    ],
)
def test_a_broken_recipe_names_its_line(recipe: str, line: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        render("templates/x/Dockerfile.j2", recipe.encode(), {"base_image": "b"})
    assert caught.value.message.startswith(f"templates/x/Dockerfile.j2:{line}: ")
    assert "base_image" in caught.value.hint


def test_a_recipe_that_is_no_text() -> None:
    with pytest.raises(InvalidInput, match=r"f\.j2:1: "):
        render("f.j2", b"\xff", {})


def test_a_setting_cannot_begin_an_instruction() -> None:
    with pytest.raises(InvalidInput, match="not one line"):
        render("f.j2", b"FROM {{ x }}", {"x": "debian\nRUN evil"})
