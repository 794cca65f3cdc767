"""The messages of ``predict``."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Struct, field

NAME: Final = "imagen"
#: Images of a request that does not say how many.
DEFAULT_COUNT: Final = 4


class Instance(Struct, rename="camel"):
    """What to draw."""

    prompt: str = ""


class OutputOptions(Struct, rename="camel"):
    """How an image is written."""

    mime_type: str | None = None
    compression_quality: int | None = None


class Parameters(Struct, rename="camel"):
    """What the images should be like; fields that are not here are named as lost."""

    sample_count: Annotated[int, Meta(ge=1, le=8)] | None = None
    aspect_ratio: str | None = None
    sample_image_size: str | None = None
    image_size: str | None = None
    output_options: OutputOptions | None = None


class PredictRequest(Struct, rename="camel"):
    """The body of a call."""

    instances: list[Instance]
    parameters: dict[str, Any] = field(default_factory=dict)


class Prediction(Struct, rename="camel"):
    """One image, or why there is none."""

    mime_type: str | None = None
    bytes_base64_encoded: str | None = None
    rai_filtered_reason: str | None = None


class PredictAnswer(Struct, rename="camel"):
    """The body of an answer; a filter leaves nothing of it."""

    predictions: list[Prediction] = field(default_factory=list)
    rai_filtered_reason: str | None = None
