"""Images that models generate: their sizes and content; pure."""

from __future__ import annotations

import base64
import math
from typing import Final

from antigravity.simulator.encoders.png import PNG_BASE64, png
from antigravity.simulator.validation.gemini_models import version
from antigravity.simulator.view import View, compact, name_set

#: The side length of a square in pixels, by size.
SIDES: Final = {"512": 512, "1K": 1024, "2K": 2048, "4K": 4096}
_RATIOS: Final = name_set("1:1 2:3 3:2 3:4 4:3 4:5 5:4 9:16 16:9 21:9")
_WIDE: Final = name_set("1:4 1:8 4:1 8:1")
_IMAGEN: Final = name_set("1:1 3:4 4:3 9:16 16:9")
_KNOWN: Final = _RATIOS | _WIDE


def is_image_model(model: str) -> bool:
    """Return whether a model generates images, by its name."""
    return "image" in model.split("-") or model.startswith("imagen-")


def aspect_ratios(model: str) -> frozenset[str]:
    """Return the aspect ratios that a Google model supports."""
    if model.startswith("imagen-"):
        return frozenset(_IMAGEN)
    return frozenset((*_RATIOS, *_WIDE) if version(model) >= (3, 1) else _RATIOS)


def image_sizes(model: str) -> tuple[str, ...]:
    """Return the sizes that a Google model supports; none if it has a single size."""
    if model.startswith("imagen-"):
        return () if "fast" in model else ("1K", "2K")
    if version(model) < (3, 0):
        return ()
    return tuple(SIDES) if version(model) >= (3, 1) else ("1K", "2K", "4K")


def pixel_size(ratio: str, size: str) -> tuple[int, int]:
    """Return width and height in pixels, as multiples of 16."""
    across, _, down = (ratio if ratio in _KNOWN else "1:1").partition(":")
    stretch = math.sqrt(int(across) / int(down))
    side = SIDES.get(size, SIDES["1K"])
    return round(side * stretch / 16) * 16, round(side / stretch / 16) * 16


def draw_image(view: View, index: int = 0) -> str:
    """Return an image in base64.

    An image that was requested contains what the model received, as a comment.
    """
    if not view.image_output:
        return PNG_BASE64
    note = {"prompt": view.prompt, "seen": list(map(str, view.attachments)), "index": index}
    return base64.b64encode(png(*view.image_size, compact(note))).decode("ascii")
