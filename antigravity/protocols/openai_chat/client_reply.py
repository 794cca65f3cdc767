"""Decodes whole responses of upstreams: the list of models, and usage."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from antigravity.ir.capabilities import Model
from antigravity.ir.errors import UpstreamError
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_chat.client_usage import UsageBody, read_usage
from antigravity.protocols.openai_models import read_limits, read_reported

_decode_usage: Final = msgspec.json.Decoder(UsageBody).decode


def decode_usage(body: bytes) -> Usage | None:
    """Return the usage in a whole response, if there is one."""
    try:
        return read_usage(_decode_usage(body).usage)
    except (ValueError, RecursionError):
        return None


def decode_models(body: bytes) -> list[Model]:
    """Return the models in a list.

    :raises UpstreamError: if the body is not a list of models.
    """
    try:
        wire = msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise UpstreamError("The upstream's list of models is not valid JSON.") from error
    entries = wire.get("data", wire.get("models")) if isinstance(wire, dict) else wire
    if not isinstance(entries, list):
        raise UpstreamError("The upstream's list of models is not a list.")
    return [_model(entry) for entry in entries if isinstance(entry, dict) and _text(entry, "id")]


def _model(entry: dict[str, Any]) -> Model:
    """Return one model, with what OpenRouter, vLLM and others add."""
    window, output = read_limits(entry)
    return Model(
        id=_text(entry, "id"),
        display_name=_text(entry, "name") or _text(entry, "display_name"),
        owned_by=_text(entry, "owned_by"),
        created=_number(entry, "created") or 0,
        input_token_limit=window,
        output_token_limit=output,
        reported=read_reported(entry),
    )


def _text(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def _number(entry: dict[str, Any], *names: str) -> int | None:
    for name in names:
        value = entry.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return int(value)
    return None
