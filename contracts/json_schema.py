"""Models as JSON Schema: what stands on the wire, to the last required field."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from contracts.catalogue import CATALOGUE, RETIRED
from contracts.messages import ChannelMessage, LogEvent
from libs.decider import Event

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Json = dict[str, Any]

WIRE_ORDER = (
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "occurredat",
    "datacontenttype",
    "sequence",
    "previous",
    "causationid",
    "actor",
    "traceparent",
    "data",
)
"""The members of an event in the order in which its bytes have them (DESIGN, The event)."""


class OnTheWire(GenerateJsonSchema):
    """What we write: every field is there, so every field is required and no default is told."""

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,
    ) -> bool:
        """A stored event has all its fields, null where nothing is known."""
        del field, total  # pydantic's signature; the answer depends on neither
        return True

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """The default is the writer's business."""
        return self.generate_inner(schema["schema"])


def definitions(models: Iterable[type[BaseModel]], ref: str, *, wire: bool) -> Json:
    """Each model and all it rests on, by name. `ref` is where they will stand, with `{model}`."""
    _, schema = models_json_schema(
        [(model, "validation") for model in models],
        ref_template=ref,
        schema_generator=OnTheWire if wire else GenerateJsonSchema,
    )
    found: Json = schema["$defs"]
    return {name: _tidy(found[name]) for name in sorted(found)}


def _tidy(schema: Any) -> Any:
    """Without pydantic's titles, which repeat the field's name."""
    if isinstance(schema, dict):
        return {
            key: {name: _tidy(one) for name, one in value.items()}
            if key in ("properties", "$defs") and isinstance(value, dict)
            else _tidy(value)
            for key, value in schema.items()
            if key != "title"
        }
    return [_tidy(one) for one in schema] if isinstance(schema, list) else schema


def envelope_of(event: type[Event], writers: Iterable[str], data: Json) -> Json:
    """The whole CloudEvents object of one event type, its body being `data`."""
    schema: Json = _tidy(LogEvent.model_json_schema(schema_generator=OnTheWire))
    properties: Json = {name: schema["properties"][name] for name in WIRE_ORDER}
    properties["type"] = {**properties["type"], "const": event.type}
    properties["source"] = {
        "description": properties["source"]["description"],
        "enum": [f"/bihuan/{name}" for name in writers],
    }
    properties["data"] = data
    for name in ("occurredat", "traceparent"):
        told = properties[name]
        present = next(one for one in told["anyOf"] if one["type"] != "null")
        properties[name] = {**present, "description": told["description"]}
    return {
        "description": (event.__doc__ or "").strip(),
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name != "occurredat"],
        "additionalProperties": False,
    }


def event_schema(event: type[Event], writers: Iterable[str]) -> Json:
    """The JSON Schema of one event type as a document of its own."""
    models = definitions([event], "#/$defs/{model}", wire=True)
    return {
        "$schema": DIALECT,
        "$id": f"urn:bihuan:event:{event.type}",
        "title": event.type,
        **envelope_of(event, writers, {"$ref": f"#/$defs/{event.__name__}"}),
        "$defs": models,
    }


def channel_message_schema() -> Json:
    """The JSON Schema of what channels may send: defaults may be left out."""
    models = definitions([ChannelMessage], "#/$defs/{model}", wire=False)
    top = models.pop("ChannelMessage")
    return {
        "$schema": DIALECT,
        "$id": "urn:bihuan:message:channel.message.v1",
        "title": "channel.message.v1",
        **top,
        "$defs": models,
    }


def all_schemas() -> Mapping[str, Json]:
    """Every document's name -> its JSON Schema, retired versions included."""
    found = {entry.event.type: event_schema(entry.event, entry.writers) for entry in CATALOGUE}
    found |= {old.event.type: event_schema(old.event, old.writers) for old in RETIRED}
    return {**found, "channel.message.v1": channel_message_schema()}
