"""Checks of requests to OpenAI's audio endpoints; pure."""

from __future__ import annotations

from typing import Annotated, Any, Final, NoReturn

from msgspec import Meta

from antigravity.simulator.errors import ApiError, refuse
from antigravity.simulator.validation.openai_errors import read_body, refuse_missing
from antigravity.simulator.validation.schema import choice, optional, struct
from antigravity.simulator.view import Attachment, Turn, View

MEDIA_TYPES: Final = {
    "mp3": "audio/mpeg", "opus": "audio/opus", "aac": "audio/aac", "flac": "audio/flac",
    "wav": "audio/wav", "pcm": "audio/pcm",
}  # fmt: skip
#: All values of these forms are texts, but for the file.
_TRANSLATION_FIELDS: Final = {
    **optional(str, "model prompt response_format temperature"),
    "file": Any,
}
_TRANSLATION: Final = struct(_TRANSLATION_FIELDS, closed=True)
_TRANSCRIPTION: Final = struct(
    {
        **_TRANSLATION_FIELDS,
        **optional(str, "language stream"),
        **optional(
            Any,
            """timestamp_granularities[] include[] chunking_strategy keywords[] languages[]
            known_speaker_names[] known_speaker_references[] chunking_strategy[type]
            chunking_strategy[prefix_padding_ms] chunking_strategy[silence_duration_ms]
            chunking_strategy[threshold]""",
        ),
    },
    closed=True,
)
_VOICE: Final = choice("alloy ash ballad coral echo fable nova onyx sage shimmer verse marin cedar")
_SPEECH: Final = struct(
    {
        "model": str,
        "input": str,
        "voice": _VOICE | struct({"id": str}),
        "instructions": str | None,
        "response_format": choice(" ".join(MEDIA_TYPES)) | None,
        "speed": Annotated[float, Meta(ge=0.25, le=4.0)] | None,
        "stream_format": choice("audio sse") | None,
    },
    closed=True,
)
_MAX_FILE_BYTES: Final = 25 * 1024 * 1024
_EXTENSIONS: Final = ("flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "oga", "ogg", "wav", "webm")
_SIGNATURES: Final = ("664c6143", "494433", "fff", "4f676753", "52494646", "1a45dfa3")


def check_recording(body: dict[str, Any], english: bool) -> View:
    """Return the view of a valid request for a transcript, or a translation.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    body = read_body(body, _TRANSLATION if english else _TRANSCRIPTION, unrecognized=True)
    model = body.get("model")
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
    _check_format(model, body.get("response_format") or "json", english)
    temperature = body.get("temperature") or "0"
    if not temperature.replace(".", "", 1).isdigit() or float(temperature) > 1:
        refuse("temperature must be between 0 and 1", "temperature")
    recording = Attachment(
        f"audio/{extension}", file["size"], directives=str(file.get("directives", ""))
    )
    prompt = body.get("prompt")
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
    body = read_body(body, _SPEECH)
    if "tts" not in body["model"]:
        _no_model(body["model"])
    if not body["input"]:
        refuse_missing("input")
    voice = body["voice"]
    return View(
        model=body["model"],
        turns=(Turn("user", (body["input"],)),),
        body=body,
        speech_output=True,
        voice=voice if isinstance(voice, str) else voice["id"],
        speech_style=body.get("instructions", ""),
    )


def _no_model(model: str) -> NoReturn:
    raise ApiError(
        404, f"The model '{model}' does not exist.", param="model", code="model_not_found"
    )
