"""Checks of requests to the Anthropic Messages API; pure."""

from __future__ import annotations

from typing import Any, Final

from antigravity.simulator.errors import ApiError, refuse
from antigravity.simulator.validation import anthropic_tools
from antigravity.simulator.validation.anthropic_blocks import check_block
from antigravity.simulator.validation.anthropic_compatible import check_reasoning
from antigravity.simulator.validation.anthropic_errors import read_body
from antigravity.simulator.validation.anthropic_models import generation, max_output
from antigravity.simulator.validation.anthropic_pairing import check_pairing
from antigravity.simulator.validation.anthropic_schema import COUNT, MESSAGE
from antigravity.simulator.validation.anthropic_thinking import (
    accepts_system_turns,
    blocks_of,
    check_effort,
    check_sampling,
    check_thinking,
)

#: The version of the API from which on some members are refused, for every model.
_NEWER_VERSION: Final = "2026-10-21"


def check(body: dict[str, Any], version: str = "") -> dict[str, Any]:
    """Return a request for a message without members that are null.

    :param version: the value of the header ``anthropic-version``.
    :raises ApiError: with the service's message, if anything is wrong.
    """
    check_version(body, version)
    body = read_body(body, MESSAGE)
    _check_input(body)
    limit = body["max_tokens"]
    most = max_output(body["model"])
    if limit > most:
        refuse(
            f"max_tokens: {limit} > {most}, which is the maximum allowed number of output tokens "
            f"for {body['model']}"
        )
    check_sampling(body)
    check_thinking(body, limit)
    check_effort(body)
    return body


def check_version(body: dict[str, Any], version: str) -> None:
    """Refuse what newer versions of the API have removed.

    Source: https://platform.claude.com/docs/en/api/versioning

    :raises ApiError: with the service's message, if anything is wrong.
    """
    if version < _NEWER_VERSION:
        return
    for name in ("temperature", "top_p", "top_k"):
        if name in body:
            refuse(f"{name}: Extra inputs are not permitted")
    messages = body.get("messages")
    for index, message in enumerate(messages if isinstance(messages, list) else ()):
        content = message.get("content") if isinstance(message, dict) else None
        for position, block in enumerate(content if isinstance(content, list) else ()):
            place = f"messages.{index}.content.{position}"
            kind = block.get("type") if isinstance(block, dict) else None
            if kind == "document" and message.get("role") == "assistant":
                refuse(f"{place}: `document` blocks are not permitted in assistant messages")
            if kind == "text" and message.get("role") == "user" and block.get("citations"):
                refuse(f"{place}.text.citations: Extra inputs are not permitted")


def check_count(body: dict[str, Any], version: str = "") -> dict[str, Any]:
    """Return a request to count tokens without members that are null.

    :param version: the value of the header ``anthropic-version``.
    :raises ApiError: with the service's message, if anything is wrong.
    """
    check_version(body, version)
    body = read_body(body, COUNT)
    _check_input(body)
    return body


def _check_input(body: dict[str, Any]) -> None:
    model, messages = body["model"], body["messages"]
    if not model:
        refuse("model: Field required")
    if model.startswith("no-such"):
        raise ApiError(404, f"model: {model}")
    if not messages:
        refuse("messages: at least one message is required")
    if isinstance(body.get("system"), list) and not all(block["text"] for block in body["system"]):
        refuse("system: text content blocks must be non-empty")
    for index, message in enumerate(messages):
        _check_message(index, message, model)
    if next((m["role"] for m in messages if m["role"] != "system"), None) != "user":
        refuse('messages: first message must use the "user" role')
    for index, message in enumerate(messages):
        _check_last_block(index, message)
    check_reasoning(body)
    _check_last_message(messages, model)
    check_pairing(messages)
    _check_cache_controls(body)
    anthropic_tools.check(body)


def _check_last_block(index: int, message: dict[str, Any]) -> None:
    if message["role"] == "assistant" and blocks_of(message)[-1]["type"] in (
        "thinking",
        "redacted_thinking",
    ):
        refuse(f"messages.{index}: The final block in an assistant message cannot be `thinking`.")


def _check_message(index: int, message: dict[str, Any], model: str) -> None:
    place = f"messages.{index}"
    role = message["role"]
    if role == "system" and not accepts_system_turns(model):
        refuse(
            'messages: Unexpected role "system". The Messages API accepts a top-level `system` '
            'parameter, not "system" as an input message role.'
        )
    if role not in ("user", "assistant", "system"):
        refuse(f"{place}.role: Input should be 'user' or 'assistant'")
    if "output_config" in message and role != "system":
        refuse(f"{place}.output_config: Extra inputs are not permitted")
    if not message["content"]:
        refuse(
            f"{place}: all messages must have non-empty content except for the optional final "
            "assistant message"
        )
    for position, block in enumerate(blocks_of(message)):
        check_block(f"{place}.content.{position}", block, role, index, model)


def _check_last_message(messages: list[dict[str, Any]], model: str) -> None:
    last = messages[-1]
    if last["role"] != "assistant":
        return
    if (4, 6) <= generation(model) < (99, 0):
        refuse(
            "This model does not support assistant message prefill. The conversation must end "
            "with a user message."
        )
    final = blocks_of(last)[-1]
    if final["type"] == "text" and final["text"] != final["text"].rstrip():
        refuse("messages: final assistant content cannot end with trailing whitespace")


def _check_cache_controls(body: dict[str, Any]) -> None:
    blocks: list[Any] = [body, *body.get("tools", ())]
    if isinstance(body.get("system"), list):
        blocks += body["system"]
    for message in body["messages"]:
        for block in blocks_of(message):
            blocks.append(block)
            if isinstance(block.get("content"), list):
                blocks += block["content"]
    found = sum(1 for block in blocks if isinstance(block, dict) and block.get("cache_control"))
    if found > 4:
        refuse(f"A maximum of 4 blocks with cache_control may be provided. Found {found}.")
