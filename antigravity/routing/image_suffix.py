"""Suffixes of image model names that set the image format (``…-16x9``, ``…-4k``).  Pure."""

from __future__ import annotations

import re
from typing import Final

from antigravity.ir.images import NO_IMAGE_OPTIONS, RESOLUTIONS, ImageOptions

_SUFFIX: Final = re.compile(
    r"-(?:(?P<width>[1-9]\d?)x(?P<height>[1-9]\d?)|(?P<size>[124]k|512))\Z", re.IGNORECASE
)


def split(model: str) -> tuple[str, ImageOptions]:
    """Return the name without its suffixes, and their meaning.

    One suffix of each type is removed, in any order; the rest belongs to the name.
    """
    image_options = NO_IMAGE_OPTIONS
    while match := _SUFFIX.search(model):
        if match["size"] and not image_options.resolution:
            more = ImageOptions(resolution=match["size"].upper())
        elif match["width"] and not image_options.width:
            more = ImageOptions(int(match["width"]), int(match["height"]), is_ratio=True)
        else:
            break
        image_options = image_options.over(more)
        model = model[: match.start()]
    assert not image_options.resolution or image_options.resolution in RESOLUTIONS
    return model, image_options
