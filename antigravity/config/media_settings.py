"""The settings of files, images and audio."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from antigravity.config.value_types import Bytes, Seconds


class MediaSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[media]``: images and other files that clients pass as URLs.

    They are fetched if the upstream cannot fetch them.

    See `security <security.rst>`_.
    """

    fetch: bool = True
    """Fetch files."""
    max_bytes: Bytes = 20 * 1024 * 1024
    """The largest file."""
    timeout: Seconds = 20.0
    """The time limit of one file."""
    allowed_hosts: list[str] = []
    """Hosts on private networks to fetch from.

    Example: ``["files.example.internal"]``
    """


class ImagesSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[images]``: the image endpoints.

    See `images <images.rst>`_.
    """

    default_model: str = "gemini-3.1-flash-image"
    """The default model.

    Example: ``"gpt-image-1"``
    """
    parallel: Annotated[int, Meta(ge=1, le=10)] = 4
    """How many requests run at a time for one request for several images.

    Example: ``2``
    """
    url_ttl: Seconds = 3600.0
    """How long images that were requested as ``"url"`` can be fetched.

    Example: ``"1d"``
    """
    url_max_bytes: Bytes = 256 * 1024 * 1024
    """How much memory these images may use; the oldest are dropped first."""


class AudioSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[audio]``: the audio endpoints.

    See `speech and recordings <audio.rst>`_.
    """

    transcription_model: str = "gemini-3-flash"
    """The default model for transcriptions and translations.

    Example: ``"gpt-4o-transcribe"``
    """
    transcription_prompt: str = "Generate a transcript of the speech."
    """The instruction to models that do not transcribe by themselves.  The output format and the
    client's prompt are appended.

    Example: ``"Write down every word."``
    """
    max_inline_bytes: Bytes = 15 * 1024 * 1024
    """The largest recording for such a model; 0 is no limit.  It is sent inside the request, a
    third larger, and Google accepts requests of 20 MB.
    """
    speech_model: str = "gemini-3.8-flash-lite-tts"
    """The default model for speech.

    Example: ``"gpt-4o-mini-tts"``
    """
