"""What is judged at each point: the typed document, field by field. Pure.

A rule that names another field, or compares one with a value of another type, can never hold;
`fields` is how `policy check`, the documents and editors know.
"""

import types
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from sandbox.core.idle import IdleInput
from sandbox.core.judged import CreateInput, EgressInput, ExtendInput, Judged, StartInput
from sandbox.core.judged_crossing import ExportInput, ImportInput
from sandbox.core.judged_promotion import PromoteInput
from sandbox.core.judged_scan import ScanInput
from sandbox.core.publishing import SnapshotInput
from sandbox.core.rules import Point
from sandbox.core.source import DataClass

# `scan` judges what runs as if it were asked for now. A release is judged by what was promoted.
DOCUMENTS: Mapping[Point, type[Judged]] = {
    "create": CreateInput,
    "egress": EgressInput,
    "start": StartInput,
    "extend": ExtendInput,
    "idle": IdleInput,
    "snapshot": SnapshotInput,
    "export": ExportInput,
    "import": ImportInput,
    "scan": ScanInput,
    "promote": PromoteInput,
    "release": PromoteInput,
}

# Texts in stored documents, so that a class of another version does not make one unreadable.
_OF_CLASSES = frozenset({"classes", "holds", "readable"})


@cache
def fields(point: Point, for_each: str = "") -> Mapping[str, frozenset[str]]:
    """Return the fields that a rule can name at `point`, each with its kinds (see operators.kind).

    With `for_each` those of the items of that list; empty if there is no such list, or no document
    for the point yet.
    """
    model: Any = DOCUMENTS.get(point)
    if for_each and model is not None:
        model = _item(model, for_each)
    return dict(_fields(model, "")) if model is not None else {}


@cache
def lists(point: Point) -> tuple[str, ...]:
    """Return the lists that `for_each` can go over at `point`."""
    found = fields(point)
    return tuple(name for name, kinds in found.items() if "list" in kinds and _groups(point, name))


@cache
def possible(point: Point, for_each: str = "") -> Mapping[str, frozenset[Any]]:
    """Return, of the fields that `fields` names, those of few values, each with all of them."""
    model: Any = DOCUMENTS.get(point)
    if for_each and model is not None:
        model = _item(model, for_each)
    return dict(_possible(model, "")) if model is not None else {}


@cache
def possible_items(point: Point, for_each: str = "") -> Mapping[str, frozenset[Any]]:
    """Return, of the lists that `fields` names, those of data classes, each with all of them."""
    classes = frozenset(get_args(DataClass))
    found = (name for name in fields(point, for_each) if name.rpartition(".")[2] in _OF_CLASSES)
    return dict.fromkeys(found, classes)


def _possible(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, frozenset[Any]]]:
    for name, field in model.model_fields.items():
        forms = list(_forms(field.annotation))
        if all(get_origin(form) is Literal for form in forms):
            yield prefix + name, frozenset(value for form in forms for value in get_args(form))
        for form in forms:
            if _is_group(form):
                yield from _possible(form, f"{prefix}{name}.")


def _groups(point: Point, name: str) -> bool:
    return _item(DOCUMENTS[point], name) is not None


def _fields(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, frozenset[str]]]:
    for name, field in model.model_fields.items():
        forms = list(_forms(field.annotation))
        yield prefix + name, frozenset(_kind(form) for form in forms)
        for form in forms:
            if _is_group(form):
                yield from _fields(form, f"{prefix}{name}.")


def _item(model: type[BaseModel], path: str) -> type[BaseModel] | None:
    """Return the model of the items of the list at `path`, None if there is no such list."""
    first, _, rest = path.partition(".")
    field = model.model_fields.get(first)
    for form in _forms(field.annotation) if field else ():
        if rest and _is_group(form):
            return _item(form, rest)
        if not rest and get_origin(form) is tuple:
            (item, *_) = _forms(get_args(form)[0])
            return item if _is_group(item) else None
    return None


def _forms(kind: Any) -> Iterator[Any]:
    """Yield the forms that an annotation allows, without `Annotated` and `|`."""
    origin = get_origin(kind)
    if origin is Annotated:
        yield from _forms(get_args(kind)[0])
    elif origin in (Union, types.UnionType):
        for one in get_args(kind):
            yield from _forms(one)
    else:
        yield kind


def _kind(form: Any) -> str:
    """Return what a value of this form is to a rule."""
    if get_origin(form) is Literal:
        return _kind(type(get_args(form)[0]))
    if get_origin(form) in (tuple, list) or form in (tuple, list):
        return "list"
    if form is type(None):
        return "nothing"
    for known, name in ((bool, "boolean"), (str, "text"), (int, "number"), (float, "number")):
        if isinstance(form, type) and issubclass(form, known):
            return name
    return "group"


def _is_group(form: Any) -> bool:
    return isinstance(form, type) and issubclass(form, BaseModel)
