"""Audio: the operator's rules, and the options of speech."""

from __future__ import annotations

from typing import Final

from msgspec import Struct


class AudioRules(Struct, frozen=True):
    """The operator's rules for recordings that are sent to models inside of requests.

    ``instruction`` tells a model to transcribe; a larger file than ``max_bytes`` is refused
    (0: none is).
    """

    instruction: str = "Generate a transcript of the speech."
    max_bytes: int = 15 * 1024 * 1024


NO_RULES: Final = AudioRules()


class SpeechOptions(Struct, frozen=True):
    """The options of speech; an empty field was not given.

    ``voice`` is a name, ``manner`` a description, ``speed`` a multiple of the usual speed.
    """

    voice: str = ""
    manner: str = ""
    speed: float = 1.0
