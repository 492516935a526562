"""The OpenAPI document of the service, made from the requests and results themselves."""

import inspect
from collections.abc import Sequence
from typing import Any

from pydantic.json_schema import JsonSchemaMode, models_json_schema

from sandbox.core.values import Request, Result
from sandbox.core.version import VERSION
from sandbox.core.wire import STREAM, Failure, answer_of, name_of

_REF = "#/components/schemas/{model}"
_ERRORS = {
    "400": "The request cannot be understood",
    "403": "Policy, a gate or a role says no",
    "404": "What it names does not exist",
    "409": "It exists already, or its state forbids this",
    "413": "The request is too large",
    "500": "A fault of the service",
    "503": "The engine, the registry or a source does not answer",
}


def described(kinds: Sequence[type[Request[Any]]]) -> dict[str, Any]:
    """Return the document (OpenAPI 3.1) of the paths for `kinds`."""
    inputs: list[tuple[Any, JsonSchemaMode]] = [(kind, "validation") for kind in kinds]
    outputs: list[tuple[Any, JsonSchemaMode]] = [
        (model, "serialization") for model in [*map(answer_of, kinds), Failure]
    ]
    found, rest = models_json_schema([*inputs, *outputs], ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Bimodal sandbox", "version": VERSION},
        "paths": {
            f"/v1/{name_of(kind)}": {
                "post": _operation(
                    kind, found[kind, "validation"], found[answer_of(kind), "serialization"]
                )
            }
            for kind in kinds
        },
        "components": {
            "schemas": {
                **rest["$defs"],
                "Error": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {"error": found[Failure, "serialization"]},
                },
            }
        },
    }


def _operation(
    kind: type[Request[Any]], asked: dict[str, Any], answer: dict[str, Any]
) -> dict[str, Any]:
    return {
        "operationId": name_of(kind),
        "summary": (inspect.getdoc(kind) or "").partition("\n")[0],
        "requestBody": {"required": True, "content": {"application/json": {"schema": asked}}},
        "responses": {
            "200": {
                "description": (inspect.getdoc(_result(kind)) or "").partition("\n")[0],
                "content": {
                    "application/json": {"schema": answer},
                    STREAM: {"schema": {"type": "string"}},
                },
            },
            **{code: _error(said) for code, said in _ERRORS.items()},
        },
    }


def _result(kind: type[Request[Any]]) -> type[Result]:
    return answer_of(kind)


def _error(said: str) -> dict[str, Any]:
    schema = {"$ref": _REF.format(model="Error")}
    return {"description": said, "content": {"application/json": {"schema": schema}}}
