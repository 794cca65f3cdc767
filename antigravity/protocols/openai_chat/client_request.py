"""Encodes a request for an upstream.

The quirks and the model of a target decide which fields it accepts; the quirks are listed in
``antigravity/upstreams/quirks.toml``.  The quirk ``no_X`` drops the field ``X`` of the body.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec.structs import replace

from antigravity.interfaces.protocols import EncodedRequest
from antigravity.ir.capabilities import Target
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request
from antigravity.ir.shared_extensions import shared_extensions
from antigravity.protocols.identifiers import OPENAI_MAX, short_identifier
from antigravity.protocols.instructions import OPENING, needs_opening
from antigravity.protocols.losses import Losses
from antigravity.protocols.openai_chat.client_audio import audio_fields
from antigravity.protocols.openai_chat.client_cache import add_breakpoints
from antigravity.protocols.openai_chat.client_messages import MessageWriter
from antigravity.protocols.openai_chat.client_settings import (
    format_fields,
    limit_fields,
    sampling_fields,
)
from antigravity.protocols.openai_chat.client_thinking_fields import thinking_fields
from antigravity.protocols.openai_chat.client_tools import write_tools
from antigravity.protocols.openai_chat.schema import NAME

#: Fields that no quirk can drop.
_REQUIRED: Final = frozenset(("model", "messages", "stream"))
#: Fields that do not affect the response; they are dropped without a warning.
_HINTS: Final = frozenset(("stream_options", "user", "prompt_cache_key", "safety_identifier"))
#: Fields about the client, with their maximum length.
_OF_CLIENT: Final = {"user": OPENAI_MAX, "prompt_cache_key": OPENAI_MAX}

#: Fields of both APIs of OpenAI, and an older field that a target with the newer one accepts.
_OLDER_FIELDS: Final = {
    "moderation": "safety_identifier",
    "prompt_cache_options": "prompt_cache_key",
    "prompt_cache_retention": "prompt_cache_key",
}


def encode(request: Request, target: Target) -> EncodedRequest:
    """Return the request as a streaming one."""
    losses = Losses()
    response_format, json_hint = format_fields(request, target, losses)
    tools, tool_hint = write_tools(request, target, losses)
    request = _add_instructions(request, target, (json_hint, tool_hint), losses)
    body: dict[str, Any] = {
        "model": target.model,
        "messages": _messages(request, target, losses),
        **tools,
        **sampling_fields(request, target, losses),
        **limit_fields(request, target, losses),
        **thinking_fields(request, target, losses),
        **response_format,
        **audio_fields(request, target, losses),
        **_about_client(request, target, losses),
        "stream": request.stream,
    }
    if request.stream and target.accepts("stream_options", usual=True):
        body["stream_options"] = {"include_usage": True}
    _extend(body, request, losses)
    body |= _shared_fields(request, target, losses)
    _drop_refused(body, target, losses)
    add_breakpoints(body, request, target)
    return EncodedRequest(msgspec.json.encode(body), losses.all())


def _messages(request: Request, target: Target, losses: Losses) -> list[dict[str, Any]]:
    """Return the messages, of which upstreams require at least one."""
    messages = MessageWriter(target, losses).messages(request)
    if not messages:
        losses.add("messages", "a user turn was added: all messages are empty")
        messages = [{"role": "user", "content": OPENING}]
    return messages


def _add_instructions(
    request: Request, target: Target, instructions: tuple[str, ...], losses: Losses
) -> Request:
    """Return the request with the instructions that are not empty, and with a user turn."""
    added = tuple(Text(each) for each in instructions if each)
    if added:
        request = replace(request, system=(*request.system, *added))
    usual = target.capabilities.family != "openai"
    if needs_opening(request.messages) and target.accepts("user_turn", usual=usual):
        losses.add("messages", "a user turn was added: the request had only instructions")
        opening = Message("user", (Text(OPENING),))
        request = replace(request, messages=(*request.messages, opening))
    return request


def _about_client(request: Request, target: Target, losses: Losses) -> dict[str, Any]:
    """Return OpenAI's fields about the client that the target is known to accept."""
    foreign = target.capabilities.family in ("gemini", "claude")
    fields: dict[str, Any] = {}
    for name, longest in _OF_CLIENT.items():
        value = getattr(request, name)
        if value is None:
            continue
        if target.accepts(name, usual=name == "user" and not foreign):
            fields[name] = short_identifier(value, longest)
        elif foreign:
            losses.add(name, "dropped: only OpenAI accepts it")
    for name in ("service_tier", "verbosity"):
        value = getattr(request, name)
        if value is not None and target.accepts(name):
            fields[name] = value
        elif value not in (None, "auto", "default"):
            losses.add(name, "dropped: the target is not known to accept it")
    if request.metadata:
        stored = request.protocol == NAME and request.extensions.get("store") is True
        if stored and target.accepts("metadata") and target.accepts("store"):
            fields["metadata"] = request.metadata
        elif request.protocol.startswith("openai"):
            losses.add("metadata", "dropped: it is accepted only for stored responses")
        elif set(request.metadata) != {"user_id"}:  # which is sent as ``user``
            losses.add("metadata", "dropped: it belongs to another protocol")
    return fields


def _extend(body: dict[str, Any], request: Request, losses: Losses) -> None:
    """Add the extensions, if they are those of a client of this protocol."""
    if request.protocol != NAME:
        return
    for name, value in request.extensions.items():
        if name == "web_search_options":
            if name in body:
                body[name] |= value
        elif name == "safety_identifier" and isinstance(value, str):
            body[name] = short_identifier(value, OPENAI_MAX)
        else:
            body.setdefault(name, value)


def _shared_fields(request: Request, target: Target, losses: Losses) -> dict[str, Any]:
    """Return the fields of a client of the Responses API that mean the same in this protocol.

    The newer ones are sent to targets that are known to accept an older one.
    """
    fields: dict[str, Any] = {}
    for name, value in shared_extensions(request, NAME).items():
        if name == "safety_identifier":
            if value != request.user and target.accepts(name):  # else it is sent as ``user``
                fields[name] = short_identifier(value, OPENAI_MAX)
        elif target.accepts(_OLDER_FIELDS[name]):
            fields[name] = value
        else:
            losses.add(name, "dropped: the target is not known to accept it")
    return fields


def _drop_refused(body: dict[str, Any], target: Target, losses: Losses) -> None:
    """Remove the fields that the target refuses."""
    for name in sorted(target.refused_features().intersection(body) - _REQUIRED):
        value = body.pop(name)
        if value not in (None, False) and name not in _HINTS:
            losses.add(name, "dropped: the target refuses it")
