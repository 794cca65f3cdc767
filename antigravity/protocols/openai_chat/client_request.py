"""Writes a request for an upstream.

What a target takes besides the usual is said by its quirks and its model; their names are in
``antigravity/upstreams/quirks.toml``.  A field ``X`` of the body is left out of any request to a
target with the quirk ``no_X``.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec.structs import replace

from antigravity.interfaces.protocols import EncodedRequest
from antigravity.ir.capabilities import Target
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request
from antigravity.protocols.identifiers import OPENAI_MAX, short_identifier
from antigravity.protocols.instructions import OPENING, needs_opening
from antigravity.protocols.losses import Losses
from antigravity.protocols.openai_chat.client_audio import audio_fields
from antigravity.protocols.openai_chat.client_messages import MessageWriter
from antigravity.protocols.openai_chat.client_settings import (
    form_fields,
    limit_fields,
    sampling_fields,
)
from antigravity.protocols.openai_chat.client_thinking_fields import thinking_fields
from antigravity.protocols.openai_chat.client_tools import write_tools
from antigravity.protocols.openai_chat.schema import NAME

#: Fields that no quirk takes away.
_KEPT: Final = frozenset(("model", "messages", "stream"))
#: Hints that a response does not depend on; leaving them out makes no warning.
_HINTS: Final = frozenset(("stream_options", "user", "prompt_cache_key", "safety_identifier"))
#: Fields about the client or its contract, with the longest text that they take.
_OF_CLIENT: Final = {"user": OPENAI_MAX, "prompt_cache_key": OPENAI_MAX}


def encode(request: Request, target: Target) -> EncodedRequest:
    """Return the request as a streaming one."""
    losses = Losses()
    form, hint = form_fields(request, target, losses)
    tools, demand = write_tools(request, target, losses)
    request = _with_words(request, target, (hint, demand), losses)
    body: dict[str, Any] = {
        "model": target.model,
        "messages": _messages(request, target, losses),
        **tools,
        **sampling_fields(request, target, losses),
        **limit_fields(request, target, losses),
        **thinking_fields(request, target, losses),
        **form,
        **audio_fields(request, target, losses),
        **_about_client(request, target, losses),
        "stream": True,
    }
    if target.takes("stream_options", usual=True):
        body["stream_options"] = {"include_usage": True}
    _extend(body, request, losses)
    _leave_out(body, target, losses)
    return EncodedRequest(msgspec.json.encode(body), losses.all())


def _messages(request: Request, target: Target, losses: Losses) -> list[dict[str, Any]]:
    """Return the messages, of which there must be one."""
    messages = MessageWriter(target, losses).messages(request)
    if not messages:
        losses.add("messages", "a turn of the user was added: every message is empty")
        messages = [{"role": "user", "content": OPENING}]
    return messages


def _with_words(
    request: Request, target: Target, words: tuple[str, ...], losses: Losses
) -> Request:
    """Return the request with the added instruction, and with a user turn."""
    said = tuple(Text(each) for each in words if each)
    if said:
        request = replace(request, system=(*request.system, *said))
    usual = target.capabilities.family != "openai"
    if needs_opening(request.messages) and target.takes("user_turn", usual=usual):
        losses.add("messages", "a user turn was added: the request had only instructions")
        opening = Message("user", (Text(OPENING),))
        request = replace(request, messages=(*request.messages, opening))
    return request


def _about_client(request: Request, target: Target, losses: Losses) -> dict[str, Any]:
    """Return OpenAI's own fields about the client, as far as the target is known to take them."""
    foreign = target.capabilities.family in ("gemini", "claude")
    fields: dict[str, Any] = {}
    for name, most in _OF_CLIENT.items():
        value = getattr(request, name)
        if value is None:
            continue
        if target.takes(name, usual=name == "user" and not foreign):
            fields[name] = short_identifier(value, most)
        elif foreign:
            losses.add(name, "dropped: it is OpenAI's alone")
    for name in ("service_tier", "verbosity"):
        value = getattr(request, name)
        if value is not None and target.takes(name):
            fields[name] = value
        elif value not in (None, "auto", "default"):
            losses.add(name, "dropped: the target is not known to take it")
    if request.metadata:
        stored = request.protocol == NAME and request.extensions.get("store") is True
        if stored and target.takes("metadata") and target.takes("store"):
            fields["metadata"] = request.metadata
        elif request.protocol.startswith("openai"):
            losses.add("metadata", "dropped: chat takes it only where the answer is stored")
        elif set(request.metadata) != {"user_id"}:  # which goes up as the user
            losses.add("metadata", "dropped: it is another protocol's")
    return fields


def _extend(body: dict[str, Any], request: Request, losses: Losses) -> None:
    """Add the fields that came in this protocol's own words."""
    for name, value in request.extensions.items():
        if request.protocol != NAME:
            losses.add(name, f"dropped: only {request.protocol} knows it")
        elif name == "web_search_options":
            if name in body:
                body[name] |= value
        elif name == "safety_identifier" and isinstance(value, str):
            body[name] = short_identifier(value, OPENAI_MAX)
        else:
            body.setdefault(name, value)


def _leave_out(body: dict[str, Any], target: Target, losses: Losses) -> None:
    """Take out the fields that the target refuses."""
    for name in sorted(target.refuses().intersection(body) - _KEPT):
        value = body.pop(name)
        if value not in (None, False) and name not in _HINTS:
            losses.add(name, "dropped: the target refuses it")
