"""Calls for speech, and sound as clients get it."""

from __future__ import annotations

import base64
import io
import itertools
import json
import struct
import wave
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antigravity.ir.audio import SpeechOptions
from antigravity.ir.call import Call, ReplyContext
from antigravity.ir.errors import (
    EmptyResponseError,
    GatewayError,
    InvalidRequestError,
    UpstreamError,
)
from antigravity.ir.events import (
    Event,
    Finish,
    MediaOutput,
    StreamFailure,
    TextDelta,
    UsageUpdate,
)
from antigravity.ir.media import InlineData, UrlSource
from antigravity.ir.parts import Text
from antigravity.ir.pcm import Samples, samples_of, wav_head
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_speech import protocol as speech_protocol
from antigravity.protocols.openai_speech.mp3 import Mp3Writer, available
from antigravity.protocols.openai_speech.protocol import OPENAI_SPEECH_SERVER
from antigravity.protocols.openai_speech.stream import SpeechStreamEncoder
from tests.support.chunks import split_bytes

pytestmark = pytest.mark.skipif(not available(), reason="there is no MP3 encoder here")

SERVER = OPENAI_SPEECH_SERVER
L16 = "audio/L16;codec=pcm;rate=24000"
SECOND = bytes(48_000)


def call(**fields: Any) -> Call:
    body = {"model": "m", "input": "Hello.", "voice": "alloy", **fields}
    return Call(SERVER.routes[0], {}, {}, {}, json.dumps(body).encode())


def encoder(**fields: Any) -> SpeechStreamEncoder:
    asked = call(**fields)
    numbers = itertools.count()
    context = ReplyContext(
        asked, SERVER.decode(asked), "m", 0, lambda prefix: f"{prefix}{next(numbers)}"
    )
    return SERVER.encoder(context)


def audio_output(data: bytes, mime_type: str = L16) -> MediaOutput:
    return MediaOutput(mime_type, InlineData(base64.b64encode(data).decode()))


def written(writer: SpeechStreamEncoder, *events: Event) -> bytes:
    return b"".join([writer.encode(event) for event in events]) + writer.end()


def data_of(stream: bytes) -> list[Any]:
    return [json.loads(line[6:]) for line in stream.decode().split("\n") if line[:6] == "data: "]


# -- requests ---------------------------------------------------------------------------------


def test_call_is_decoded() -> None:
    asked = call(instructions=" Softly. ", speed=1.5, metadata={"a": 1})
    request = SERVER.decode(asked)
    assert request.messages[0].parts == (Text("Hello."),)
    assert request.speech == SpeechOptions("alloy", "Softly.", 1.5)
    assert request.modalities == ("audio",)
    assert request.extensions == {"metadata": {"a": 1}}
    assert SERVER.peek(asked).stream


def test_voice_may_be_given_by_id() -> None:
    request = SERVER.decode(call(voice={"id": "voice_1"}))
    assert request.speech == SpeechOptions("voice_1")
    assert SERVER.decode(call(voice=None)).speech == SpeechOptions()


@pytest.mark.parametrize(
    ("fields", "param", "named"),
    [
        ({"input": " "}, "input", "required"),
        ({"response_format": "midi"}, "response_format", "mp3, wav, pcm"),
        ({"response_format": "opus"}, "response_format", "mp3, wav, pcm"),
        ({"stream_format": "udp"}, "stream_format", "audio, sse"),
        ({"speed": 5}, "speed", "from 0.25 to 4"),
        ({"voice": 7}, "voice", "name"),
        ({"input": 3}, "input", "a string"),
    ],
)
def test_unknown_values_are_refused(fields: dict[str, Any], param: str, named: str) -> None:
    with pytest.raises(InvalidRequestError, match=named) as refused:
        SERVER.decode(call(**fields))
    assert refused.value.param == param


def test_mp3_is_refused_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_protocol, "available", lambda: False)
    for fields in ({}, {"response_format": "mp3"}):
        with pytest.raises(InvalidRequestError, match=r"gateway\[mp3\].*Allowed values: wav, pcm"):
            SERVER.decode(call(**fields))
    SERVER.decode(call(response_format="wav"))


