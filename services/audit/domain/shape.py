"""What an event's body looks like by its contract: which paths it has, and which are sealed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from contracts.catalogue import DECODE
from contracts.values import Sealed

SHOWN_FOR_SEALED = "🔒"

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """One place in a body: what may stand below it, and whether it holds a sealed token."""

    sealed: bool = False
    fields: Mapping[str, "Shape"] = field(default_factory=dict)
    items: "Shape | None" = None

    def at(self, path: Sequence[str]) -> "Shape | None":
        """The shape at a path of field names; None where the contract knows no such field."""
        shape: Shape | None = self
        for name in path:
            shape = shape.fields.get(name) if shape is not None else None
        return shape

    def hide(self, value: Any) -> Any:
        """The value with every sealed token replaced by 🔒."""
        if self.sealed and isinstance(value, str):
            return SHOWN_FOR_SEALED
        if isinstance(value, dict) and self.fields:
            known = self.fields
            return {
                name: known[name].hide(inner) if name in known else inner
                for name, inner in value.items()
            }
        if isinstance(value, list) and self.items is not None:
            return [self.items.hide(inner) for inner in value]
        return value


NOTHING = Shape()


@cache
def shape_of(kind: str) -> Shape | None:
    """The shape of the body of events of this type; None for a type no contract knows."""
    model = DECODE.get(kind)
    if model is None:
        return None
    schema = model.model_json_schema()
    return _shape(schema, schema.get("$defs", {}))


def show(kind: str, data: Any) -> Any:
    """A body as people may see it; None where no contract says which of it is sealed."""
    shape = shape_of(kind)
    return None if shape is None else shape.hide(data)


def _shape(schema: Json, definitions: Mapping[str, Json]) -> Shape:
    if _form(schema) == _SEALED:
        return Shape(sealed=True)
    if "$ref" in schema:
        return _shape(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    choices = [one for key in ("anyOf", "oneOf", "allOf") for one in schema.get(key, ())]
    merged = Shape(
        fields={
            name: _shape(inner, definitions) for name, inner in schema.get("properties", {}).items()
        },
        items=_shape(schema["items"], definitions) if "items" in schema else None,
    )
    for choice in choices:
        merged = _merge(merged, _shape(choice, definitions))
    return merged


def _merge(one: Shape, other: Shape) -> Shape:
    names = dict.fromkeys((*one.fields, *other.fields))
    both = [items for items in (one.items, other.items) if items is not None]
    return Shape(
        sealed=one.sealed or other.sealed,
        fields={
            name: _merge(one.fields.get(name, NOTHING), other.fields.get(name, NOTHING))
            for name in names
        },
        items=_merge(both[0], both[-1]) if both else None,
    )


_FORM = ("type", "pattern", "minLength", "maxLength")


def _form(schema: Json) -> tuple[Any, ...]:
    return tuple(schema.get(key) for key in _FORM)


_SEALED = _form(TypeAdapter(Sealed).json_schema())


def policies_in(data: Any) -> Iterator[tuple[str, str]]:
    """(name, version) of every policy a body says it followed, each once, in order."""
    yield from dict.fromkeys(_policies(data))


def _policies(data: Any) -> Iterator[tuple[str, str]]:
    if isinstance(data, dict):
        if data.keys() == {"name", "version"}:
            yield str(data["name"]), str(data["version"])
            return
        for name, inner in data.items():
            if name != "content":  # of a policy being activated, not one that was followed
                yield from _policies(inner)
    elif isinstance(data, list):
        for inner in data:
            yield from _policies(inner)
