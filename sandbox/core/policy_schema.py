"""The JSON Schema of the files below `policies/`, for editors that complete and check. Pure.

It is made from the same values by which the files are read. An editor's schema is wider than the
reader in what no schema says: that an id is used once, that a text is a moment or a duration. Which
field goes with which point is for `policy check` to tell.
"""

from typing import Any, Literal, get_args

from sandbox.core.operators import OPERATORS
from sandbox.core.points import DOCUMENTS, fields, lists
from sandbox.core.policy_tests import PolicyTests
from sandbox.core.profiles import Profile
from sandbox.core.rules import APPROVABLE, PolicySet
from sandbox.core.values import Value

FileKind = Literal["PolicySet", "Profile", "PolicyTests"]
KINDS: tuple[FileKind, ...] = get_args(FileKind)
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MODELS: dict[FileKind, type[Value]] = {
    "PolicySet": PolicySet,
    "Profile": Profile,
    "PolicyTests": PolicyTests,
}
_JOINTS = ("any", "all", "not")


def schema(kind: FileKind) -> dict[str, Any]:
    """Return the schema of files of this kind."""
    made = _without_nothing(_MODELS[kind].model_json_schema(by_alias=True, mode="validation"))
    parts = made.get("$defs", {})
    if "Condition" in parts:
        _say_one_test(parts["Condition"])
    if "Rule" in parts:
        _say_one_or_many(parts["Rule"])
        _say_what_goes_together(parts["Rule"])
    return {"$schema": _DIALECT, "title": f"sandbox.policy/v1 {kind}", **made}


def _without_nothing(part: Any) -> Any:
    """Return a schema without `or null`: what may be left out is left out, not written as null.

    What pydantic calls each key is left out too.
    """
    if isinstance(part, list):
        return [_without_nothing(one) for one in part if one != {"type": "null"}]
    if not isinstance(part, dict):
        return part
    kept = {k: _without_nothing(v) for k, v in part.items() if not _noise(k, v)}
    forms = kept.get("anyOf", ())
    if len(forms) == 1 and isinstance(forms[0], dict):
        del kept["anyOf"]
        kept = {**forms[0], **kept}
    return kept


def _noise(key: str, value: Any) -> bool:
    """Say whether it is a key's own name once more, or a default of nothing."""
    return (key == "title" and isinstance(value, str)) or (key == "default" and value is None)


def _say_one_test(condition: dict[str, Any]) -> None:
    """Say of a condition: a field with exactly one operator, or one of any, all, not."""
    tests = [{"required": ["field", name], "maxProperties": 2} for name in OPERATORS]
    joined = [{"required": [joint], "maxProperties": 1} for joint in _JOINTS]
    condition["oneOf"] = tests + joined
    known = {name for point in DOCUMENTS for name in fields(point)}
    for point in DOCUMENTS:
        known |= {name for over in lists(point) for name in fields(point, over)}
    # Completion for what is known; points to come have fields of their own.
    form = condition["properties"]["field"]
    condition["properties"]["field"] = {"anyOf": [{"enum": sorted(known)}, form]}


def _say_one_or_many(rule: dict[str, Any]) -> None:
    """Say that `assert` and `when` take one condition or a list of them."""
    one = {"$ref": "#/$defs/Condition"}
    for key in ("assert", "when"):
        listed = rule["properties"][key]
        rule["properties"][key] = {"anyOf": [one, listed]}


def _say_what_goes_together(rule: dict[str, Any]) -> None:
    """Say which modes and points go with an approval, and which modes become stricter later."""
    approvable = {"at": {"items": {"enum": sorted(APPROVABLE)}}, "mode": {"const": "enforce"}}
    later = {"mode": {"enum": ["warn", "audit"]}}
    rule["allOf"] = [
        {"if": {"required": [key]}, "then": {"properties": properties}}
        for key, properties in (("approval", approvable), ("enforce_after", later))
    ]