def test_model_is_replaced() -> None:
    asked = call()
    assert SERVER.with_model(asked, "m") is asked.body
    changed = SERVER.with_model(asked, "n")
    assert isinstance(changed, bytes)
    assert json.loads(changed) == {**json.loads(asked.body), "model": "n"}


# -- sound ------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=6))
def test_samples_are_streamed(pieces: list[bytes]) -> None:
    writer = encoder(response_format="pcm")
    assert writer.content_type == "audio/pcm"
    assert writer.converter() is None
    out = [writer.encode(audio_output(piece)) for piece in pieces]
    assert out == pieces
    assert written(writer, Finish("stop")) == b""
    assert writer.failure is None


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=6))
def test_wav_has_one_header(pieces: list[bytes]) -> None:
    writer = encoder(response_format="wav")
    data = written(writer, *map(audio_output, pieces), Finish("stop"))
    assert writer.content_type == "audio/wav"
    assert data == wav_head(24_000, 1) + b"".join(pieces)


def test_wav_can_be_played() -> None:
    writer = encoder(response_format="wav")
    data = written(
        writer, audio_output(SECOND, "audio/L16; rate=16000; channels=2"), Finish("stop")
    )
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 2, 2)
        assert file.readframes(100_000) == SECOND


def test_audio_is_sent_in_events() -> None:
    writer = encoder(response_format="pcm", stream_format="sse")
    assert writer.content_type == "text/event-stream"
    usage = UsageUpdate(Usage(input_total=3, output=25))
    first, second, done = data_of(
        written(writer, audio_output(b"ab"), audio_output(b"cd"), usage, Finish("stop"))
    )
    assert first == {"type": "speech.audio.delta", "audio": "YWI="}
    assert base64.b64decode(second["audio"]) == b"cd"
    assert done == {
        "type": "speech.audio.done",
        "usage": {"input_tokens": 3, "output_tokens": 25, "total_tokens": 28},
    }


def test_a_wav_file_from_an_upstream_is_opened() -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(24_000)
        out.writeframes(b"abcd")
    writer = encoder(response_format="pcm")
    assert writer.encode(audio_output(file.getvalue(), "audio/wav")) == b"abcd"


@pytest.mark.parametrize("data", [b"", b"RIFF", wav_head(24_000, 1)[:30], b"x" * 100])
def test_invalid_wav_file_is_refused(data: bytes) -> None:
    assert samples_of("audio/wav", data) is None


def test_sample_types_are_read() -> None:
    assert samples_of("audio/pcm", b"ab") == Samples(b"ab", 24_000, 1)
    assert samples_of("AUDIO/L16;rate=8000", b"ab") == Samples(b"ab", 8000, 1)
    assert samples_of("audio/mpeg", b"ab") is None


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (audio_output(b"ab", "audio/mpeg"), "audio/mpeg"),
        (audio_output(b"ab", "audio/L16;rate=8000"), "8000 Hz"),
        (MediaOutput(L16, InlineData("Q")), "base64"),
        (MediaOutput(L16, UrlSource("http://x/")), "cannot be fetched"),
    ],
)
def test_unsupported_audio_is_an_error(event: MediaOutput, problem: str) -> None:
    writer = encoder(response_format="pcm")
    assert writer.encode(event) == b""
    assert isinstance(writer.failure, UpstreamError)
    assert problem in writer.failure.message
    assert not writer.begun


def test_changed_sample_rate_is_an_error() -> None:
    writer = encoder(response_format="wav")
    writer.encode(audio_output(b"ab"))
    assert writer.encode(audio_output(b"cd", "audio/L16;rate=8000")) == b""
    assert writer.failure is not None


