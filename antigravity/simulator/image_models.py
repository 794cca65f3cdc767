"""Pictures that models draw: how large, and what they were asked; pure."""

from __future__ import annotations

import base64
import math
from typing import Final

from antigravity.simulator.encoders.png import PNG_BASE64, png
from antigravity.simulator.validation.gemini_models import version
from antigravity.simulator.validation.refusal import words
from antigravity.simulator.view import View, compact

#: The sides of a square by the name of its size.
SIDES: Final = {"512": 512, "1K": 1024, "2K": 2048, "4K": 4096}
_RATIOS: Final = words("1:1 2:3 3:2 3:4 4:3 4:5 5:4 9:16 16:9 21:9")
_WIDE: Final = words("1:4 1:8 4:1 8:1")
_IMAGEN: Final = words("1:1 3:4 4:3 9:16 16:9")
_KNOWN: Final = _RATIOS | _WIDE


def draws(model: str) -> bool:
    """Return whether a model draws, as its name says."""
    return "image" in model.split("-") or model.startswith("imagen-")


def ratios(model: str) -> frozenset[str]:
    """Return the shapes that a model of Google's knows."""
    if model.startswith("imagen-"):
        return frozenset(_IMAGEN)
    return frozenset((*_RATIOS, *_WIDE) if version(model) >= (3, 1) else _RATIOS)


def sizes(model: str) -> tuple[str, ...]:
    """Return the sizes that a model of Google's knows; none if it has one only."""
    if model.startswith("imagen-"):
        return () if "fast" in model else ("1K", "2K")
    if version(model) < (3, 0):
        return ()
    return tuple(SIDES) if version(model) >= (3, 1) else ("1K", "2K", "4K")


def frame(ratio: str, size: str) -> tuple[int, int]:
    """Return width and height, in whole blocks of 16 pixels."""
    across, _, down = (ratio if ratio in _KNOWN else "1:1").partition(":")
    stretch = math.sqrt(int(across) / int(down))
    side = SIDES.get(size, SIDES["1K"])
    return round(side * stretch / 16) * 16, round(side / stretch / 16) * 16


def picture(view: View, index: int = 0) -> str:
    """Return a picture in base64.

    One that was asked for says so itself: what the model saw is written in it.
    """
    if not view.draws:
        return PNG_BASE64
    note = {"prompt": view.prompt, "seen": list(map(str, view.attachments)), "index": index}
    return base64.b64encode(png(*view.frame, compact(note))).decode("ascii")
