from typing import Any

import pytest

from sandbox.core.anatomy import HOLDER, KEEPER
from sandbox.core.errors import InvalidInput
from sandbox.core.template import Template, check_template, resolve_parameters

ERROR = {"en": "Write it so.", "ja": "こう書いてください。"}


def parameter(type_: str, default: Any, **fields: Any) -> dict[str, Any]:
    title = {"en": "T", "ja": "題"}
    return {"type": type_, "title": title, "default": default, "error": ERROR} | fields


def template(**fields: Any) -> Template:
    service = {"command": ["/tool"], "port": 2718, "limits": {"memory_mb": 768, "cpus": 1.1}}
    return Template.model_validate(
        {
            "apiVersion": "sandbox.template/v1",
            "kind": "Template",
            "metadata": {
                "name": "demo",
                "version": "1.0.0",
                "family": "analysis",
                "title": {"en": "T", "ja": "題"},
                "summary": {"en": "S", "ja": "要約"},
            },
            "needs": {"source": "core", "tables": ["customers"]},
            "services": {"tool": service},
            "answers": "tool",
            "smoke": ["/smoke"],
        }
        | fields
    )


PARAMETERS = {
    "bins": parameter("integer", 5, min=2, max=10),
    "share": parameter("number", 0.5, min=0, max=1),
    "free": parameter("number", 1),
    "chart": parameter("boolean", True),
    "note": parameter("text", "", pattern="[a-z]*"),
    "currency": parameter("choice", "jpy", choices=["jpy", "usd"]),
}


def test_defaults_stand_where_nothing_is_given() -> None:
    resolved = resolve_parameters(template(parameters=PARAMETERS), {})
    assert resolved == {
        "bins": 5, "share": 0.5, "free": 1, "chart": True, "note": "", "currency": "jpy",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("bins", "2", 2),
        ("bins", "10", 10),
        ("share", "0.25", 0.25),
        ("chart", "No", False),
        ("chart", "TRUE", True),
        ("note", "abc", "abc"),
        ("currency", "usd", "usd"),
    ],
)
def test_given_text_is_read(name: str, text: str, value: Any) -> None:
    resolved = resolve_parameters(template(parameters=PARAMETERS), {name: text})
    assert resolved[name] == value
    assert type(resolved[name]) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bins", "1"),
        ("bins", "11"),
        ("bins", "5.0"),
        ("bins", "five"),
        ("bins", ""),
        ("bins", "9" * 5000),
        ("share", "1.01"),
        ("share", "nan"),
        ("free", "nan"),
        ("free", "inf"),
        ("free", "1e999"),
        ("chart", "maybe"),
        ("note", "ABC"),
        ("note", "abc\n"),
        ("note", "a" * 501),
        ("currency", "eur"),
    ],
)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_out_of_bounds_says_the_authors_sentence(name: str, text: str, language: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        resolve_parameters(template(parameters=PARAMETERS), {name: text}, language)
    assert caught.value.message == ERROR[language]
    assert caught.value.subject.startswith(f"{name}=")
    assert "Default:" in caught.value.hint


def test_unknown_parameter_names_the_nearest() -> None:
    with pytest.raises(InvalidInput, match="Did you mean bins") as caught:
        resolve_parameters(template(parameters=PARAMETERS), {"bin": "5"})
    assert "bins, chart" in caught.value.hint


def test_total_is_the_sum_of_services_and_lab() -> None:
    total = template(lab={"memory_mb": 160, "cpus": 0.2, "pids": 64}).total()
    assert (total.memory_mb, total.cpus, total.pids) == (928, 1.3, 192)


def test_a_sound_template_has_no_problems() -> None:
    assert check_template(template(parameters=PARAMETERS)) == []


SERVICE = {"command": ["/tool"], "port": 2718, "limits": {"memory_mb": 64, "cpus": 1}}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"answers": "tol"}, "answers: tol is none of the services. Did you mean tool?"),
        ({"services": {"Tool": SERVICE}, "answers": "Tool"}, "services: Tool is not lower-case"),
        ({"workspace": "../x"}, "workspace: ../x does not lie inside"),
        ({"workspace": "/etc"}, "workspace: /etc does not lie inside"),
        ({"workspace": ""}, "workspace:  does not lie inside"),
        (
            {"services": {"tool": SERVICE | {"dockerfile": "a/../../x"}}},
            "services.tool.dockerfile: a/../../x does not lie inside",
        ),
        ({"parameters": {"a-b": parameter("text", "")}}, "parameters: a-b is not lower-case"),
    ],
)
def test_problems_between_fields(fields: dict[str, Any], problem: str) -> None:
    (found,) = check_template(template(**fields))
    assert found.startswith(problem)


@pytest.mark.parametrize("name", ["lab", "gateway", "proxy", HOLDER, KEEPER, "work", "replica"])
def test_no_service_is_named_as_a_part_of_every_sandbox(name: str) -> None:
    (found,) = check_template(template(services={name: SERVICE}, answers=name))
    assert found == f"services: {name} is a name that every sandbox uses already."


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (parameter("choice", "a"), "a choice needs choices."),
        (parameter("text", "a", choices=["a"]), "only a choice has choices."),
        (parameter("text", "a", max=3), "only numbers have min and max."),
        (parameter("boolean", True, min=0), "only numbers have min and max."),
        (parameter("integer", 3, min=5, max=2), "min is above max."),
        (parameter("integer", 3, pattern="3"), "only a text has a pattern."),
        (parameter("text", "a", pattern="("), "the pattern is no regular expression."),
        (parameter("integer", 11, max=10), "the default is not one"),
        (parameter("integer", 2.5), "the default is not one"),
        (parameter("integer", True), "the default is not one"),
        (parameter("boolean", 1), "the default is not one"),
        (parameter("boolean", "true"), "the default is not one"),
        (parameter("text", 5), "the default is not one"),
        (parameter("text", "A", pattern="[a-z]"), "the default is not one"),
        (parameter("choice", "c", choices=["a", "b"]), "the default is not one"),
        (parameter("number", float("inf")), "the default is not one"),
    ],
)
def test_problems_of_a_parameter(given: dict[str, Any], problem: str) -> None:
    (found,) = check_template(template(parameters={"p": given}))
    assert found.startswith(f"parameters.p: {problem}")