@pytest.mark.parametrize(
    ("events", "kind", "said"),
    [
        ([TextDelta("I cannot."), Finish("stop")], EmptyResponseError, "I cannot."),
        ([Finish("stop")], EmptyResponseError, "returned no audio"),
        ([Finish("content_filter")], InvalidRequestError, "refused"),
        ([audio_output(b"ab"), Finish("content_filter")], InvalidRequestError, "refused"),
        ([audio_output(b"ab"), Finish("length")], InvalidRequestError, "longer"),
        ([audio_output(b"ab")], UpstreamError, "broke off"),
        ([audio_output(b"ab"), StreamFailure(UpstreamError("Lost."))], UpstreamError, "Lost."),
    ],
)
def test_incomplete_audio_is_an_error(
    events: list[Event], kind: type[GatewayError], said: str
) -> None:
    writer = encoder(response_format="pcm")
    written(writer, *events)
    assert type(writer.failure) is kind
    assert said in writer.failure.message
    assert writer.begun is isinstance(events[0], MediaOutput)
    last = data_of(written(encoder(response_format="pcm", stream_format="sse"), *events))[-1]
    assert last["type"] == "error"
    assert said in last["error"]["message"]


def test_text_alone_does_not_begin_the_response() -> None:
    writer = encoder(response_format="pcm")
    assert writer.encode(TextDelta("Well,")) == b""
    assert not writer.begun
    assert writer.encode(audio_output(b"ab")) == b"ab"
    assert writer.begun


# -- mp3 --------------------------------------------------------------------------------------


def frames(data: bytes) -> list[int]:
    """Return the lengths of the frames of layer III, of MPEG 2 at 24 kHz."""
    rates = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
    place, found = 0, []
    while place + 4 <= len(data):
        (head,) = struct.unpack_from(">I", data, place)
        assert head >> 17 == 0xFFF3 >> 1, f"no frame at {place}"
        assert head >> 10 & 3 == 1
        size = 72 * rates[head >> 12 & 15] * 1000 // 24_000 + (head >> 9 & 1)
        found.append(size)
        place += size
    return found


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 9000), min_size=1, max_size=12))
def test_mp3_does_not_depend_on_chunking(cuts: list[int]) -> None:
    whole, pieces = Mp3Writer(), Mp3Writer()
    tone = b"".join(struct.pack("<h", (n * 97) % 9000) for n in range(12_000))
    expected = whole.write(tone, 24_000, 1) + whole.finish()
    out = b"".join(pieces.write(chunk, 24_000, 1) for chunk in split_bytes(tone, cuts))
    assert out + pieces.finish() == expected
    assert len(frames(expected)) * 576 >= 12_000


def test_mp3_through_a_converter() -> None:
    writer = encoder()
    assert writer.content_type == "audio/mpeg"
    converter = writer.converter()
    assert converter is not None
    assert writer.keepalive() == b""
    bare = writer.encode(audio_output(SECOND))
    assert bare == SECOND
    assert written(writer, Finish("stop")) == b""
    data = converter.convert(bare) + converter.finish()
    assert 24_000 <= len(frames(data)) * 576 < 24_000 + 4 * 576
    assert converter.failed(UpstreamError("x")) == b""


def test_mp3_in_events() -> None:
    writer = encoder(stream_format="sse")
    converter = writer.converter()
    assert converter is not None
    bare = writer.encode(audio_output(SECOND))
    written(writer, UsageUpdate(Usage(output=25)), Finish("stop"))
    *deltas, done = data_of(converter.convert(bare) + converter.finish())
    assert frames(b"".join(base64.b64decode(event["audio"]) for event in deltas))
    assert done["usage"]["output_tokens"] == 25
    [failed] = data_of(converter.failed(UpstreamError("Lost.")))
    assert failed["error"]["message"] == "Lost."


def test_converter_without_audio_writes_nothing() -> None:
    converter = encoder().converter()
    assert converter is not None
    assert converter.finish() == b""


def test_passed_events_that_break_off_end_with_an_error() -> None:
    """Nobody asks for a converter there, for nothing is converted."""
    last = data_of(encoder(stream_format="sse").encode(StreamFailure(UpstreamError("Lost."))))
    assert last[0]["error"]["message"] == "Lost."
