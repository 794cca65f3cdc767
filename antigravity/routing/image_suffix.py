"""Suffixes of image model names that set the image format (``…-16x9``, ``…-4k``).  Pure."""

from __future__ import annotations

import re
from typing import Final

from antigravity.ir.images import NO_WISH, RESOLUTIONS, ImageWish

_SUFFIX: Final = re.compile(
    r"-(?:(?P<width>[1-9]\d?)x(?P<height>[1-9]\d?)|(?P<size>[124]k|512))\Z", re.IGNORECASE
)


def split(model: str) -> tuple[str, ImageWish]:
    """Return the name without its suffixes, and their meaning.

    One suffix of each type is removed, in any order; the rest belongs to the name.
    """
    wish = NO_WISH
    while match := _SUFFIX.search(model):
        if match["size"] and not wish.resolution:
            more = ImageWish(resolution=match["size"].upper())
        elif match["width"] and not wish.width:
            more = ImageWish(int(match["width"]), int(match["height"]), is_ratio=True)
        else:
            break
        wish = wish.over(more)
        model = model[: match.start()]
    assert not wish.resolution or wish.resolution in RESOLUTIONS
    return model, wish
