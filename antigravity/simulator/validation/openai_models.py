"""Checks of parameters by OpenAI's models; pure."""

from __future__ import annotations

import re
from typing import Any, Final

from antigravity.simulator.errors import refuse

_VERSION: Final = re.compile(r"gpt-(\d+)(?:\.(\d+))?(?=-|$)")
_ALL: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def version(model: str) -> tuple[int, int]:
    """Return the version of a GPT model, ``(0, 0)`` for any other name."""
    match = _VERSION.match(model)
    return (int(match[1]), int(match[2] or 0)) if match else (0, 0)


def is_reasoning_model(model: str) -> bool:
    """Return whether the model supports no sampling parameters."""
    return re.match(r"gpt-5(?:-|$)|o[134](?:-|$)", model) is not None


def efforts(model: str) -> tuple[str, ...] | None:
    """Return the efforts that a model supports, none if it does not reason, ``None`` if unknown."""
    if re.match(r"o[134](?:-|$)", model):
        return ("low", "medium", "high")
    found = version(model)
    if found == (0, 0):
        return None
    if found < (5, 0) or "-chat" in model:
        return ()
    if "-pro" in model:
        return ("high",) if found == (5, 0) else ("medium", "high", "xhigh")
    if found == (5, 0):
        return ("low", "medium", "high") if "codex" in model else _ALL[1:5]
    if "codex" in model:
        return ("low", "medium", "high", "xhigh")
    if model.startswith(("gpt-6-astra", "gpt-6.1-sol")):
        return _ALL[2:]
    if found >= (5, 6):
        return _ALL
    return ("none", "low", "medium", "high") + (() if found == (5, 1) else ("xhigh",))


def check_effort(effort: str, model: str, param: str) -> None:
    """Refuse an effort that a model does not support.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    known = efforts(model)
    if known is None or effort in known:
        return
    if not known:
        refuse(
            f"Unsupported parameter: '{param}' is not supported with this model.",
            param,
            "unsupported_parameter",
        )
    listed = " and ".join(f"'{name}'" for name in known)
    refuse(
        f"Unsupported value: '{effort}' is not supported with the '{model}' model. Supported "
        f"values are: {listed}.",
        param,
        "unsupported_value",
    )


def check_tools_of_chat(body: dict[str, Any], model: str) -> None:
    """Refuse functions with reasoning, for models that support both in the Responses API only.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    if version(model) < (5, 6) or not body.get("tools"):
        return
    if body.get("reasoning_effort") != "none":
        refuse(
            f"Function tools with reasoning_effort are not supported for {model} in "
            "/v1/chat/completions. To use function tools, use /v1/responses or set "
            "reasoning_effort to 'none'.",
            "reasoning_effort",
        )
