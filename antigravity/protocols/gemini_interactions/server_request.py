"""Decodes the bodies of clients' requests."""

from __future__ import annotations

from typing import Any, Final

from antigravity.ir.call import Call, Head
from antigravity.ir.errors import GatewayError, NotFoundError
from antigravity.ir.parts import Text
from antigravity.ir.request import Request
from antigravity.protocols.gemini_interactions.schema import (
    NAME,
    GenerationConfig,
    InteractionBody,
    JsonObject,
    read,
    required,
)
from antigravity.protocols.gemini_interactions.server_config import (
    decode_format,
    decode_sampling,
    decode_thinking,
    image_config,
    speech_config,
)
from antigravity.protocols.gemini_interactions.server_steps import StepReader
from antigravity.protocols.gemini_interactions.server_tools import (
    decode_choice,
    decode_tools,
    search_settings,
)
from antigravity.protocols.json_body import (
    bad_field,
    decode_object,
    load_object,
    members_of,
    replace_model,
)
from antigravity.protocols.member_scan import Members, has_member

#: Fields that only Google can follow, and what to do instead.
_ONLY_GOOGLE: Final = {
    "background": "leave it out, or stream the interaction",
    "continuation_token": "continue by `previous_interaction_id`",
    "environment": "run tools by `function` declarations",
    "webhook_config": "stream the interaction",
}
_FALSE: Final = (b"false", b"null")
_KNOWN: Final = frozenset(InteractionBody.__struct_fields__)
_CONFIG: Final = frozenset(GenerationConfig.__struct_fields__)
#: The tiers that other protocols have, by their names there; ``None`` is the default.
_TIERS: Final = {"flex": "flex", "priority": "priority", "standard": None}
_PREFIX: Final = "models/"


def peek(call: Call) -> Head:
    """Return the model and the streaming switch.

    :raises InvalidRequestError: if the body is not a JSON object, or names neither a model nor an
        agent.
    """
    members = members_of(call)
    field = _model_field(members)
    model = _scalar(members, field)
    if not isinstance(model, str) or not model.removeprefix(_PREFIX):
        raise required(field)
    return Head(model.removeprefix(_PREFIX), _scalar(members, "stream") is True)


def _model_field(members: Members) -> str:
    """Return the field that names what serves the request."""
    return "agent" if has_member(members, "agent") else "model"


def with_model(call: Call, model: str) -> bytes:
    """Return a call's body with another model or agent, otherwise unchanged.

    :raises InvalidRequestError: if it is not a JSON object.
    """
    members = members_of(call)
    return replace_model(call.body, model, members, _model_field(members))


def _scalar(members: Members, name: str) -> Any:
    """Return the value of a member, ``None`` if there is none."""
    raw = bytes(members[name]) if name in members else b"null"
    return decode_object(b'{"value":%b}' % raw, dict[str, Any])["value"]


def native_only_error(call: Call) -> GatewayError | None:
    """Return the error for a request that only Google can serve, ``None`` for others."""
    members = members_of(call)
    if has_member(members, "agent"):
        return NotFoundError(
            "Agents run at Google only, and no upstream here serves this one: name a `model`.",
            param="agent",
            code="agent_not_found",
        )
    for name, remedy in _ONLY_GOOGLE.items():
        if name in members and bytes(members[name]) not in _FALSE:
            return bad_field(name, f"works only at Google itself: {remedy}")
    return None


def decode(call: Call) -> Request:
    """Return the request in a call.

    :raises InvalidRequestError: naming the field at fault in ``param``.
    """
    fields = load_object(call.body)
    wire = read(fields, InteractionBody)
    error = native_only_error(call)
    if error is not None:
        raise error
    if not wire.model:
        raise required("model")
    config = wire.generation_config or GenerationConfig()
    form = decode_format(wire)
    steps = StepReader()
    steps.read(wire.input, "input")
    messages = steps.messages()
    if not messages:
        raise required("input")
    tier = (wire.service_tier or "").lower()
    return Request(
        model=wire.model.removeprefix(_PREFIX),
        messages=messages,
        protocol=NAME,
        system=(Text(wire.system_instruction),) if wire.system_instruction else (),
        stream=bool(wire.stream),
        tools=decode_tools(wire.tools or ()),
        tool_choice=decode_choice(config.tool_choice, "generation_config.tool_choice"),
        sampling=decode_sampling(config),
        stop=tuple(config.stop_sequences or ()),
        max_output_tokens=config.max_output_tokens,
        thinking=decode_thinking(config),
        response_format=form.text,
        modalities=form.modalities,
        image_config=form.image_config or image_config(config.image_config),
        audio_config=speech_config(config.speech_config),
        metadata=dict(wire.labels or {}),
        service_tier=_TIERS.get(tier),
        extensions={**_extensions(fields, form.rest, tier), **search_settings(wire.tools or ())},
    )


def _extensions(fields: JsonObject, formats: JsonObject, tier: str | None) -> JsonObject:
    """Return the fields that the representation does not have."""
    found = {name: value for name, value in fields.items() if name not in _KNOWN | {*_ONLY_GOOGLE}}
    config = fields.get("generation_config") or {}
    found |= {
        f"generation_config.{name}": value for name, value in config.items() if name not in _CONFIG
    }
    if tier and tier not in _TIERS:
        found["service_tier"] = tier
    return {**found, **formats}
