"""What Google's models that draw refuse; pure.  The body is in camelCase here."""

from __future__ import annotations

from typing import Any

from antigravity.simulator.image_models import draws, ratios, sizes
from antigravity.simulator.validation.gemini_models import invalid

_OUTSIDE = ("tools", "systemInstruction")
_INSIDE = ("responseMimeType", "responseModalities")


def check_drawing(model: str, body: dict[str, Any], internal: bool) -> None:
    """Refuse what a model cannot draw, and pictures of models that draw none.

    :param internal: as Code Assist does it, which takes less.
    :raises ApiError: as the service words it.
    """
    config = body.get("generationConfig") or {}
    wanted = [str(name).upper() for name in config.get("responseModalities") or ()]
    if not draws(model):
        if "IMAGE" in wanted:
            invalid("Model does not support the requested response modalities: image")
        if "imageConfig" in config:
            invalid("Image config is not enabled for this model.")
        return
    if body.get("tools"):
        invalid("Function calling is not enabled for this model")
    if (config.get("candidateCount") or 1) > 1:
        invalid("Multiple candidates is not enabled for this model")
    if config.get("responseMimeType", "text/plain") != "text/plain":
        invalid("JSON mode is not enabled for this model")
    if internal:
        refused = [name for name in _OUTSIDE if name in body]
        refused += [name for name in _INSIDE if name in config]
        if refused:
            invalid(f"Request contains an invalid argument: {', '.join(refused)}.")
    check_image_config(model, config.get("imageConfig") or {})


def check_image_config(model: str, config: dict[str, Any]) -> None:
    """Refuse shapes and sizes that a model does not know.

    :raises ApiError: as the service words it.
    """
    ratio, size = config.get("aspectRatio"), config.get("imageSize")
    if ratio is not None and ratio not in ratios(model):
        invalid(f"Invalid aspect ratio: {ratio}.")
    if size is not None and size not in sizes(model):
        invalid(f"Invalid image size: {size}. Supported: {', '.join(sizes(model)) or 'none'}.")
