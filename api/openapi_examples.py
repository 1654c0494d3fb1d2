"""Examples of whole bodies, put together from the examples of their fields."""

from typing import Any

Schema = dict[str, Any]


def request_example(schema: Schema, schemas: dict[str, Schema]) -> Any:
    """A body that anybody may send: it names no ids unless it must, as everybody has others."""
    schema = _resolved(schema, schemas)
    if "examples" in schema or "properties" not in schema:
        return _value(schema, schemas, request_example)
    required = schema.get("required", ())
    return {
        name: request_example(field, schemas)
        for name, field in schema["properties"].items()
        if name in required or not (_is_left_out(field) or _is_id(field, schemas))
    }


def answer_example(schema: Schema, schemas: dict[str, Schema]) -> Any:
    """A body with all its fields."""
    schema = _resolved(schema, schemas)
    if "examples" in schema or "properties" not in schema:
        return _value(schema, schemas, answer_example)
    return {name: answer_example(field, schemas) for name, field in schema["properties"].items()}


def _value(schema: Schema, schemas: dict[str, Schema], example: Any) -> Any:
    if schema.get("examples"):
        return schema["examples"][0]
    for choice in _choices(schema):
        return example(choice, schemas)
    if "default" in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    return [example(schema["items"], schemas)] if "items" in schema else None


def _choices(schema: Schema) -> list[Schema]:
    return [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]


def _is_left_out(field: Schema) -> bool:
    """Whether the default says more than any example could."""
    has_example = any(one.get("examples") or "$ref" in one for one in (field, *_choices(field)))
    return "default" in field and not has_example


def _is_id(field: Schema, schemas: dict[str, Schema]) -> bool:
    choices = [_resolved(one, schemas) for one in (field, *_choices(field))]
    return any("uuid" in (one.get("format"), one.get("items", {}).get("format")) for one in choices)


def _resolved(schema: Schema, schemas: dict[str, Schema]) -> Schema:
    """The schema that is referred to, with what stands beside the reference."""
    return schemas[schema["$ref"].rpartition("/")[2]] | schema if "$ref" in schema else schema
