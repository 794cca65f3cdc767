"""Properties of Google's models, by name; pure."""

from __future__ import annotations

import re
from typing import Final

from antigravity.simulator.errors import ApiError

#: Agents, which only the Interactions API serves.
AGENTS: Final = (
    "deep-research-preview-04-2026",
    "deep-research-max-preview-04-2026",
    "antigravity-preview-05-2026",
    "antigravity-preview-09-2026",
)
#: Models that only the Interactions API serves.
_ONLY_INTERACTIONS: Final = ("gemini-omni-",)


def version(model: str) -> tuple[int, int]:
    """Return the version in a model's name, (99, 0) if there is none."""
    if model in ("gemini-pro-agent", "gemini-3-flash-agent"):
        return (3, 1)
    match = re.match(r"gemini-(\d+)(?:\.(\d+))?", model)
    return (int(match[1]), int(match[2] or 0)) if match else (99, 0)


def is_gemini_3(model: str) -> bool:
    """Return whether the model requires thought signatures."""
    return (3, 0) <= version(model) < (99, 0)


def is_claude(model: str) -> bool:
    """Return whether it is a Claude model behind Google's endpoint."""
    return model.startswith("claude")


def check_generates(model: str) -> None:
    """Refuse models that only the Interactions API serves.

    :raises ApiError: if it is one.
    """
    if model in AGENTS or model.startswith(_ONLY_INTERACTIONS):
        raise ApiError(400, f"This model only supports Interactions API: {model}.")


def check_model(model: str) -> str:
    """Return the model's name without its prefix.

    :raises ApiError: if the model does not exist.
    """
    name = model.removeprefix("models/")
    if name.startswith("no-such"):
        raise ApiError(
            404,
            f"models/{name} is not found for API version v1beta, or is not supported for "
            "generateContent. Call ListModels to see the list of available models and their "
            "supported methods.",
        )
    return name
