"""Checks of thinking and sampling of the Messages API, by model; pure."""

from __future__ import annotations

from typing import Any, Final

from antigravity.simulator.errors import refuse
from antigravity.simulator.validation.anthropic_models import generation

_DOCS: Final = (
    " Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/"
    "extended-thinking"
)


def accepts_system_turns(model: str) -> bool:
    """Return whether the model accepts messages of the role system."""
    return generation(model) >= (4, 8)


def requires_adaptive_thinking(model: str) -> bool:
    """Return whether the model refuses thinking with a budget."""
    return (4, 7) <= generation(model) < (99, 0)


def blocks_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the blocks of a message; a text is one block."""
    content = message["content"]
    return content if isinstance(content, list) else [{"type": "text", "text": content}]


def check_sampling(body: dict[str, Any]) -> None:
    """Refuse wrong sampling parameters.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    temperature, top_p = body.get("temperature"), body.get("top_p")
    model = body["model"]
    if temperature is not None and top_p is not None and (4, 1) <= generation(model) < (99, 0):
        refuse(
            "`temperature` and `top_p` cannot both be specified for this model. Please use only "
            "one."
        )
    if (4, 7) <= generation(model) < (99, 0):
        for name, default in (("temperature", 1), ("top_p", 1), ("top_k", None)):
            if body.get(name, default) != default:
                refuse(f"`{name}` is deprecated for this model.")
    if not all(stop.strip() for stop in body.get("stop_sequences", ())):
        refuse("stop_sequences: each stop sequence must contain non-whitespace")


def check_thinking(body: dict[str, Any], limit: int) -> None:
    """Refuse wrong thinking, and settings that exclude it.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    thinking = body.get("thinking")
    if thinking is None:
        return
    kind, model = thinking["type"], body["model"]
    if kind in ("disabled", "between_tools"):
        _check_disabled_thinking(kind, model, body)
        return
    if kind == "adaptive" and generation(model) < (4, 6):
        refuse("adaptive thinking is not supported on this model")
    if kind == "enabled":
        if requires_adaptive_thinking(model):
            refuse(
                '"thinking.type.enabled" is not supported for this model. Use '
                '"thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
            )
        if limit <= thinking["budget_tokens"]:
            refuse(
                "`max_tokens` must be greater than `thinking.budget_tokens`."
                f"{_DOCS}#max-tokens-and-context-window-size"
            )
        _check_first_block(body["messages"])
    if body.get("temperature", 1) != 1:
        refuse(f"`temperature` may only be set to 1 when thinking is enabled.{_DOCS}")
    if "top_k" in body:
        refuse(f"`top_k` must be unset when thinking is enabled.{_DOCS}")
    if (body.get("top_p") or 1) < 0.95:
        refuse(
            "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled."
            f"{_DOCS}"
        )
    if body.get("tool_choice", {}).get("type") in ("any", "tool"):
        refuse("Thinking may not be enabled when tool_choice forces tool use.")


def _check_disabled_thinking(kind: str, model: str, body: dict[str, Any]) -> None:
    """Refuse disabled thinking for models that do not support it."""
    if generation(model) >= (99, 0):
        return
    always = "fable" in model or "mythos" in model
    newest = generation(model) >= (5, 5) and ("opus" in model or "sonnet" in model)
    if (always or newest) if kind == "disabled" else not newest:
        refuse(
            f'"thinking.type.{kind}" is not supported for this model. Use '
            '"thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
        )
    effort = body.get("output_config", {}).get("effort")
    limited = "opus-5" in model or "haiku-5-5" in model
    if effort in ("xhigh", "max") and limited:
        refuse(f'"thinking.type.{kind}" is not supported with effort "{effort}" on this model.')


def check_effort(body: dict[str, Any]) -> None:
    """Refuse an effort or a forced tool choice that the model does not support.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    model = body["model"]
    found = generation(model)
    if found >= (99, 0):
        return
    effort = body.get("output_config", {}).get("effort")
    if effort is not None:
        if found < (4, 6) and "opus-4-5" not in model:
            refuse("This model does not support the effort parameter.")
        if (effort == "xhigh" and found < (4, 7)) or (effort == "max" and found < (4, 6)):
            refuse(f"This model does not support the effort level '{effort}'.")
    always = ("fable" in model or "mythos" in model) and found >= (5, 1)
    newest = ("opus" in model or "sonnet" in model) and found >= (5, 5)
    forced = body.get("tool_choice", {}).get("type") in ("any", "tool")
    if forced and (always or newest):
        refuse("tool_choice: 'any' and 'tool' are not supported for this model.")


def _check_first_block(messages: list[dict[str, Any]]) -> None:
    """Refuse a last tool round that does not start with thinking."""
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if message["role"] == "assistant":
            break
    else:
        return
    blocks = blocks_of(message)
    if all(block["type"] != "tool_use" for block in blocks) and index != len(messages) - 1:
        return
    kind = blocks[0]["type"]
    if kind not in ("thinking", "redacted_thinking"):
        refuse(
            f"messages.{index}.content.0.type: Expected `thinking` or `redacted_thinking`, but "
            f"found `{kind}`. When `thinking` is enabled, a final `assistant` message must start "
            "with a thinking block (preceeding the lastmost set of `tool_use` and `tool_result` "
            "blocks). We recommend you include thinking blocks from previous turns. To avoid this "
            f"requirement, disable `thinking`.{_DOCS}"
        )
