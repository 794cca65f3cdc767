"""Fit the image_options for an image to what the target's model can make.

What was named outright and does not exist is refused, naming what does; a size in pixels
becomes the nearest shape that there is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from antigravity.ir.capabilities import Capabilities, Loss, Target
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.images import NO_IMAGE_OPTIONS, RESOLUTIONS, ImageOptions
from antigravity.ir.parts import Media
from antigravity.ir.request import Request

#: The deviation of the nearest ratio above which the client gets a warning.
TOLERANCE: Final = 0.05
#: The factor by which the sides of an image may exceed a resolution that it still counts as.
_MARGIN: Final = 1.4

#: The two spellings of clients.
_RATIO: Final = ("aspectRatio", "aspect_ratio")
_SIZE: Final = ("imageSize", "image_size")


def fit_image(request: Request, target: Target) -> tuple[Request, tuple[Loss, ...]]:
    """Return the request with the image options for the model, and the losses.

    The client's own configuration comes first, then its other options, then the suffix of the
    model name.

    :raises InvalidRequestError: for a named value that the model does not support.
    """
    capabilities = target.capabilities
    if "image" not in capabilities.outputs:
        return request, ()
    image_options = (request.image or NO_IMAGE_OPTIONS).over(target.image_options)
    losses: list[Loss] = []
    config: dict[str, Any] = dict(request.image_config or {})
    options = {key: config.pop(key) for key in (*_RATIO, *_SIZE) if config.get(key)}
    ratio = next((options[key] for key in _RATIO if key in options), "")
    if not ratio:
        ratio = _ratio(image_options, capabilities, target.model, losses)
    size = next((options[key] for key in _SIZE if key in options), "")
    if not size:
        size = _resolution(image_options, capabilities, target.model, losses)
    config |= {key: value for key, value in ((_RATIO[0], ratio), (_SIZE[0], size)) if value}
    if request.image is not None:
        _check_references(request, capabilities, target.model)
        _check_looks(image_options, capabilities, target.model, losses)
        if image_options.format in capabilities.image_formats:
            config["mimeType"] = f"image/{image_options.format}"
    return replace(request, image_config=config or None), tuple(losses)


def nearest_ratio(width: int, height: int, ratios: Sequence[str]) -> tuple[str, float]:
    """Return the nearest of ``ratios`` to a size, and the relative deviation from it."""
    target = math.log(width / height)

    def distance(ratio: str) -> float:
        across, _, down = ratio.partition(":")
        return abs(math.log(int(across) / int(down)) - target)

    best = min(ratios, key=distance)
    return best, math.exp(distance(best)) - 1


def _ratio(
    image_options: ImageOptions, capabilities: Capabilities, model: str, losses: list[Loss]
) -> str:
    if not image_options.width:
        return ""
    ratios = capabilities.image_ratios
    if not ratios:
        losses.append(Loss("size", f"dropped: the aspect ratios of {model} are unknown"))
        return ""
    best, off = nearest_ratio(image_options.width, image_options.height, ratios)
    if off > TOLERANCE:
        separator = ":" if image_options.is_ratio else "x"
        size = f"{image_options.width}{separator}{image_options.height}"
        losses.append(
            Loss("size", f"{size} was replaced by {best}, the nearest aspect ratio of {model}")
        )
    return best


def _resolution(
    image_options: ImageOptions, capabilities: Capabilities, model: str, losses: list[Loss]
) -> str:
    """Return the resolution to ask for, empty for the model's own."""
    sizes = capabilities.image_sizes
    if image_options.resolution:
        if image_options.resolution in sizes:
            return image_options.resolution
        choices = f"it has {', '.join(sizes)}" if sizes else "it has one resolution only"
        raise InvalidRequestError(
            f"{model} does not support the size {image_options.resolution}; {choices}.",
            param="image_size",
        )
    if image_options.quality:
        return _at_most(image_options.quality, sizes, model, losses)
    if image_options.width and not image_options.is_ratio and sizes:
        side = math.sqrt(image_options.width * image_options.height)
        known = sorted(sizes, key=RESOLUTIONS.__getitem__)
        return next((size for size in known if RESOLUTIONS[size] * _MARGIN >= side), known[-1])
    return ""


def _at_most(resolution: str, sizes: Sequence[str], model: str, losses: list[Loss]) -> str:
    """Return a resolution, or the largest smaller one that the model has."""
    if resolution in sizes:
        return resolution
    smaller = [size for size in sizes if RESOLUTIONS[size] <= RESOLUTIONS[resolution]]
    best = max(smaller, key=RESOLUTIONS.__getitem__, default="")
    if RESOLUTIONS[resolution] > RESOLUTIONS["1K"]:
        losses.append(Loss("quality", f"{model} returns {best or 'one resolution only'}"))
    return best


def _check_references(request: Request, capabilities: Capabilities, model: str) -> None:
    count = sum(isinstance(part, Media) for m in request.messages for part in m.parts)
    if count and "image" not in capabilities.inputs:
        raise InvalidRequestError(
            f"{model} cannot edit images; it only generates new ones.", param="image"
        )
    most = capabilities.image_references
    if most and count > most:
        raise InvalidRequestError(
            f"{model} accepts at most {most} images (mask included); the request has {count}.",
            param="image",
        )


def _check_looks(
    image_options: ImageOptions, capabilities: Capabilities, model: str, losses: list[Loss]
) -> None:
    if image_options.background == "transparent":
        raise InvalidRequestError(
            f"{model} cannot generate transparent images. Set `background` to auto or opaque.",
            param="background",
        )
    if image_options.format and image_options.format not in capabilities.image_formats:
        losses.append(
            Loss(
                "output_format",
                f"{model} chooses the format; output_format of the response names it",
            )
        )
    if image_options.mask:
        losses.append(
            Loss("mask", f"{model} has no masks; the mask is sent as an image with an instruction")
        )
    if image_options.compression is not None:
        losses.append(Loss("output_compression", f"{model} has no such setting"))
