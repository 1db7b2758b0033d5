"""Something plausible for every parameter and every body of a published OpenAPI document."""

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]


def resolved(schema: Json, document: Json) -> Json:
    """A schema with its reference followed."""
    named = schema.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][named] if named else schema


def made_up(
    schema: Json, document: Json, values: Json, name: str = "", *, whole: bool = False
) -> Any:
    """A value of this schema: what `values` has under its name, else the plainest there is.

    `whole` fills in what may be left out as well.
    """
    if name in values:
        known = values[name]
        many = schema.get("type") == "array" or any(
            one.get("type") == "array" for one in schema.get("anyOf", ())
        )
        return [known] if many and not isinstance(known, list) else known
    schema = resolved(schema, document)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return made_up(schema[several][0], document, values, name, whole=whole)
    match schema.get("type"):
        case "object":
            wanted = schema.get("properties", {})
            required = schema.get("required", ())
            return {
                field: made_up(one, document, values, field, whole=whole)
                for field, one in wanted.items()
                if whole or field in required
            }
        case "array":
            fewest = schema.get("minItems", 1 if whole else 0)
            return [made_up(schema["items"], document, values, whole=whole) for _ in range(fewest)]
        case "integer" | "number":
            return int(schema.get("minimum", 1))
        case "boolean":
            return True
    return _text(schema)


def _text(schema: Json) -> str:
    examples = schema.get("examples")
    if examples:
        return str(examples[0])
    if schema.get("format") == "date":
        return "2026-02-28"
    if schema.get("format") == "date-time":
        return "2026-03-02T10:00:00+08:00"
    if "[0-9a-f]{64}" in schema.get("pattern", ""):
        return "ab" * 32
    if schema.get("format") == "uuid":
        return "00000000-0000-4000-8000-000000000000"
    return "walked"
