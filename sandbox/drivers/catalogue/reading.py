"""From a YAML file to a value: validated, with every problem told in plain words and in place."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, NoReturn, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, to_json

from sandbox.core.text import clean, closest
from sandbox.drivers.catalogue.strict_yaml import Document, Path, load, refuse

M = TypeVar("M", bound=BaseModel)

_MUST_BE: Mapping[str, str] = {
    "string_type": "must be a text; put it in quotes",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a group of keys",
    "model_type": "must be a group of keys",
    "model_attributes_type": "must be a group of keys",
    "timezone_aware": 'must name its time zone, as in "2026-04-01T00:00:00+09:00"',
    "too_short": "is empty",
    "string_too_short": "is empty",
}

_NO_GROUP = frozenset({"model_type", "model_attributes_type"})


def load_placed(model: type[M], file: str, raw: bytes) -> tuple[M, Document]:
    """Return `raw` as a `model`, and the document, which knows where everything stands.

    `file` is its path inside the home. Raises InvalidInput for the first problem in the file's
    order, naming line and column, what is wrong, and how many more there are. Values are never
    repeated: they could be secrets.
    """
    value, document = _loaded(model, file, raw)
    assert isinstance(value, model)
    return value, document


@lru_cache(maxsize=64)
def _loaded(model: type[BaseModel], file: str, raw: bytes) -> tuple[BaseModel, Document]:
    # Kept by content: one command asks for the settings five times.
    document = load(file, raw)
    if not isinstance(document.content, dict):
        refuse(file, (1, 1), "the file must be a group of keys.", "Start with: apiVersion: …")
    try:
        # Strict reading of JSON takes lists for tuples, but never "8" for 8 or 1 for true.
        return model.model_validate_json(to_json(document.content), strict=True), document
    except ValidationError as error:
        _refuse(model, file, document, error.errors(include_url=False))


def _refuse(
    model: type[BaseModel], file: str, document: Document, errors: list[ErrorDetails]
) -> NoReturn:
    problems = {_place(document, e): e for e in reversed(errors)}
    groups = {_place(document, e): e["loc"] for e in errors if e["type"] in _NO_GROUP}
    # What is said of a group because of something inside it only repeats the inner problem.
    places = [p for p in problems if not any(o != p and o[: len(p)] == p for o in problems)]
    # What is missing stands nowhere, so it comes after what stands there and is wrong.
    first = min(places, key=lambda p: (problems[p]["type"] == "missing", document.position(p)))
    told = _told(model, problems[first], _name(first))
    if first in groups and problems[first]["type"] == "literal_error":
        # A word or a group: pydantic tells of each form what is wrong with it.
        told = f"{told[:-1]} or a group of keys: {', '.join(_known_keys(model, groups[first]))}."
    refuse(file, document.position(first), told, more=len(places) - 1)


def _place(document: Document, error: ErrorDetails) -> Path:
    """Return the path as the author sees it: pydantic names forms of unions in between."""
    # A check of a whole list may say which of its items fails.
    inside = getattr(error.get("ctx", {}).get("error"), "place", ())
    reached = document.reached((*error["loc"], *inside))
    return (*reached, error["loc"][-1]) if error["type"] == "missing" else reached


def _told(model: type[BaseModel], problem: ErrorDetails, name: str) -> str:
    path, kind, context = problem["loc"], problem["type"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        key = clean(str(path[-1]))
        return f"unknown key `{key}`.{closest(key, _known_keys(model, path[:-1]))}"
    if kind == "missing":
        return f"the key `{name}` is missing."
    if kind == "literal_error":
        return f"`{name}` must be {context['expected']}.{_nearest(problem)}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        known = [tag.strip("' ") for tag in context.get("expected_tags", "").split(",")]
        tag = f"{name}.{context['discriminator'].strip(chr(39))}"
        if kind == "union_tag_not_found":
            return f"the key `{tag}` is missing."
        return f"`{tag}` must be one of {', '.join(known)}.{closest(context['tag'], known)}"
    if kind == "value_error":
        return f"`{name}`: {clean(str(context['error']))}." if name else f"{context['error']}."
    if problem["input"] is None and name.endswith(".mask"):
        return f'`{name}` is empty; the mask of that name is written with quotes: "null".'
    if kind in _MUST_BE:
        return f"`{name}` {_MUST_BE[kind]}."
    return f"`{name}`: {clean(problem['msg']).replace('Input', 'it')}."


def _nearest(problem: ErrorDetails) -> str:
    choices = str(problem["ctx"]["expected"]).replace(" or ", ", ").replace("'", "").split(", ")
    given = problem["input"]
    return closest(given, choices) if isinstance(given, str) and len(choices) > 1 else ""


def _name(path: Path) -> str:
    """Return a path as people write it: `rules[0].assert.max`."""
    name = ""
    for part in path:
        name += f"[{part}]" if isinstance(part, int) else f".{clean(part)}"
    return name.removeprefix(".")


def _known_keys(model: type[BaseModel], path: Path) -> list[str]:
    kinds: list[Any] = [model]
    for part in path:
        # A part that leads nowhere names a form of a union, not a place in the file.
        kinds = [inner for kind in kinds for inner in _inside(kind, part)] or kinds
    models = [m for kind in kinds for m in _unwrapped(kind) if _is_model(m)]
    return [field.alias or name for m in models for name, field in m.model_fields.items()]


def _inside(kind: Any, part: str | int) -> Iterator[Any]:
    for one in _unwrapped(kind):
        if _is_model(one) and part in _tags(one):
            yield one
        elif _is_model(one):
            yield from (f.annotation for n, f in one.model_fields.items() if (f.alias or n) == part)
        elif get_origin(one) is dict:
            yield get_args(one)[1]
        elif get_origin(one) is tuple and isinstance(part, int):
            yield get_args(one)[0]


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    """Return the words by which a union tells a model from the others: those of its `type`."""
    field = model.model_fields.get("type")
    return get_args(field.annotation) if field else ()


def _unwrapped(kind: Any) -> Iterator[Any]:
    """Yield the forms that an annotation allows, without `Annotated`, `|` and `None`."""
    if get_origin(kind) is Annotated:
        yield from _unwrapped(get_args(kind)[0])
    elif get_origin(kind) in (None, dict, tuple, list):
        yield kind
    else:
        for one in get_args(kind):
            yield from _unwrapped(one)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
