"""The messages of ``predict``."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Struct, field

NAME: Final = "imagen"
#: The default number of images.
DEFAULT_COUNT: Final = 4


class Instance(Struct, rename="camel"):
    """A prompt."""

    prompt: str = ""


class OutputOptions(Struct, rename="camel"):
    """The file format of an image."""

    mime_type: str | None = None
    compression_quality: int | None = None


class Parameters(Struct, rename="camel"):
    """The supported parameters of images; others are reported as losses."""

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
    """One image, or the reason why there is none."""

    mime_type: str | None = None
    bytes_base64_encoded: str | None = None
    rai_filtered_reason: str | None = None


class PredictResponse(Struct, rename="camel"):
    """The body of a response; with a filter reason it has no images."""

    predictions: list[Prediction] = field(default_factory=list)
    rai_filtered_reason: str | None = None
