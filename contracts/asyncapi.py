"""The three topics as one AsyncAPI 3.0 document: who may say what, where, in which form."""

from typing import Any

from contracts.catalogue import CATALOGUE, RETIRED, SERVICES, Entry
from contracts.json_schema import Json, definitions, envelope_of
from contracts.messages import (
    CHANNEL_TOPIC,
    LOG_TOPIC,
    OUTBOUND_TOPIC,
    ChannelMessage,
    OutboundNotice,
)

SCHEMAS = "#/components/schemas/{model}"
CLOUDEVENTS_JSON = "application/cloudevents+json"
KAFKA_BINDING = "0.5.0"
PARTITIONS = 48


def document() -> Json:
    """The whole document; pure, so that the committed file can be compared with it."""
    entries = (*CATALOGUE, *RETIRED)
    schemas = definitions([entry.event for entry in entries], SCHEMAS, wire=True)
    inbound = definitions([ChannelMessage], SCHEMAS, wire=False)
    # a model that both may hold is looser on its way in, where defaults may be left out
    schemas |= {
        name if name not in schemas or schemas[name] == schema else f"{name}In": schema
        for name, schema in _renamed(inbound, schemas).items()
    }
    messages = {entry.event.type: _event_message(entry) for entry in entries}
    messages["channel.message.v1"] = _message(
        "channel.message.v1",
        (ChannelMessage.__doc__ or "").strip(),
        {"$ref": SCHEMAS.format(model="ChannelMessage")},
        _channel_headers(),
    )
    return {
        "asyncapi": "3.0.0",
        "id": "urn:bihuan:log",
        "info": _info(),
        "defaultContentType": CLOUDEVENTS_JSON,
        "channels": _channels(sorted(messages)),
        "operations": _operations(),
        "components": {"messages": messages, "schemas": dict(sorted(schemas.items()))},
    }


def _renamed(inbound: Json, outbound: Json) -> Json:
    """The inbound schemas with references to those of their own that differ from outbound ones."""
    differing = {name for name in inbound if name in outbound and inbound[name] != outbound[name]}

    def walk(schema: Any) -> Any:
        if isinstance(schema, dict):
            return {
                key: f"{value}In"
                if key == "$ref" and value.rpartition("/")[2] in differing
                else walk(value)
                for key, value in schema.items()
            }
        return [walk(one) for one in schema] if isinstance(schema, list) else schema

    return {name: walk(schema) for name, schema in inbound.items()}


def _info() -> Json:
    return {
        "title": "Bihuan 闭环",
        "version": "1.0.0",
        "description": (
            "A complaint's loop, from a customer's words to an outcome that was asked for. "
            "Customers' words come in on `complaints.channel`; every event of every service is on "
            "`complaints.log`, keyed by its subject, one CloudEvents 1.0 JSON object per record; "
            "notices go out on `complaints.outbound`."
        ),
        "license": {"name": "Apache-2.0"},
    }


def _kafka(topic: str, retention_ms: int) -> Json:
    return {
        "kafka": {
            "topic": topic,
            "partitions": PARTITIONS,
            "topicConfiguration": {
                "cleanup.policy": ["delete"],
                "retention.ms": retention_ms,
            },
            "bindingVersion": KAFKA_BINDING,
        }
    }


def _channels(messages: list[str]) -> Json:
    return {
        CHANNEL_TOPIC: {
            "address": CHANNEL_TOPIC,
            "title": "The only door in",
            "description": (
                "Customers' words as channels tell them, in clear, for 72 hours. The same source "
                "and id again is the same message."
            ),
            "messages": _refs(["channel.message.v1"]),
            "bindings": _kafka(CHANNEL_TOPIC, 72 * 3600 * 1000),
        },
        LOG_TOPIC: {
            "address": LOG_TOPIC,
            "title": "The log",
            "description": (
                "Every event of every service, in one order per subject. 12 partitions on one "
                "machine; never changed."
            ),
            "messages": _refs([name for name in messages if name != "channel.message.v1"]),
            "bindings": _kafka(LOG_TOPIC, -1),
        },
        OUTBOUND_TOPIC: {
            "address": OUTBOUND_TOPIC,
            "title": "The only door out",
            "description": (OutboundNotice.__doc__ or "").strip(),
            "messages": _refs(["notice.issued.v1"]),
            "bindings": _kafka(OUTBOUND_TOPIC, 72 * 3600 * 1000),
        },
    }


def _refs(messages: list[str]) -> Json:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in messages}


def _operations() -> Json:
    said = {
        "intake.hear_channels": {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{CHANNEL_TOPIC}"},
            "summary": "intake takes customers' words",
            "messages": [_said(CHANNEL_TOPIC, "channel.message.v1")],
        },
        "feedback_survey.tell_gateways": {
            "action": "send",
            "channel": {"$ref": f"#/channels/{OUTBOUND_TOPIC}"},
            "summary": "feedback_survey sends notices out",
            "messages": [_said(OUTBOUND_TOPIC, "notice.issued.v1")],
        },
    }
    for service in SERVICES:
        said[f"{service}.tell"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{LOG_TOPIC}"},
            "summary": f"what {service} tells",
            "messages": [
                _said(LOG_TOPIC, entry.event.type)
                for entry in CATALOGUE
                if service in entry.writers
            ],
        }
        heard = [entry.event.type for entry in CATALOGUE if service in entry.reactions]
        if service == "audit":  # it takes everything (EVENTS)
            heard = [entry.event.type for entry in CATALOGUE]
        said[f"{service}.hear"] = {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{LOG_TOPIC}"},
            "summary": f"what {service} does something about",
            "messages": [_said(LOG_TOPIC, name) for name in heard],
        }
    return said


def _said(topic: str, message: str) -> Json:
    return {"$ref": f"#/channels/{topic}/messages/{message}"}


def _event_message(entry: Entry) -> Json:
    event = entry.event
    body = {"$ref": SCHEMAS.format(model=event.__name__)}
    summary = (event.__doc__ or "").strip()
    return _message(
        event.type,
        summary,
        envelope_of(event, entry.writers, body),
        _log_headers(entry),
    )


def _message(name: str, summary: str, payload: Json, headers: Json) -> Json:
    return {
        "name": name,
        "title": name,
        "summary": summary,
        "contentType": CLOUDEVENTS_JSON,
        "headers": headers,
        "payload": payload,
        "bindings": {
            "kafka": {
                "key": {
                    "type": "string",
                    "description": "The event's subject; on the channel topic any or none.",
                },
                "bindingVersion": KAFKA_BINDING,
            }
        },
    }


def _log_headers(entry: Entry) -> Json:
    position = {"type": "string", "pattern": r"^\d+-\d+$"}
    properties = {
        "content-type": {"type": "string", "const": f"{CLOUDEVENTS_JSON}; charset=utf-8"},
        "type": {"type": "string", "const": entry.event.type},
        "source": {"type": "string", "enum": [f"/bihuan/{name}" for name in entry.writers]},
        "position": {
            **position,
            "description": "Generation and notification id: grows with every record of a service.",
        },
        "after": {
            **position,
            "description": "The position of the record this service sent before to this partition.",
        },
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def _channel_headers() -> Json:
    return {
        "type": "object",
        "properties": {"content-type": {"type": "string"}},
        "description": "None is needed; none is trusted.",
    }
