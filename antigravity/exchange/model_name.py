"""Names of models in requests: their limits, and the models of requests that name none."""

from __future__ import annotations

from typing import Final

from antigravity.config.settings import Settings
from antigravity.interfaces.server_traits import RequiredModalities
from antigravity.ir.errors import InvalidRequestError

#: Characters.  Names are written to the log and kept in caches.
MAX_LENGTH: Final = 512


def check_model_name(model: str) -> None:
    """Check that a name can be shown and stored.

    :raises InvalidRequestError: if it is too long or not printable.
    """
    if len(model) > MAX_LENGTH or not model.isprintable():
        raise InvalidRequestError(
            f"The name of the model must be printable, and up to {MAX_LENGTH} characters long.",
            param="model",
        )


def default_model(required: RequiredModalities, settings: Settings) -> str:
    """Return the configured model for requests that name none.

    :raises InvalidRequestError: if requests of that kind have to name one.
    """
    if required.input == "audio":
        return settings.audio.transcription_model
    if required.output == "audio":
        return settings.audio.speech_model
    if required.output == "image":
        return settings.images.default_model
    raise InvalidRequestError("`model` is required.", param="model")
