"""Checks of requests to OpenAI's audio endpoints; pure."""

from __future__ import annotations

from typing import Any, Final, NoReturn

from antigravity.simulator.errors import ApiError
from antigravity.simulator.validation.refusal import name_set, refuse
from antigravity.simulator.view import Attachment, Turn, View

_TRANSLATION_FIELDS: Final = name_set("file model prompt response_format temperature")
_TRANSCRIPTION_FIELDS: Final = _TRANSLATION_FIELDS | name_set(
    """language stream timestamp_granularities[] include[] chunking_strategy keywords[] languages[]
    known_speaker_names[] known_speaker_references[] chunking_strategy[type]
    chunking_strategy[prefix_padding_ms] chunking_strategy[silence_duration_ms]
    chunking_strategy[threshold]"""
)
_SPEECH_FIELDS: Final = name_set(
    "input model voice instructions response_format speed stream_format"
)
_MAX_FILE_BYTES: Final = 25 * 1024 * 1024
_EXTENSIONS: Final = ("flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "oga", "ogg", "wav", "webm")
_SIGNATURES: Final = ("664c6143", "494433", "fff", "4f676753", "52494646", "1a45dfa3")
_VOICES: Final = (
    "alloy", "ash", "ballad", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer", "verse",
    "marin", "cedar",
)  # fmt: skip
MEDIA_TYPES: Final = {
    "mp3": "audio/mpeg", "opus": "audio/opus", "aac": "audio/aac", "flac": "audio/flac",
    "wav": "audio/wav", "pcm": "audio/pcm",
}  # fmt: skip


def check_recording(body: dict[str, Any], english: bool) -> View:
    """Return the view of a valid request for a transcript, or a translation.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    for name in sorted(body.keys() - (_TRANSLATION_FIELDS if english else _TRANSCRIPTION_FIELDS)):
        refuse(f"Unrecognized request argument supplied: {name}", name)
    model = str(body.get("model") or "")
    if not model:
        refuse("you must provide a model parameter", "model")
    if not ("whisper" in model or ("transcribe" in model and not english)):
        _no_model(model)
    file = body.get("file")
    if not isinstance(file, dict):
        refuse("file is a required property", "file")
    if file["size"] > _MAX_FILE_BYTES:
        raise ApiError(413, f"Maximum content size limit ({_MAX_FILE_BYTES}) exceeded.")
    extension = file["filename"].rpartition(".")[2].lower()
    known = file["start"].startswith(_SIGNATURES) or file["start"][8:16] == b"ftyp".hex()
    if extension not in _EXTENSIONS or not known:
        refuse(f"Invalid file format. Supported formats: {list(_EXTENSIONS)}", "file")
    _check_format(model, str(body.get("response_format") or "json"), english)
    temperature = str(body.get("temperature") or "0")
    if not temperature.replace(".", "", 1).isdigit() or float(temperature) > 1:
        refuse("temperature must be between 0 and 1", "temperature")
    recording = Attachment(
        f"audio/{extension}", file["size"], directives=str(file.get("directives", ""))
    )
    prompt = str(body.get("prompt") or "")
    streams = body.get("stream") in ("true", "True", "1") and "whisper" not in model
    return View(
        model=model,
        turns=(Turn("user", (prompt,) if prompt else (), (recording,)),),
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
    """Return the view of a valid request for speech.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    for name in sorted(body.keys() - _SPEECH_FIELDS):
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
    if body.get("response_format", "mp3") not in tuple(MEDIA_TYPES):
        refuse(f"Input should be {', '.join(map(repr, MEDIA_TYPES))}", "response_format")
    speed = body.get("speed", 1.0)
    if not isinstance(speed, int | float) or not 0.25 <= speed <= 4:
        refuse("Input should be between 0.25 and 4.0", "speed")
    if body.get("stream_format", "audio") not in ("audio", "sse"):
        refuse("Input should be 'sse' or 'audio'", "stream_format")
    return View(
        model=model,
        turns=(Turn("user", (text,)),),
        body=body,
        speech_output=True,
        voice=str(voice),
        speech_style=str(body.get("instructions") or ""),
    )


def _no_model(model: str) -> NoReturn:
    raise ApiError(
        404, f"The model '{model}' does not exist.", param="model", code="model_not_found"
    )
