"""Sound: what the operator says about it, and what speech should be like."""

from __future__ import annotations

from typing import Final

from msgspec import Struct


class AudioRules(Struct, frozen=True):
    """What the operator says about recordings that go to models inside of requests.

    ``instruction`` tells a model to transcribe; a larger file than ``max_bytes`` is refused
    (0: none is).
    """

    instruction: str = "Generate a transcript of the speech."
    max_bytes: int = 15 * 1024 * 1024


NO_RULES: Final = AudioRules()


class SpeechOptions(Struct, frozen=True):
    """How a text is to be spoken; an empty field: nobody cares.

    ``voice`` is a name, ``manner`` is in words, ``speed`` a multiple of the usual one.
    """

    voice: str = ""
    manner: str = ""
    speed: float = 1.0
