"""The options of an image that a request asks for."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

#: Resolutions by name, with the side in pixels that a square image has then.
RESOLUTIONS: Final = {"512": 512, "1K": 1024, "2K": 2048, "4K": 4096}


class ImageOptions(Struct, frozen=True):
    """The options of an image; an empty field was not given.

    ``width`` and ``height`` are in pixels, or a bare ratio if ``is_ratio``.
    ``resolution`` is one of :data:`RESOLUTIONS` that was requested; ``quality`` names one that is
    enough.  ``mask`` says that a mask came with the input images.  ``format``,
    ``compression`` and ``background`` are OpenAI's.
    """

    width: int = 0
    height: int = 0
    is_ratio: bool = False
    resolution: str = ""
    quality: str = ""
    format: str = ""
    compression: int | None = None
    background: str = ""
    mask: bool = False

    def over(self, other: ImageOptions) -> ImageOptions:
        """Return these options, completed by those of ``other``."""
        sized = self if self.width else other
        return ImageOptions(
            sized.width,
            sized.height,
            sized.is_ratio,
            self.resolution or ("" if self.quality else other.resolution),
            self.quality or other.quality,
            self.format or other.format,
            other.compression if self.compression is None else self.compression,
            self.background or other.background,
            self.mask or other.mask,
        )


NO_IMAGE_OPTIONS: Final = ImageOptions()
