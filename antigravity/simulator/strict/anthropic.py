"""What the Anthropic Messages API refuses; pure."""

from __future__ import annotations

from typing import Any, Final

from antigravity.simulator.faults import ApiError
from antigravity.simulator.strict import anthropic_tools
from antigravity.simulator.strict.anthropic_blocks import check_block, refuse_extra
from antigravity.simulator.strict.anthropic_compatible import check_reasoning, takes_unsigned
from antigravity.simulator.strict.anthropic_pairing import check_pairing
from antigravity.simulator.strict.anthropic_thinking import (
    blocks_of,
    check_effort,
    check_sampling,
    check_thinking,
    generation,
    takes_system_turns,
)
from antigravity.simulator.strict.refusal import refuse, words

_KNOWN: Final = words(
    """betas billing_policy cache_control compaction container context_management diagnostics
    fallback_credit_token fallbacks inference_geo max_tokens mcp_servers messages metadata model
    output_config output_format safeguards service_tier speed stop_sequences stream system
    temperature thinking thread tool_choice tools top_k top_p user_profile_id
    workspace_id"""
)
_USER_MAX: Final = 256
_MAX_OUTPUT: Final = 128_000


def check(body: dict[str, Any]) -> None:
    """Refuse what is wrong with a request for a message.

    :raises ApiError: as the service words it.
    """
    check_input(body)
    limit = body.get("max_tokens")
    if limit is None:
        refuse("max_tokens: Field required")
    if not isinstance(limit, int) or isinstance(limit, bool):
        refuse("max_tokens: Input should be a valid integer")
    if limit < 1:
        refuse("max_tokens: Input should be greater than or equal to 1")
    if limit > _MAX_OUTPUT:
        refuse(
            f"max_tokens: {limit} > {_MAX_OUTPUT}, which is the maximum allowed number of output "
            f"tokens for {body['model']}"
        )
    check_sampling(body)
    check_thinking(body, limit)
    check_effort(body)
    user = (body.get("metadata") or {}).get("user_id")
    if isinstance(user, str) and len(user) > _USER_MAX:
        refuse(f"metadata.user_id: String should have at most {_USER_MAX} characters")


def check_input(body: dict[str, Any]) -> None:
    """Refuse what is wrong with what a model would read; also for counting tokens.

    :raises ApiError: as the service words it.
    """
    for name in body:
        if name not in _KNOWN:
            refuse(f"{name}: Extra inputs are not permitted")
    model = body.get("model")
    if not isinstance(model, str) or not model:
        refuse("model: Field required")
    if model.startswith("no-such"):
        raise ApiError(404, f"model: {model}")
    messages = body.get("messages")
    if not isinstance(messages, list):
        refuse(
            "messages: Field required"
            if messages is None
            else "messages: Input should be a valid list"
        )
    if not messages:
        refuse("messages: at least one message is required")
    _system(body.get("system"))
    for index, message in enumerate(messages):
        _message(index, message, model)
    if next(m["role"] for m in messages if m["role"] != "system") != "user":
        refuse('messages: first message must use the "user" role')
    for index, message in enumerate(messages):
        _last_block(index, message)
    check_reasoning(body)
    _ending(messages, model)
    check_pairing(messages)
    _cache_controls(body)
    anthropic_tools.check(body)


def _system(system: Any) -> None:
    if system is None or isinstance(system, str):
        return
    if not isinstance(system, list):
        refuse("system: Input should be a valid list")
    for index, block in enumerate(system):
        if not isinstance(block, dict) or block.get("type") != "text":
            refuse(f"system.{index}.type: Input should be 'text'")
        if not block.get("text"):
            refuse("system: text content blocks must be non-empty")
        refuse_extra(f"system.{index}", block, "text")


def _last_block(index: int, message: dict[str, Any]) -> None:
    content = message["content"]
    if message["role"] != "assistant" or not isinstance(content, list) or not content:
        return
    if content[-1].get("type") in ("thinking", "redacted_thinking"):
        refuse(f"messages.{index}: The final block in an assistant message cannot be `thinking`.")


def _message(index: int, message: Any, model: str) -> None:
    place = f"messages.{index}"
    if not isinstance(message, dict):
        refuse(f"{place}: Input should be an object")
    role = message.get("role")
    if role == "system" and not takes_system_turns(model):
        refuse(
            'messages: Unexpected role "system". The Messages API accepts a top-level `system` '
            'parameter, not "system" as an input message role.'
        )
    if role not in ("user", "assistant", "system"):
        refuse(f"{place}.role: Input should be 'user' or 'assistant'")
    for name in message:
        if name not in ("role", "content") and not (name == "output_config" and role == "system"):
            refuse(f"{place}.{name}: Extra inputs are not permitted")
    content = message.get("content")
    if content is None:
        refuse(f"{place}.content: Field required")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}] if content else []
    if not isinstance(content, list):
        refuse(f"{place}.content: Input should be a valid list")
    if not content:
        refuse(
            f"{place}: all messages must have non-empty content except for the optional final "
            "assistant message"
        )
    for position, block in enumerate(content):
        if takes_unsigned(model, block) and role == "assistant":
            continue
        check_block(f"{place}.content.{position}", block, role, index)


def _ending(messages: list[dict[str, Any]], model: str) -> None:
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


def _cache_controls(body: dict[str, Any]) -> None:
    blocks: list[Any] = [body, *(body.get("tools") or [])]
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
