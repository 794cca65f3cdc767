"""Decodes a client's ``generateContent`` or ``countTokens`` call."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from antigravity.ir.call import Call
from antigravity.ir.request import Request
from antigravity.protocols.gemini import schema
from antigravity.protocols.gemini.request_reader import normalize, read, reject, unknown_fields
from antigravity.protocols.gemini.server_config import DecodedConfig, decode_config
from antigravity.protocols.gemini.server_parts import decode_messages, decode_system
from antigravity.protocols.gemini.server_tools import decode_choice, decode_tools
from antigravity.protocols.json_body import load_object


def model_of(call: Call) -> str:
    """Return the model in the path of a call, without ``models/``."""
    model = call.arguments.get("model", "")
    while model.startswith("models/"):
        model = model.removeprefix("models/")
    return model


def decode_request(call: Call) -> Request:
    """Return the request.

    :raises InvalidRequestError: if a field is not valid; the error names it.
    """
    body, at = load_object(call.body), "$"
    if call.route.operation == "count_tokens":
        wrapped = normalize(body, schema.CountRequest).get("generateContentRequest")
        if wrapped is not None:
            at = "$.generateContentRequest"
            if not isinstance(wrapped, dict):
                raise reject(at, "this must be an object.")
            body = wrapped
    return _decode(body, call, at)


def _decode(body: dict[str, Any], call: Call, at: str) -> Request:
    raw = normalize(body, schema.GenerateRequest)
    wire = read(raw, schema.GenerateRequest, at)
    messages = decode_messages(wire.contents, raw.get("contents", []), at)
    if not messages:
        raise reject(f"{at}.contents", "at least one turn with a part is required.")
    extensions = {
        key: raw[key] for key in unknown_fields(raw, schema.GenerateRequest) if key != "model"
    }
    config = DecodedConfig()
    if wire.generation_config is not UNSET:
        config = decode_config(
            wire.generation_config, raw["generationConfig"], f"{at}.generationConfig"
        )
        if config.extensions:
            extensions["generationConfig"] = config.extensions
    tools, tool_extensions = decode_tools(wire.tools or (), raw.get("tools", ()))
    extensions |= tool_extensions
    choice = None
    if wire.tool_config is not UNSET:
        choice, rest = decode_choice(wire.tool_config, raw["toolConfig"], f"{at}.toolConfig")
        if rest:
            extensions["toolConfig"] = rest
    system = wire.system_instruction
    return Request(
        model=model_of(call),
        messages=messages,
        protocol="gemini",
        system=() if system is UNSET else decode_system(system, f"{at}.systemInstruction"),
        stream=call.route.tag == "stream",
        tools=tools,
        tool_choice=choice,
        sampling=config.sampling,
        stop=config.stop,
        max_output_tokens=config.max_output_tokens,
        thinking=config.thinking,
        response_format=config.response_format,
        modalities=config.modalities,
        image_config=config.image_config,
        audio_config=config.audio_config,
        extensions=extensions,
    )
