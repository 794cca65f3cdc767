"""What OpenAI's audio endpoints refuse; pure."""

from __future__ import annotations

from typing import Any, Final, NoReturn

from antigravity.simulator.errors import ApiError
from antigravity.simulator.validation.refusal import refuse, words
from antigravity.simulator.view import Attachment, Turn, View

_HEARD: Final = words("file model prompt response_format temperature")
_TRANSCRIBED: Final = _HEARD | words(
    """language stream timestamp_granularities[] include[] chunking_strategy keywords[] languages[]
    known_speaker_names[] known_speaker_references[] chunking_strategy[type]
    chunking_strategy[prefix_padding_ms] chunking_strategy[silence_duration_ms]
    chunking_strategy[threshold]"""
)
_SPOKEN: Final = words("input model voice instructions response_format speed stream_format")
_LARGEST: Final = 25 * 1024 * 1024
_EXTENSIONS: Final = ("flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "oga", "ogg", "wav", "webm")
_STARTS: Final = ("664c6143", "494433", "fff", "4f676753", "52494646", "1a45dfa3")
_VOICES: Final = (
    "alloy", "ash", "ballad", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer", "verse",
    "marin", "cedar",
)  # fmt: skip
SOUNDS: Final = {
    "mp3": "audio/mpeg", "opus": "audio/opus", "aac": "audio/aac", "flac": "audio/flac",
    "wav": "audio/wav", "pcm": "audio/pcm",
}  # fmt: skip


def check_recording(body: dict[str, Any], english: bool) -> View:
    """Return the view of a legal request for a transcript, or a translation.

    :raises ApiError: as the service words it.
    """
    for name in sorted(body.keys() - (_HEARD if english else _TRANSCRIBED)):
        refuse(f"Unrecognized request argument supplied: {name}", name)
    model = str(body.get("model") or "")
    if not model:
        refuse("you must provide a model parameter", "model")
    if not ("whisper" in model or ("transcribe" in model and not english)):
        _no_model(model)
    file = body.get("file")
    if not isinstance(file, dict):
        refuse("file is a required property", "file")
    if file["size"] > _LARGEST:
        raise ApiError(413, f"Maximum content size limit ({_LARGEST}) exceeded.")
    extension = file["filename"].rpartition(".")[2].lower()
    known = file["start"].startswith(_STARTS) or file["start"][8:16] == b"ftyp".hex()
    if extension not in _EXTENSIONS or not known:
        refuse(f"Invalid file format. Supported formats: {list(_EXTENSIONS)}", "file")
    _check_format(model, str(body.get("response_format") or "json"), english)
    temperature = str(body.get("temperature") or "0")
    if not temperature.replace(".", "", 1).isdigit() or float(temperature) > 1:
        refuse("temperature must be between 0 and 1", "temperature")
    heard = Attachment(f"audio/{extension}", file["size"], said=str(file.get("said", "")))
    prompt = str(body.get("prompt") or "")
    streams = body.get("stream") in ("true", "True", "1") and "whisper" not in model
    return View(
        model=model,
        turns=(Turn("user", (prompt,) if prompt else (), (heard,)),),
        body={**body, "stream": streams},
    )


def _check_format(model: str, name: str, english: bool) -> None:
    formats = ["json", "text", "srt", "verbose_json", "vtt"]
    if "whisper" not in model:
        formats = ["json", "text", *(["diarized_json"] if "diarize" in model else [])]
    if name not in formats:
        refuse(
            f"response_format '{name}' is not compatible with model '{model}'. Use one of "
            f"{formats} instead.",
            "response_format",
            "unsupported_value",
        )


def check_speech(body: dict[str, Any]) -> View:
    """Return the view of a legal request for speech.

    :raises ApiError: as the service words it.
    """
    for name in sorted(body.keys() - _SPOKEN):
        refuse(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    model = str(body.get("model") or "")
    if "tts" not in model:
        _no_model(model)
    text = body.get("input")
    if not isinstance(text, str) or not text:
        refuse("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    voice = body.get("voice")
    if isinstance(voice, dict):
        voice = voice.get("id")
    elif voice not in _VOICES:
        refuse(f"Input should be {', '.join(map(repr, _VOICES))}", "voice")
    if body.get("response_format", "mp3") not in tuple(SOUNDS):
        refuse(f"Input should be {', '.join(map(repr, SOUNDS))}", "response_format")
    speed = body.get("speed", 1.0)
    if not isinstance(speed, int | float) or not 0.25 <= speed <= 4:
        refuse("Input should be between 0.25 and 4.0", "speed")
    if body.get("stream_format", "audio") not in ("audio", "sse"):
        refuse("Input should be 'sse' or 'audio'", "stream_format")
    return View(
        model=model,
        turns=(Turn("user", (text,)),),
        body=body,
        speaks=True,
        voice=str(voice),
        manner=str(body.get("instructions") or ""),
    )


def _no_model(model: str) -> NoReturn:
    raise ApiError(
        404, f"The model '{model}' does not exist.", param="model", code="model_not_found"
    )
