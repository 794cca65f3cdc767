"""Checks of requests to Google's image models, in camelCase; pure."""

from __future__ import annotations

from typing import Any

from antigravity.simulator.errors import refuse
from antigravity.simulator.image_models import aspect_ratios, image_sizes, is_image_model

_OUTSIDE = ("tools", "systemInstruction")
_INSIDE = ("responseMimeType", "responseModalities")


def check_drawing(model: str, body: dict[str, Any], internal: bool) -> None:
    """Refuse settings that an image model does not support, and images of other models.

    :param internal: whether the request is one to Code Assist, which accepts less.
    :raises ApiError: with the service's message, if anything is wrong.
    """
    config = body.get("generationConfig") or {}
    modalities = [str(name).upper() for name in config.get("responseModalities") or ()]
    if not is_image_model(model):
        if "IMAGE" in modalities:
            refuse("Model does not support the requested response modalities: image")
        if "imageConfig" in config:
            refuse("Image config is not enabled for this model.")
        return
    if body.get("tools"):
        refuse("Function calling is not enabled for this model")
    if (config.get("candidateCount") or 1) > 1:
        refuse("Multiple candidates is not enabled for this model")
    if config.get("responseMimeType", "text/plain") != "text/plain":
        refuse("JSON mode is not enabled for this model")
    if internal:
        refused = [name for name in _OUTSIDE if name in body]
        refused += [name for name in _INSIDE if name in config]
        if refused:
            refuse(f"Request contains an invalid argument: {', '.join(refused)}.")
    check_image_config(model, config.get("imageConfig") or {})


def check_image_config(model: str, config: dict[str, Any]) -> None:
    """Refuse aspect ratios and sizes that a model does not support.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    ratio, size = config.get("aspectRatio"), config.get("imageSize")
    if ratio is not None and ratio not in aspect_ratios(model):
        refuse(f"Invalid aspect ratio: {ratio}.")
    if size is not None and size not in image_sizes(model):
        refuse(f"Invalid image size: {size}. Supported: {', '.join(image_sizes(model)) or 'none'}.")
