"""Made-up values for the API reference, where an operation brings none of its own."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings


def example_of(
    schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str = ""
) -> Any:
    """Make up a value of a schema; a member's name says more than its type."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas, name)
    given = [schema[word] for word in ("example", "default", "const") if word in schema]
    given = [value for value in given if value is not None] + schema.get("enum", [])
    if given:
        return given[0]
    for word in ("oneOf", "anyOf"):
        if word in schema:
            return example_of(schema[word][0], schemas, name)
    if "allOf" in schema:
        return _joined([example_of(part, schemas, name) for part in schema["allOf"]])
    return _typed_example(schema, schemas, name)


def _joined(parts: list[Any]) -> Any:
    if not all(isinstance(part, dict) for part in parts):
        return parts[0]
    return {key: value for part in parts for key, value in part.items()}


def _typed_example(
    schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str
) -> Any:
    kinds = schema.get("type", "object")
    kind = kinds[0] if isinstance(kinds, list) else kinds
    if kind == "array":
        return [example_of(schema.get("items", {}), schemas, name.removesuffix("s"))]
    if kind == "object":
        members = schema.get("properties", {})
        if not members and isinstance(schema.get("additionalProperties"), dict):
            return {"name": example_of(schema["additionalProperties"], schemas)}
        return {key: example_of(s, schemas, key) for key, s in members.items()}
    named = settings.OPENAPI_EXAMPLES.get(name)
    if named is not None and type(named) is _PYTHON_TYPES.get(kind):
        return named
    return _EXAMPLES.get(schema.get("format") or kind, "text")


_PYTHON_TYPES = {"string": str, "integer": int, "number": float, "boolean": bool}
_EXAMPLES: dict[str, Any] = {
    "uuid": "019aa5c0-7b1e-7cc2-9d3a-0d2f6f9d1a11",
    "date-time": "2026-11-20T09:30:00.000000Z",
    "date": "2026-11-20",
    "email": "anna@example.com",
    "uri": "https://shop.example.com/example",
    "binary": "(the file)",
    "string": "text",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "null": None,
}
